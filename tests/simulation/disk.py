"""ProcessDisk: the machine's disk as one process has it, which may die amid any of its changes.

What a power cut leaves is the affair of the disk below.
"""

from pathlib import Path
from random import Random
from typing import BinaryIO

from actors.store.disk import Disk, DiskFile
from tests.simulation.loop import KilledError, Process


class ProcessDisk:
    """See actors.store.disk.Disk."""

    def __init__(self, disk: Disk, process: Process, random: Random) -> None:
        self._disk = disk
        self._process = process
        self.random = random
        self.dies_after = 0
        """If above 0: the process dies amid this one of the changes to come."""

    def begin(self) -> bool:
        """Begin a change; True where the process dies amid it. The dead change nothing."""
        if not self._process.alive or self._process.ending:
            raise KilledError
        if self.dies_after:
            self.dies_after -= 1
            return self.dies_after == 0
        return False

    def kept(self, dies: bool) -> bool:  # noqa: FBT001 - one question
        """Say whether a change takes place: if its process dies, perhaps."""
        return not dies or self.random.random() < 0.5

    def end(self, dies: bool, what: str) -> None:  # noqa: FBT001 - as above
        """End a change, and the process with it if it is to die here."""
        if dies:
            self._process.scheduler.note(self._process.name, f"dies amid {what}")
            self._process.scheduler.kill(self._process)
            raise KilledError

    def create(self, path: Path) -> DiskFile:
        """See Disk."""
        dies = self.begin()
        if not self.kept(dies):
            self.end(dies, f"the making of {path.name}")
        file = self._disk.create(path)
        self.end(dies, f"the making of {path.name}")
        return ProcessFile(self, path.name, file)

    def open(self, path: Path) -> DiskFile:
        """See Disk."""
        return ProcessFile(self, path.name, self._disk.open(path))

    def read(self, path: Path) -> BinaryIO:
        """See Disk."""
        return self._disk.read(path)

    def size(self, path: Path) -> int:
        """See Disk."""
        return self._disk.size(path)

    def names(self, folder: Path) -> list[str]:
        """See Disk."""
        return self._disk.names(folder)

    def make_folder(self, folder: Path) -> None:
        """See Disk."""
        self._disk.make_folder(folder)

    def rename(self, old: Path, new: Path) -> None:
        """See Disk."""
        dies = self.begin()
        if self.kept(dies):
            self._disk.rename(old, new)
        self.end(dies, f"the renaming of {old.name} to {new.name}")

    def remove(self, path: Path) -> None:
        """See Disk."""
        dies = self.begin()
        if self.kept(dies):
            self._disk.remove(path)
        self.end(dies, f"the removal of {path.name}")

    def sync_folder(self, folder: Path) -> None:
        """See Disk."""
        dies = self.begin()
        if self.kept(dies):
            self._disk.sync_folder(folder)
        self.end(dies, f"the sync of {folder}")


class ProcessFile:
    """See actors.store.disk.DiskFile."""

    def __init__(self, disk: ProcessDisk, name: str, file: DiskFile) -> None:
        self._disk = disk
        self._name = name
        self._file = file

    def write(self, data: bytes, offset: int) -> None:
        """See DiskFile."""
        dies = self._disk.begin()
        if dies:
            data = data[: self._disk.random.randint(0, len(data))]
        self._file.write(data, offset)
        self._disk.end(dies, f"a write into {self._name}, {len(data)} bytes at {offset}")

    def sync(self, *, data_only: bool = False) -> None:
        """See DiskFile."""
        dies = self._disk.begin()
        if self._disk.kept(dies):
            self._file.sync(data_only=data_only)
        self._disk.end(dies, f"the sync of {self._name}")

    def cut(self, size: int) -> None:
        """See DiskFile."""
        dies = self._disk.begin()
        if self._disk.kept(dies):
            self._file.cut(size)
        self._disk.end(dies, f"the cutting of {self._name}")

    @property
    def size(self) -> int:
        """See DiskFile."""
        return self._file.size

    def close(self) -> None:
        """See DiskFile."""
        self._file.close()
