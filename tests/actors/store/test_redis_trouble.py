"""The log in Redis where answers are lost, memory ends, owners change and the server dies."""

import threading
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from redis.exceptions import TimeoutError as LateAnswerError

from actors.errors import LogCorruptError
from actors.frame import encode_frame
from actors.settings import RedisSettings
from actors.store import redis_log
from actors.store.port import FencedError, StoreFullError, StoreLostError
from actors.store.redis_log import RedisLog, open_redis_log
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from tests.actors.store.contract import append, frame_at, positions
from tests.actors.store.frames import KEY
from tests.actors.store.proxy import Proxy, proxying
from tests.actors.store.redis_server import Server, free_port, new_settings, serving
from tests.actors.store.test_snapshots import write

APPEND = redis_log._APPEND.digest.encode()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, to be harmed."""
    with serving(port=free_port()) as running:
        yield running


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with proxying(server.port) as made:
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon."""
    monkeypatch.setattr(RedisServer.again, "__defaults__", (0.2,))


def settings_by(way: Proxy | Server, **more) -> RedisSettings:
    return replace(new_settings(way), timeout_s=1.0, **more)  # type: ignore[arg-type]


def opened(settings: RedisSettings, **more) -> RedisLog:
    return open_redis_log(RedisServer(settings), 3, KEY, **more)


def encoded(*positions: int) -> list[bytes]:
    return [encode_frame(frame_at(position)) for position in positions]


def entries(server: Server, settings: RedisSettings) -> list[int]:
    """Return the positions of a log's entries, as they are in the server."""
    key = "{" + settings.prefix + "}:log:3"
    return [int(number.split(b"-")[0]) - 1 for number, _ in server.client.xrange(key)]


def test_an_append_whose_answer_was_lost_is_there_once(server: Server, proxy: Proxy) -> None:
    settings = settings_by(proxy)
    log = opened(settings)
    append(log, 1)
    for position in range(1, 20):
        proxy.lose = APPEND
        append(log, 1, position=position)
    assert proxy.lost == 19
    assert entries(server, settings) == list(range(20))
    assert positions(log) == list(range(20))
    log.close()


def test_what_may_be_there_comes_again_with_more_behind_it(
    server: Server, proxy: Proxy, quick: None
) -> None:
    settings = settings_by(proxy)
    log = opened(settings)
    append(log, 1)
    proxy.lose = APPEND
    target, proxy.target = proxy.target, 0
    with pytest.raises(StoreLostError, match="cannot be reached"):
        log.append(1, encoded(1))
    assert proxy.lost == 1
    proxy.target = target
    log.append(1, encoded(1, 2, 3))
    assert entries(server, settings) == [0, 1, 2]
    assert positions(log) == [0, 1, 2, 3]
    log.close()


def test_what_never_reached_the_server_comes_again_with_more_behind_it(
    server: Server, proxy: Proxy, quick: None
) -> None:
    settings = settings_by(proxy)
    log = opened(settings)
    append(log, 1)
    target = proxy.target
    proxy.lead_to(0)
    for _ in range(3):
        with pytest.raises(StoreLostError, match="cannot be reached"):
            log.append(1, encoded(1))
    assert entries(server, settings) == [0]
    proxy.target = target
    log.append(1, encoded(1, 2))
    assert positions(log) == [0, 1, 2]
    log.close()


def test_a_server_that_hangs_is_left_after_a_while_and_has_all_once_when_it_goes_on(
    server: Server, quick: None
) -> None:
    settings = settings_by(server)
    log = opened(settings)
    append(log, 1)
    server.stop()
    with pytest.raises(StoreLostError, match="cannot be reached"):
        log.append(1, encoded(1))
    server.go_on()
    log.append(1, encoded(1, 2))
    assert positions(log) == [0, 1, 2]
    log.close()


def test_a_server_that_was_killed_and_started_again_has_all_that_was_acknowledged(
    server: Server,
) -> None:
    settings = settings_by(server)
    log = opened(settings)
    end = 0
    for _ in range(3):
        end = append(log, 2, 3, position=end)
        server.kill()
        server.start()
    append(log, 1, position=end)
    assert positions(log) == [0, 2, 5, 7, 10, 12, 15]
    assert log.written_again == 0
    log.close()
    log = opened(settings)
    assert positions(log) == [0, 2, 5, 7, 10, 12, 15]
    log.close()


