"""The log in files: blocks of frames, with length and checksum, in segments; one writer.

A block is what one commit wrote: all of it is there, or it is torn and nobody was told of it.
Space is filled with zeroes ahead: a commit that need not make the file grow takes half the time
and CPU (65 for 130 µs). Each time a log is opened to write, it begins a segment of its own.
A segment is a file of blocks (`actors.store.block`), the body of each {u32 bytes, frame}...
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from actors.clock import process_start
from actors.errors import OperatorError
from actors.frame import Frame, decode_frame
from actors.store.block import HEADER, LOG, SIZE, Blocks, new_blocks, open_blocks, read_blocks
from actors.store.spare import Spare, fill

SEGMENT_BYTES_MAX: Final = 64 << 20
FIRST_BYTES: Final = 2 << 20
"""Filled before the first commit, in about 5 ms; further segments are filled in the background."""


class Log:
    """The log of one shard. Made by `open_log`, which holds the lock on its folder."""

    def __init__(
        self, folder: Path, lock: int, segments: list[Path], key: bytes | None = None
    ) -> None:
        self.folder = folder
        self._key = key
        self.commits = 0
        self.size_bytes = sum(segment.stat().st_size for segment in segments)
        self._lock = lock
        self._segments = segments
        self._file = -1
        self._blocks = Blocks(b"", None)
        self._size = 0
        self._capacity = 0
        self._spare = Spare(folder / "spare")

    def frames(self) -> Iterator[Frame]:
        """Read all frames from the first. Raises LogCorruptError where one is not as written."""
        for segment in self._segments:
            yield from read_segment(segment, self._key)

    def append(self, position: int, frames: list[bytes]) -> None:
        """Write frames, the first at `position`, as one block, and wait until it is durable.

        Raises OSError; then the state of the disk is unknown and the process must not go on.
        """
        parts = []
        for frame in frames:
            parts += [SIZE.pack(len(frame)), frame]
        body = b"".join(parts)
        if self._file < 0 or self._is_full(len(body)):
            self._begin_segment(position)
        block = self._blocks.encode(self._size, body)
        written = os.pwrite(self._file, block, self._size)
        if written < len(block):
            raise OSError(f"only {written} of {len(block)} bytes fit into {self._segments[-1]}")
        os.fdatasync(self._file)
        self.commits += 1
        self.size_bytes += len(block)
        self._size += len(block)

    def close(self) -> None:
        """Close the files and release the lock."""
        self._spare.close()
        self._end_segment()
        os.close(self._lock)

    def _is_full(self, more_bytes: int) -> bool:
        """Say whether to go on in another segment."""
        size = self._size + more_bytes
        return size > SEGMENT_BYTES_MAX or (size > self._capacity and self._spare.ready)

    def _begin_segment(self, position: int) -> None:
        self._end_segment()
        path = self.folder / f"log-{position:020}.seg"
        assert not path.exists(), f"{path} is there already"
        spare = self._spare.take()
        if spare is None:
            spare = self.folder / "first"
            fill(spare, FIRST_BYTES)
        file = os.open(spare, os.O_WRONLY)
        blocks = new_blocks(LOG, self._key)
        os.pwrite(file, blocks.header, 0)
        os.fsync(file)
        spare.rename(path)
        sync_folder(self.folder)
        self._file = file
        self._blocks = blocks
        self._size = HEADER.size
        self._capacity = os.fstat(file).st_size
        self.size_bytes += HEADER.size
        self._segments.append(path)
        self._spare.prepare()

    def _end_segment(self) -> None:
        if self._file >= 0:
            os.ftruncate(self._file, self._size)
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1


def open_log(folder: Path, key: bytes | None = None) -> Log:
    """Open a shard's log to write: take its lock, cut a torn tail off its last segment.

    Raises OperatorError if another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 64).decode(errors="replace").split() or ["?"]
        os.close(lock)
        text = f"{folder} is in use by process {owner[0]}; stop it, or name another --data"
        raise OperatorError(text) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()} {process_start(os.getpid())}".encode(), 0)
    segments = segments_of(folder)
    while segments and _cut_torn_tail(segments[-1], key) <= HEADER.size:
        segments.pop()
    return Log(folder, lock, segments, key)


def segments_of(folder: Path) -> list[Path]:
    """Return the segments of a log, the oldest first."""
    return sorted(folder.glob("log-*.seg"))


def read_log(folder: Path, key: bytes | None = None) -> Iterator[Frame]:
    """Read a log without owning it, up to the last whole block."""
    segments = segments_of(folder)
    for segment in segments:
        yield from read_segment(segment, key, torn_tail=segment is segments[-1])


def read_segment(path: Path, key: bytes | None, *, torn_tail: bool = False) -> Iterator[Frame]:
    """Read the frames of a segment; a torn block at its end is an error, unless it may be there."""
    for body in read_blocks(path, LOG, key, torn_tail=torn_tail):
        yield from _frames_in(body)


def _frames_in(body: bytes) -> Iterator[Frame]:
    start = 0
    while start < len(body):
        (size,) = SIZE.unpack_from(body, start)
        start += SIZE.size
        yield decode_frame(body[start : start + size])
        start += size


def _cut_torn_tail(path: Path, key: bytes | None) -> int:
    """Cut off a last block that is not whole, and zeroes; return the bytes that stay.

    A segment without a block goes altogether.
    """
    with path.open("r+b") as file:
        _, whole = open_blocks(path, file, LOG, key)
        if HEADER.size < whole < os.fstat(file.fileno()).st_size:
            file.truncate(whole)
            os.fsync(file.fileno())
    if whole <= HEADER.size:
        path.unlink()
        sync_folder(path.parent)
    return whole


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
