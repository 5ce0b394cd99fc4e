"""Slot: the files of one shard, opened by their owner: its log, its snapshots, its archive."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from actors.store.archive import ARCHIVE_FOLDER, archive_segment, prune_archive
from actors.store.disk import REAL_DISK, Disk
from actors.store.earlier import prune_earlier
from actors.store.lock import Lock
from actors.store.log import SIZES, Archive, FileLog, Sizes, open_log
from actors.store.newfile import remove_leftovers
from actors.store.snapshots import SnapshotFiles, open_snapshots

SNAPSHOT_FOLDER: Final = "snapshots"
PAUSE_S: Final = 0.01
"""Between steps of 256 KB: the disk is the commits' first of all."""


def open_slot(  # noqa: PLR0913 - all but the first four are for tests
    folder: Path,
    key: bytes | None,
    keep_ms: int,
    now_ms: Callable[[], int],
    *,
    successor: bool = True,
    disk: Disk = REAL_DISK,
    lock: Lock | None = None,
    sizes: Sizes = SIZES,
) -> tuple[FileLog, SnapshotFiles]:
    """Open log and snapshots of a shard; a predecessor that still holds the log is killed.

    Segments that the log releases go to the archive; with each release, what is older than
    `keep_ms` there goes, and of what is kept of the store's time in Redis: `now_ms` is asked for
    that in the thread that releases. Raises OperatorError, LogCorruptError, OSError.
    """
    archive = folder / ARCHIVE_FOLDER

    def keep(segment: Path) -> None:
        archive_segment(segment, archive, key, disk, _pause)

    def prune() -> None:
        prune_earlier(folder.parent, now_ms(), keep_ms, disk)
        prune_archive(archive, now_ms(), keep_ms, disk)

    keeper = Archive(keep, prune)
    log = open_log(folder, key, disk, lock=lock, successor=successor, archive=keeper, sizes=sizes)
    try:
        disk.make_folder(archive)
        remove_leftovers(archive, disk)
        remove_leftovers(folder, disk, "log-")  # Of a segment that an erasure was rewriting.
        return log, open_snapshots(folder / SNAPSHOT_FOLDER, key, disk)
    except BaseException:
        log.close()
        raise


def _pause() -> None:
    time.sleep(PAUSE_S)
