"""What a store in files keeps: each slot has a folder, and partitions stay where they are.

But where the store was in Redis before, partitions moved between its slots there: what these did is
joined, and each partition's log here goes on where that ends.
"""

from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

from actors.frame import Frame
from actors.kept.joined import Joined, moved_here, stays_in
from actors.kept.stays import Span
from actors.map import shard_of
from actors.relocation.chronicle import earlier_chronicles
from actors.slot import SNAPSHOT_FOLDER
from actors.store.earlier import EARLIER
from actors.store.history import end_position, first_position, read_again, read_history
from actors.store.key import store_key
from actors.store.manifest import read_store, shard_folder
from actors.store.port import Row, SnapshotHead
from actors.store.sighted import SightingsFile
from actors.store.snapshots import SnapshotFiles
from engine.seen.sighting import Sightings


class KeptFiles:
    """See Kept. Raises OperatorError where the folder is no store, or its key is missing."""

    def __init__(self, data: Path, key_file: Path | None = None) -> None:
        self.name = str(data)
        self.store = read_store(data)
        self._data = data
        self._key = store_key(data, key_file)
        self._first = cache(first_position)
        """Where a log began when that was asked first: what is said of it once is to hold."""

    def owner(self, partition: int) -> int:
        """See Kept."""
        return shard_of(partition, self.store.shards)

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """See Kept."""
        if self._earlier is not None:
            yield from self._earlier.frames()
        for slot in range(self.store.shards):
            for frame in read_history(shard_folder(self._data, slot), self._key):
                yield slot, frame

    def history(self, partition: int, head: SnapshotHead | None = None) -> Iterator[Frame]:
        """See Kept."""
        if head is None and self._earlier is not None:
            yield from self._earlier.parts(self.spans(partition))
        folder = self._folder(partition)
        position = self._first(folder) if head is None else head.position
        yield from read_again(folder, self._key, position)

    def is_whole(self, partition: int) -> bool:
        """See Kept."""
        if self._first(self._folder(partition)) == 0:
            return True
        owner = self.owner(partition)
        if self._earlier is None or owner not in self._earlier.stays.firsts:
            return False
        return self._earlier.stays.is_whole(partition, owner)

    def heads(self, partition: int) -> list[SnapshotHead]:
        """See Kept."""
        first = self._first(self._folder(partition))
        found = self._snapshots(partition).heads(partition)
        later = (head for head in found if head.position >= first)
        return sorted(later, key=lambda head: head.position)

    def rows(self, head: SnapshotHead) -> Iterator[list[Row]]:
        """See Kept."""
        return self._snapshots(head.partition).rows(head)

    def latest_heads(self) -> list[SnapshotHead]:
        """See Kept."""
        folders = [shard_folder(self._data, slot) / SNAPSHOT_FOLDER for slot in self.slots()]
        return [
            head
            for folder in folders
            for head in SnapshotFiles(folder, self._key).latest_heads().values()
        ]

    def sightings(self, slot: int) -> Sightings | None:
        """See Kept."""
        return SightingsFile(shard_folder(self._data, slot), self._key).read()

    def slots(self) -> list[int]:
        """See Kept."""
        return list(range(self.store.shards))

    def place(self, slot: int) -> str:
        """See Kept."""
        shards = self.store.shards
        return f"shard-{slot}" if slot < shards else f"{EARLIER}/shard-{slot - shards}"

    def spans(self, partition: int, head: SnapshotHead | None = None) -> list[Span]:
        """See Kept."""
        owner = self.owner(partition)
        if head is not None:
            return [Span(owner, head.position, None)]
        first = self._first(self._folder(partition))
        if self._earlier is None:
            return [Span(owner, first, None)]
        spans = self._earlier.stays.spans_of(partition, owner, None)
        return spans if spans[-1].slot == owner else [*spans, Span(owner, first, None)]

    def close(self) -> None:
        """Nothing is open."""

    @property
    def joined(self) -> bool:
        """See Kept."""
        return self._earlier is not None

    @property
    def records(self) -> int:
        """See Kept."""
        folders = [shard_folder(self._data, slot) for slot in self.slots()]
        own = sum(end_position(each, self._key) - first_position(each) for each in folders)
        return own + (0 if self._earlier is None else self._earlier.records)

    @cached_property
    def _earlier(self) -> Joined | None:
        """The slots of the time in Redis, numbered behind those of here; None if it never was."""
        chronicles = earlier_chronicles(self._data, self._key)
        if not chronicles:
            return None
        slots = {self.store.shards + each.slot: each for each in chronicles}
        stays = stays_in(slots)
        for slot in self.slots():
            if (begin := moved_here(shard_folder(self._data, slot), self._key)) is not None:
                stays.note(slot, begin)
        stays.sort()
        return Joined(slots, stays)

    def _folder(self, partition: int) -> Path:
        return shard_folder(self._data, self.owner(partition))

    def _snapshots(self, partition: int) -> SnapshotFiles:
        return SnapshotFiles(self._folder(partition) / SNAPSHOT_FOLDER, self._key)
