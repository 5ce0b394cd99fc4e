"""Slot in Redis: log, snapshots and notes of one slot, opened by their owner, and its archive."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from actors.settings import RedisSettings
from actors.slot_files import SlotFiles
from actors.store.archive import ARCHIVE_FOLDER, archive_files, archive_frames, prune_archive
from actors.store.archive_place import open_archive
from actors.store.block import ARCHIVE
from actors.store.disk import Disk
from actors.store.newfile import Pause, remove_leftovers
from actors.store.redis_files import files_disk
from actors.store.redis_log import RedisLog, StreamArchive, open_redis_log
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from actors.store.rewrite import Replace, rewrite_file

PAUSE_S: Final = 0.01
"""Between steps of 256 KB of the archive, so that commits get their turn."""


class ArchivePlace(NamedTuple):
    """Where a slot's archive is."""

    disk: Disk
    folder: Path


def archive_place(url: str, slot: int) -> ArchivePlace:
    """Return where a slot's archive is: as in a data folder. Raises OperatorError."""
    disk, root = open_archive(url)
    return ArchivePlace(disk, root / f"shard-{slot}" / ARCHIVE_FOLDER)


class RedisStore(NamedTuple):
    """One slot, opened by its owner."""

    log: RedisLog
    snapshots: RedisSnapshots
    files: SlotFiles

    def close(self) -> None:
        """Close all connections."""
        self.log.close()
        self.snapshots.close()


def open_redis_slot(
    settings: RedisSettings,
    slot: int,
    key: bytes | None,
    keep_ms: int,
    now_ms: Callable[[], int],
    *,
    archive: str,
    expected: int | None = None,
) -> RedisStore:
    """Own a slot from now on, and open its log and snapshots; whoever had it before is fenced.

    With `expected` only if its epoch is that one: raises FencedError. Entries that the log releases
    go to the archive at the URL `archive`; what is older than `keep_ms` there goes, `now_ms` is
    asked for that in the thread that releases. Raises OperatorError, LogCorruptError,
    StoreStalledError, OSError.
    """
    place = archive_place(archive, slot)

    def keep(first: int, frames: Iterator[tuple[Path, list[bytes]]]) -> None:
        archive_frames(first, frames, place.folder, key, place.disk, _pause)

    def prune() -> None:
        prune_archive(place.folder, now_ms(), keep_ms, place.disk)

    place.disk.make_folder(place.folder)
    with contextlib.ExitStack() as undo:
        server = RedisServer(settings)
        undo.callback(server.close)
        log = open_redis_log(
            server, slot, key, expected=expected, archive=StreamArchive(keep, prune)
        )
        undo.callback(log.close)
        remove_leftovers(place.folder, place.disk)
        more = RedisServer(settings)
        undo.callback(more.close)
        snapshots = RedisSnapshots(more, key, log.owner)
        log.before_release = snapshots.check_release
        files = SlotFiles(
            Path(f"slot-{slot}"),
            history=RedisHistory(log, place, key),
            snapshots=snapshots,
            key=key,
            disk=files_disk(more, log.owner),
            slot=slot,
        )
        undo.pop_all()
    return RedisStore(log, snapshots, files)


class RedisHistory:
    """A log in Redis and its archive. See actors.slot_files.RewritableHistory."""

    def __init__(self, log: RedisLog, place: ArchivePlace, key: bytes | None) -> None:
        self._log = log
        self._place = place
        self._key = key

    def rewrite(self, last: int, replace: Replace, pause: Pause) -> int:
        """See RewritableHistory. Raises FencedError also amid the archive, which fences nobody."""
        disk, folder = self._place

        def pause_if_owner() -> None:
            self._log.check()
            pause()

        with self._log.held():
            changed = int(self._log.rewrite(last, replace, pause))
            for each in archive_files(folder, disk):
                if each.first <= last:
                    pause_if_owner()
                    changed += rewrite_file(
                        each.path, ARCHIVE, self._key, disk, replace, pause_if_owner
                    )
        return changed


def _pause() -> None:
    time.sleep(PAUSE_S)
