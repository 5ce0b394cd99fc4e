"""The store as a shard sees it, a port: one log and the snapshots of one slot, with one owner."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct

from actors.errors import LogCorruptError
from actors.frame import Frame
from engine.numbers import SavedNumbers


class StoreStalledError(Exception):
    """The store takes nothing just now. The same may be tried again, and more behind it."""


class StoreFullError(StoreStalledError):
    """There is no space. Nothing was written that counts."""


class StoreLostError(StoreStalledError):
    """The store cannot be reached, or not make durable what it has: it may be there or not."""


class FencedError(Exception):
    """Another process owns the slot by now: this one must stop serving it, at once."""


class Row(Struct, frozen=True, array_like=True, gc=False):
    """One contact in a snapshot."""

    key: str
    pseq: int
    """Number of the partition's last input that it contains."""
    armed_at_ms: int
    """The due time of its entry in the partition's calendar; FAR_MS means none."""
    pending: bool
    """Whether it has messages that are not settled: only such contacts are decoded on recovery."""
    state: bytes
    """As engine.contacts.contact encodes it."""


class SnapshotHead(Struct, frozen=True, array_like=True, gc=False):
    """A partition's state at one position of the log, but for its contacts."""

    partition: int
    position: int
    """Records of the log before this one are in it."""
    pseq: int
    now_ms: int
    published: bytes
    """The publication in force."""
    tombstones: dict[str, int]
    """Digest of an erased contact's key -> until when its late events are kept out."""
    counts: dict[str, int]
    """Counters of the partition, by name."""
    outcomes: dict[str, dict[str, int]]
    """Messages by journey and outcome."""
    rows: int
    slot: int = -1
    """Whose log `position` is of; -1 where a partition stays in one slot."""
    serial: int = 0
    """Of the publication in force (see actors.frame.PublishRecord)."""
    waking_at_ms: int = 0
    """See Partition.waking_at_ms."""
    numbers: SavedNumbers | None = None
    """Of visits and messages; None in snapshots of before they were counted."""


class Log(Protocol):
    """Frames in order. Who opened it is its one owner; another epoch fences it."""

    epoch: int
    """Raised with each opening."""
    commits: int

    @property
    def size_bytes(self) -> int:
        """What its segments hold; the archive not counted."""
        ...

    def frames(self, position: int | None = 0) -> Iterator[Frame]:
        """Read all durable frames with records at or after `position`; None: all that it holds.

        Raises LogCorruptError where one is not as written, where they do not follow each other,
        and where the log begins after `position` or ends before it.
        """
        ...

    def append(self, position: int, frames: list[bytes]) -> None:
        """Write frames, the first at `position`, and return when they are durable.

        Raises StoreStalledError: the next call must begin with the same frames. Raises FencedError;
        any other error leaves it unknown what is durable, and the process must not go on.
        """
        ...

    def release(self, position: int) -> None:
        """Note that no recovery needs frames before `position`: whole segments of them may go."""
        ...

    def close(self) -> None:
        """Close it and let another owner in."""
        ...


class Ownership(Protocol):
    """Who owns the partitions, as the store says; for the owner of one slot. Blocks."""

    def owner(self, partition: int) -> tuple[int, int]:
        """Return the slot that owns a partition, and the version of the map that says so."""
        ...

    def give(self, partition: int, to_slot: int) -> int:
        """Let another slot own a partition of this one; return the version of the map.

        To do it again changes nothing. Raises FencedError where this slot has another owner.
        """
        ...


class Snapshots(Protocol):
    """Snapshots of a slot's partitions; the latest two of each are kept."""

    @property
    def size_bytes(self) -> int:
        """What its files hold, together."""
        ...

    def write(self, head: SnapshotHead, rows: Iterable[list[Row]]) -> None:
        """Write a snapshot, its rows in slices, and return when it is durable.

        It counts only as a whole: after an error or a crash, the one before is the latest.
        """
        ...

    def heads(self, partition: int) -> list[SnapshotHead]:
        """Return the heads of a partition's snapshots that are whole, the latest first."""
        ...

    def faults(self) -> list[LogCorruptError]:
        """Name the snapshots that `heads` leaves out, as they are damaged."""
        ...

    def rows(self, head: SnapshotHead) -> Iterator[list[Row]]:
        """Read the rows of a snapshot, in slices. Raises LogCorruptError."""
        ...
