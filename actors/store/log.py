"""The log in files: blocks of frames, with length and checksum, in segments; one writer.

A block is what one commit wrote: all of it is there, or it is torn and nobody was told of it.
Space is filled with zeroes ahead: a commit that need not make the file grow takes half the time
and CPU (65 for 130 µs). Each time a log is opened to write, it begins a segment of its own.
A segment is a file of blocks (`actors.store.block`), the body of each {u32 bytes, frame}...
"""

import contextlib
import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import Struct

from actors.errors import OperatorError
from actors.frame import Frame
from actors.store.block import HEADER, LOG, SIZE, Blocks, new_blocks
from actors.store.disk import REAL_DISK, Disk, DiskFile
from actors.store.lock import Lock, next_epoch, take_lock
from actors.store.port import StoreFullError
from actors.store.segment import (
    cut_torn_tail,
    position_of,
    read_segments,
    segment_name,
    segments_of,
)
from actors.store.spare import Spare, fill

FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Archive(NamedTuple):
    """Where a log's closed segments go."""

    keep: Callable[[Path], None]
    """Given a closed segment, which is its own now, to keep and remove: it returns when what it
    keeps is durable. It may be given the same one again after a crash."""
    prune: Callable[[], object] = lambda: None
    """Lets go what was kept for long enough. Called with each release."""


class Sizes(Struct, frozen=True, kw_only=True):
    """How large the files of a log are made, in bytes."""

    segment: int = 64 << 20
    """A segment grows to this size at most, unless one block is larger."""
    first: int = 2 << 20
    """Filled before the first commit, in about 5 ms."""
    spare: int = 16 << 20
    """Further segments are filled in the background; 0 means none is, and no thread runs."""


SIZES: Final = Sizes()


