"""`anlass scale`, `restart`, `stop` and `status` of a cluster; its shards run without Ray here."""

import asyncio
import contextlib
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from actors.errors import OperatorError
from actors.links.link import Drain, LinkClient
from actors.settings import RedisSettings
from actors.store.redis_server import RedisServer
from console.__main__ import app
from console.reports.cluster_screen import server_words
from console.reports.cluster_status import ServerLine
from engine.contacts.identity import partition_of
from engine.input import Verdict
from tests.actors.control.crew import Ground, ground


def run(*words: str) -> str:
    """Run a command; return what it prints. What it raises, `anlass` tells in a line."""
    done = CliRunner().invoke(app, list(words), catch_exceptions=False, standalone_mode=False)
    return done.stdout


async def command(redis: RedisSettings, *words: str) -> Any:
    said = await asyncio.to_thread(run, *words, *where_of(redis), "--json")
    return json.loads(said.splitlines()[-1])  # Before it, what the shards of this process log.


def where_of(redis: RedisSettings) -> list[str]:
    return ["--redis", redis.url, "--redis-prefix", redis.prefix]


@pytest.mark.parametrize("words", [["scale", "3"], ["restart", "--rolling"]])
def test_a_store_in_files_is_refused_and_told_the_way(tmp_path, words: list[str]) -> None:
    with pytest.raises(OperatorError, match=r"in files, and has .* `anlass move-store` brings it"):
        run(*words, "--data", str(tmp_path))


def test_without_a_store_or_a_cluster_a_command_says_what_is_missing(
    redis_settings: RedisSettings,
) -> None:
    with pytest.raises(OperatorError, match="say where its store is: --redis"):
        run("scale", "3")
    where = where_of(redis_settings)
    with pytest.raises(OperatorError, match="no cluster has begun"):
        run("scale", "3", *where)
    with pytest.raises(OperatorError, match="say --rolling; to end all at once"):
        run("restart", *where)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--address", "ray://head:10001", "--archive", "/a"], "of the Ray client"),
        (["--address", "head:6379"], "machines of a cluster share the archive: say --archive"),
    ],
)
def test_what_cannot_be_joined_is_said_before_anything_starts(
    tmp_path: Path, words: list[str], told: str
) -> None:
    with pytest.raises(OperatorError, match=told):
        run("run", "--journeys", str(tmp_path), "--redis", "redis://localhost", *words)
    with pytest.raises(OperatorError, match="whose store is in Redis; say --redis"):
        run("run", "--journeys", str(tmp_path), "--address", "head:6379")


async def test_a_cluster_is_scaled_replaced_and_stopped(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 1) as here:
        ends = asyncio.create_task(here.until(lambda: False, "", 600))  # It notes who ended.
        scaled = await command(redis_settings, "scale", "2")
        assert (scaled["shards"], scaled["moved"]) == (2, 128)
        before = set(here.roster.posts)

        restarted = await command(redis_settings, "restart", "--rolling")
        assert restarted["shards"] == 2
        assert not before & set(here.roster.posts)

        here.bodies[next(iter(here.roster.posts))].die()
        found = await command(redis_settings, "status")
        (silent,) = [each for each in found["shards"] if each["state"] == "silent"]
        (stalled,) = [each for each in found["slots"] if each["stalled"]]
        assert stalled["shard"] == silent["shard"]
        assert stalled["stalled"].startswith("no answer")
        assert stalled["position"] >= 0, "what the store has of it is known all the same"

        stopped = await command(redis_settings, "stop")
        assert stopped["shards"] == 0
        assert (await command(redis_settings, "status"))["stopping"]
        with pytest.raises(OperatorError, match="no shard of this cluster runs"):
            await command(redis_settings, "scale", "3")
        ends.cancel()


