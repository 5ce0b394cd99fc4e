"""Spare: a file of zeroes made in the background, so that a log need not grow while it commits."""

import os
import threading
from pathlib import Path
from typing import Final

SPARE_BYTES: Final = 16 << 20
STEP_BYTES: Final = 1 << 20
PAUSE_S: Final = 0.02
"""Between steps: the disk is the commits' first of all."""


class Spare:
    """One file, made again after it was taken. A log does without where there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self.ready = False
        path.unlink(missing_ok=True)

    def prepare(self) -> None:
        """Begin to make the file, if it is not there or in the making."""
        if self.ready or (self._thread is not None and self._thread.is_alive()):
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
        self._path.unlink(missing_ok=True)

    def _make(self) -> None:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError:
            return
        try:
            for _ in range(SPARE_BYTES // STEP_BYTES):
                os.write(file, bytes(STEP_BYTES))
                os.fdatasync(file)
                if self._closing.wait(PAUSE_S):
                    return
            os.fsync(file)
            self.ready = True
        except OSError:
            self._path.unlink(missing_ok=True)  # The disk is full: the log will say so itself.
        finally:
            os.close(file)


def fill(path: Path, size: int) -> None:
    """Make a file of zeroes, durably. Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for _ in range(size // STEP_BYTES):
            os.write(file, bytes(STEP_BYTES))
        os.fsync(file)
    finally:
        os.close(file)
