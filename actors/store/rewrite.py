"""Rewriting closed segments and archive files, to erase a contact from what was written.

The old file has no name any more when this is done, and nothing in the file system shows its bytes.
The disk's own blocks, its spare ones on flash, and copies made before may keep them until they are
written over, and nothing here can reach those: what helps there is encryption, with the key
changed and the old one destroyed.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from actors.frame import Frame, encode_frame
from actors.store.archive import pack, read_archive
from actors.store.block import ARCHIVE, LOG, read_blocks
from actors.store.body import body_of, frames_in, read_frame
from actors.store.disk import Disk
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
    *,
    holding: bytes = b"",
) -> bool:
    """Write a closed segment (LOG) or an archive file (ARCHIVE) again, and say whether it changed.

    It is left alone where no frame changes. `replace` is called twice for each frame whose bytes
    hold `holding` (a contact's key, say: frames without it need not be decoded), and must keep its
    position and number of records, and its last now_ms: history goes on without a gap. The segment
    being written may not be given, and none may be moved meanwhile (FileLog.closed). Raises
    LogCorruptError, OSError, StoreFullError; the file then is as it was, or already as it should
    be.
    """

    def portions() -> Iterator[tuple[list[bytes], bool]]:
        return _portions(path, _bodies(path, kind, key, disk), replace, holding)

    if not any(replaced for _, replaced in portions()):
        return False
    with NewFile(path, kind, key, disk, pause) as file:
        for frames, _ in portions():
            file.add(pack(frames) if kind == ARCHIVE else body_of(frames))
        file.finish()
    return True


def _bodies(path: Path, kind: bytes, key: bytes | None, disk: Disk) -> Iterator[bytes]:
    if kind == ARCHIVE:
        return read_archive(path, key, disk)
    return read_blocks(path, LOG, key, disk=disk)


def _portions(
    path: Path, bodies: Iterator[bytes], replace: Replace, holding: bytes
) -> Iterator[tuple[list[bytes], bool]]:
    """Return for each body its frames as they should be, and whether one was replaced."""
    for body in bodies:
        frames = []
        replaced = False
        for encoded in frames_in(path, body):
            after = _replaced(read_frame(path, encoded), replace) if holding in encoded else None
            replaced = replaced or after is not None
            frames.append(encoded if after is None else encode_frame(after))
        yield frames, replaced


def _replaced(before: Frame, replace: Replace) -> Frame | None:
    after = replace(before)
    if after is not None:
        assert after.position == before.position, "a frame keeps its position"
        assert len(after.records) == len(before.records), "positions must stay"
    return after
