"""History: all frames of a slot that there are, from its archive and its log, without owning it."""

from collections.abc import Generator, Iterator
from pathlib import Path

from msgspec import Struct

from actors.errors import LogCorruptError
from actors.frame import Frame
from actors.store.archive import (
    ARCHIVE_FOLDER,
    archive_files,
    pruned,
    read_archive,
)
from actors.store.block import LOG, read_blocks
from actors.store.body import frames_in, read_frame
from actors.store.disk import REAL_DISK, Disk
from actors.store.segment import position_of, segments_of


class _Source(Struct, frozen=True):
    """A file of the history."""

    path: Path
    first: int
    next: int | None
    """Where it ends, if its name says so."""
    last: bool
    """Whether the log may be writing to it."""

    def bodies(self, key: bytes | None, disk: Disk) -> Iterator[bytes]:
        if self.next is None:
            return read_blocks(self.path, LOG, key, torn_tail=self.last, disk=disk)
        return read_archive(self.path, key, disk)


def read_history(
    folder: Path, key: bytes | None, position: int | None = None, disk: Disk = REAL_DISK
) -> Iterator[Frame]:
    """Read the frames with records at or after `position`, each once; of all there are for None.

    The log may be running: what it holds at the moment of the call is read, up to its last whole
    block, and files may move to the archive meanwhile. Raises LogCorruptError where a file is not
    as written, where frames do not follow each other, and where they do not reach back to
    `position` (see `first_position`: the archive is kept for a time only) or end before it;
    PrunedError where what follows went by its age meanwhile; OperatorError where the key is
    missing.
    """
    return _read(folder, key, position, disk, known=False)


def read_again(
    folder: Path, key: bytes | None, position: int, disk: Disk = REAL_DISK
) -> Iterator[Frame]:
    """Read as `read_history`, from where it was found to begin, or was read, a moment ago.

    Raises PrunedError where that went by its age since, and as `read_history`.
    """
    return _read(folder, key, position, disk, known=True)


def _read(
    folder: Path, key: bytes | None, position: int | None, disk: Disk, *, known: bool
) -> Iterator[Frame]:
    place = position or 0
    begun = position is not None
    end = 0
    gone: Path | None = None
    while True:
        sources = _sources(folder, place, disk)
        if sources and not begun:
            place = sources[0].first
        for source in sources:
            if source.first > place and source is sources[0] and (known or gone):
                raise pruned(folder)
            if source.first > place or (source.first < place and source is not sources[0]):
                raise _gap(source.path, place, source.first)
            try:
                end = yield from _frames(source, place, key, disk)
            except FileNotFoundError:
                if source.path == gone:
                    raise
                gone = source.path
                break  # It went to the archive, or its time was over: list again.
            place, begun = max(place, end), True
        else:
            break
    if end < place:
        text = f"{folder} ends at position {end}, but position {place} is needed"
        raise LogCorruptError(f"{text}; restore it from a copy")


def first_position(folder: Path, disk: Disk = REAL_DISK) -> int:
    """Return the position from which a slot's history is there; 0 where nothing was written."""
    return min((source.first for source in _all_sources(folder, disk)), default=0)


def end_position(folder: Path, key: bytes | None) -> int:
    """Return the position behind the last record that is there now. Raises as `read_history`."""
    first, segments = first_position(folder), segments_of(folder)
    end = place = max(first, position_of(segments[-1])) if segments else first
    for frame in read_history(folder, key, place):
        end = frame.position + len(frame.records)
    return end


def _frames(
    source: _Source, place: int, key: bytes | None, disk: Disk
) -> Generator[Frame, None, int]:
    """Read the frames of one file that are not wholly before `place`; return where it ends."""
    follows = source.first
    for body in source.bodies(key, disk):
        for encoded in frames_in(source.path, body):
            frame = read_frame(source.path, encoded)
            if frame.position != follows:
                raise _gap(source.path, follows, frame.position)
            follows += len(frame.records)
            if frame.position >= place or follows > place:
                yield frame
    if source.next is not None and follows != source.next:
        text = f"{source.path} ends before position {follows}"
        raise LogCorruptError(f"{text}, and should before {source.next}; restore it from a copy")
    return follows


def _sources(folder: Path, place: int, disk: Disk) -> list[_Source]:
    """Return the files with records at or after `place`, and the last one."""
    sources = _all_sources(folder, disk)
    while len(sources) > 1 and sources[1].first <= place:
        del sources[0]
    return sources


def _all_sources(folder: Path, disk: Disk) -> list[_Source]:
    """Return the files in order: of a segment that is in the archive too, the archive's."""
    # Segments first: one that goes to the archive meanwhile is seen twice rather than not at all.
    segments = segments_of(folder, disk)
    sources = {
        position_of(path): _Source(path, position_of(path), None, last=path == segments[-1])
        for path in segments
    }
    for file in archive_files(folder / ARCHIVE_FOLDER, disk):
        sources[file.first] = _Source(file.path, file.first, file.next, last=False)
    return [sources[first] for first in sorted(sources)]


def _gap(path: Path, place: int, position: int) -> LogCorruptError:
    text = f"{path} goes on at position {position} where {place} should follow"
    return LogCorruptError(f"{text}; restore what is missing, or begin at {position}")
