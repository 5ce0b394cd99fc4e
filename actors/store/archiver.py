"""Archiver: a thread that puts closed segments into the archive, without hurry."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from actors.errors import OperatorError
from actors.store.archive import (
    ARCHIVE_FOLDER,
    ArchiveFile,
    archive_files,
    archive_segment,
    prune_archive,
    segment_position,
)
from actors.store.disk import REAL_DISK, Disk
from actors.store.newfile import remove_leftovers
from actors.store.port import StoreFullError

PAUSE_S: Final = 0.01
"""Between steps of 256 KB: the disk is the commits' first of all."""

RETRY_S: Final = 1.0


class _ClosingError(Exception):
    """The archiver closes while it writes."""


class Archiver:
    """Owns the archive of a slot, `archive` in the folder of its log.

    `archived(segment)` is called for each segment that is in the archive now and was removed;
    `failed(segment, error)` for each try that failed: where the disk was full, or said no, it is
    tried again each second, and segments behind it wait; a segment that is damaged stays where it
    is, and the next one is taken. Both are called in the archiver's thread.
    """

    def __init__(
        self,
        folder: Path,
        key: bytes | None,
        *,
        disk: Disk = REAL_DISK,
        archived: Callable[[Path], None],
        failed: Callable[[Path, Exception], None],
        retry_s: float = RETRY_S,
    ) -> None:
        """Make the archive's folder, remove what a crash left, and begin. Raises OSError."""
        self.folder = folder / ARCHIVE_FOLDER
        self._key = key
        self._disk = disk
        self._archived = archived
        self._failed = failed
        self._retry_s = retry_s
        disk.make_folder(self.folder)
        remove_leftovers(self.folder, disk)
        self._waiting: deque[Path] = deque()
        self._more = threading.Semaphore(0)
        self._turn = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archiver", daemon=True)
        self._thread.start()

    def submit(self, segment: Path) -> None:
        """Let a closed segment, wholly behind what a recovery needs, go to the archive.

        What is not there yet when the archiver closes is to be submitted again by the next one.
        """
        assert self._thread.is_alive(), "the archiver has ended"
        self._waiting.append(segment)
        self._more.release()

    @property
    def pending(self) -> int:
        """Segments that wait, or are being put there."""
        return len(self._waiting)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep segments and archive files as they are: to rewrite them, to copy them.

        Waits for the one in hand, 2 seconds or so.
        """
        with self._turn:
            yield

    def prune(self, now_ms: int, keep_ms: int) -> list[ArchiveFile]:
        """See `prune_archive`; waits as `held` does."""
        with self._turn:
            return prune_archive(self.folder, now_ms, keep_ms, self._disk)

    def close(self) -> None:
        """End at the next step: a segment in hand stays a segment."""
        self._closing.set()
        self._more.release()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._more.acquire()
            if self._closing.is_set():
                return
            while not self._take(self._waiting[0]):
                if self._closing.wait(self._retry_s):
                    return
            self._waiting.popleft()

    def _take(self, segment: Path) -> bool:
        """Say whether the archiver is done with a segment."""
        try:
            with self._turn:
                archive_segment(segment, self.folder, self._key, self._disk, self._pause)
        except _ClosingError:
            return False
        except FileNotFoundError as error:
            if not self._has(segment):
                self._failed(segment, error)
                return True
        except (OSError, StoreFullError) as error:
            self._failed(segment, error)
            return False
        except OperatorError as error:
            self._failed(segment, error)
            return True
        self._archived(segment)
        return True

    def _has(self, segment: Path) -> bool:
        """Say whether a segment is in the archive; it may have been submitted twice."""
        position = segment_position(segment)
        return any(file.first == position for file in archive_files(self.folder, self._disk))

    def _pause(self) -> None:
        if self._closing.wait(PAUSE_S):
            raise _ClosingError
