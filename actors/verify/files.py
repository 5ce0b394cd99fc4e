"""Verify: reads all that a store holds, and says what is not as it was written.

Then folds it again, from nothing or the oldest snapshots, and compares. It writes nothing, and the
store may be running.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import zstandard
from msgspec import Struct

from actors.errors import LogCorruptError
from actors.frame import Frame, PublishRecord, partition_number
from actors.map import partitions_of
from actors.store.archive import ARCHIVE_FOLDER, archive_files, pruned
from actors.store.block import ARCHIVE, LOG, SNAPSHOT
from actors.store.body import frames_in, read_frame
from actors.store.earlier import earlier_bytes
from actors.store.history import read_again
from actors.store.manifest import read_store, shard_folder
from actors.store.port import SnapshotHead
from actors.store.scan import Piece, scan_blocks
from actors.store.segment import position_of, segments_of
from actors.store.snapshots import SnapshotFiles
from actors.verify.finding import Counts, Finding
from actors.verify.moved import verify_earlier
from actors.verify.refold import Refold, new_shard
from engine.contacts.identity import partition_of

SNAPSHOT_FOLDER: Final = "snapshots"


class Source(Struct, frozen=True):
    """A file of a slot's history: of its archive, or of its log."""

    path: Path
    kind: bytes
    first: int
    """Position of its first record, as its name says."""
    last: bool = False
    """Whether the log may be writing to it."""


def verify_store(
    data: Path, key: bytes | None, counts: Counts, progress: Callable[[int], None]
) -> Iterator[Finding]:
    """Verify a store slot by slot; `progress` is told bytes, `bytes_to_read` of them in all.

    Raises OperatorError where the folder is no store, or its key is missing.
    """
    store = read_store(data)
    for slot in range(store.shards):
        yield from _ShardFiles(data, slot, store.shards, key, counts, progress).findings()
    yield from verify_earlier(data, store.shards, key, counts, progress)


def bytes_to_read(data: Path) -> int:
    """Return how many bytes a verification reads: a history is read twice."""
    store = read_store(data)
    total = earlier_bytes(data)
    for slot in range(store.shards):
        folder = shard_folder(data, slot)
        total += 2 * sum(_size(source.path) for source in sources_of(folder))
        total += sum(_size(path) for path in _snapshots_of(folder))
    return total


def sources_of(folder: Path) -> list[Source]:
    """Return the files of a slot's history in order; of a segment in both, the archive's."""
    # Segments first: one that goes to the archive meanwhile is seen twice rather than not at all.
    segments = segments_of(folder)
    sources = {
        position_of(path): Source(path, LOG, position_of(path), last=path == segments[-1])
        for path in segments
    }
    for file in archive_files(folder / ARCHIVE_FOLDER):
        sources[file.first] = Source(file.path, ARCHIVE, file.first)
    return [sources[first] for first in sorted(sources)]


