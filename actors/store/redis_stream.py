"""A log's stream in Redis: one entry an append, sealed as a block of a file is, and read by page.

An entry holds what one append wrote, in its field `b`: {header of a file of blocks; u64 offset;
block}. The header's salt is of one opening of the log, and the offset counts on over it: so no key
of AES-GCM sees a nonce twice, and each entry can be read by itself. Its id is `<position of its
first record, and 1>-0`, so that a range of positions is a range of ids.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Raw, Struct

from actors.errors import LogCorruptError
from actors.frame import Frame
from actors.store.block import HEADER, LOG, Blocks, blocks_of, new_blocks, read_body
from actors.store.body import body_of, frames_in, read_frame
from actors.store.redis_server import RedisServer

FIELD: Final = b"b"
PAGE_BYTES: Final = 4 << 20
"""A page of entries has about this size, unless one entry has more."""
PAGE_ENTRIES_MAX: Final = 1_000

OFFSET: Final = struct.Struct(">Q")
PREFIX_BYTES: Final = HEADER.size + OFFSET.size


class Entry(Struct, frozen=True, gc=False):
    """What one append wrote."""

    first: int
    """Position of its first record."""
    value: bytes

    @property
    def mark(self) -> bytes:
        """What tells it from all other entries that were ever written: its opening and offset."""
        return self.value[:PREFIX_BYTES]


class _Counted(Struct, array_like=True, frozen=True, gc=False):
    """As much of a Frame as says where it ends."""

    position: int
    fold_version: int
    records: list[Raw]


_counted: Final = msgspec.msgpack.Decoder(_Counted).decode


class Writer:
    """Makes entries, of one opening of a log."""

    def __init__(self, key: bytes | None) -> None:
        self._blocks = new_blocks(LOG, key)
        self._offset = HEADER.size

    def entry(self, position: int, frames: list[bytes]) -> Entry:
        """Return the entry that holds these frames."""
        block = self._blocks.encode(self._offset, body_of(frames))
        value = self._blocks.header + OFFSET.pack(self._offset) + block
        self._offset += len(block)
        return Entry(position, value)


class Reader:
    """Reads entries of a stream."""

    def __init__(self, name: str, key: bytes | None) -> None:
        """Errors call the stream by this name."""
        self._name = name
        self._key = key
        self._blocks = Blocks(b"", None)
        """Of the opening that was read last: mostly the next entry is of the same."""

    def place(self, entry: Entry) -> Path:
        """Return how errors name an entry."""
        return Path(self._name) / id_of(entry.first)

    def bodies(self, entry: Entry) -> list[bytes]:
        """Return the frames in an entry, encoded. Raises LogCorruptError, OperatorError."""
        place = self.place(entry)
        header = entry.value[: HEADER.size]
        if header != self._blocks.header:
            self._blocks = blocks_of(place, header, LOG, self._key)
        rest = entry.value[HEADER.size : PREFIX_BYTES]
        if len(rest) < OFFSET.size:
            raise LogCorruptError(f"{place} ends early; restore the log from a copy")
        (offset,) = OFFSET.unpack(rest)
        body, _ = read_body(place, io.BytesIO(entry.value[PREFIX_BYTES:]), self._blocks, offset)
        return list(frames_in(place, body))

    def frames(self, entry: Entry) -> Iterator[Frame]:
        """Read the frames in an entry. Raises LogCorruptError, OperatorError."""
        for encoded in self.bodies(entry):
            yield read_frame(self.place(entry), encoded)


def end_of(frames: list[bytes]) -> int:
    """Return the position behind encoded frames."""
    last = _counted(frames[-1])
    return last.position + len(last.records)


def id_of(position: int) -> str:
    """Return the id of the entry whose first record has this position; ids begin at 1."""
    return f"{position + 1}-0"


def read_entries(server: RedisServer, stream: str, position: int) -> Iterator[Entry]:
    """Read the entries from the one on that holds `position`, page by page."""
    found = server.run("XREVRANGE", stream, id_of(position), "-", "COUNT", 1)
    start = _entry(*found[0]).first if found else 0
    count = 1
    while True:
        page = server.run("XRANGE", stream, id_of(start), "+", "COUNT", count)
        entries = [_entry(*each) for each in page]
        yield from entries
        if len(entries) < count:
            return
        start = entries[-1].first + 1
        largest = max(len(entry.value) for entry in entries)
        count = max(1, min(PAGE_ENTRIES_MAX, PAGE_BYTES // max(largest, 1), 4 * count))


def latest_entries(server: RedisServer, stream: str, size: int) -> list[Entry]:
    """Return the last entries, in order: as many as have `size` bytes together, and one more."""
    found: list[Entry] = []
    end = "+"
    while size > 0:
        page = server.run("XREVRANGE", stream, end, "-", "COUNT", 8)
        for each in page:
            found.append(_entry(*each))
            size -= len(found[-1].value)
            if size <= 0:
                break
        if len(page) < 8:
            break
        end = f"({id_of(found[-1].first)}"
    return found[::-1]


def read_redis_log(
    server: RedisServer, slot: int, key: bytes | None, position: int | None = 0
) -> Iterator[Frame]:
    """Read a log's frames with records at or after `position`, see Log; it need not be owned.

    Raises LogCorruptError, OperatorError, StoreStalledError.
    """
    name = server.key("log", slot)
    told = server.run("HMGET", server.key("slot", slot), "first", "position")
    first, end = (int(each or 0) for each in told)
    reader = Reader(name, key)
    follows = first
    position = first if position is None else position
    if first > position:
        text = f"{name} begins at position {first}, but position {position} is needed"
        raise LogCorruptError(f"{text}; restore what was before it from a copy")
    if end < position:
        text = f"{name} ends at position {end}, but position {position} is needed"
        raise LogCorruptError(f"{text}; restore the log from a copy")
    begun = False
    for entry in read_entries(server, name, position):
        if entry.first != follows and (begun or entry.first > position):
            raise _gap(name, entry.first, follows)
        follows = entry.first
        begun = True
        for frame in reader.frames(entry):
            if frame.position != follows:
                raise _gap(name, frame.position, follows)
            follows += len(frame.records)
            if follows > position or frame.position >= position:
                yield frame
    if follows < end:
        text = f"{name} ends at position {follows}, but has been written up to {end}"
        raise LogCorruptError(f"{text}; restore the log from a copy")


def _gap(name: str, found: int, expected: int) -> LogCorruptError:
    text = f"{name} goes on at position {found}, not {expected}"
    return LogCorruptError(f"{text}; restore the log from a copy")


def _entry(number: bytes, fields: list[bytes]) -> Entry:
    return Entry(int(number.split(b"-")[0]) - 1, fields[1])
