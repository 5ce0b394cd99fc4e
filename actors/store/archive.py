"""The archive of a log: closed segments, compressed, kept for `--keep` for replay and explanation.

One file for one segment, with the frames' bytes as they were: blocks of up to 1 MB of frames,
compressed, then sealed. `archive-<first position>-<next position>-<last now_ms>.zst`.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import zstandard
from msgspec import Struct

from actors.errors import LogCorruptError, PrunedError
from actors.store.block import ARCHIVE, LOG, read_blocks
from actors.store.body import body_of, frames_in
from actors.store.disk import REAL_DISK, Disk
from actors.store.newfile import NewFile, Pause, no_pause
from actors.store.segment import position_of

ARCHIVE_FOLDER: Final = "archive"
BODY_BYTES_MAX: Final = 1 << 20
"""Of frames in one block; a frame that is longer has one of its own."""

ZSTD_LEVEL: Final = 3

NAME: Final = re.compile(r"archive-(\d{20})-(\d{20})-(\d+)\.zst")


class ArchiveFile(Struct, frozen=True):
    """What the name of an archive file says."""

    path: Path
    first: int
    """Position of its first record."""
    next: int
    """Position behind its last record."""
    last_ms: int
    """The latest now_ms of its records."""


class _Dated(Struct, array_like=True, frozen=True, gc=False):
    tag: str
    now_ms: int


class _Glance(Struct, array_like=True, frozen=True, gc=False):
    """As much of a Frame as the name of an archive file needs."""

    position: int
    fold_version: int
    records: list[_Dated]


_glance: Final = msgspec.msgpack.Decoder(_Glance).decode


def archive_segment(
    segment: Path,
    folder: Path,
    key: bytes | None,
    disk: Disk = REAL_DISK,
    pause: Pause = no_pause,
) -> Path | None:
    """Put a closed segment into the archive in `folder`, then remove it; return the new file.

    The file is durable before the segment goes. After an error or a crash the segment is there,
    and the file may be there too: readers take the file, and another call makes both one. Returns
    None for a segment without frames, which only goes. Raises OSError, StoreFullError, and
    LogCorruptError for a segment that is not as written.
    """
    entries = ((segment, body) for body in read_blocks(segment, LOG, key, disk=disk))
    frames = ((path, list(frames_in(path, body))) for path, body in entries)
    path = archive_frames(position_of(segment), frames, folder, key, disk, pause)
    disk.remove(segment)
    disk.sync_folder(segment.parent)
    return path


def archive_frames(
    first: int,
    frames: Iterable[tuple[Path, list[bytes]]],
    folder: Path,
    key: bytes | None,
    disk: Disk = REAL_DISK,
    pause: Pause = no_pause,
) -> Path | None:
    """Put frames from position `first` on into the archive in `folder`; return the new file.

    They come encoded, with the place that errors name. The file is durable then, and takes the
    place of those with fewer of the same frames. Returns None where none come. Raises OSError,
    StoreFullError, and LogCorruptError for frames that do not follow each other.
    """
    place = first
    last_ms = 0
    with NewFile(folder / f"archive-{first:020}", ARCHIVE, key, disk, pause) as file:
        for portion in _portions(frames):
            for path, frame in portion:
                place, now_ms = _follow(path, frame, place)
                last_ms = max(last_ms, now_ms)
            file.add(pack([frame for _, frame in portion]))
        if place == first:
            return None
        path = folder / f"archive-{first:020}-{place:020}-{last_ms}.zst"
        file.finish(path)
    for each in archive_files(folder, disk):
        if each.first == first and each.next < place:
            disk.remove(each.path)
    return path


def archive_files(folder: Path, disk: Disk = REAL_DISK) -> list[ArchiveFile]:
    """List the archive in `folder`, the oldest first. Raises OSError."""
    found = []
    for name in disk.names(folder):
        match = NAME.fullmatch(name)
        if match:
            first, following, last_ms = map(int, match.groups())
            found.append(ArchiveFile(folder / name, first, following, last_ms))
    return sorted(found, key=lambda file: (file.first, file.next))


def archive_bytes(folder: Path, disk: Disk = REAL_DISK) -> int:
    """Return what the archive in `folder` takes on the disk. Raises OSError."""
    total = 0
    for file in archive_files(folder, disk):
        try:
            total += disk.size(file.path)
        except FileNotFoundError:
            continue  # Its time was over just now.
    return total


def prune_archive(
    folder: Path, now_ms: int, keep_ms: int, disk: Disk = REAL_DISK
) -> list[ArchiveFile]:
    """Remove the files whose last record is older than `keep_ms`; return them.

    From the oldest on, up to the first one that stays: no hole is left. Not to be called while
    files of the archive are rewritten. Raises OSError.
    """
    removed = []
    for file in archive_files(folder, disk):
        if file.last_ms >= now_ms - keep_ms:
            break
        disk.remove(file.path)
        disk.sync_folder(folder)  # One by one: a power cut may reorder what was not synced.
        removed.append(file)
    return removed


def pruned(folder: Path) -> PrunedError:
    """Return the error of who finds that what follows, in a history, was removed meanwhile."""
    text = f"{folder}: its oldest records went by their age (--keep) while they were read"
    return PrunedError(f"{text}; run it again")


def read_archive(path: Path, key: bytes | None, disk: Disk = REAL_DISK) -> Iterator[bytes]:
    """Read the bodies of an archive file, decompressed. Raises LogCorruptError, OSError."""
    decompress = zstandard.ZstdDecompressor().decompress
    for body in read_blocks(path, ARCHIVE, key, disk=disk):
        try:
            yield decompress(body)
        except zstandard.ZstdError as error:
            text = f"{path} holds what is no archive: {error}; restore it from a copy"
            raise LogCorruptError(text) from None


def pack(frames: list[bytes]) -> bytes:
    """Return the body of an archive file's block that holds these frames."""
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body_of(frames))


def _portions(
    frames: Iterable[tuple[Path, list[bytes]]],
) -> Iterator[list[tuple[Path, bytes]]]:
    """Put frames together, as many at a time as a block may hold."""
    portion: list[tuple[Path, bytes]] = []
    size = 0
    for path, each in frames:
        for frame in each:
            if portion and size + len(frame) > BODY_BYTES_MAX:
                yield portion
                portion, size = [], 0
            portion.append((path, frame))
            size += len(frame)
    if portion:
        yield portion


def _follow(segment: Path, frame: bytes, place: int) -> tuple[int, int]:
    """Return the position behind a frame, and its latest now_ms. Raises LogCorruptError."""
    try:
        glance = _glance(frame)
    except msgspec.DecodeError as error:
        text = f"{segment} holds a frame that is none: {error}; restore it from a copy"
        raise LogCorruptError(text) from None
    if glance.position != place:
        text = f"{segment} goes on at position {glance.position} where {place} should follow"
        raise LogCorruptError(f"{text}; restore it from a copy")
    now_ms = max((record.now_ms for record in glance.records), default=0)
    return place + len(glance.records), now_ms