class _ShardFiles:
    """The verification of one slot."""

    def __init__(
        self,
        data: Path,
        slot: int,
        shards: int,
        key: bytes | None,
        counts: Counts,
        progress: Callable[[int], None],
    ) -> None:
        self._data = data
        self._slot = slot
        self._shards = shards
        self._key = key
        self._counts = counts
        self._progress = progress
        self._folder = shard_folder(data, slot)
        self._next = 0
        """Position behind the last record read."""
        self._whole_since = 0
        """From which position on no record is missing."""
        self._pseqs: dict[int, int] = {}
        self._decompress = zstandard.ZstdDecompressor().decompress

    def findings(self) -> Iterator[Finding]:
        """Read snapshots, then the history, which so reaches past them; then fold it again."""
        heads: dict[int, list[SnapshotHead]] = {}
        yield from self._read_snapshots(heads)
        yield from self._read_history()
        yield from self._fold_again(heads)

    def _read_snapshots(self, heads: dict[int, list[SnapshotHead]]) -> Iterator[Finding]:
        """Read all snapshots; `heads` gets those that are as they were written."""
        damaged = set()
        for finding in self._scan_snapshots():
            damaged.add(self._data / finding.file)
            yield finding
        files = SnapshotFiles(self._folder / SNAPSHOT_FOLDER, self._key)
        for number, found in files.all_heads().items():
            for head in found:
                path = files.path(head)
                text = "" if path in damaged else self._read_rows(files, head)
                if text:
                    damaged.add(path)
                    yield self._damage(path, None, text)
            heads[number] = [head for head in found if files.path(head) not in damaged]
        for error in files.faults():  # Whole blocks that make no snapshot.
            if not any(str(path) in str(error) for path in damaged):
                yield Finding(text=str(error), shard=self._slot)

    def _scan_snapshots(self) -> Iterator[Finding]:
        for path in _snapshots_of(self._folder):
            try:
                for piece in scan_blocks(path, SNAPSHOT, self._key):
                    self._count(piece)
                    if piece.body is None:
                        yield self._damage(path, piece.offset, piece.error)
            except FileNotFoundError:
                continue  # The store runs, and a later one took its place.
            self._counts.files += 1

    def _read_rows(self, files: SnapshotFiles, head: SnapshotHead) -> str:
        """Count a snapshot's rows; return what is wrong with them."""
        try:
            for rows in files.rows(head):
                self._counts.rows += len(rows)
                for row in rows:
                    if partition_of(row.key) != head.partition or row.pseq > head.pseq:
                        return f"holds contact {row.key!r}, which cannot be in it"
        except LogCorruptError as error:
            return str(error)
        self._counts.snapshots += 1
        return ""

    def _read_history(self) -> Iterator[Finding]:
        """Read archive and log in order; files may go from one to the other meanwhile."""
        read, gone = -1, None
        while True:
            sources = [source for source in sources_of(self._folder) if source.first > read]
            if not sources:
                return
            source = sources[0]
            if read < 0:
                self._next = self._whole_since = source.first
            elif gone is not None and source.first > self._next:
                raise pruned(self._folder)
            try:
                yield from self._read_source(source)
            except FileNotFoundError:
                if gone == source.path:
                    raise
                gone = source.path
                continue
            read = source.first
            self._counts.files += 1

    def _read_source(self, source: Source) -> Iterator[Finding]:
        path = source.path
        begun = False
        for piece in scan_blocks(path, source.kind, self._key):
            self._count(piece)
            if piece.body is None:
                if not (piece.torn and source.last):
                    self._whole_since = -1
                    yield self._damage(path, piece.offset, piece.error)
                elif not piece.blank:
                    text = "a last write that was cut short: nobody was told of it"
                    yield self._damage(path, piece.offset, text, damage=False)
                continue
            try:
                for frame in self._frames(source, piece.body):
                    if not begun and frame.position != source.first:
                        text = f"begins at position {frame.position}, not as its name says"
                        yield self._damage(path, piece.offset, text)
                    begun = True
                    for text in self._follow(frame):
                        yield self._damage(path, piece.offset, text)
            except LogCorruptError as error:
                self._whole_since = -1
                yield self._damage(path, piece.offset, str(error))

    def _frames(self, source: Source, body: bytes) -> Iterator[Frame]:
        if source.kind == ARCHIVE:
            try:
                body = self._decompress(body)
            except zstandard.ZstdError as error:
                raise LogCorruptError(f"it cannot be decompressed: {error}") from None
        for encoded in frames_in(source.path, body):
            yield read_frame(source.path, encoded)

    def _follow(self, frame: Frame) -> Iterator[str]:
        """Check that a frame follows what was read before it; say what does not."""
        if frame.position != self._next:
            missing = frame.position - self._next
            says = f"{missing:,} records are missing" if missing > 0 else "records come twice"
            yield f"goes on at position {frame.position} where {self._next} should follow: {says}"
            self._whole_since = -1
        if self._whole_since < 0:
            self._whole_since = frame.position
            self._pseqs.clear()
        if len(frame.verdicts) != len(frame.records):
            yield f"the frame at position {frame.position} has not a verdict for each record"
        for position, record in enumerate(frame.records, frame.position):
            if isinstance(record, PublishRecord):
                continue
            number = partition_number(record)
            before = self._pseqs.get(number, 0 if self._whole_since == 0 else record.pseq - 1)
            if record.pseq != before + 1:
                yield (
                    f"partition {number}: input {record.pseq} follows input {before}, at position "
                    f"{position}"
                )
            self._pseqs[number] = record.pseq
        self._next = frame.position + len(frame.records)
        self._counts.frames += 1
        self._counts.records += len(frame.records)

    def _fold_again(self, heads: dict[int, list[SnapshotHead]]) -> Iterator[Finding]:
        since = self._whole_since
        newest = {number: found[0] for number, found in heads.items() if found}
        start: dict[int, SnapshotHead] = {}
        without = []
        for number in partitions_of(self._slot, self._shards):
            found = [head for head in heads.get(number, []) if head.position >= since >= 0]
            if since > 0 and found:
                start[number] = found[-1]
            elif since != 0:
                without.append(number)
        late = [number for number, head in newest.items() if head.position > self._next]
        if without:
            text = f"{_said(without)}: no snapshot is left from which the log goes on without a gap"
            yield Finding(text=text, shard=self._slot)
        if late:
            text = f"{_said(late)}: the log ends at position {self._next}, before the snapshot"
            yield Finding(text=text, shard=self._slot)
        if without or late:
            yield Finding(text="not folded again, as it cannot be", shard=self._slot, damage=False)
            return
        shard = new_shard(self._slot, self._shards)
        snapshots = SnapshotFiles(self._folder / SNAPSHOT_FOLDER, self._key)
        history = partial(read_again, self._folder, self._key)
        refold = Refold(shard, start, newest, snapshots, history)
        refold.run(self._counts, self._positions_as_bytes(since))
        yield from refold.findings
        alone = [number for number, head in newest.items() if start.get(number) == head]
        if alone:
            text = f"{_said(alone)}: one snapshot, and no log before it: nothing to compare"
            yield Finding(text=text, shard=self._slot, damage=False)

    def _positions_as_bytes(self, begin: int) -> Callable[[int], None]:
        """Return what tells progress by the positions that folding reaches."""
        total = sum(_size(source.path) for source in sources_of(self._folder))
        told = 0

        def reached(position: int) -> None:
            nonlocal told
            due = total * (position - begin) // max(self._next - begin, 1)
            self._progress(due - told)
            told = due

        return reached

    def _count(self, piece: Piece) -> None:
        self._counts.bytes += piece.size
        self._counts.blocks += piece.body is not None
        self._progress(piece.size)

    def _damage(self, path: Path, byte: int | None, text: str, *, damage: bool = True) -> Finding:
        file = path.relative_to(self._data).as_posix()
        return Finding(text=text, damage=damage, file=file, byte=byte, shard=self._slot)


def _said(partitions: list[int]) -> str:
    """Name partitions, many in a row as a span."""
    spans: list[list[int]] = []
    for number in sorted(partitions):
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    names = ", ".join(" to ".join(map(str, span)) for span in spans)
    return f"partition {names}" if len(partitions) == 1 else f"partitions {names}"


def _snapshots_of(folder: Path) -> list[Path]:
    return sorted((folder / SNAPSHOT_FOLDER).glob("snapshot-*.snap"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # The store runs, and it went away.
