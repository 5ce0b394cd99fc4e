"""Chronicle: the history of one slot wherever it is: its archive, then its log, file or stream."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from actors.frame import Frame
from actors.store.archive import ARCHIVE_FOLDER, archive_files, read_archive
from actors.store.block import LOG, read_blocks
from actors.store.body import frames_in, read_frame
from actors.store.disk import REAL_DISK, Disk
from actors.store.redis_server import RedisServer
from actors.store.redis_stream import Reader, read_entries
from actors.store.segment import position_of, segments_of

EARLIER: Final = "earlier"
"""Folder of a store in files with the archives of slots it had in Redis."""

SLOT_FOLDER: Final = re.compile(r"shard-(\d+)")

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

    def portions(self) -> Iterator[tuple[int, Encoded]]:
        """Yield from which position on, and then the frames, file by file.

        Each must be read to its end before the next. Raises LogCorruptError, OSError,
        StoreStalledError.
        """
        end = 0
        for file in archive_files(self.folder / ARCHIVE_FOLDER, self.disk):
            if file.next > end:  # Else a crash left a shorter one of the same frames.
                bodies = read_archive(file.path, self.key, self.disk)
                yield file.first, _frames(file.path, bodies)
                end = file.next
        if self.server is not None:
            yield from self._stream(self.server, end)
            return
        for path in segments_of(self.folder, self.disk):
            if position_of(path) >= end:
                bodies = read_blocks(path, LOG, self.key, torn_tail=True, disk=self.disk)
                yield position_of(path), _frames(path, bodies)

    def frames(self) -> Iterator[Frame]:
        """Yield all frames there are, in order. Raises as `portions`."""
        for _, encoded in self.portions():
            for place, frames in encoded:
                for each in frames:
                    yield read_frame(place, each)

    def _stream(self, server: RedisServer, end: int) -> Iterator[tuple[int, Encoded]]:
        """Yield the stream from where the archive ends: a crash may leave frames in both."""
        name = server.key("log", self.slot)
        entries = (each for each in read_entries(server, name, end) if each.first >= end)
        first = next(entries, None)
        if first is None:
            return
        reader = Reader(name, self.key)

        def encoded() -> Iterator[tuple[Path, list[bytes]]]:
            yield reader.place(first), reader.bodies(first)
            for entry in entries:
                yield reader.place(entry), reader.bodies(entry)

        yield first.first, encoded()


def slots_in(disk: Disk, root: Path) -> list[int]:
    """Return the slots that have a folder in an archive, or in a data folder."""
    matches = (SLOT_FOLDER.fullmatch(name) for name in disk.names(root))
    return sorted(int(match[1]) for match in matches if match)


def earlier_chronicles(data: Path, key: bytes | None) -> list[Chronicle]:
    """Return what a store in files keeps of the time when it was in Redis."""
    root = data / EARLIER
    return [
        Chronicle(slot=slot, folder=root / f"shard-{slot}", key=key)
        for slot in slots_in(REAL_DISK, root)
    ]


def _frames(path: Path, bodies: Iterable[bytes]) -> Encoded:
    return ((path, list(frames_in(path, body))) for body in bodies)
