"""What a store in Redis keeps: partitions moved between slots, and so their histories are joined.

To know where a partition was, all slots' histories are read once, and then what is asked for.
"""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from actors.control.roster import decode_roster
from actors.errors import LogCorruptError, OperatorError
from actors.frame import Frame
from actors.kept.kept import RedisPlace
from actors.kept.stays import Span, Stays
from actors.relocation.chronicle import Chronicle, redis_chronicles
from actors.store.keyfile import find_key
from actors.store.port import Row, SnapshotHead, StoreStalledError
from actors.store.redis_files import read_files_disk
from actors.store.redis_map import NOBODY, RedisMap
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from actors.store.redis_store import check_key, read_redis_store
from actors.store.sighted import SightingsFile
from engine.seen.sighting import Sightings

READS_MAX: Final = 5
"""So often all is read anew where partitions have moved meanwhile."""


class KeptRedis:
    """See Kept. Raises OperatorError where there is no store, no server, or its key is missing."""

    def __init__(self, place: RedisPlace, key_file: Path | None = None) -> None:
        self._server = server = RedisServer(place.redis)
        self.name = f"{place} in {server.name}"
        try:
            self.store = read_redis_store(server)
            key = find_key(place.data, key_file) if self.store.encrypted else None
            check_key(server, self.store, key)
            told = RedisMap(server).read()
        except StoreStalledError as error:
            raise OperatorError(f"{error}; does it run, and is --redis right?") from None
        roster = decode_roster(told.document)
        if roster is None or NOBODY in told.owners:
            raise OperatorError(f"no cluster has begun in {server.name}")
        self._owners = told.owners
        self._key = key
        self._snapshots = RedisSnapshots(server, key)
        self._slots: dict[int, Chronicle] = {}
        self._list = partial(redis_chronicles, server, place.archive, key, roster.next_slot)
        self._found: Stays | None = None

    def owner(self, partition: int) -> int:
        """See Kept."""
        return self._owners[partition]

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """See Kept."""
        stays = self._stays
        starts: dict[tuple[int, int], tuple[int, int]] = {}
        """Where a stay begins: what must have been read before."""
        awaited: set[tuple[int, int]] = set()
        wanted: set[tuple[int, int]] = set()
        """Publications that are to come first, if that can be: clocks of machines may differ."""
        for number, found in enumerate(stays.found):
            if (brought := stays.brought(number)) and brought[0] != found[0].slot:
                starts[found[0].slot, found[0].position] = brought
                wanted.add(brought)
            for before, after in pairwise(found):
                end = before.slot, before.last_position
                starts[after.slot, after.position] = end
                awaited.add(end)
        awaited |= wanted
        waiting = {slot: self._until_end(slot) for slot in self._slots}
        held: dict[int, Frame] = {}
        while waiting:
            went_on = False
            for slot in list(waiting):
                frame = held.pop(slot, None) or next(waiting[slot], None)
                while frame is not None:
                    places = _places(slot, frame) if starts else []
                    if any(starts.get(place) in awaited for place in places):
                        held[slot] = frame
                        break
                    awaited.difference_update(places)
                    went_on = True
                    yield slot, frame
                    frame = next(waiting[slot], None)
                else:
                    del waiting[slot]
                    went_on = True
            if not went_on and awaited & wanted:
                awaited -= wanted
            elif not went_on:
                text = f"the logs of slots {sorted(waiting)} say that each comes before the others"
                raise LogCorruptError(f"{text}; see what `anlass verify` says")

    def history(self, partition: int, head: SnapshotHead | None = None) -> Iterator[Frame]:
        """See Kept."""
        for span in self.spans(partition, head):
            if span.slot not in self._slots or span.next == span.first:
                continue
            for frame in self._slots[span.slot].frames(span.first):
                if frame.position >= self._end_of(span):
                    break
                yield _cut(frame, span)

    def is_whole(self, partition: int) -> bool:
        """See Kept."""
        return self._stays.is_whole(partition, self._owners[partition])

    def heads(self, partition: int) -> list[SnapshotHead]:
        """See Kept."""
        stays = self._stays
        found = self._snapshots.heads(partition)[::-1]
        return [head for head in found if stays.goes_on(partition, head.pseq)]

    def rows(self, head: SnapshotHead) -> Iterator[list[Row]]:
        """See Kept."""
        return self._snapshots.rows(head)

    def latest_heads(self) -> list[SnapshotHead]:
        """See Kept."""
        return [heads[0] for heads in self._snapshots.all_heads().values()]

    def sightings(self, slot: int) -> Sightings | None:
        """See Kept."""
        disk = read_files_disk(self._server, slot)
        return SightingsFile(Path(f"slot-{slot}"), self._key, disk).read()

    def slots(self) -> list[int]:
        """See Kept."""
        return sorted(set(self._owners))

    def close(self) -> None:
        """See Kept."""
        self._server.close()

    @property
    def records(self) -> int:
        """How many records all logs have."""
        ends = self._stays.ends
        return sum(ends[slot] - first for slot, first in self._stays.firsts.items())

    def spans(self, partition: int, head: SnapshotHead | None) -> list[Span]:
        """Return where a partition was since a snapshot, or ever, in order."""
        stays = self._stays
        if head is not None:
            return stays.spans(partition, head.slot, head.position, head.pseq)
        found = stays.found[partition]
        if not found:
            slot = self._owners[partition]
            return stays.spans(partition, slot, stays.firsts.get(slot, 0), 0)
        first = stays.firsts[found[0].slot]
        if found[0].opened is not None:  # Where it was before is not kept any more.
            first = found[0].position
        spans = stays.spans(partition, found[0].slot, first, found[0].first - 1)
        if (brought := stays.brought(partition)) is not None:
            slot, position = brought
            return [Span(slot, position, position + 1), *spans]
        return spans

    @property
    def _stays(self) -> Stays:
        """Where all partitions were. Read once, and anew where they moved meanwhile."""
        for _ in range(READS_MAX):
            if self._found is not None:
                return self._found
            found, self._slots = Stays(), self._list(*self._owners)
            for slot, chronicle in self._slots.items():
                for frame in chronicle.frames():
                    found.note(slot, frame)
            told = RedisMap(self._server).read()
            if told.owners == self._owners:
                found.sort()
                self._found = found
            self._owners = told.owners
        if self._found is None:
            text = f"partitions of {self.name} move all the time"
            raise OperatorError(f"{text}; try again when `anlass status` shows that none does")
        return self._found

    def _until_end(self, slot: int) -> Iterator[Frame]:
        """Yield a slot's frames, as far as it is known where its partitions were."""
        end = self._stays.ends.get(slot, 0)
        for frame in self._slots[slot].frames():
            if frame.position >= end:
                return
            yield frame

    def _end_of(self, span: Span) -> int:
        return self._stays.ends.get(span.slot, 0) if span.next is None else span.next


def _places(slot: int, frame: Frame) -> list[tuple[int, int]]:
    return [(slot, frame.position + at) for at in range(len(frame.records))]


def _cut(frame: Frame, span: Span) -> Frame:
    """Return the part of a frame that lies in a span.

    A partition's own records are in whole frames of it; but where one comes with a publication, the
    slot records that in the same frame before, and where one has left, another may follow.
    """
    first = max(span.first - frame.position, 0)
    last = len(frame.records)
    if span.next is not None:
        last = min(span.next - frame.position, last)
    if first == 0 and last == len(frame.records):
        return frame
    records, verdicts = frame.records[first:last], frame.verdicts[first:last]
    position = frame.position + first
    return Frame(position, frame.fold_version, records, verdicts, frame.outcomes, frame.faults)
