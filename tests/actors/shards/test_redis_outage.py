"""A server that is away stalls a shard, and does not end it: all goes on where it comes back."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from actors.frame import encode_frame
from actors.shards.committer import Committer
from actors.store.redis_log import open_redis_log
from actors.store.redis_server import RedisServer
from tests.actors.store.contract import frame_at, positions
from tests.actors.store.redis_server import Server, free_port, new_settings, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(port=free_port()) as running:
        yield running


async def until(holds: Callable[[], bool]) -> None:
    """Wait until this holds, in another thread."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("harm", ["killed", "hangs", "has no memory"])
async def test_a_server_that_is_away_stalls_commits_until_it_is_back(
    server: Server, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RedisServer.again, "__defaults__", (0.1,))
    monkeypatch.setattr("actors.shards.committer.RETRY_S", 0.05)
    settings = replace(new_settings(server), timeout_s=0.3)
    log = open_redis_log(RedisServer(settings), 3)
    committed: list[int] = []
    failed: list[Exception] = []
    stalled: list[str] = []
    committer = Committer(log, committed.append, failed.append, stalled.append)

    def put(*numbers: int) -> None:
        for number in numbers:
            committer.put(number, encode_frame(frame_at(number)))

    put(0)
    await until(lambda: sum(committed) == 1)
    if harm == "killed":
        server.kill()
    elif harm == "hangs":
        server.stop()
    else:
        server.client.config_set("maxmemory", 1)
    put(1)
    await until(lambda: bool(stalled))
    put(2, 3)
    assert failed == []
    assert sum(committed) == 1
    if harm == "killed":
        server.start()
    elif harm == "hangs":
        server.go_on()
    else:
        server.client.config_set("maxmemory", 0)
    await until(lambda: sum(committed) == 4)
    assert failed == []
    assert stalled[0]
    assert stalled[-1] == ""
    assert positions(log) == [0, 1, 2, 3]
    committer.close()
    log.close()


async def test_a_shard_whose_slot_was_taken_stops(server: Server) -> None:
    settings = new_settings(server)
    log = open_redis_log(RedisServer(settings), 3)
    failed: list[Exception] = []
    committer = Committer(log, lambda _: None, failed.append)
    newer = open_redis_log(RedisServer(settings), 3)
    committer.put(0, encode_frame(frame_at(0)))
    await until(lambda: bool(failed))
    assert "another process owns it by now" in str(failed[0])
    committer.close()
    log.close()
    newer.close()
