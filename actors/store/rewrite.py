"""Rewriting closed segments and archive files, to erase a contact from what was written.

The old file has no name any more when this is done, and nothing in the file system shows its bytes.
The disk's own blocks, its spare ones on flash, and copies made before may keep them until they are
written over, and nothing here can reach those: what helps there is encryption, with the key
changed and the old one destroyed.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from actors.frame import Frame, encode_frame
from actors.store.archive import ARCHIVE_FOLDER, archive_files, pack, read_archive, segments_in
from actors.store.block import ARCHIVE, LOG, read_blocks
from actors.store.body import body_of, frames_in, read_frame
from actors.store.disk import REAL_DISK, Disk
from actors.store.newfile import NewFile, Pause, no_pause

Replace = Callable[[Frame], Frame | None]
"""Return what is to stand in place of a frame; None where it stays as it is."""


def rewrite_file(
    path: Path,
    kind: bytes,
    key: bytes | None,
    disk: Disk,
    replace: Replace,
    pause: Pause = no_pause,
) -> bool:
    """Write a closed segment (LOG) or an archive file (ARCHIVE) again, and say whether it changed.

    It is left alone where no frame changes. `replace` is called twice for a frame, and must keep
    its position and number of records, and its last now_ms: history goes on without a gap. The
    segment being written may not be given, and with an Archiver the caller holds it. Raises
    LogCorruptError, OSError, StoreFullError; the file then is as it was, or already as it should
    be.
    """
    if not any(replaced for _, replaced in _portions(path, kind, key, disk, replace)):
        return False
    with NewFile(path, kind, key, disk, pause) as file:
        for frames, _ in _portions(path, kind, key, disk, replace):
            file.add(pack(frames) if kind == ARCHIVE else body_of(frames))
        file.finish()
    return True


def closed_files(folder: Path, disk: Disk = REAL_DISK) -> list[tuple[Path, bytes]]:
    """Return the files of a slot's history that are not being written, and the kind of each.

    The last segment is left out: begin another one to have it among them. Raises OSError.
    """
    archive = archive_files(folder / ARCHIVE_FOLDER, disk)
    segments = segments_in(folder, disk)[:-1]
    return [*((file.path, ARCHIVE) for file in archive), *((path, LOG) for path in segments)]


def _portions(
    path: Path, kind: bytes, key: bytes | None, disk: Disk, replace: Replace
) -> Iterator[tuple[list[bytes], bool]]:
    """Read a file block by block: its frames as they should be, and whether one was replaced."""
    bodies = (
        read_archive(path, key, disk) if kind == ARCHIVE else read_blocks(path, LOG, key, disk=disk)
    )
    for body in bodies:
        frames = []
        replaced = False
        for encoded in frames_in(path, body):
            before = read_frame(path, encoded)
            after = replace(before)
            if after is not None:
                assert after.position == before.position, "a frame keeps its position"
                assert len(after.records) == len(before.records), "positions must stay"
                replaced = True
            frames.append(encoded if after is None else encode_frame(after))
        yield frames, replaced
