"""The files of a slot that may hold what a contact did, and how it is taken out of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from actors.erasure import count_erased, erase_earlier_from_frame, erase_from_frame
from actors.errors import LogCorruptError
from actors.frame import Frame
from actors.store.archive import ARCHIVE_FOLDER, archive_files
from actors.store.block import ARCHIVE, LOG
from actors.store.disk import REAL_DISK, Disk
from actors.store.earlier import held_earlier
from actors.store.erased import Erasure, ErasureNotes
from actors.store.newfile import Pause, no_pause
from actors.store.port import FencedError, Row, SnapshotHead
from actors.store.rewrite import Replace, rewrite_file
from actors.store.segment import position_of
from actors.store.sighted import SightingsFile
from engine.contacts.erasure import digest_of

END: Final = 1 << 62
"""Behind any position."""

Here = Callable[[int], bool]
"""Says whether a partition is this slot's. From any thread."""


class Rewritten(Struct, frozen=True):
    """What a rewriting came to."""

    files: int = 0
    records: int = 0
    """Records of logs that placeholders stand for now, and rows of snapshots that went."""

    def __add__(self, other: "Rewritten") -> "Rewritten":
        """Add both up."""
        return Rewritten(self.files + other.files, self.records + other.records)


class ClosableLog(Protocol):
    """A log of files whose closed segments can be replaced."""

    def closed(self) -> AbstractContextManager[list[Path]]:
        """See actors.store.log.FileLog."""
        ...


class RewritableSnapshots(Protocol):
    """Snapshots that can be written again."""

    def all_heads(self, partition: int | None = None) -> dict[int, list[SnapshotHead]]:
        """See actors.store.snapshots.SnapshotFiles."""
        ...

    def faults(self) -> list[LogCorruptError]:
        """See actors.store.snapshots.SnapshotFiles."""
        ...

    def rewrite_snapshot(self, head: SnapshotHead, drop: Callable[[Row], bool]) -> bool:
        """See actors.store.snapshots.SnapshotFiles."""
        ...


class RewritableHistory(Protocol):
    """Log and archive of a slot, which can be written again."""

    def rewrite(self, last: int, replace: Replace, pause: Pause) -> int:
        """Write again what has records up to position `last`; return how many files changed.

        See actors.store.rewrite.
        """
        ...


class SlotFiles:
    """The files of one slot that may hold what a contact did."""

    def __init__(
        self,
        folder: Path,
        *,
        log: ClosableLog | None = None,
        history: RewritableHistory | None = None,
        snapshots: RewritableSnapshots | None = None,
        key: bytes | None = None,
        disk: Disk = REAL_DISK,
        slot: int = -1,
    ) -> None:
        """For the owner of the slot: with its log where it is in files, else with its history.

        `slot` is its number where partitions move; else all snapshots are of this slot.

        Raises LogCorruptError, OSError: see ErasureNotes.
        """
        self.notes = ErasureNotes(folder, disk)
        self.sightings = SightingsFile(folder, key, disk)
        earlier = None
        if history is None:
            assert log is not None
            history = _HistoryFiles(folder, log, key, disk)
            earlier = _EarlierFiles(folder.parent, key, disk)
        self._earlier = earlier
        self._history = history
        self._snapshots = snapshots
        self._slot = slot

    def erase(
        self, erasures: list[Erasure], pause: Pause = no_pause, here: Here | None = None
    ) -> Rewritten:
        """Take these contacts out of log, archive and snapshots; to do it again changes nothing.

        Those that this slot erased. `pause` is called between steps of 256 KB, and ends it by
        raising. Raises LogCorruptError also for a damaged snapshot, as nobody can say what it
        holds; OSError, StoreStalledError. Then part of the files may be done.
        """
        self.sightings.drop()  # What the shard still knows has nothing of them; it writes it anew.
        erased = {each.digest: each.position for each in erasures}
        counts = _Counts(partial(erase_from_frame, erased=erased))
        files = self._history.rewrite(max(erased.values()), counts.replace, pause)
        done = Rewritten(files, counts.total)
        if self._earlier is not None:
            done += self._earlier.erase(list(erased), pause)
        return done + self.erase_snapshots(erasures, pause, here)

    def erase_earlier(self, erasures: list[Erasure], pause: Pause = no_pause) -> Rewritten:
        """Take contacts out of log and archive that another slot erased, which had them since.

        Raises as `erase`.
        """
        self.sightings.drop()
        erased = {each.digest: each.elsewhere for each in erasures}
        counts = _Counts(partial(erase_earlier_from_frame, erased=erased))
        files = self._history.rewrite(END, counts.replace, pause)
        return Rewritten(files, counts.total)

    def erase_snapshots(
        self, erasures: list[Erasure], pause: Pause = no_pause, here: Here | None = None
    ) -> Rewritten:
        """Take contacts out of their partitions' snapshots; not of those that are not here.

        Raises as `erase`.
        """
        files = rows = 0
        if self._snapshots is None:
            return Rewritten()
        for number in sorted({each.partition for each in erasures}):
            pause()
            for head in self._snapshots.all_heads(number).get(number, []):
                if here is not None and not here(number):
                    break
                drop = _Drop({each.digest for each in erasures if each.follows(head, self._slot)})
                try:
                    files += self._snapshots.rewrite_snapshot(head, drop)
                except FencedError:
                    if here is None or here(number):
                        raise
                    break  # It moved meanwhile: to who sees to it.
                rows += len(drop.keys)
        for fault in self._snapshots.faults():
            raise fault
        return Rewritten(files, rows)


