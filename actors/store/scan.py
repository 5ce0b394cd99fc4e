"""Scan: reads a file of blocks to its end, past all that is damaged, and says where that is."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from msgspec import Struct

from actors.errors import LogCorruptError
from actors.store.block import HEAD, HEADER, Blocks, blocks_of
from actors.store.seal import SealBrokenError


class Piece(Struct, frozen=True):
    """A stretch of a file: a block as it was written, or what is not."""

    offset: int
    size: int
    body: bytes | None
    """What the block holds; None where it is not as written."""
    error: str = ""
    """What is wrong, where it is."""
    torn: bool = False
    """Whether it may be a last write that was cut short: nothing whole stands behind it."""
    blank: bool = False
    """Whether it is zeroes up to the end, as they are filled ahead of what is written."""


def scan_blocks(path: Path, kind: bytes, key: bytes | None) -> Iterator[Piece]:
    """Read all blocks of a file, the damaged ones too, in their order.

    The file may grow meanwhile. Raises OSError, and OperatorError where the store's key is missing.
    """
    with path.open("rb") as file:
        header = file.read(HEADER.size)
        try:
            blocks = blocks_of(path, header, kind, key)
        except LogCorruptError:
            yield _without_header(path, file, header, kind)
            return
        offset = HEADER.size
        while True:
            body = _sealed_body(file, offset)
            if body:
                yield _piece_of(path, blocks, offset, body)
                offset += HEAD.size + len(body)
                continue
            size, torn = _damaged_bytes(file, offset)
            if not size:
                left = file.seek(0, os.SEEK_END) - offset
                if left:
                    yield Piece(
                        offset, left, None, "only zeroes up to the end", torn=True, blank=True
                    )
                return
            if not torn and _sealed_body(file, offset):
                continue  # It was being written when we came, and is whole by now.
            error = "a write that was cut short" if torn else "not as it was written"
            yield Piece(offset, size, None, error, torn)
            offset += size


def _piece_of(path: Path, blocks: Blocks, offset: int, body: bytes) -> Piece:
    size = HEAD.size + len(body)
    try:
        return Piece(offset, size, blocks.decode(offset, body))
    except SealBrokenError:
        return Piece(offset, size, None, "sealed with another key, or changed")


def _without_header(path: Path, file: BinaryIO, header: bytes, kind: bytes) -> Piece:
    """Say what is wrong with a file whose header cannot be read: nothing in it can be."""
    size = file.seek(0, os.SEEK_END)
    begun = header.rstrip(b"\0")
    # A file just begun: its header is not there yet, or in part, and nothing stands behind it.
    torn = (kind.startswith(begun) or begun.startswith(kind)) and not _rest(file, HEADER.size)
    error = "no whole header" if torn else "does not open like a file of its kind"
    return Piece(0, size, None, error, torn)


def _sealed_body(file: BinaryIO, offset: int) -> bytes:
    """Return the body of the block at `offset`, still sealed; nothing if it is not as written."""
    file.seek(0, os.SEEK_END)  # A buffered file forgets only so what it has read ahead.
    file.seek(offset)
    head = file.read(HEAD.size)
    length = _length(head)
    if not length:
        return b""
    body = file.read(length)
    return body if len(body) == length and crc32(body) == HEAD.unpack(head)[1] else b""


def _length(head: bytes) -> int:
    """Return the bytes of a block's body as its head says, 0 where it is no head."""
    if len(head) < HEAD.size:
        return 0
    length, _, checksum = HEAD.unpack(head)
    return int(length) if crc32(head[:8]) == checksum else 0


def _rest(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    return file.read().rstrip(b"\0")


def _damaged_bytes(file: BinaryIO, offset: int) -> tuple[int, bool]:
    """Return how far it is from what is no block to the next whole one, or to the end if none is.

    0 where only zeroes follow. And say whether it is the end.
    """
    file.seek(offset)
    length = _length(file.read(HEAD.size))
    if length and _sealed_body(file, offset + HEAD.size + length):
        return HEAD.size + length, False  # A head that is whole says where to go on.
    rest = _rest(file, offset)
    for at in range(1, len(rest) - HEAD.size + 1):
        size = _length(rest[at : at + HEAD.size])
        if size and crc32(rest[at + HEAD.size : at + HEAD.size + size]) == _crc(rest, at):
            return at, False
    return len(rest), True


def _crc(rest: bytes, at: int) -> int:
    return int(HEAD.unpack_from(rest, at)[1])
