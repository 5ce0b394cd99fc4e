"""Verify of a store in Redis: reads all slots' histories, and folds again what is served.

A partition that moved must go on in one slot where it left another.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from actors.clock import WallClock
from actors.control.roster import decode_roster
from actors.errors import LogCorruptError, OperatorError
from actors.kept.joined import Joined
from actors.kept.stays import Stay, Stays
from actors.relocation.chronicle import redis_chronicles
from actors.settings import RedisSettings
from actors.shards.shard import Shard
from actors.store.keyfile import find_key
from actors.store.port import Row, SnapshotHead
from actors.store.redis_map import NOBODY, RedisMap
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from actors.store.redis_store import check_key, read_redis_store
from actors.verify.finding import Counts, Finding
from actors.verify.moved import check_stays, read_stays
from actors.verify.refold import Refold


def verify_redis(
    settings: RedisSettings, archive: str, data: Path, key_file: Path | None, counts: Counts
) -> Iterator[Finding]:
    """Verify a store in Redis; it may run meanwhile, but then what moves is not compared.

    Raises OperatorError where there is none, or its key is missing.
    """
    server = RedisServer(settings)
    try:
        store = read_redis_store(server)
        key = find_key(data, key_file) if store.encrypted else None
        check_key(server, store, key)
        told = RedisMap(server).read()
        roster = decode_roster(told.document)
        if roster is None or NOBODY in told.owners:
            raise OperatorError(f"no cluster has begun in {server.name}")
        snapshots = ReadSnapshots(server, key)
        heads = snapshots.all_heads()
        counts.snapshots += sum(map(len, heads.values()))
        for fault in snapshots.faults():
            yield Finding(text=str(fault))
        histories = redis_chronicles(server, archive, key, max(told.owners), roster.next_slot)
        stays = Stays()
        broken: set[int] = set()
        for finding in read_stays(histories.values(), stays, counts):
            broken.add(finding.shard if finding.shard is not None else -1)
            yield finding
        yield from check_stays(stays)
        joined = Joined(histories, stays)
        for slot in sorted(set(told.owners) - broken):
            numbers = [number for number, owner in enumerate(told.owners) if owner == slot]
            shard = Shard(slot, 0, WallClock(), numbers)
            newest = {n: heads[n][0] for n in numbers if heads.get(n)}
            start = {n: _start_of(heads[n], stays.found[n], slot) for n in newest}
            compared = {n: head for n, head in newest.items() if head.slot == slot}
            refold = Refold(shard, start, compared, snapshots, partial(joined.slot_frames, slot))
            refold.run(counts, lambda _: None)
            yield from refold.findings
    finally:
        server.close()


class ReadSnapshots(RedisSnapshots):
    """Snapshots of a store that may run: one that a later one replaces is gone, not damaged."""

    def rows(self, head: SnapshotHead) -> Iterator[list[Row]]:
        """See Snapshots. Raises FileNotFoundError where it was replaced meanwhile."""
        try:
            yield from super().rows(head)
        except LogCorruptError as error:
            listed = [(each.slot, each.position) for each in self._listed([head.partition])]
            if (head.slot, head.position) in listed:
                raise
            raise FileNotFoundError(str(error)) from None


def _start_of(heads: list[SnapshotHead], stays: list[Stay], slot: int) -> SnapshotHead:
    """Return the oldest snapshot from which the slot's history goes on without a gap."""
    return next((head for head in reversed(heads) if _goes_on(head, stays, slot)), heads[0])


def _goes_on(head: SnapshotHead, stays: list[Stay], slot: int) -> bool:
    """Say whether all that a partition did since a snapshot is in a slot's history."""
    if not stays or stays[-1].last <= head.pseq:
        return True
    stay = stays[-1]
    if head.slot == slot and not (stay.opened and stay.first == head.pseq + 1):
        return stay.slot == slot and stay.first <= head.pseq + 1
    return stay.slot == slot and stay.opened is not None and stay.first == head.pseq + 1
