"""The store as a shard sees it, a port: one log and the snapshots of one slot, with one owner."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct

from actors.errors import LogCorruptError
from actors.frame import Frame
from engine.numbers import SavedNumbers


class StoreFullError(Exception):
    """There is no space. Nothing was written that counts: the same may be tried again."""


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
    """As engine.contact encodes it."""


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

    def frames(self, position: int = 0) -> Iterator[Frame]:
        """Read all durable frames with records at or after `position`.

        Raises LogCorruptError where one is not as written, where they do not follow each other,
        and where the log begins after `position` or ends before it.
        """
        ...

    def append(self, position: int, frames: list[bytes]) -> None:
        """Write frames, the first at `position`, and return when they are durable.

        Raises StoreFullError; any other error leaves it unknown what is durable, and the process
        must not go on.
        """
        ...

    def release(self, position: int) -> None:
        """Note that no recovery needs frames before `position`: whole segments of them may go."""
        ...

    def close(self) -> None:
        """Close it and let another owner in."""
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
