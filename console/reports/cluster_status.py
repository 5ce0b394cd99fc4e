"""Status of a cluster: the roster and map of its store, the server, and what each shard says."""

import asyncio
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from actors.clock import WallClock, process_age_s
from actors.control.charter import Charter
from actors.control.host import host_name
from actors.control.muster import LEASE_S
from actors.control.roster import Post, Roster
from actors.control.spread import partitions_to_move
from actors.errors import OperatorError
from actors.links.certificate import notices_of
from actors.links.credentials import Credentials
from actors.map import ClusterMap
from actors.redis_slot import archive_place
from actors.running import Running
from actors.settings import RedisSettings
from actors.store.archive import archive_bytes
from actors.store.port import StoreStalledError
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import bytes_by_slot
from console.reports.standing import Standing
from console.reports.status import (
    BETWEEN_S,
    ShardLine,
    SystemStatus,
    ask_all,
    events_of,
    journeys_of,
    total_of,
)

NODE_CHARS: Final = 8
"""Of Ray's names for nodes; the rest says nothing to people."""

Answers = dict[int, tuple[float, dict[str, Any]] | str]
"""By slot, as `ask_all` returns them."""


class ServerLine(Struct, kw_only=True):
    """How the store's server is. A number is None where its user may not ask for it."""

    used_bytes: int | None = None
    """By all that it holds, other stores too."""
    peak_bytes: int | None = None
    max_bytes: int | None = None
    """Beyond it the server takes nothing more; 0: the machine's memory is the bound."""
    replicas: int | None = None


class SlotLine(Struct, kw_only=True):
    """How one slot is. A number is None where nobody can say it: nobody serves it just now."""

    slot: int
    shard: str
    """Who is to hold it; empty: nobody yet."""
    epoch: int
    """How many owners it has had."""
    partitions: int
    position: int
    """Of the next record, as the store has it."""
    contacts: int | None = None
    uncommitted: int | None = None
    """Records folded and not yet durable."""
    queue: int | None = None
    """Requests that wait to be folded."""
    outbox: int | None = None
    """Messages decided and not settled."""
    timers_late_ms: int | None = None
    """For how long the longest overdue timer is due."""
    events_per_s: float | None = None
    log_bytes: int
    """In the server, but for what Redis adds."""
    snapshot_bytes: int
    """Of its partitions' snapshots there, its own alone."""
    archive_bytes: int | None = None
    snapshot_error: str = ""
    stalled: str = ""
    """Why it takes no events, empty where it does."""


class MemberLine(Struct, kw_only=True):
    """How one shard is. A number is None where it does not answer."""

    shard: str
    node: str
    generation: int
    state: str
    """`serves`, `starts`, `leaves`, or `silent`."""
    slots: list[int]
    partitions: int
    pid: int | None = None
    heard_ms: int | None = None
    """How old its lease is."""
    lag_ms: int | None = None
    """How late its loop came, at most, since the last beat."""
    nice: int | None = None
    """Above 0, other processes come first."""
    memory_bytes: int | None = None
    events_per_s: float | None = None


class ClusterStatus(Struct, kw_only=True):
    """How a cluster is."""

    redis: str
    server: ServerLine
    wanted: int
    generation: int
    controller: str
    map_version: int
    moving: int
    """Partitions that are not where they are to be."""
    unserved: list[int]
    """Slots that own partitions, and nobody serves them just now."""
    stopping: bool
    lease_ms: int = int(LEASE_S * 1000)
    journeys: list[Standing] | None = None
    shards: list[MemberLine]
    slots: list[SlotLine]


async def cluster_status_of(
    redis: RedisSettings, keys: Path | None, archive: str = ""
) -> ClusterStatus:
    """Ask store and shards how they are, which takes a second. Raises OperatorError.

    Without `archive` nothing is said of its size.
    """
    server = RedisServer(redis)
    try:
        roster, told = await asyncio.to_thread(Charter(redis).read)
        line = await asyncio.to_thread(server_line, server)
        before = await _ask(told, keys)
        await asyncio.sleep(BETWEEN_S)
        after = await _ask(told, keys)
        slots = await asyncio.to_thread(_stored_lines, server, roster, told, archive)
    except StoreStalledError as error:
        raise OperatorError(f"{error}; does it run, and is --redis right?") from None
    finally:
        server.close()
    for each in slots:
        _add_answer(each, before.get(each.slot), after.get(each.slot))
    by_slot = {each.slot: each for each in slots}
    homes = [post.home for post in roster.live().values()]
    return ClusterStatus(
        redis=server.name,
        server=line,
        wanted=roster.wanted,
        generation=roster.generation,
        controller=f"controller-{roster.controller}, term {roster.term}",
        map_version=told.version,
        moving=partitions_to_move(told.owners, homes, roster.wanted),
        unserved=sorted(set(told.owners) - told.sites.keys()),
        stopping=roster.stopping,
        journeys=journeys_of(list(after.values())),
        shards=[
            _member_line(name, post, [by_slot[slot] for slot in roster.slots_of(name)], after)
            for name, post in roster.posts.items()
        ],
        slots=slots,
    )


