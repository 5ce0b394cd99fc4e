"""Reader: what a comparison reads of a store: frames in order, snapshots, and what counts where."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from actors.errors import OperatorError
from actors.frame import Frame
from actors.kept.kept import Kept, StorePlace
from actors.kept.opening import open_kept
from actors.kept.stays import Span
from actors.store.history import first_position, read_again
from actors.store.key import store_key
from actors.store.manifest import shard_folder
from actors.store.port import Row
from actors.store.snapshots import SnapshotFiles
from actors.verify.files import SNAPSHOT_FOLDER
from console.replay.against.lane import Lane


class Reader(Protocol):
    """A log, or all logs of a cluster. Methods raise OperatorError, LogCorruptError."""

    def load(self, lanes: list[Lane]) -> bytes:
        """Begin with the oldest snapshots from which the log goes on without a gap, if needed.

        Return what was in force then; nothing where all of the log is there.
        """
        ...

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """Yield frames with their slots, those of each partition in order."""
        ...

    def is_there(self, partition: int, slot: int, position: int) -> bool:
        """Say whether a partition was in a slot there; one in a file's log always is."""
        ...


def reader_of(place: StorePlace, key_file: Path | None, slot: int, end: int) -> Reader:
    """Return what reads one slot of a store in files up to a position, or -1: all slots joined."""
    if slot >= 0:
        assert isinstance(place, Path)
        return FilesReader(place, key_file, slot, end)
    return JoinedReader(open_kept(place, key_file))


class FilesReader:
    """See Reader."""

    def __init__(self, data: Path, key_file: Path | None, slot: int, end: int) -> None:
        self._key = store_key(data, key_file)
        self._folder = shard_folder(data, slot)
        self._end = end
        self._first = first_position(self._folder)

    def load(self, lanes: list[Lane]) -> bytes:
        """See Reader."""
        published = b""
        if not self._first:
            return published
        files = SnapshotFiles(self._folder / SNAPSHOT_FOLDER, self._key)
        heads = files.all_heads()
        for lane in lanes:
            found = [head for head in heads.get(lane.number, []) if head.position >= self._first]
            if not found:
                raise no_snapshot(str(self._folder), lane.number)
            lane.load(found[-1], _states(files.rows(found[-1])))
            published = found[-1].published
        return published

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """See Reader."""
        for frame in read_again(self._folder, self._key, self._first):
            if frame.position >= self._end:
                return
            yield 0, frame

    def is_there(self, partition: int, slot: int, position: int) -> bool:
        """See Reader."""
        return True


class JoinedReader:
    """See Reader."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._spans: dict[int, list[Span]] = {}

    def load(self, lanes: list[Lane]) -> bytes:
        """See Reader."""
        kept, published = self._kept, b""
        for lane in lanes:
            head = None
            if not kept.is_whole(lane.number):
                head = next(iter(kept.heads(lane.number)), None)
                if head is None:
                    raise no_snapshot(kept.name, lane.number)
                lane.load(head, _states(kept.rows(head)))
                lane.needed = 0  # Positions of several logs cannot be compared.
                published = head.published
            self._spans[lane.number] = kept.spans(lane.number, head)
        return published

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """See Reader."""
        return self._kept.frames()

    def is_there(self, partition: int, slot: int, position: int) -> bool:
        """See Reader."""
        return any(
            span.slot == slot
            and span.first <= position
            and (span.next is None or position < span.next)
            for span in self._spans[partition]
        )


def no_snapshot(name: str, partition: int) -> OperatorError:
    """Say that a partition's state at the beginning of what is kept of the log is not there."""
    text = f"{name}: the log begins late, and partition {partition} has no snapshot from which it"
    return OperatorError(f"{text} goes on; run the system until it has taken one")


def _states(rows: Iterator[list[Row]]) -> list[tuple[str, int, bytes]]:
    return [(row.key, row.armed_at_ms, row.state) for part in rows for row in part]
