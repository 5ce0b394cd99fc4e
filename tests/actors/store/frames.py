"""Frames to write into stores, and disks that fail."""

import errno
from pathlib import Path
from typing import BinaryIO

from actors.frame import AdvanceRecord, Frame, encode_frame
from actors.store.block import LOG
from actors.store.body import body_of
from actors.store.disk import REAL_DISK, DiskFile, RealDisk
from actors.store.newfile import NewFile, no_pause

KEY = bytes(range(32))


def frame_at(position: int, records: int = 1, text: int = 7) -> Frame:
    inputs = [AdvanceRecord(1_000 + position + each, 3, text) for each in range(records)]
    return Frame(position, 1, list(inputs), b"\0" * records, [], [])


def write_segment(folder: Path, key: bytes | None, *blocks: list[int]) -> Path:
    """Write a closed segment; a block is given by the positions of its frames."""
    path = folder / f"log-{blocks[0][0]:020}.seg"
    with NewFile(path, LOG, key, REAL_DISK, no_pause) as file:
        for block in blocks:
            file.add(body_of([encode_frame(frame_at(position)) for position in block]))
        file.finish()
    return path


def write_frames(folder: Path, *frames: Frame, key: bytes | None = None) -> Path:
    """Write a closed segment of one block."""
    path = folder / f"log-{frames[0].position:020}.seg"
    with NewFile(path, LOG, key, REAL_DISK, no_pause) as file:
        file.add(body_of([encode_frame(frame) for frame in frames]))
        file.finish()
    return path


class PowerCutError(Exception):
    """The machine is off."""


class FailingDisk:
    """A real disk until its n-th operation; that one and all after it fail.

    A write that fails leaves half of its bytes behind.
    """

    def __init__(self, operations: int, error: type[Exception] = PowerCutError) -> None:
        self.left = operations
        self._error = error

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise self._error

    def create(self, path: Path) -> DiskFile:
        self.count()
        return FailingFile(self, REAL_DISK.create(path))

    def open(self, path: Path) -> DiskFile:
        self.count()
        return FailingFile(self, REAL_DISK.open(path))

    def read(self, path: Path) -> BinaryIO:
        self.count()
        return REAL_DISK.read(path)

    def size(self, path: Path) -> int:
        self.count()
        return REAL_DISK.size(path)

    def names(self, folder: Path) -> list[str]:
        self.count()
        return REAL_DISK.names(folder)

    def make_folder(self, folder: Path) -> None:
        self.count()
        REAL_DISK.make_folder(folder)

    def rename(self, old: Path, new: Path) -> None:
        self.count()
        REAL_DISK.rename(old, new)

    def remove(self, path: Path) -> None:
        self.count()
        REAL_DISK.remove(path)

    def sync_folder(self, folder: Path) -> None:
        self.count()
        REAL_DISK.sync_folder(folder)


class FailingFile:
    def __init__(self, disk: FailingDisk, file: DiskFile) -> None:
        self._disk = disk
        self._file = file

    def write(self, data: bytes, offset: int) -> None:
        if self._disk.left <= 0:
            self._file.write(data[: len(data) // 2], offset)
        self._disk.count()
        self._file.write(data, offset)

    def sync(self, *, data_only: bool = False) -> None:
        self._disk.count()
        self._file.sync(data_only=data_only)

    def cut(self, size: int) -> None:
        self._disk.count()
        self._file.cut(size)

    @property
    def size(self) -> int:
        return self._file.size

    def close(self) -> None:
        self._file.close()
        self._disk.count()


class FullDisk(RealDisk):
    """A disk on which `space` bytes fit, if it is not None."""

    def __init__(self, space: int | None) -> None:
        self.space = space

    def create(self, path: Path) -> DiskFile:
        return FullFile(self, super().create(path))


class FullFile:
    def __init__(self, disk: FullDisk, file: DiskFile) -> None:
        self._disk = disk
        self._file = file

    def write(self, data: bytes, offset: int) -> None:
        space = self._disk.space
        if space is not None:
            fits = data[:space]
            self._file.write(fits, offset)
            self._disk.space = space - len(fits)
            if fits != data:
                raise OSError(errno.ENOSPC, "no space left")
        self._file.write(data, offset)

    def sync(self, *, data_only: bool = False) -> None:
        self._file.sync(data_only=data_only)

    def cut(self, size: int) -> None:
        self._file.cut(size)

    @property
    def size(self) -> int:
        return self._file.size

    def close(self) -> None:
        self._file.close()