class _HistoryFiles:
    """Log and archive in files. See RewritableHistory."""

    def __init__(self, folder: Path, log: ClosableLog, key: bytes | None, disk: Disk) -> None:
        self._folder = folder
        self._log = log
        self._key = key
        self._disk = disk

    def rewrite(self, last: int, replace: Replace, pause: Pause) -> int:
        """See RewritableHistory."""
        with self._sources(last) as sources:
            return sum(
                rewrite_file(path, kind, self._key, self._disk, replace, pause)
                for path, kind in sources
            )

    @contextmanager
    def _sources(self, last: int) -> Iterator[list[tuple[Path, bytes]]]:
        """Give the files with records up to position `last`, all closed, and keep them there.

        The archive stays as it is too: only what the log releases comes to it.
        """
        with self._log.closed() as segments:
            archive = archive_files(self._folder / ARCHIVE_FOLDER, self._disk)
            yield [
                *((each.path, ARCHIVE) for each in archive if each.first <= last),
                *((path, LOG) for path in segments if position_of(path) <= last),
            ]


class _EarlierFiles:
    """What a store in files did in Redis: all of it was before whatever its shards' logs tell."""

    def __init__(self, data: Path, key: bytes | None, disk: Disk) -> None:
        self._data = data
        self._key = key
        self._disk = disk

    def erase(self, digests: list[str], pause: Pause) -> Rewritten:
        """Take contacts out of it, whatever slot they were in."""
        done = Rewritten()
        without = partial(erase_from_frame, erased=dict.fromkeys(digests, END))
        with held_earlier(self._data, self._disk, pause) as folders:
            for folder in folders:
                counts = _Counts(without)
                files = sum(
                    rewrite_file(each.path, ARCHIVE, self._key, self._disk, counts.replace, pause)
                    for each in archive_files(folder, self._disk)
                )
                done += Rewritten(files, counts.total)
        return done


class _Counts:
    """Replaces frames, and counts records that became placeholders: each once."""

    def __init__(self, without: Callable[[Frame], Frame]) -> None:
        self._without = without
        self._by_position: dict[int, int] = {}

    @property
    def total(self) -> int:
        return sum(self._by_position.values())

    def replace(self, frame: Frame) -> Frame | None:
        new = self._without(frame)
        if new is frame:
            return None
        self._by_position[frame.position] = count_erased(new) - count_erased(frame)
        return new


class _Drop:
    """Says which rows of a snapshot go, and remembers them."""

    def __init__(self, gone: set[str]) -> None:
        self.keys: set[str] = set()
        self._gone = gone

    def __call__(self, row: Row) -> bool:
        gone = bool(self._gone) and digest_of(row.key) in self._gone
        if gone:
            self.keys.add(row.key)
        return gone
