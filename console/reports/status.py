"""Status: how a running system is, by asking each shard; else what its folder holds."""

import asyncio
from collections import deque
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.clock import WallClock, process_age_s
from actors.errors import OperatorError
from actors.links.certificate import notices_of
from actors.links.credentials import Credentials
from actors.links.link import AskStatus, LinkClient, LinkError, Status
from actors.map import partitions_of
from actors.publisher import queues_of
from actors.running import memory_bytes, running_system, shard_name
from actors.store.earlier import earlier_bytes
from actors.store.key import store_key
from actors.store.manifest import Store, read_store, shard_folder
from actors.store.segment import read_segment, segments_of
from console.reports.standing import Standing, standings_of
from engine.language.journey import Publication
from ingest.report import read_report

ANSWER_S: Final = 3.0
"""How long a shard may take to answer before it counts as one that does not."""

BETWEEN_S: Final = 1.0
"""Between the two answers of a shard that its events/s are taken from."""


class ShardLine(Struct, kw_only=True):
    """How one shard is. A number is None where nobody can say it: the shard does not answer."""

    shard: int
    pid: int | None = None
    partitions: int
    contacts: int | None = None
    position: int | None = None
    """Of the next record."""
    uncommitted: int | None = None
    """Records folded and not yet durable."""
    queue: int | None = None
    """Requests that wait to be folded."""
    timers_late_ms: int | None = None
    """For how long the longest overdue timer is due."""
    outbox: int | None = None
    """Messages decided and not settled."""
    events_per_s: float | None = None
    log_bytes: int = 0
    snapshots_written: int | None = None
    """Since the shard's process started."""
    snapshot_error: str = ""
    """Why the last one could not be written, empty where it could."""
    snapshot_bytes: int = 0
    archive_bytes: int = 0
    memory_bytes: int | None = None
    stalled: str = ""
    """Why it takes no events, empty where it does."""


class SystemStatus(Struct, kw_only=True):
    """How a system is."""

    running: bool
    folder: str
    url: str = ""
    pid: int | None = None
    uptime_s: float | None = None
    clock: str
    journeys: list[Standing] | None = None
    """In force; None where nobody can say it."""
    gateways: int = 0
    """That share the port."""
    gateways_silent: list[int] = []
    """The numbers of those that do not answer."""
    notices: list[str] = []
    """Of certificates that end soon, or have ended."""
    earlier_bytes: int = 0
    """Of what is kept of the time when the store was in Redis; the total's archive counts it."""
    shards: list[ShardLine]
    total: ShardLine


async def status_of(data: Path, key_file: Path | None = None) -> SystemStatus:
    """Ask a running system how it is, which takes a second; or look at its folder.

    Raises OperatorError where the folder is none of Anlass.
    """
    store = read_store(data)
    running = running_system(data)
    if running is None:
        key = store_key(data, key_file)
        lines = [line_of_folder(data, store, slot, key) for slot in range(store.shards)]
        earlier = earlier_bytes(data)
        return SystemStatus(
            running=False,
            folder=str(data),
            clock=store.clock,
            earlier_bytes=earlier,
            shards=lines,
            total=total_of(lines, earlier),
        )
    credentials = Credentials.open(running.keys, "operator")
    before = await ask_all(running.sockets, credentials)
    await asyncio.sleep(BETWEEN_S)
    after = await ask_all(running.sockets, credentials)
    reports = await asyncio.gather(*[read_report(socket) for socket in running.gateways])
    lines = [
        line_of_shard(data, store, slot, was, now)
        for slot, (was, now) in enumerate(zip(before, after, strict=True))
    ]
    for line in lines:
        if line.pid is None and (refusal := running.refusals.get(shard_name(line.shard))):
            line.stalled = f"it cannot start: {refusal}"
    earlier = earlier_bytes(data)
    return SystemStatus(
        running=True,
        folder=str(data),
        url=running.url,
        pid=running.pid,
        uptime_s=round(process_age_s(running.start), 1),
        clock=store.clock,
        journeys=journeys_of(after),
        gateways=len(reports) or 1,
        gateways_silent=[number for number, report in enumerate(reports) if report is None],
        notices=notices_of(Path(running.keys), WallClock().read()) if running.keys else [],
        earlier_bytes=earlier,
        shards=lines,
        total=total_of(lines, earlier),
    )


