"""Segments: the files of a log, named by the position of their first record and their epoch."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from actors.errors import LogCorruptError, OperatorError
from actors.frame import Frame, decode_frame
from actors.store.block import HEADER, LOG, SIZE, open_blocks, read_blocks
from actors.store.disk import REAL_DISK, Disk

NAME: Final = re.compile(r"log-(\d{20})-(\d{6,})\.seg")


def segment_name(position: int, epoch: int) -> str:
    """Return the name of the segment that an owner began at a position."""
    return f"log-{position:020}-{epoch:06}.seg"


def position_of(path: Path) -> int:
    """Return the position at which a segment begins."""
    return _order(path)[0]


def segments_of(folder: Path, disk: Disk = REAL_DISK) -> list[Path]:
    """Return the segments of a log, the oldest first."""
    paths = [folder / name for name in disk.names(folder) if NAME.fullmatch(name)]
    return sorted(paths, key=_order)


def read_segments(
    segments: list[Path],
    key: bytes | None,
    disk: Disk = REAL_DISK,
    *,
    position: int = 0,
    torn_tail: bool = False,
) -> Iterator[Frame]:
    """Read the frames that have records at or after `position`, or end there without one.

    The last segment may have a torn tail, if it says so. Raises LogCorruptError where a block is
    not as written, and where frames do not follow each other up to `position` at least.
    """
    segments = _from(segments, position)
    end = 0
    for path in segments:
        begin = position_of(path)
        if path is segments[0]:
            end = begin
            if begin > position:
                text = f"{path} is the log's first, but position {position} is needed"
                raise LogCorruptError(f"{text}; restore what was before it from a copy")
        elif begin != end:
            raise _gap(path, begin, end)
        torn = torn_tail and path is segments[-1]
        for frame in read_segment(path, key, disk, torn_tail=torn):
            if frame.position != end:
                raise _gap(path, frame.position, end)
            end += len(frame.records)
            if end > position or frame.position >= position:
                yield frame
    if end < position:
        where = segments[-1] if segments else "a log without a segment"
        text = f"{where} ends at position {end}, but position {position} is needed"
        raise LogCorruptError(f"{text}; restore the log from a copy")


def read_segment(
    path: Path, key: bytes | None, disk: Disk = REAL_DISK, *, torn_tail: bool = False
) -> Iterator[Frame]:
    """Read the frames of a segment; a torn block at its end is an error, unless it may be there."""
    try:
        for body in read_blocks(path, LOG, key, torn_tail=torn_tail, disk=disk):
            start = 0
            while start < len(body):
                (size,) = SIZE.unpack_from(body, start)
                start += SIZE.size
                yield decode_frame(body[start : start + size])
                start += size
    except msgspec.DecodeError as error:
        text = f"{path} holds a frame of another version of Anlass, or a broken one: {error}"
        raise LogCorruptError(text) from None
    except FileNotFoundError:
        raise OperatorError(f"{path} went away while the log was read; read it again") from None


def cut_torn_tail(path: Path, key: bytes | None, disk: Disk) -> bool:
    """Cut off a last block that is not whole, and zeroes; say whether any block stays.

    A segment without a block goes altogether. Raises LogCorruptError, OSError.
    """
    with disk.read(path) as reader:
        _, whole = open_blocks(path, reader, LOG, key)
    if whole <= HEADER.size:
        disk.remove(path)
        disk.sync_folder(path.parent)
        return False
    if whole < disk.size(path):
        file = disk.open(path)
        try:
            file.cut(whole)
            file.sync()
        finally:
            file.close()
    return True


def _from(segments: list[Path], position: int) -> list[Path]:
    """Leave out the segments wholly before `position`."""
    later = (at for at, path in enumerate(segments) if position_of(path) > position)
    return segments[max(next(later, len(segments)) - 1, 0) :]


def _gap(path: Path, found: int, expected: int) -> LogCorruptError:
    text = f"{path} goes on at position {found}, not {expected}"
    return LogCorruptError(f"{text}; restore the log from a copy")


def _order(path: Path) -> tuple[int, int]:
    match = NAME.fullmatch(path.name)
    assert match is not None, f"{path} is no segment"
    return int(match[1]), int(match[2])
