"""Storage of whole objects as a Disk: a file is there as a whole or not at all.

What is written waits in memory, and is put under its name in one step when it gets that name.
"""

import io
from pathlib import Path
from typing import BinaryIO, Protocol

from actors.store.disk import DiskFile


class Objects(Protocol):
    """Storage that takes and gives whole objects. All methods raise OSError."""

    def put(self, path: Path, data: bytes) -> None:
        """Keep an object, durably, in place of what had its name."""
        ...

    def get(self, path: Path) -> bytes:
        """Return an object. Raises FileNotFoundError."""
        ...

    def size(self, path: Path) -> int:
        """Return how long an object is. Raises FileNotFoundError."""
        ...

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder; none where there is no such folder."""
        ...

    def remove(self, path: Path) -> None:
        """Remove an object, if it is there."""
        ...


class ObjectDisk:
    """See Disk. Folders are beginnings of names."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._new: dict[Path, _NewObject] = {}
        """What is written and has not got its name yet."""

    def create(self, path: Path) -> DiskFile:
        """See Disk. It is there from when it is renamed."""
        self._new[path] = _NewObject()
        return self._new[path]

    def open(self, path: Path) -> DiskFile:
        """Not to be had: what is there is never written to."""
        raise OSError(f"{path} is on storage that only takes whole files")

    def read(self, path: Path) -> BinaryIO:
        """See Disk."""
        return io.BytesIO(self._objects.get(path))

    def size(self, path: Path) -> int:
        """See Disk."""
        return self._objects.size(path)

    def names(self, folder: Path) -> list[str]:
        """See Disk."""
        return sorted(self._objects.names(folder))

    def make_folder(self, folder: Path) -> None:
        """Nothing is to be done: names have it in them."""

    def rename(self, old: Path, new: Path) -> None:
        """Put what was written under its name. See Disk."""
        file = self._new.pop(old, None)
        if file is None:
            raise FileNotFoundError(f"{old} was not written here")
        self._objects.put(new, file.content())

    def remove(self, path: Path) -> None:
        """See Disk."""
        if self._new.pop(path, None) is None:
            self._objects.remove(path)

    def sync_folder(self, folder: Path) -> None:
        """Nothing is left to do: the storage has what it took."""


class _NewObject:
    """A file being written, in memory. See DiskFile."""

    def __init__(self) -> None:
        self._data = io.BytesIO()

    def write(self, data: bytes, offset: int) -> None:
        """See DiskFile."""
        self._data.seek(offset)
        self._data.write(data)

    def sync(self, *, data_only: bool = False) -> None:
        """Nothing counts before it is put on the storage."""

    def cut(self, size: int) -> None:
        """See DiskFile."""
        self._data.truncate(size)

    @property
    def size(self) -> int:
        """See DiskFile."""
        return len(self._data.getbuffer())

    def content(self) -> bytes:
        """Return all of it."""
        return self._data.getvalue()

    def close(self) -> None:
        """Nothing is to be done: it may get its name yet."""
