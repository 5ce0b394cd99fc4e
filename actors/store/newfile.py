"""A file of blocks that is there as a whole or not at all: snapshots, archive, what is rewritten.

It is written under another name, which ends in `.new`, and gets its own when all of it is durable.
"""

import contextlib
import errno
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from actors.store.block import new_blocks
from actors.store.disk import Disk
from actors.store.port import StoreFullError

STEP_BYTES: Final = 256 << 10
"""Written and made durable at once, then a pause: the log's commits come first on this disk."""

NEW: Final = ".new"
NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)

Pause = Callable[[], None]
"""Called between steps. What it raises ends the writing, and nothing of it stays."""


class NewFile:
    """One file being written; a context, at whose end it is removed unless it was finished.

    Within the context, an OSError that says there is no space becomes a StoreFullError.
    """

    def __init__(
        self, path: Path, kind: bytes, key: bytes | None, disk: Disk, pause: Pause
    ) -> None:
        """Begin a file that will be called `path` unless `finish` says otherwise."""
        self._path = path
        self._new = path.with_name(path.name + NEW)
        self._disk = disk
        self._pause = pause
        self._blocks = new_blocks(kind, key)
        self._waiting = bytearray(self._blocks.header)
        self._written = 0
        self._finished = False

    def __enter__(self) -> Self:
        """Make the file, under its other name. Raises OSError, StoreFullError."""
        try:
            self._file = self._disk.create(self._new)
        except OSError as error:
            self._say_if_full(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Close it, and remove what is not finished."""
        if self._finished:
            self._file.close()
        else:
            # What cannot be removed now goes with the leftovers; the error that led here counts.
            with contextlib.suppress(OSError):
                self._file.close()
                self._disk.remove(self._new)
        self._say_if_full(error)

    @property
    def size(self) -> int:
        """Where the next block begins."""
        return self._written + len(self._waiting)

    def add(self, body: bytes) -> None:
        """Write a block. Raises OSError."""
        self._waiting += self._blocks.encode(self.size, body)
        while len(self._waiting) >= STEP_BYTES:
            self._write(bytes(self._waiting[:STEP_BYTES]))
            self._pause()

    def finish(self, path: Path | None = None) -> None:
        """Give it its name, durably, in place of what had it. Raises OSError."""
        path = path or self._path
        self._write(bytes(self._waiting))
        self._file.sync()
        self._disk.rename(self._new, path)
        self._finished = True
        self._disk.sync_folder(path.parent)

    def _write(self, data: bytes) -> None:
        self._file.write(data, self._written)
        self._file.sync(data_only=True)
        self._written += len(data)
        del self._waiting[: len(data)]

    def _say_if_full(self, error: BaseException | None) -> None:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            raise StoreFullError(f"there is no space for {self._new}; make some") from error


def no_pause() -> None:
    """Go on at once."""


def remove_leftovers(folder: Path, disk: Disk, prefix: str = "") -> None:
    """Remove what a crash left half written. Only the folder's owner may. Raises OSError."""
    for name in disk.names(folder):
        if name.startswith(prefix) and name.endswith(NEW):
            disk.remove(folder / name)