def system_status_of(found: ClusterStatus, running: Running, clock: str) -> SystemStatus:
    """Return the status of a cluster in the form of one machine's, a line a slot."""
    pids = {line.shard: line for line in found.shards}
    lines = []
    for each in found.slots:
        member = pids.get(each.shard)
        lines.append(
            ShardLine(
                shard=each.slot,
                pid=None if member is None else member.pid,
                partitions=each.partitions,
                contacts=each.contacts,
                position=each.position,
                uncommitted=each.uncommitted,
                queue=each.queue,
                timers_late_ms=each.timers_late_ms,
                outbox=each.outbox,
                events_per_s=each.events_per_s,
                log_bytes=each.log_bytes,
                snapshot_error=each.snapshot_error,
                snapshot_bytes=each.snapshot_bytes,
                archive_bytes=each.archive_bytes or 0,
                memory_bytes=None if member is None else member.memory_bytes,
                stalled=each.stalled,
            )
        )
    return SystemStatus(
        running=True,
        folder=found.redis,
        url=running.url,
        pid=running.pid,
        uptime_s=round(process_age_s(running.start), 1),
        clock=clock,
        journeys=found.journeys,
        gateways=len(running.gateways) or 1,
        notices=notices_of(Path(running.keys), WallClock().read()) if running.keys else [],
        shards=lines,
        total=total_of(lines),
    )


def server_line(server: RedisServer) -> ServerLine:
    """Ask the store's server how full it is. Raises StoreStalledError."""
    try:
        said = server.info("memory", "replication")
    except OperatorError:
        return ServerLine()  # Its user may not ask.
    names = {
        "used_bytes": "used_memory",
        "peak_bytes": "used_memory_peak",
        "max_bytes": "maxmemory",
        "replicas": "connected_slaves",
    }
    return ServerLine(**{own: int(said[name]) for own, name in names.items() if name in said})


async def _ask(told: ClusterMap, keys: Path | None) -> Answers:
    credentials = Credentials(keys) if keys else None
    host = host_name()
    slots = sorted(told.sites)
    addresses = [told.sites[slot].address(host) for slot in slots]
    return dict(zip(slots, await ask_all(addresses, credentials), strict=True))


def _stored_lines(
    server: RedisServer, roster: Roster, told: ClusterMap, archive: str
) -> list[SlotLine]:
    """Return what the store says of each slot that is held, or owns partitions."""
    slots = sorted({*roster.holders, *told.owners})
    fields = ("epoch", "position", "bytes")
    said = server.run_all([("HMGET", server.key("slot", slot), *fields) for slot in slots])
    snapshots = bytes_by_slot(server)
    lines = []
    for slot, values in zip(slots, said, strict=True):
        epoch, position, log_bytes = (int(value or 0) for value in values)
        lines.append(
            SlotLine(
                slot=slot,
                shard=roster.holders.get(slot, ""),
                epoch=epoch,
                partitions=told.owners.count(slot),
                position=position,
                log_bytes=log_bytes,
                snapshot_bytes=snapshots.get(slot, 0),
                archive_bytes=_archive_bytes(archive, slot) if archive else None,
            )
        )
    return lines


def _archive_bytes(archive: str, slot: int) -> int:
    place = archive_place(archive, slot)
    try:
        return archive_bytes(place.folder, place.disk)
    except OSError:
        return 0  # It has released nothing yet.


def _add_answer(
    line: SlotLine,
    was: tuple[float, dict[str, Any]] | str | None,
    now: tuple[float, dict[str, Any]] | str | None,
) -> None:
    if now is None or isinstance(now, str):
        line.stalled = now or ("nobody serves it just now" if line.partitions else "")
        return
    at_s, said = now
    line.contacts, line.queue, line.outbox = said["contacts"], said["queue"], said["outbox"]
    line.timers_late_ms, line.stalled = said["timers_late_ms"], said["stalled"]
    line.uncommitted, line.snapshot_error = said["uncommitted"], said["snapshot_error"]
    if was is not None and not isinstance(was, str) and was[1]["pid"] == said["pid"]:
        more = events_of(said) - events_of(was[1])
        line.events_per_s = round(more / (at_s - was[0]), 1)


def _member_line(name: str, post: Post, slots: list[SlotLine], after: Answers) -> MemberLine:
    line = MemberLine(
        shard=name,
        node=post.node[:NODE_CHARS],
        generation=post.generation,
        state="leaves" if post.leaving else "serves" if post.sites else "starts",
        slots=[each.slot for each in slots],
        partitions=sum(each.partitions for each in slots),
    )
    rates = [each.events_per_s for each in slots if each.events_per_s is not None]
    line.events_per_s = round(sum(rates), 1) if rates else None
    for each in slots:
        answer = after.get(each.slot)
        if isinstance(answer, str):
            line.state = "silent"
        elif answer is not None:
            said = answer[1]
            line.pid, line.memory_bytes = said["pid"], said["memory_bytes"]
            line.heard_ms, line.lag_ms = said.get("heard_ms"), said.get("lag_ms")
            line.nice = said.get("nice")
    return line
