"""Spare: a file of zeroes made in the background, so that a log need not grow while it commits."""

import threading
from pathlib import Path
from typing import Final

from actors.store.disk import Disk

STEP_BYTES: Final = 1 << 20
PAUSE_S: Final = 0.02
"""Between steps: the disk is the commits' first of all."""


class Spare:
    """One file, made again after it was taken. A log does without where there is none."""

    def __init__(self, path: Path, size: int, disk: Disk) -> None:
        self._path = path
        self._size = size
        self._disk = disk
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self.ready = False
        disk.remove(path)

    def prepare(self) -> None:
        """Begin to make the file, if it is not there or in the making, and has a size at all."""
        if not self._size or self.ready or (self._thread is not None and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self._make, name="spare", daemon=True)
        self._thread.start()

    def take(self) -> Path | None:
        """Return the file, which is the caller's now; None where it is not ready."""
        if not self.ready:
            return None
        self.ready = False
        return self._path

    def close(self) -> None:
        """Stop making it, and remove it."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self._disk.remove(self._path)

    def _make(self) -> None:
        try:
            file = self._disk.create(self._path)
        except OSError:
            return
        try:
            for offset in range(0, self._size, STEP_BYTES):
                file.write(bytes(min(STEP_BYTES, self._size - offset)), offset)
                file.sync(data_only=True)
                if self._closing.wait(PAUSE_S):
                    return
            file.sync()
            self.ready = True
        except OSError:
            self._disk.remove(self._path)  # The disk is full: the log will say so itself.
        finally:
            file.close()


def fill(path: Path, size: int, disk: Disk) -> None:
    """Make a file of zeroes, durably. Raises OSError."""
    file = disk.create(path)
    try:
        for offset in range(0, size, STEP_BYTES):
            file.write(bytes(min(STEP_BYTES, size - offset)), offset)
        file.sync()
    finally:
        file.close()
