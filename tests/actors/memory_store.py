"""A store in memory: log and snapshots of one slot that outlive the shard, as files would."""

from collections.abc import Callable, Iterable, Iterator

from actors.errors import LogCorruptError
from actors.frame import Frame, decode_frame
from actors.store.port import Row, SnapshotHead


class MemoryLog:
    """See Log. `append` may be held up by `before_append`, in the thread that commits."""

    def __init__(self) -> None:
        self.epoch = 1
        self.commits = 0
        self.size_bytes = 0
        self.released = 0
        self.before_append: Callable[[], object] = lambda: None
        self.kept: list[bytes] = []

    def frames(self, position: int | None = 0) -> Iterator[Frame]:
        for data in self.kept:
            frame = decode_frame(data)
            if frame.position + len(frame.records) > (position or 0):
                yield frame

    def append(self, position: int, frames: list[bytes]) -> None:
        self.before_append()
        self.kept += frames
        self.commits += 1
        self.size_bytes += sum(map(len, frames))

    def release(self, position: int) -> None:
        self.released = position

    def close(self) -> None:
        return


class MemorySnapshots:
    """See Snapshots. `before_write` may hold a snapshot up, or refuse it."""

    def __init__(self) -> None:
        self.kept: dict[int, list[tuple[SnapshotHead, list[list[Row]]]]] = {}
        self.before_write: Callable[[SnapshotHead], object] = lambda _: None

    @property
    def size_bytes(self) -> int:
        return sum(
            len(row.state)
            for kept in self.kept.values()
            for _, slices in kept
            for rows in slices
            for row in rows
        )

    def write(self, head: SnapshotHead, rows: Iterable[list[Row]]) -> None:
        self.before_write(head)
        kept = [
            each
            for each in self.kept.get(head.partition, [])
            if (each[0].slot, each[0].position) != (head.slot, head.position)
        ]
        self.kept[head.partition] = [(head, list(rows)), *kept[:1]]

    def heads(self, partition: int) -> list[SnapshotHead]:
        return [head for head, _ in self.kept.get(partition, [])]

    def faults(self) -> list[LogCorruptError]:
        return []

    def rows(self, head: SnapshotHead) -> Iterator[list[Row]]:
        for kept, rows in self.kept[head.partition]:
            if (kept.slot, kept.position) == (head.slot, head.position):
                yield from rows


class MemoryOwnership:
    """See Ownership, of one slot; `owners` is what all slots share."""

    def __init__(self, slot: int, owners: list[int], versions: list[int]) -> None:
        self.before_give: Callable[[int], object] = lambda _: None
        self._slot = slot
        self._owners = owners
        self._versions = versions

    def owner(self, partition: int) -> tuple[int, int]:
        return self._owners[partition], len(self._versions)

    def give(self, partition: int, to_slot: int) -> int:
        self.before_give(partition)
        if self._owners[partition] == self._slot:
            self._owners[partition] = to_slot
            self._versions.append(partition)
        return len(self._versions)
