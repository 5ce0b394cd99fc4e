"""Kept: what a store keeps, wherever it is: histories and snapshots, read without owning them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from actors.frame import Frame
from actors.kept.stays import Span
from actors.settings import RedisSettings
from actors.store.manifest import Store
from actors.store.port import Row, SnapshotHead
from engine.seen.sighting import Sightings


class RedisPlace(Struct, frozen=True, kw_only=True):
    """Where a store in Redis is."""

    redis: RedisSettings
    archive: str
    """A URL."""
    data: Path
    """This machine's part: its key may be there."""
    keys: Path | None = None
    """Folder of this machine's certificate, where shards are on others."""

    def __str__(self) -> str:
        """Return how errors name it."""
        return f"the store {{{self.redis.prefix}}}"


StorePlace = Path | RedisPlace
"""Where a store is: a data folder, or a Redis server and an archive."""


class Kept(Protocol):
    """A store to be read; it may run meanwhile, then what was durable at some moment counts.

    Methods raise LogCorruptError where something is not as written, OSError, and of a store in
    Redis StoreStalledError.
    """

    name: str
    """How errors name it."""
    store: Store

    def owner(self, partition: int) -> int:
        """Return the slot that has a partition now."""
        ...

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """Yield all frames with their slots: those of each partition in the order it had them."""
        ...

    def history(self, partition: int, head: SnapshotHead | None = None) -> Iterator[Frame]:
        """Yield the frames of whichever slot had a partition, in order, while it did.

        All that there are, or those since a snapshot. Publications in them are its, too; records
        of other partitions may be there, or not.
        """
        ...

    def is_whole(self, partition: int) -> bool:
        """Say whether `history` begins with the partition."""
        ...

    def heads(self, partition: int) -> list[SnapshotHead]:
        """Return the snapshots from which `history` goes on without a gap, the oldest first."""
        ...

    def rows(self, head: SnapshotHead) -> Iterator[list[Row]]:
        """Read the rows of a snapshot, in slices."""
        ...

    def latest_heads(self) -> list[SnapshotHead]:
        """Return the latest whole snapshot of each partition that has one."""
        ...

    def sightings(self, slot: int) -> Sightings | None:
        """Return what a slot has seen of events, as it wrote it last; None where it did not."""
        ...

    def slots(self) -> list[int]:
        """Return the slots that own partitions."""
        ...

    def place(self, slot: int) -> str:
        """Return what people call the place of a slot that `frames` names."""
        ...

    def spans(self, partition: int, head: SnapshotHead | None = None) -> list[Span]:
        """Return the parts of slots' logs that `history` reads, in order."""
        ...

    @property
    def joined(self) -> bool:
        """Whether partitions were in several slots; else each is in one log, from its begin on."""
        ...

    @property
    def records(self) -> int:
        """How many records `frames` has."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
