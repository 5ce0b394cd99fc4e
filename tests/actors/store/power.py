"""A disk in memory whose power can be cut: what was not synced is kept, lost, torn or reordered.

It promises what POSIX does and no more: a file's bytes are durable after its `sync`, names after
the `sync_folder` of theirs. `crash` gives the disk as it is found afterwards; the one before is
off, and fails whatever a process that outlived it still tries.
"""

import errno
import io
from pathlib import Path
from random import Random
from typing import BinaryIO, Final

from actors.store.disk import DiskFile
from actors.store.log import Sizes

SMALL: Final = Sizes(segment=2048, first=512, spare=0)
"""Sizes for logs on it: no thread, and a segment is full after some frames."""


class NoLock:
    """Held by nobody else."""

    def __init__(self) -> None:
        self.held = True

    def release(self) -> None:
        """See actors.store.lock.Lock."""
        self.held = False


class Content:
    """What a file holds now, what of it is durable, and what happened since."""

    __slots__ = ("durable", "now", "pending")

    def __init__(self) -> None:
        self.now = bytearray()
        self.durable = bytearray()
        self.pending: list[tuple[int, bytes | None]] = []
        """(offset, data) of each write; (size, None) where it was cut."""

    def sync(self, *, data_only: bool) -> None:
        """A cut is no data: it stays pending, unless a write behind it needs it."""
        left = []
        if data_only and self.pending and self.pending[-1][1] is None:
            left.append(self.pending.pop())
        for offset, data in self.pending:
            _apply(self.durable, offset, data)
        self.pending = left

    def crash(self, random: Random) -> None:
        """Become what a power cut leaves."""
        if not self.pending:
            return
        pending = self.pending
        mood = random.random()
        if mood < 0.5:  # Each its own fate, in any order.
            pending = random.sample(pending, len(pending))
            for offset, data in pending:
                _apply_in_part(self.durable, offset, data, random)
        elif mood < 0.75:  # All in order up to one that is torn.
            last = random.randrange(len(pending))
            for offset, data in pending[:last]:
                _apply(self.durable, offset, data)
            _apply_in_part(self.durable, *pending[last], random)
        self.pending = []
        self.now = bytearray(self.durable)


class PowerFile:
    """See DiskFile."""

    __slots__ = ("_content", "_disk")

    def __init__(self, disk: "PowerDisk", content: Content) -> None:
        self._disk = disk
        self._content = content

    def write(self, data: bytes, offset: int) -> None:
        """See DiskFile; what does not fit is written in part."""
        self._disk.check_power()
        content = self._content
        grows = offset + len(data) - len(content.now)
        missing = self._disk.take_space(max(grows, 0))
        if missing:
            data = data[: max(len(data) - missing, 0)]
        content.pending.append((offset, data))
        _apply(content.now, offset, data)
        if missing:
            raise OSError(errno.ENOSPC, "no space left on device")

    def sync(self, *, data_only: bool = False) -> None:
        """See DiskFile."""
        self._disk.check_power()
        self._content.sync(data_only=data_only)

    def cut(self, size: int) -> None:
        """See DiskFile."""
        self._disk.check_power()
        self._disk.take_space(size - len(self._content.now))
        self._content.pending.append((size, None))
        _apply(self._content.now, size, None)

    @property
    def size(self) -> int:
        """See DiskFile."""
        return len(self._content.now)

    def close(self) -> None:
        """See DiskFile."""


class Names:
    """The names of one folder: as they are, as they are durable, and each change since."""

    __slots__ = ("durable", "now", "pending")

    def __init__(self) -> None:
        self.now: dict[str, Content] = {}
        self.durable: dict[str, Content] = {}
        self.pending: list[tuple[str, str, Content | None]] = []
        """(name that goes, name that comes, its content), each empty where there is none."""

    def change(self, gone: str, new: str, content: Content | None) -> None:
        """Change names at once; durable only later."""
        self.pending.append((gone, new, content))
        _rename(self.now, gone, new, content)

    def sync(self) -> None:
        """Make all durable."""
        self.pending.clear()
        self.durable = dict(self.now)

    def crash(self, random: Random) -> None:
        """Become what a power cut leaves: some changes, or the first ones, or none."""
        mood = random.random()
        first = random.randint(0, len(self.pending))
        for at, change in enumerate(self.pending):
            if random.random() < 0.5 if mood < 0.5 else at < first:
                _rename(self.durable, *change)
        self.pending.clear()
        self.now = dict(self.durable)


