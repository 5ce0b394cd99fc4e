"""What a store in Redis keeps: partitions moved between slots, so their histories are joined."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from actors.control.roster import decode_roster
from actors.errors import OperatorError
from actors.frame import Frame
from actors.kept.joined import Joined, stays_in
from actors.kept.kept import RedisPlace
from actors.kept.stays import Span
from actors.relocation.chronicle import redis_chronicles
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
        self._list = partial(redis_chronicles, server, place.archive, key, roster.next_slot)
        self._found: Joined | None = None

    def owner(self, partition: int) -> int:
        """See Kept."""
        return self._owners[partition]

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """See Kept."""
        return self._all.frames()

    def history(self, partition: int, head: SnapshotHead | None = None) -> Iterator[Frame]:
        """See Kept."""
        return self._all.parts(self.spans(partition, head))

    def is_whole(self, partition: int) -> bool:
        """See Kept."""
        return self._all.stays.is_whole(partition, self._owners[partition])

    def heads(self, partition: int) -> list[SnapshotHead]:
        """See Kept."""
        stays = self._all.stays
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

    def place(self, slot: int) -> str:
        """See Kept."""
        return f"shard-{slot}"

    def close(self) -> None:
        """See Kept."""
        self._server.close()

    @property
    def joined(self) -> bool:
        """See Kept."""
        return True

    @property
    def records(self) -> int:
        """See Kept."""
        return self._all.records

    def spans(self, partition: int, head: SnapshotHead | None = None) -> list[Span]:
        """See Kept."""
        return self._all.stays.spans_of(partition, self._owners[partition], head)

    @property
    def _all(self) -> Joined:
        """All slots, and where partitions were. Read once, and anew where they moved meanwhile."""
        for _ in range(READS_MAX):
            if self._found is not None:
                return self._found
            slots = self._list(*self._owners)
            stays = stays_in(slots)
            told = RedisMap(self._server).read()
            if told.owners == self._owners:
                stays.sort()
                self._found = Joined(slots, stays)
            self._owners = told.owners
        if self._found is None:
            text = f"partitions of {self.name} move all the time"
            raise OperatorError(f"{text}; try again when `anlass status` shows that none does")
        return self._found