async def ask_all(
    sockets: list[str], credentials: Credentials | None = None
) -> list[tuple[float, dict[str, Any]] | str]:
    """Ask each shard how it is; its answer and when it came, or why there is none."""

    async def ask(socket: str) -> tuple[float, dict[str, Any]] | str:
        try:
            async with asyncio.timeout(ANSWER_S):
                client = await LinkClient.connect(socket, credentials)
                try:
                    reply = await client.ask(AskStatus(0))
                finally:
                    client.close()
        except TimeoutError:
            return f"no answer within {ANSWER_S:.0f} s"
        except (OSError, LinkError, OperatorError) as error:
            return f"no answer: {error}"
        assert isinstance(reply, Status)
        return asyncio.get_running_loop().time(), reply.status

    return list(await asyncio.gather(*[ask(socket) for socket in sockets]))


def line_of_shard(
    data: Path,
    store: Store,
    slot: int,
    was: tuple[float, dict[str, Any]] | str,
    now: tuple[float, dict[str, Any]] | str,
) -> ShardLine:
    """Put a shard's line together from two answers of it."""
    line = ShardLine(shard=slot, partitions=len(partitions_of(slot, store.shards)))
    add_sizes(line, shard_folder(data, slot))
    if isinstance(now, str):
        line.stalled = now
        return line
    at_s, status = now
    line.pid = status["pid"]
    line.memory_bytes = memory_bytes(status["pid"])
    line.contacts = status["contacts"]
    line.position = status["position"]
    line.outbox = status["outbox"]
    line.queue = status["queue"]
    line.timers_late_ms = status["timers_late_ms"]
    line.stalled = status["stalled"]
    if "snapshots" in status:  # A shard may be served without.
        line.uncommitted = status["uncommitted"]
        line.snapshots_written = status["snapshots"]
        line.snapshot_error = status["snapshot_error"]
    if not isinstance(was, str) and was[1]["pid"] == status["pid"]:
        more = events_of(status) - events_of(was[1])
        line.events_per_s = round(more / (at_s - was[0]), 1)
    return line


def line_of_folder(data: Path, store: Store, slot: int, key: bytes | None) -> ShardLine:
    """Put a shard's line together from its folder alone."""
    folder = shard_folder(data, slot)
    line = ShardLine(shard=slot, partitions=len(partitions_of(slot, store.shards)))
    add_sizes(line, folder)
    line.position = 0
    for segment in reversed(segments_of(folder)):
        last = deque(read_segment(segment, key, torn_tail=True), maxlen=1)
        if last:
            line.position = last[0].position + len(last[0].records)
            break
    return line


def add_sizes(line: ShardLine, folder: Path) -> None:
    """Set what a shard's files take on the disk, with what is filled ahead."""
    line.log_bytes = _bytes_in(folder)
    line.snapshot_bytes = _bytes_in(folder / "snapshots")
    line.archive_bytes = _bytes_in(folder / "archive")


def total_of(lines: list[ShardLine], archive_bytes: int = 0) -> ShardLine:
    """Add lines up; what some shard does not say counts for nothing.

    `archive_bytes` are those of no shard.
    """
    total = ShardLine(shard=len(lines), partitions=0, archive_bytes=archive_bytes)
    for line in lines:
        for name in ADDED:
            value = getattr(line, name)
            if value is not None:
                setattr(total, name, (getattr(total, name) or 0) + value)
    return total


NOT_ADDED: Final = {"shard", "pid", "stalled", "snapshot_error", "timers_late_ms"}
ADDED: Final = [name for name in ShardLine.__struct_fields__ if name not in NOT_ADDED]


def journeys_of(answers: list[tuple[float, dict[str, Any]] | str]) -> list[Standing] | None:
    """Return the journeys in force, None where no shard says it."""
    said = [answer[1] for answer in answers if not isinstance(answer, str)]
    sources = [each["published"] for each in said if each["published"]]
    if not sources:
        return None
    queued = queues_of(said) if len(said) == len(answers) else None
    return standings_of(msgspec.json.decode(sources[0], type=Publication), queued)


def events_of(status: dict[str, Any]) -> int:
    """Return how many events a shard has folded since its process began."""
    return int(sum(status[f"events_{verdict}"] for verdict in ("applied", "repeated", "failed")))


def _bytes_in(folder: Path) -> int:
    """Return what the files of a folder take; one may go while we look."""
    total = 0
    if not folder.is_dir():
        return 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
