"""The disk as the store uses it, a port: the simulation and the power cut in tests have their own.

All files of a store are written through it: nothing else in `actors.store` calls the system.
"""

import errno
import os
from pathlib import Path
from typing import BinaryIO, Final, Protocol

FILE_MODE: Final = 0o600


class DiskFile(Protocol):
    """A file open to write. All methods raise OSError."""

    def write(self, data: bytes, offset: int) -> None:
        """Write all of it, not yet durably; ENOSPC where it does not fit, a part may be there."""
        ...

    def sync(self, *, data_only: bool = False) -> None:
        """Make what was written durable; and that it was cut, unless only data are asked for.

        After an error nobody can know what is durable, also not by another try.
        """
        ...

    def cut(self, size: int) -> None:
        """Cut it to this size."""
        ...

    @property
    def size(self) -> int:
        """How long it is."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Disk(Protocol):
    """Files and folders. All methods raise OSError."""

    def create(self, path: Path) -> DiskFile:
        """Open a file to write, empty; its name is durable only after `sync_folder`."""
        ...

    def open(self, path: Path) -> DiskFile:
        """Open a file that is there, to write."""
        ...

    def read(self, path: Path) -> BinaryIO:
        """Open a file that is there, to read."""
        ...

    def size(self, path: Path) -> int:
        """Return how long a file is."""
        ...

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, in order; none where there is no such folder."""
        ...

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, durably, unless they are there."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, in place of what had it; durable only after `sync_folder`."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        ...


class RealFile:
    """See DiskFile."""

    def __init__(self, file: int) -> None:
        self._file = file

    def write(self, data: bytes, offset: int) -> None:
        """See DiskFile."""
        written = os.pwrite(self._file, data, offset)
        if written < len(data):
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes fit")

    def sync(self, *, data_only: bool = False) -> None:
        """See DiskFile."""
        if data_only:
            os.fdatasync(self._file)
        else:
            os.fsync(self._file)

    def cut(self, size: int) -> None:
        """See DiskFile."""
        os.ftruncate(self._file, size)

    @property
    def size(self) -> int:
        """See DiskFile."""
        return os.fstat(self._file).st_size

    def close(self) -> None:
        """See DiskFile."""
        os.close(self._file)


class RealDisk:
    """See Disk."""

    def create(self, path: Path) -> DiskFile:
        """See Disk."""
        return RealFile(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE))

    def open(self, path: Path) -> DiskFile:
        """See Disk."""
        return RealFile(os.open(path, os.O_WRONLY))

    def read(self, path: Path) -> BinaryIO:
        """See Disk."""
        return path.open("rb")

    def size(self, path: Path) -> int:
        """See Disk."""
        return path.stat().st_size

    def names(self, folder: Path) -> list[str]:
        """See Disk."""
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208 - names, no paths
        except FileNotFoundError:
            return []

    def make_folder(self, folder: Path) -> None:
        """See Disk."""
        if folder.is_dir():
            return
        self.make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        self.sync_folder(folder.parent)

    def rename(self, old: Path, new: Path) -> None:
        """See Disk."""
        old.rename(new)

    def remove(self, path: Path) -> None:
        """See Disk."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """See Disk."""
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


REAL_DISK: Final = RealDisk()
