"""Where the archive of a cluster is: a folder, or any storage that fsspec has a name for.

What the archive's functions ask of a disk, this gives them of an object store: a file is there as a
whole or not at all, as it is put under its name only when all of it was written.
"""

import io
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import fsspec

from actors.errors import OperatorError
from actors.store.disk import REAL_DISK, Disk, DiskFile

FOLDER_SCHEMES: Final = ("file", "local", "")


def open_archive(url: str) -> tuple[Disk, Path]:
    """Return the disk and the folder of an archive: `/var/anlass`, `file:///...`, `s3://bucket/...`.

    Raises OperatorError for what nothing here can read.
    """
    scheme, _, rest = url.rpartition("://")
    if scheme in FOLDER_SCHEMES:
        return REAL_DISK, Path(rest)
    try:
        storage, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        text = f"--archive {url} cannot be used: {error}"
        raise OperatorError(f"{text}; name a folder, or install what fsspec asks for") from None
    return StorageDisk(storage), Path(root)


class StorageDisk:
    """Object storage as a Disk; paths are names there, and folders are beginnings of names."""

    def __init__(self, storage: Any) -> None:
        """`storage` is a file system of fsspec."""
        self._storage = storage
        self._new: dict[Path, _NewObject] = {}
        """What is written and has not got its name yet."""

    def create(self, path: Path) -> DiskFile:
        """See Disk. It is on the storage from when it is renamed."""
        self._new[path] = _NewObject()
        return self._new[path]

    def open(self, path: Path) -> DiskFile:
        """Not to be had: what is there is never written to."""
        raise OSError(f"{path} is on storage that only takes whole files")

    def read(self, path: Path) -> BinaryIO:
        """See Disk."""
        return cast(BinaryIO, self._storage.open(str(path), "rb"))

    def size(self, path: Path) -> int:
        """See Disk."""
        return int(self._storage.size(str(path)))

    def names(self, folder: Path) -> list[str]:
        """See Disk."""
        self._storage.invalidate_cache()  # Others put files there too.
        try:
            return sorted(Path(each).name for each in self._storage.ls(str(folder), detail=False))
        except FileNotFoundError:
            return []

    def make_folder(self, folder: Path) -> None:
        """See Disk."""
        self._storage.makedirs(str(folder), exist_ok=True)

    def rename(self, old: Path, new: Path) -> None:
        """Put what was written under its name, in one step. See Disk."""
        file = self._new.pop(old, None)
        if file is None:
            raise FileNotFoundError(f"{old} was not written here")
        self._storage.pipe_file(str(new), file.content())

    def remove(self, path: Path) -> None:
        """See Disk."""
        if self._new.pop(path, None) is None and self._storage.exists(str(path)):
            self._storage.rm_file(str(path))

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
        """Forget it."""
        self._data.close()
