"""What a store in files keeps: each slot has a folder, and partitions stay where they are."""

from collections.abc import Iterator
from pathlib import Path

from actors.frame import Frame
from actors.map import shard_of
from actors.slot import SNAPSHOT_FOLDER
from actors.store.history import first_position, read_history
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

    def owner(self, partition: int) -> int:
        """See Kept."""
        return shard_of(partition, self.store.shards)

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """See Kept."""
        for slot in range(self.store.shards):
            for frame in read_history(shard_folder(self._data, slot), self._key):
                yield slot, frame

    def history(self, partition: int, head: SnapshotHead | None = None) -> Iterator[Frame]:
        """See Kept."""
        position = None if head is None else head.position
        return read_history(self._folder(partition), self._key, position)

    def is_whole(self, partition: int) -> bool:
        """See Kept."""
        return first_position(self._folder(partition)) == 0

    def heads(self, partition: int) -> list[SnapshotHead]:
        """See Kept."""
        first = first_position(self._folder(partition))
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

    def close(self) -> None:
        """Nothing is open."""

    def _folder(self, partition: int) -> Path:
        return shard_folder(self._data, self.owner(partition))

    def _snapshots(self, partition: int) -> SnapshotFiles:
        return SnapshotFiles(self._folder(partition) / SNAPSHOT_FOLDER, self._key)
