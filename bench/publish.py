"""Publish: a million visits wait; a publish takes them to another node while events keep coming."""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from msgspec import Struct

from actors.clock import WallClock
from actors.links.link import LinkClient
from actors.publications import PublicationNote
from actors.publisher import Publisher
from actors.running import running_system
from actors.store.key import store_key
from actors.store.published import PublishedFiles
from bench.board import Board
from bench.decision import quantile
from bench.load import timed_open_loop
from bench.running import RunningSystem
from bench.timers import CALM_S, CONTACTS, RATE, status_of
from bench.waiting import JOURNEY, build_waiting, write_journeys
from engine.limits import DAY_MS

OLD: Final = "patience"
NEW: Final = "rest"
TURN_S: Final = 1
"""The open loop goes on in turns of so long, until all visits are where they are to be."""

LOOK_S: Final = 0.1


class Migration(Struct, frozen=True):
    """What a publish to so many visits came to."""

    moved: int
    """Visits that stand at the new node in the end, by the shards' own count."""
    shown_s: float
    """From the command to the publication: all visits were looked at."""
    took_s: float
    """From the publication to when all visits had taken it over."""
    calm_ms: list[float]
    """Times of answers before, sorted."""
    shown_ms: list[float]
    """Times of answers while the diff was made, sorted."""
    meanwhile_ms: list[float]
    """Times of answers to events due while visits went over, sorted."""


def bench_publish(board: Board, folder: Path, contacts: int = CONTACTS) -> None:
    """Measure a publish with a map of nodes, through the whole system."""
    found = migration_of(folder, contacts)
    board.add(
        f"publish with a map of nodes, {contacts:,} visits wait",
        f"all {found.moved:,} at the new node after {found.took_s:.1f} s, the diff took "
        f"{found.shown_s:.1f} s",
        "all of them",
    )
    for what, times, wanted in (
        ("before", found.calm_ms, ""),
        ("from the command on, while the diff is made", found.shown_ms, ""),
        ("while visits go over", found.meanwhile_ms, "p99 ≤ 20 ms"),
    ):
        figure = f"p50 {quantile(times, 0.5):.1f}  p99 {quantile(times, 0.99):.1f} ms"
        board.add(f"  POST, {RATE:,}/s open loop, {what}", figure, wanted)


def migration_of(folder: Path, contacts: int) -> Migration:
    """Let so many visits go to another node in a running system, with events meanwhile."""
    data, journeys = folder / "data", write_journeys(folder / "journeys")
    build_waiting(data, journeys, contacts, 0, WallClock().read() + DAY_MS)
    with RunningSystem(data, journeys=journeys) as system:
        (journeys / "review.yaml").write_text(JOURNEY.replace(f"id: {OLD}", f"id: {NEW}"))
        return uvloop.run(_measured(data, journeys, system.url))


async def _measured(data: Path, journeys: Path, url: str) -> Migration:
    await timed_open_loop(url, RATE, TURN_S, "warm")
    calm = await timed_open_loop(url, RATE, CALM_S, "calm")
    clock = WallClock()
    begun_ms = clock.read()
    publishing = asyncio.create_task(_published(data, journeys))
    times: list[tuple[float, float]] = []
    while not publishing.done():
        turn_s = (clock.read() - begun_ms) / 1000
        loop = await timed_open_loop(url, RATE, TURN_S, f"turn-{turn_s:.3f}")
        times += [(turn_s + at_s, time_ms) for at_s, time_ms in loop]
    said_ms, ended_ms = await publishing
    notes = PublishedFiles(data, store_key(data))
    visits = await Publisher(_sockets(data), notes).visits()
    split_s, end_s = (said_ms - begun_ms) / 1000, (ended_ms - begun_ms) / 1000
    return Migration(
        moved=sum(each.count for each in visits.visits if each.node == NEW),
        shown_s=split_s,
        took_s=end_s - split_s,
        calm_ms=sorted(time_ms for _, time_ms in calm),
        shown_ms=sorted(time_ms for at_s, time_ms in times if at_s < split_s),
        meanwhile_ms=sorted(time_ms for at_s, time_ms in times if split_s <= at_s < end_s),
    )


async def _published(data: Path, journeys: Path) -> tuple[int, int]:
    """Let the command publish; return when it did, and when all visits had gone over."""
    command = [sys.executable, "-m", "console", "publish", "--yes", "--json", "--days", "0"]
    command += ["--map", f"review:{OLD}={NEW}", "--in-flight", "migrate"]
    command += ["--journeys", str(journeys), "--data", str(data)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    said, _ = await process.communicate()
    note = msgspec.json.decode(said, type=PublicationNote)
    clients = [await LinkClient.connect(socket) for socket in _sockets(data)]
    while True:
        statuses = [await status_of(client) for client in clients]
        if not any(each["timers_due"] for each in statuses):
            break
        await asyncio.sleep(LOOK_S)
    ended_ms = WallClock().read()
    for client in clients:
        client.close()
    return note.at_ms, ended_ms


def _sockets(data: Path) -> list[str]:
    running = running_system(data)
    assert running is not None
    return running.sockets


def main() -> None:
    """Measure with as many contacts as is said."""
    with tempfile.TemporaryDirectory(prefix="anlass-bench-") as folder:
        bench_publish(Board(), Path(folder), int(sys.argv[1]))


if __name__ == "__main__":
    main()