class PowerDisk:
    """See Disk. With a space, what does not fit is refused."""

    def __init__(self, space: int | None = None) -> None:
        self.space = space
        self._folders: dict[str, Names] = {}
        self._used = 0
        self._on = True

    def crash(self, random: Random) -> "PowerDisk":
        """Cut the power, and return the disk as it is found when it is back."""
        self.check_power()
        self._on = False
        found = type(self)(self.space)
        found._folders = self._folders
        for names in self._folders.values():
            names.crash(random)
            for content in names.now.values():
                content.crash(random)
                found._used += len(content.now)
        self._folders = {}
        return found

    def check_power(self) -> None:
        """Raise OSError when the power was cut."""
        if not self._on:
            raise OSError(errno.EIO, "the power is off")

    def take_space(self, grows: int) -> int:
        """Take so many bytes of the disk, or what it has; return how many are missing."""
        self._used += grows
        missing = max(self._used - self.space, 0) if self.space is not None and grows > 0 else 0
        missing = min(missing, grows)
        self._used -= missing
        return missing

    def create(self, path: Path) -> DiskFile:
        """See Disk."""
        names = self._names(path.parent)
        there = names.now.get(path.name)
        if there is None:
            there = Content()
            names.change("", path.name, there)
        file = PowerFile(self, there)
        if there.now:
            file.cut(0)
        return file

    def open(self, path: Path) -> DiskFile:
        """See Disk."""
        return PowerFile(self, self._content(path))

    def read(self, path: Path) -> BinaryIO:
        """See Disk."""
        return io.BytesIO(self._content(path).now)

    def size(self, path: Path) -> int:
        """See Disk."""
        return len(self._content(path).now)

    def names(self, folder: Path) -> list[str]:
        """See Disk."""
        self.check_power()
        names = self._folders.get(str(folder))
        return [] if names is None else sorted(names.now)

    def make_folder(self, folder: Path) -> None:
        """See Disk."""
        self.check_power()
        self._folders.setdefault(str(folder), Names())

    def rename(self, old: Path, new: Path) -> None:
        """See Disk."""
        assert old.parent == new.parent, "a file stays in its folder"
        content = self._content(old)
        names = self._names(new.parent)
        replaced = names.now.get(new.name)
        if replaced is not None and replaced is not content:
            self.take_space(-len(replaced.now))
        names.change(old.name, new.name, content)

    def remove(self, path: Path) -> None:
        """See Disk."""
        names = self._names(path.parent)
        content = names.now.get(path.name)
        if content is not None:
            self.take_space(-len(content.now))
            names.change(path.name, "", None)

    def sync_folder(self, folder: Path) -> None:
        """See Disk."""
        self._names(folder).sync()

    def _names(self, folder: Path) -> Names:
        self.check_power()
        names = self._folders.get(str(folder))
        if names is None:
            raise FileNotFoundError(errno.ENOENT, "no such folder", str(folder))
        return names

    def _content(self, path: Path) -> Content:
        content = self._names(path.parent).now.get(path.name)
        if content is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return content


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    size = len(content)
    if size < offset:
        content.extend(bytes(offset - size))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


def _apply_in_part(content: bytearray, offset: int, data: bytes | None, random: Random) -> None:
    """Keep a change, lose it, keep any range of its bytes, or its size alone (zeroes)."""
    fate = random.randrange(5)
    if fate == 0 or (data is None and fate < 3):
        _apply(content, offset, data)
    elif data and fate == 1:
        first, last = sorted(random.randint(0, len(data)) for _ in range(2))
        _apply(content, offset + first, data[first:last])
    elif data and fate == 2:
        _apply(content, offset, data[: random.randint(0, len(data))])
    elif data and fate == 3 and len(content) < offset + len(data):
        content.extend(bytes(offset + len(data) - len(content)))


def _rename(names: dict[str, Content], gone: str, new: str, content: Content | None) -> None:
    names.pop(gone, None)
    if content is not None:
        names[new] = content