def test_an_owner_whose_slot_another_has_taken_writes_nothing_any_more(server: Server) -> None:
    settings = settings_by(server)
    zombie = opened(settings)
    append(zombie, 1)
    snapshots = RedisSnapshots(RedisServer(settings), KEY, zombie.owner)
    newer = opened(settings)
    taken = f"has epoch {newer.epoch}, and this process had {zombie.epoch}"
    with pytest.raises(FencedError, match=taken):
        append(zombie, 1, position=1)
    with pytest.raises(FencedError, match=taken):
        zombie.check()
    with pytest.raises(FencedError, match=taken):
        write(snapshots, 3, 1, [])
    assert snapshots.heads(3) == []
    append(newer, 1, position=1)
    assert positions(newer) == [0, 1]
    zombie.close()
    newer.close()


def test_a_slot_is_taken_only_from_the_owner_who_is_thought_to_have_it(server: Server) -> None:
    settings = settings_by(server)
    log = opened(settings, expected=0)
    with pytest.raises(FencedError, match="has epoch 1, not 0"):
        opened(settings, expected=0)
    append(log, 1)
    newer = opened(settings, expected=1)
    assert newer.epoch == 2
    log.close()
    newer.close()


def test_taking_a_slot_raises_its_epoch_once_though_the_answer_was_lost(
    server: Server, proxy: Proxy
) -> None:
    settings = settings_by(proxy)
    opened(settings, expected=0).close()
    proxy.lose = b"EVALSHA"
    log = opened(settings, expected=1)
    assert proxy.lost == 1
    assert log.epoch == 2
    log.close()


def test_a_server_without_memory_takes_nothing_and_goes_on_when_it_has_some(
    server: Server,
) -> None:
    settings = settings_by(server)
    log = opened(settings)
    append(log, 1)
    server.client.config_set("maxmemory", 1)
    for _ in range(2):
        with pytest.raises(StoreFullError, match="has no memory left"):
            log.append(1, encoded(1))
    assert entries(server, settings) == [0]
    server.client.config_set("maxmemory", 0)
    log.append(1, encoded(1, 2))
    assert positions(log) == [0, 1, 2]
    log.close()


def test_in_a_server_without_memory_a_slot_can_be_taken_and_room_be_made(server: Server) -> None:
    settings = settings_by(server)
    opened(settings).close()
    server.client.config_set("maxmemory", 1)
    archived: list[int] = []
    archive = redis_log.StreamArchive(lambda first, frames: archived.append(first))
    log = opened(settings, archive=archive)
    snapshots = RedisSnapshots(RedisServer(settings), KEY, log.owner)
    head = write(snapshots, 3, 0, [])
    assert snapshots.heads(3) == [head]
    server.client.config_set("maxmemory", 0)
    append(log, 1, 1)
    server.client.config_set("maxmemory", 1)
    log.release(2)
    assert archived == [0]
    assert entries(server, settings) == []
    assert log.size_bytes == 0
    log.close()


def test_a_log_takes_no_more_than_it_may_have_in_memory(server: Server) -> None:
    settings = settings_by(server, log_bytes_max=1_000)
    archive = redis_log.StreamArchive(lambda first, frames: None)
    log = opened(settings, archive=archive)
    position = append(log, 1)
    size = log.size_bytes
    while log.size_bytes + size <= 1_000:
        position = append(log, 1, position=position)
    with pytest.raises(StoreFullError, match=r"of 1000 bytes in .*--redis-log-bytes"):
        append(log, 1, position=position)
    assert log.size_bytes <= 1_000
    log.release(position - 1)
    append(log, 1, position=position)
    assert positions(log, position) == [position]
    log.close()


def test_a_server_that_was_emptied_is_named_and_not_filled_again(server: Server) -> None:
    settings = settings_by(server)
    log = opened(settings)
    append(log, 1, 1)
    server.client.flushall()
    with pytest.raises(LogCorruptError, match=r"has nothing of .*: it was emptied"):
        append(log, 1, position=2)
    assert server.client.dbsize() == 0
    log.close()


def test_of_threads_that_append_and_read_none_gets_what_another_asked_for(
    redis_settings: RedisSettings,
) -> None:
    log = open_redis_log(RedisServer(redis_settings), 3)
    server = log.owner.server
    found: list[bool] = []

    def ask(number: int) -> None:
        answers = [server.run("ECHO", f"{number} {each}") for each in range(200)]
        found.append(answers == [f"{number} {each}".encode() for each in range(200)])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    append(log, *[1] * 100)
    for thread in threads:
        thread.join()
    assert found == [True] * 4
    log.close()


def test_an_answer_that_came_too_late_is_not_taken_for_the_next_one(server: Server) -> None:
    settings = settings_by(server)
    client = RedisServer(replace(settings, timeout_s=0.1))
    assert client.run("PING") == b"PONG"
    with pytest.raises(LateAnswerError):
        client.send([("BLPOP", "nothing", "0.3")])
    assert client.run("ECHO", "mine") == b"mine"
    client.close()
