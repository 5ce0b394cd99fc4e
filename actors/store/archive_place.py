"""Where the archive of a cluster is: a folder, or any storage that fsspec has a name for."""

from pathlib import Path
from typing import Any, Final

import fsspec

from actors.errors import OperatorError
from actors.store.disk import REAL_DISK, Disk
from actors.store.object_disk import ObjectDisk

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
    return ObjectDisk(Storage(storage)), Path(root)


class Storage:
    """See Objects: what fsspec calls a file system."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def put(self, path: Path, data: bytes) -> None:
        """See Objects."""
        self._storage.pipe_file(str(path), data)

    def get(self, path: Path) -> bytes:
        """See Objects."""
        data: bytes = self._storage.cat_file(str(path))
        return data

    def size(self, path: Path) -> int:
        """See Objects."""
        return int(self._storage.size(str(path)))

    def names(self, folder: Path) -> list[str]:
        """See Objects."""
        self._storage.invalidate_cache()  # Others put files there too.
        try:
            return [Path(each).name for each in self._storage.ls(str(folder), detail=False)]
        except FileNotFoundError:
            return []

    def remove(self, path: Path) -> None:
        """See Objects."""
        if self._storage.exists(str(path)):
            self._storage.rm_file(str(path))
