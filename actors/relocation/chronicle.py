"""Chronicle: the history of one slot wherever it is: its archive, then its log, file or stream."""

from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from pathlib import Path

from msgspec import Struct

from actors.frame import Frame
from actors.store.archive import ARCHIVE_FOLDER, archive_files, pruned, read_archive
from actors.store.archive_place import open_archive
from actors.store.block import LOG, read_blocks
from actors.store.body import frames_in, read_frame
from actors.store.disk import REAL_DISK, Disk
from actors.store.earlier import earlier_folders
from actors.store.redis_server import RedisServer
from actors.store.redis_stream import Reader, end_of, read_entries
from actors.store.segment import position_of, segments_of
from actors.store.slots import slots_of

Encoded = Iterable[tuple[Path, list[bytes]]]
"""Frames as they are kept, with the place that errors name."""


class Chronicle(Struct, frozen=True, kw_only=True):
    """One slot's history, read without owning it; it must not be written to meanwhile."""

    slot: int
    """Its number; of a store in files, that of the shard."""
    folder: Path
    """Where its archive is, and its segments if it has any."""
    disk: Disk = REAL_DISK
    key: bytes | None = None
    server: RedisServer | None = None
    """Where its stream is, if it has one."""

    def portions(self, position: int = 0) -> Iterator[tuple[int, Encoded]]:
        """Yield from which position on, and then the frames, file by file.

        Files wholly before `position` may be left out. Each must be read to its end before the
        next. Where files go by their age meanwhile, it begins with what is left; PrunedError where
        it had begun. Raises LogCorruptError, OSError, StoreStalledError.
        """
        end = -1
        while True:
            before = end
            end, gone = yield from self._archive(end, position)
            if self.server is None:
                break
            stream = _Stream(self, self.server, end, whole=end > before)
            if stream.first is not None:
                self._check(gone, end, stream.first)
                yield stream.first, stream
                end = stream.end
            if not stream.gap:
                return
        for path in segments_of(self.folder, self.disk):
            if (first := position_of(path)) >= end:
                self._check(gone, end, first)
                gone = None
                bodies = read_blocks(path, LOG, self.key, torn_tail=True, disk=self.disk)
                yield first, _frames(path, bodies)

    def frames(self, position: int = 0) -> Iterator[Frame]:
        """Yield all frames there are with records at or after `position`, in order.

        Raises as `portions`.
        """
        for _, encoded in self.portions(position):
            for place, frames in encoded:
                for each in frames:
                    frame = read_frame(place, each)
                    if frame.position + len(frame.records) > position:
                        yield frame

    def _archive(
        self, end: int, position: int
    ) -> Generator[tuple[int, Encoded], None, tuple[int, Path | None]]:
        """Yield the archive's files behind `end`; return where it ends, and the last that went."""
        gone: Path | None = None
        while True:
            for file in archive_files(self.folder / ARCHIVE_FOLDER, self.disk):
                if file.next <= end:
                    continue  # A crash left a shorter one of the same frames.
                self._check(gone, end, file.first)
                if file.next > position:
                    try:
                        frames = self._archived(file.path)
                    except FileNotFoundError:
                        if file.path == gone:
                            raise
                        gone = file.path
                        break  # Its time was over just now: list again.
                    yield file.first, frames
                end = file.next
            else:
                return end, gone

    def _check(self, gone: Path | None, end: int, first: int) -> None:
        """Raise PrunedError where files are gone that were between what was read and `first`."""
        if gone is not None and 0 <= end < first:
            raise pruned(self.folder)

    def _archived(self, path: Path) -> Encoded:
        """Open an archive file. Raises FileNotFoundError."""
        frames = iter(_frames(path, read_archive(path, self.key, self.disk)))
        return chain([first] if (first := next(frames, None)) is not None else [], frames)


class _Stream:
    """A stream from where the archive ends; a crash may leave frames in both. Read once."""

    def __init__(self, slot: Chronicle, server: RedisServer, end: int, *, whole: bool) -> None:
        """With `whole` it ends before a gap: what is missing may be in the archive by now."""
        name = server.key("log", slot.slot)
        entries = read_entries(server, name, max(end, 0))
        self.gap = False
        self.end = end
        self._entries = (each for each in entries if each.first >= end)
        self._reader = Reader(name, slot.key)
        self._next = next(self._entries, None)
        if self._next is not None and whole and self._next.first > max(end, 0):
            self.gap, self._next = True, None
        self.first = None if self._next is None else self._next.first

    def __iter__(self) -> Iterator[tuple[Path, list[bytes]]]:
        while self._next is not None:
            entry, self._next = self._next, None
            frames = self._reader.bodies(entry)
            self.end = end_of(frames)
            yield self._reader.place(entry), frames
            following = next(self._entries, None)
            if following is not None and following.first != self.end:
                self.gap = True
            else:
                self._next = following


def earlier_chronicles(data: Path, key: bytes | None) -> list[Chronicle]:
    """Return what a store in files keeps of the time when it was in Redis."""
    return [
        Chronicle(slot=slot, folder=folder, key=key)
        for slot, folder in earlier_folders(data).items()
    ]


def _frames(path: Path, bodies: Iterable[bytes]) -> Encoded:
    return ((path, list(frames_in(path, body))) for body in bodies)


def redis_chronicles(
    server: RedisServer, archive: str, key: bytes | None, *slots: int
) -> dict[int, Chronicle]:
    """Return all slots of a store in Redis with a history, also those that nobody holds any more.

    They are looked for up to the highest of `slots`, and in the archive.
    """
    disk, root = open_archive(archive)
    found = slots_of(server, disk, root, max(slots) + 1)
    return {
        slot: Chronicle(slot=slot, folder=root / f"shard-{slot}", disk=disk, key=key, server=server)
        for slot in found
    }
