"""Status: how a running system is, by its shards' own word; else what its folder holds."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from actors.clock import process_start
from actors.links.link import Accept, PublishNow
from actors.store.manifest import open_store, shard_folder
from console.reports.cells import load_cells
from console.reports.cluster_screen import show_cluster_status
from console.reports.cluster_status import ClusterStatus, MemberLine, ServerLine, SlotLine
from console.reports.status import BETWEEN_S, ShardLine, SystemStatus, journeys_of, status_of
from console.reports.status_screen import show_status
from console.screen import console, size_words
from tests.actors.shards.test_service import event, serving
from tests.console.command import anlass
from tests.publications import journey, source_of

DEAD = str(Path(os.devnull).parent / "no-such.sock")


def write_system(data: Path, *sockets: str, **fields: Any) -> None:
    """Write `system.json` as the driver does; this process is it."""
    system = {
        "pid": os.getpid(),
        "start": process_start(os.getpid()),
        "url": "http://127.0.0.1:8080",
        "sockets": list(sockets),
        "runtime": str(data),
    }
    (data / "system.json").write_text(json.dumps(system | fields))


def shown(found: SystemStatus, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(console, "width", 200)
    with console.capture() as said:
        show_status(found)
    return said.get()


async def test_a_running_system_says_how_each_shard_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(tmp_path, 2, "events")
    folder = shard_folder(tmp_path, 0)
    folder.mkdir()
    async with serving(folder) as (_, client):
        write_system(tmp_path, str(folder / "s.sock"), DEAD)
        await client.ask(PublishNow(0, source_of(journey("hello"))))
        found = asyncio.ensure_future(status_of(tmp_path))
        await asyncio.sleep(BETWEEN_S / 2)
        await client.ask(Accept(0, [event("a"), event("b"), event("c", contact="c-2")]))
        status = await found
    assert (status.running, status.clock) == (True, "events")
    (hello,) = status.journeys or []
    assert (hello.journey, hello.state, hello.queued) == ("hello", "live", None), "one is silent"
    assert status.url == "http://127.0.0.1:8080"
    assert status.uptime_s is not None
    assert status.uptime_s > 0
    first, second = status.shards
    assert (first.pid, first.partitions, first.contacts, first.position) == (os.getpid(), 128, 2, 4)
    assert first.outbox == 3
    assert first.events_per_s is not None
    assert first.events_per_s > 0
    assert first.log_bytes > 0
    assert first.memory_bytes is not None
    assert first.memory_bytes > 1 << 20
    assert (first.stalled, first.queue) == ("", 0)
    assert first.timers_late_ms == 0
    assert second.pid is None
    assert second.stalled.startswith("no answer: ")
    assert (status.total.partitions, status.total.contacts, status.total.position) == (256, 2, 4)
    said = shown(status, monkeypatch)
    assert "Journeys in force: hello" in said
    assert "serves" in said
    assert "STALLED" in said
    assert "shard 1 takes no events: no answer" in said


async def test_a_shard_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(tmp_path, 2, "events")
    write_system(tmp_path, DEAD, DEAD, refusals={"shard-1": "log-1.seg is damaged", "courier": "-"})
    status = await status_of(tmp_path)
    assert status.shards[0].stalled.startswith("no answer: ")
    assert status.shards[1].stalled == "it cannot start: log-1.seg is damaged"
    assert "shard 1 takes no events: it cannot start: log-1.seg" in shown(status, monkeypatch)


async def test_where_nothing_runs_it_says_so_and_shows_what_the_folder_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(tmp_path, 1, "events")
    folder = shard_folder(tmp_path, 0)
    folder.mkdir()
    async with serving(folder) as (_, client):
        await client.ask(Accept(0, [event("a"), event("b")]))
    (folder / "archive").mkdir()
    (folder / "archive" / "some").write_bytes(bytes(1234))
    write_system(tmp_path, DEAD, start="1")  # What a crash left: the pid is another process's now.
    status = await status_of(tmp_path)
    assert not status.running
    (line,) = status.shards
    assert (line.position, line.archive_bytes, line.pid, line.contacts) == (2, 1234, None, None)
    said = shown(status, monkeypatch)
    assert said.startswith("Nothing runs on ")
    assert "1.2 kB" in said
    assert "pid" not in said


def test_the_command_prints_json(tmp_path: Path) -> None:
    open_store(tmp_path, 2, "wall")
    said = json.loads(anlass("status", "--data", tmp_path, "--json").stdout)
    assert (said["running"], said["clock"], len(said["shards"])) == (False, "wall", 2)
    assert "Nothing runs" in anlass("status", "--data", tmp_path).stdout


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_340_000, "2.3 MB"), (64 << 30, "68.7 GB")],
)
def test_a_size_is_told_in_three_digits(size: int, words: str) -> None:
    assert size_words(size) == words


def test_shards_of_older_code_say_nothing_of_entries_that_wait() -> None:
    now: dict[str, Any] = {"published": source_of(journey("hello")), "queued": {"hello": 2}}
    older: dict[str, Any] = {"published": source_of(journey("hello"))}
    for said, queued in (([now, now], 4), ([now, older], None)):
        (hello,) = journeys_of([(0.0, each) for each in said]) or []
        assert (hello.journey, hello.queued) == ("hello", queued)


SHARD = ShardLine(
    shard=11,
    pid=1_234_567,
    partitions=128,
    contacts=1_234_567,
    position=123_456_789,
    uncommitted=12_345,
    queue=1_234,
    timers_late_ms=36_004_050,
    outbox=123_456,
    events_per_s=123_456.7,
    log_bytes=1 << 30,
    snapshots_written=7,
    snapshot_bytes=1 << 31,
    archive_bytes=1 << 40,
    memory_bytes=1 << 30,
)


@pytest.mark.parametrize("width", [60, 80, 120, 300])
def test_a_table_that_is_too_wide_is_parted_and_no_head_or_figure_is_cut(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SystemStatus(
        running=True, folder="data", uptime_s=7_200.3, clock="wall", shards=[SHARD], total=SHARD
    )
    monkeypatch.setattr(console, "width", width)
    with console.capture() as said:
        show_status(found)
    lines = said.get().splitlines()[2:]
    assert max(map(len, lines)) <= width
    heads = [head.strip() for line in lines if "shard" in line for head in line[1:-1].split("┃")]
    cells = {
        "pid": "1234567",
        **load_cells(SHARD),
        "memory": "1.1 GB",
        "state": "serves",
    }
    assert [each for each in heads if each != "shard"] == list(cells)
    assert heads.count("shard") == (1 if width == 300 else heads.count("shard"))
    text = "\n".join(lines)
    assert all(f" {cell} " in text for cell in cells.values())
    assert "up for 2 h (" in said.get()


@pytest.mark.parametrize("width", [80, 300])
def test_the_tables_of_a_cluster_are_parted_too(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = SlotLine(
        slot=0,
        shard="shard-0",
        epoch=3,
        partitions=128,
        position=123_456_789,
        contacts=1_234_567,
        log_bytes=1 << 30,
        snapshot_bytes=1 << 30,
        archive_bytes=1 << 40,
        uncommitted=1,
        queue=1,
        outbox=1,
        timers_late_ms=1,
        events_per_s=1.0,
    )
    member = MemberLine(
        shard="shard-0", node="node", generation=0, state="serves", slots=[0], partitions=128
    )
    found = ClusterStatus(
        redis="redis",
        server=ServerLine(),
        wanted=1,
        generation=0,
        controller="-",
        map_version=1,
        moving=0,
        unserved=[],
        stopping=False,
        shards=[member],
        slots=[slot],
    )
    monkeypatch.setattr(console, "width", width)
    with console.capture() as said:
        show_cluster_status(found)
    lines = [line for line in said.get().splitlines() if line and line[0] in "┏┃┡│└"]
    assert max(map(len, lines)) <= width
    for head in ("epoch", *load_cells(slot)):
        assert f" {head} " in said.get()
