"""Earlier: what a store in files keeps of the time when it was in Redis, in `earlier/`.

Archives of the slots that it had there. They belong to no shard, and nothing is added: any shard's
process may remove or rewrite files of them, one at a time.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from actors.store.archive import ARCHIVE_FOLDER, archive_bytes, prune_archive
from actors.store.disk import REAL_DISK, Disk
from actors.store.newfile import Pause, no_pause, remove_leftovers
from actors.store.slots import slots_in

EARLIER: Final = "earlier"
TRY_S: Final = 0.01


def earlier_folders(data: Path, disk: Disk = REAL_DISK) -> dict[int, Path]:
    """Return the folder of each slot that a store in files had in Redis; none where it never was.

    Raises OSError.
    """
    root = data / EARLIER
    return {slot: root / f"shard-{slot}" for slot in slots_in(disk, root)}


def earlier_bytes(data: Path) -> int:
    """Return what is kept of the time in Redis takes on the disk. Raises OSError."""
    return sum(archive_bytes(each / ARCHIVE_FOLDER) for each in earlier_folders(data).values())


def prune_earlier(data: Path, now_ms: int, keep_ms: int, disk: Disk = REAL_DISK) -> None:
    """Remove files whose last record is older than `keep_ms`, each slot's from the oldest on.

    Not while somebody rewrites them: another call does it. Raises OSError.
    """
    folders = earlier_folders(data, disk)
    if not folders:
        return
    lock = _open_lock(data)
    try:
        if _taken(lock):
            for each in folders.values():
                prune_archive(each / ARCHIVE_FOLDER, now_ms, keep_ms, disk)
    finally:
        os.close(lock)


@contextmanager
def held_earlier(data: Path, disk: Disk, pause: Pause = no_pause) -> Iterator[list[Path]]:
    """Give the archives' folders, to rewrite files of them; nobody else does so meanwhile.

    Waits for who does: `pause` is called then, and ends it by raising. Raises OSError.
    """
    folders = [each / ARCHIVE_FOLDER for each in earlier_folders(data, disk).values()]
    if not folders:
        yield []
        return
    lock = _open_lock(data)
    try:
        while not _taken(lock):
            pause()
            time.sleep(TRY_S)
        for each in folders:
            remove_leftovers(each, disk)
        yield folders
    finally:
        os.close(lock)


def _open_lock(data: Path) -> int:
    """Open the file that is locked: by the system itself, as a process may die at any moment."""
    return os.open(data / EARLIER / "lock", os.O_RDWR | os.O_CREAT, 0o600)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