async def test_status_tells_of_shards_slots_and_the_servers_memory(
    redis_settings: RedisSettings,
) -> None:
    server = RedisServer(redis_settings)
    async with ground(redis_settings, 2) as here:
        for number in range(40):
            await here.send(f"c-{number}", f"e-{number}")
        server.run("CONFIG", "SET", "maxmemory", 64_000_000)
        archive = ["--archive", here.settings.archive]
        sending = asyncio.create_task(send_on(here))
        found = await command(redis_settings, "status", *archive)
        shown = await asyncio.to_thread(run, "status", *where_of(redis_settings), *archive)
        sending.cancel()
        server.run("CONFIG", "SET", "maxmemory", 0)
        unbounded = await asyncio.to_thread(run, "status", *where_of(redis_settings))
        positions = {
            slot: tenure.service.shard.position
            for body in here.bodies.values()
            for slot, tenure in body.process.tenures.items()
            if tenure.service is not None
        }
        sizes = {slot: server.run("HGET", server.key("slot", slot), "bytes") for slot in positions}
        released = await release_all(here)
        later = await command(redis_settings, "status", *archive)

    assert [each["partitions"] for each in found["shards"]] == [128, 128]
    assert sorted(each["slots"] for each in found["shards"]) == [[0], [1]]
    assert {each["state"] for each in found["shards"]} == {"serves"}
    assert {each["node"] for each in found["shards"]} == {"here"}
    assert all(each["heard_ms"] >= 0 for each in found["shards"])
    assert all(each["lag_ms"] >= 0 and each["pid"] for each in found["shards"])
    assert (found["moving"], found["unserved"], found["wanted"]) == (0, [], 2)
    assert [each["journey"] for each in found["journeys"]] == ["hello"]
    slots = found["slots"]
    assert [(each["slot"], each["epoch"], each["partitions"]) for each in slots] == [
        (0, 1, 128),
        (1, 1, 128),
    ]
    assert sum(each["contacts"] for each in slots) == 40
    assert all(0 < each["position"] <= positions[each["slot"]] for each in slots)
    assert all(0 < each["log_bytes"] <= int(sizes[each["slot"]]) for each in slots)
    assert sum(each["events_per_s"] for each in slots) > 0
    assert sum(each["events_per_s"] for each in found["shards"]) > 0
    assert found["server"]["max_bytes"] == 64_000_000
    assert 0 < found["server"]["used_bytes"] <= found["server"]["peak_bytes"]
    assert "2 shards wanted, generation 0" in shown
    assert re.search(r"Redis: .* of 64.0 MB, \d+%, 0 replicas", shown), shown
    assert "without a bound: set maxmemory" in unbounded
    assert all(each["snapshot_bytes"] == 0 for each in slots)
    assert all(each["archive_bytes"] == 0 for each in slots)
    for each in later["slots"]:
        assert each["snapshot_bytes"] > 0
        assert each["archive_bytes"] == released[each["slot"]] > 0
        assert each["log_bytes"] < found["slots"][each["slot"]]["log_bytes"]


async def test_a_contact_is_erased_wherever_it_was(redis_settings: RedisSettings) -> None:
    server = RedisServer(redis_settings)

    def logs() -> list[bytes]:
        names = [server.key("log", slot) for slot in range(3)]
        return [repr(server.run("XRANGE", name, "-", "+")).encode() for name in names]

    async with ground(redis_settings, 2) as here:
        contacts = [f"contact-{number}-" for number in range(100, 140)]
        before = here.map.owners
        for contact in contacts:
            await here.send(contact, "first")
        await command(redis_settings, "scale", "3")
        owners = here.map.owners
        moved = next(
            each for each in contacts if before[partition_of(each)] != owners[partition_of(each)]
        )
        await here.send(moved, "second")
        assert sum(moved.encode() in each for each in logs()) == 2
        done = await command(redis_settings, "contact", "erase", moved, "--keep-out", "0s")
        assert (done["contact"], done["keep_out"]) == (moved, "0ms")
        assert done["records"] >= 2
        assert not any(moved.encode() in each for each in logs())
        assert await here.send(moved, "first") == Verdict.APPLIED, "as one never seen"


async def test_a_contact_is_erased_as_soon_as_its_slot_is_served(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ground(redis_settings, 2) as here:
        await here.send("c-1", "first")
        slot = here.map.owners[partition_of("c-1")]
        (holder,) = [name for name, post in here.roster.posts.items() if post.home == slot]
        here.kill(holder)
        erased = [await command(redis_settings, "contact", "erase", "c-1") for _ in range(2)]
        # The first asks again where an answer is lost with its shard: then nothing is left.
        assert [each["records"] for each in erased] in ([1, 0], [0, 0])
    monkeypatch.setattr("console.contacts.cluster.PATIENCE_S", 0.3)
    with pytest.raises(OperatorError, match="then try again"):
        await command(redis_settings, "contact", "erase", "c-1")


@pytest.mark.parametrize(
    ("line", "said", "full"),
    [
        (ServerLine(), "its user may not ask", False),
        (ServerLine(used_bytes=79, peak_bytes=80, max_bytes=100), "of 100 B, 79%", False),
        (ServerLine(used_bytes=80, max_bytes=100), "nothing is accepted; raise maxmemory", True),
    ],
)
def test_a_server_that_is_nearly_full_is_shown_as_that(
    line: ServerLine, said: str, *, full: bool
) -> None:
    text, is_full = server_words(line)
    assert said in text
    assert is_full is full


async def send_on(here: Ground) -> None:
    for number in itertools.count(100):
        await here.send(f"c-{number % 40}", f"e-{number}")


async def release_all(here: Ground) -> dict[int, int]:
    """Let all slots write snapshots and release their logs; return what the archive has of each."""
    for site in here.map.sites.values():
        client = await LinkClient.connect(site.address("here"))
        with contextlib.closing(client):
            await client.ask(Drain(0))
    found = {}
    for body in here.bodies.values():
        for slot, tenure in body.process.tenures.items():
            assert tenure.service is not None
            service = tenure.service
            await asyncio.to_thread(service.log.release, service.shard.position)
            folder = Path(here.settings.archive) / f"shard-{slot}" / "archive"
            found[slot] = sum(each.stat().st_size for each in folder.iterdir())
    return found