class FileLog:
    """The log of one shard, see Log. Made by `open_log`, which holds the lock on its folder."""

    def __init__(  # noqa: PLR0913 - called by open_log only
        self,
        folder: Path,
        segments: list[Path],
        *,
        key: bytes | None,
        disk: Disk,
        lock: Lock,
        epoch: int,
        archive: Archive | None,
        sizes: Sizes,
    ) -> None:
        self.folder = folder
        self.epoch = epoch
        self.commits = 0
        self._segments = segments
        self._key = key
        self._disk = disk
        self._lock = lock
        self._archive = archive
        self._sizes = sizes
        self._written_bytes = sum(disk.size(segment) for segment in segments)
        self._released_bytes = 0
        """Apart from those written: another thread may release than appends."""
        self._file: DiskFile | None = None
        self._torn = False
        """Whether a write failed: what is there of it must never be followed by another block."""
        self._blocks = Blocks(b"", None)
        self._size = 0
        self._capacity = 0
        self._spare = Spare(folder / "spare", sizes.spare, disk)
        self._writing = threading.Lock()
        self._releasing = threading.Lock()
        """Held while closed segments are read to be replaced or moved: one of the two at a time."""

    @property
    def size_bytes(self) -> int:
        """See Log."""
        return self._written_bytes - self._released_bytes

    def frames(self, position: int | None = 0) -> Iterator[Frame]:
        """See Log."""
        segments = list(self._segments)
        first = position_of(segments[0]) if segments else 0
        return read_segments(
            segments,
            self._key,
            self._disk,
            position=first if position is None else position,
            torn_tail=self._file is not None,  # Space filled ahead looks like one.
        )

    def append(self, position: int, frames: list[bytes]) -> None:
        """Write frames, the first at `position`, as one block, and wait until it is durable.

        Raises StoreFullError: the same may be tried again. Raises OSError: then the state of the
        disk is unknown and the process must not go on.
        """
        parts = []
        for frame in frames:
            parts += [SIZE.pack(len(frame)), frame]
        body = b"".join(parts)
        with self._writing:
            self._append(position, body)

    def _append(self, position: int, body: bytes) -> None:
        file = self._file
        if file is None or self._torn or self._is_full(len(body)):
            file = self._begin_segment(position)
        block = self._blocks.encode(self._size, body)
        try:
            file.write(block, self._size)
        except OSError as error:
            self._torn = True
            if error.errno in FULL:
                raise StoreFullError(_full_text(self.folder)) from error
            raise
        file.sync(data_only=True)
        self.commits += 1
        self._size += len(block)
        self._written_bytes += len(block)

    def release(self, position: int) -> None:
        """Hand closed segments wholly before `position` over to the archive, if there is one.

        Before, the archive lets go what it has kept for long enough: also where nothing comes.
        Takes as long as the archive takes: not on the loop. The last segment always stays.
        """
        if self._archive is None:
            return
        with self._releasing:
            self._archive.prune()  # First: on a full disk it makes room.
            if self._release(position, self._archive):
                self._archive.prune()  # What came may be old already.

    @contextlib.contextmanager
    def closed(self) -> Iterator[list[Path]]:
        """Close the segment being written, and give all there are, to be replaced in their place.

        None goes to the archive meanwhile; commits go on, in a new segment. Raises OSError.
        """
        with self._releasing:
            with self._writing:
                self._end_segment()
                segments = list(self._segments)
            before = sum(self._disk.size(segment) for segment in segments)
            yield segments
            self._released_bytes += before - sum(self._disk.size(each) for each in segments)

    def _release(self, position: int, archive: Archive) -> int:
        released = 0
        while True:
            # Both at once: the thread that appends may take the last away meanwhile.
            two = self._segments[:2]
            if len(two) < 2 or position_of(two[1]) > position:
                return released
            segment = two[0]
            size = self._disk.size(segment)
            archive.keep(segment)
            del self._segments[0]
            self._released_bytes += size
            released += 1

    def close(self) -> None:
        """Close the files and release the lock."""
        try:
            self._spare.close()
            self._end_segment()
        finally:
            self._lock.release()

    def _is_full(self, more_bytes: int) -> bool:
        """Say whether to go on in another segment."""
        size = self._size + more_bytes
        return size > self._sizes.segment or (size > self._capacity and self._spare.ready)

    def _begin_segment(self, position: int) -> DiskFile:
        self._end_segment()
        path = self.folder / segment_name(position, self.epoch)
        blocks = new_blocks(LOG, self._key)
        prepared = self._spare.take()
        try:
            if prepared is None:
                prepared = self.folder / "first"
                fill(prepared, self._sizes.first, self._disk)
            file = self._disk.open(prepared)
            try:
                file.write(blocks.header, 0)
                file.sync()
                self._disk.rename(prepared, path)
            except OSError:
                file.close()
                raise
        except OSError as error:
            if prepared is not None:
                with contextlib.suppress(OSError):  # The next try makes it anew, or says why not.
                    self._disk.remove(prepared)
            if error.errno in FULL:
                raise StoreFullError(_full_text(self.folder)) from error
            raise
        self._disk.sync_folder(self.folder)
        self._file = file
        self._blocks = blocks
        self._size = HEADER.size
        self._capacity = file.size
        self._written_bytes += HEADER.size
        self._segments.append(path)
        self._spare.prepare()
        return file

    def _end_segment(self) -> None:
        """Cut the segment to what counts. Without a block, the next one takes its name."""
        file = self._file
        if file is None:
            return
        file.cut(self._size)
        file.sync()
        self._file = None
        self._torn = False
        file.close()
        if self._size == HEADER.size:
            self._segments.pop()
            self._written_bytes -= HEADER.size


def open_log(
    folder: Path,
    key: bytes | None = None,
    disk: Disk = REAL_DISK,
    *,
    lock: Lock | None = None,
    successor: bool = False,
    archive: Archive | None = None,
    sizes: Sizes = SIZES,
) -> FileLog:
    """Open a shard's log to write: take its lock, cut a torn tail off its last segment.

    Raises OperatorError if another process has it; a successor kills that one. Raises
    LogCorruptError, OSError.
    """
    held = lock
    try:
        disk.make_folder(folder)
        held = held or take_lock(folder / "lock", successor=successor)
        epoch = next_epoch(folder, disk)
        segments = segments_of(folder, disk)
        if segments and not cut_torn_tail(segments[-1], key, disk):
            segments.pop()
        disk.remove(folder / "first")
        return FileLog(
            folder,
            segments,
            key=key,
            disk=disk,
            lock=held,
            epoch=epoch,
            archive=archive,
            sizes=sizes,
        )
    except BaseException as error:
        if held is not None:
            held.release()
        if isinstance(error, OSError) and error.errno in FULL:
            raise OperatorError(_full_text(folder)) from error
        raise


def read_log(
    folder: Path, key: bytes | None = None, disk: Disk = REAL_DISK, position: int | None = None
) -> Iterator[Frame]:
    """Read a log without owning it, up to the last whole block: all that it still has.

    With a position, from there; see read_segments.
    """
    segments = segments_of(folder, disk)
    if position is None:
        position = position_of(segments[0]) if segments else 0
    return read_segments(segments, key, disk, position=position, torn_tail=True)


def _full_text(folder: Path) -> str:
    return f"{folder} is on a full disk, or its quota is used up; make space"
