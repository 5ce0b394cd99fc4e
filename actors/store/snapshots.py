"""Snapshots in files: one for each partition and position, of sealed blocks; the latest two stay.

A file holds its head, then rows in slices, compressed, then how many they were: a file without
that end is never taken as whole. `snapshot-<partition>-<position>.snap`.
"""

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from actors.errors import LogCorruptError
from actors.store.block import HEADER, SNAPSHOT, blocks_of, damage, read_blocks, read_body
from actors.store.disk import REAL_DISK, Disk
from actors.store.newfile import NewFile, Pause, no_pause, remove_leftovers
from actors.store.port import Row, SnapshotHead
from actors.store.snapshot_body import (
    END,
    HeadBody,
    decode_rows,
    end_body,
    is_end,
    row_bodies,
)
from engine.numbers import without

KEPT: Final = 2

NAME: Final = re.compile(r"snapshot-(\d{3})-(\d{20})\.snap")


class SnapshotFiles:
    """See actors.store.port.Snapshots. Made by who only reads; the owner calls `open_snapshots`.

    Methods may be called from any thread; writing and rewriting wait for each other.
    """

    def __init__(
        self,
        folder: Path,
        key: bytes | None,
        disk: Disk = REAL_DISK,
        pause: Pause = no_pause,
    ) -> None:
        self.folder = folder
        self._key = key
        self._disk = disk
        self._pause = pause
        self._turn = threading.Lock()
        self._head_body = HeadBody()

    def write(self, head: SnapshotHead, rows: Iterable[list[Row]]) -> None:
        """See Snapshots. Raises OSError, StoreFullError; then nothing of it is there.

        `head.rows` must be the number of rows that come.
        """
        with self._turn:
            self._write(head, rows)
            self._remove_older(head.partition)

    def heads(self, partition: int) -> list[SnapshotHead]:
        """See Snapshots; only the first and the last block of each file are read.

        A snapshot that is damaged there is left out, and named by `faults`. Raises OSError, and
        OperatorError where the key is missing.
        """
        return self.all_heads(partition).get(partition, [])

    def latest_heads(self) -> dict[int, SnapshotHead]:
        """Return the head of the latest whole snapshot of each partition that has one."""
        return {partition: heads[0] for partition, heads in self.all_heads().items()}

    def all_heads(self, partition: int | None = None) -> dict[int, list[SnapshotHead]]:
        """Return the heads of all partitions, or of one, as `heads` does."""
        found: dict[int, list[SnapshotHead]] = {}
        for path in reversed(self._paths(partition)):
            head = self._head_if_whole(path)
            if head is not None:
                found.setdefault(head.partition, []).append(head)
        return found

    def faults(self) -> list[LogCorruptError]:
        """Name the snapshots that are left out by `heads`, with what is wrong; read as it does."""
        found = []
        for path in self._paths():
            try:
                self._head(path)
            except LogCorruptError as error:
                found.append(error)
            except FileNotFoundError:
                continue  # A later one took its place meanwhile.
        return found

    def rows(self, head: SnapshotHead) -> Iterator[list[Row]]:
        """See Snapshots. Where it is damaged, rows before the place may have been returned."""
        path = self.path(head)
        count = 0
        try:
            bodies = read_blocks(path, SNAPSHOT, self._key, disk=self._disk)
            self._unpack_head(path, next(bodies, b""))
            last = next(bodies, b"")
            for body in bodies:
                rows = decode_rows(path, last)
                count += len(rows)
                yield rows
                last = body
        except FileNotFoundError:
            raise LogCorruptError(f"{path} is gone; list the snapshots again") from None
        if not is_end(last, count):
            raise LogCorruptError(f"{path} ends early, after {count} rows; restore it from a copy")

    def rewrite_snapshot(self, head: SnapshotHead, drop: Callable[[Row], bool]) -> bool:
        """Write a snapshot again without the rows that `drop` names, in its own place.

        Return whether there were any; the file is left alone if not. `drop` is called twice for
        a row. The same holds for what stays on the disk as for `actors.store.rewrite`. Whoever
        erases also comes again for a snapshot that was begun before and written after.
        """
        with self._turn:
            dropped = [row.state for rows in self.rows(head) for row in rows if drop(row)]
            if not dropped:
                return False
            kept = ([row for row in rows if not drop(row)] for rows in self.rows(head))
            numbers = without(head.numbers, dropped, head.now_ms)
            rest = head.rows - len(dropped)
            self._write(msgspec.structs.replace(head, rows=rest, numbers=numbers), kept)
        return True

    @property
    def size_bytes(self) -> int:
        """What all snapshots take on the disk."""
        total = 0
        for path in self._paths():
            try:
                total += self._disk.size(path)
            except FileNotFoundError:
                continue  # A later one took its place meanwhile.
        return total

    def path(self, head: SnapshotHead) -> Path:
        """Return the file of a snapshot."""
        return self.folder / f"snapshot-{head.partition:03}-{head.position:020}.snap"

    def _write(self, head: SnapshotHead, rows: Iterable[list[Row]]) -> None:
        with NewFile(self.path(head), SNAPSHOT, self._key, self._disk, self._pause) as file:
            file.add(self._head_body.encode(head))
            for body in row_bodies(head, rows):
                file.add(body)
            file.add(end_body(head.rows, file.size))
            file.finish()

    def _remove_older(self, partition: int) -> None:
        """Remove what is older than the latest whole ones; a damaged one does not count."""
        whole = 0
        for path in reversed(self._paths(partition)):
            if whole == KEPT:
                self._disk.remove(path)
            elif self._head_if_whole(path) is not None:
                whole += 1

    def _paths(self, partition: int | None = None) -> list[Path]:
        """Return the files by partition and position."""
        prefix = "" if partition is None else f"snapshot-{partition:03}-"
        names = [name for name in self._disk.names(self.folder) if name.startswith(prefix)]
        return [self.folder / name for name in sorted(names) if NAME.fullmatch(name)]

    def _head_if_whole(self, path: Path) -> SnapshotHead | None:
        try:
            return self._head(path)
        except (LogCorruptError, FileNotFoundError):
            return None  # Damaged: `faults` says how. Gone: a later one took its place meanwhile.

    def _head(self, path: Path) -> SnapshotHead:
        """Read the first and the last block. Raises LogCorruptError, OSError."""
        with self._disk.read(path) as file:
            blocks = blocks_of(path, file.read(HEADER.size), SNAPSHOT, self._key)
            body, _ = read_body(path, file, blocks, HEADER.size)
            size = file.seek(0, os.SEEK_END)
            last = max(size - blocks.size(END.size), HEADER.size)
            file.seek(last)
            end, _ = read_body(path, file, blocks, last)
        head = self._unpack_head(path, body)
        if end_body(head.rows, last) != end:
            raise damage(path, last)
        return head

    def _unpack_head(self, path: Path, body: bytes) -> SnapshotHead:
        head = self._head_body.decode(path, body)
        if self.path(head) != path:
            raise LogCorruptError(f"{path} holds {self.path(head).name}; give it its name again")
        return head


def open_snapshots(
    folder: Path, key: bytes | None, disk: Disk = REAL_DISK, pause: Pause = no_pause
) -> SnapshotFiles:
    """Open the snapshots of a slot as their owner: make the folder, remove what is half written.

    `pause` is called between steps of 256 KB. Raises OSError.
    """
    disk.make_folder(folder)
    remove_leftovers(folder, disk)
    return SnapshotFiles(folder, key, disk, pause)
