"""What the blocks of a snapshot hold: its head, rows in slices, compressed, and its end.

Without that end a snapshot is never taken as whole.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import Struct as Packing
from typing import Final

import msgspec
import zstandard
from msgspec.structs import replace

from actors.errors import LogCorruptError
from actors.store.port import Row, SnapshotHead

SLICE_ROWS_MAX: Final = 1_000
ZSTD_LEVEL: Final = 1
"""Level 3 makes them 3 % smaller and takes twice the time; a snapshot does not live long."""

END: Final = Packing(">8sQQ")
END_MAGIC: Final = b"complete"

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_head: Final = msgspec.msgpack.Decoder(SnapshotHead).decode
_decode_rows: Final = msgspec.msgpack.Decoder(list[Row]).decode


class HeadBody:
    """Makes and reads the body of a head: the publication in it is compressed."""

    def __init__(self) -> None:
        self._published = (b"", b"")
        """The last publication seen, compressed and plain: it is mostly the same in all heads."""

    def encode(self, head: SnapshotHead) -> bytes:
        """Return the body."""
        packed, plain = self._published
        if head.published != plain or not packed:
            plain = head.published
            packed = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(plain)
            self._published = (packed, plain)
        return _encode(replace(head, published=packed))

    def decode(self, place: Path, body: bytes) -> SnapshotHead:
        """Return the head. Raises LogCorruptError, which names `place`."""
        try:
            head = _decode_head(body)
            packed, plain = self._published
            if head.published != packed:
                plain = zstandard.ZstdDecompressor().decompress(head.published)
                self._published = (head.published, plain)
        except (msgspec.DecodeError, zstandard.ZstdError) as error:
            raise _unreadable(place, error) from None
        return replace(head, published=plain)


def row_bodies(head: SnapshotHead, rows: Iterable[list[Row]]) -> Iterator[bytes]:
    """Return the bodies of a snapshot's rows, in slices; they must be as many as the head says."""
    compress = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress
    count = 0
    for each in rows:
        for start in range(0, len(each), SLICE_ROWS_MAX):
            part = each[start : start + SLICE_ROWS_MAX]
            count += len(part)
            yield compress(_encode(part))
    assert count == head.rows, f"{count} rows came for a snapshot of {head.rows}"


def decode_rows(place: Path, body: bytes) -> list[Row]:
    """Return the rows of a slice. Raises LogCorruptError, which names `place`."""
    try:
        return _decode_rows(zstandard.ZstdDecompressor().decompress(body))
    except (msgspec.DecodeError, zstandard.ZstdError) as error:
        raise _unreadable(place, error) from None


def end_body(rows: int, offset: int) -> bytes:
    """Return the body of a snapshot's last block, at `offset`."""
    return END.pack(END_MAGIC, rows, offset)


def is_end(body: bytes, rows: int) -> bool:
    """Say whether a body is the end of a snapshot of so many rows."""
    return len(body) == END.size and END.unpack(body)[:2] == (END_MAGIC, rows)


def _unreadable(place: Path, error: Exception) -> LogCorruptError:
    return LogCorruptError(f"{place} holds what is no snapshot: {error}; restore it from a copy")
