"""Blocks: what all files of a store are made of, each with its length, checksums and seal.

A file is a header {magic of its kind, 8 bytes; 1 if sealed else 0, and 3 zeroes; salt, 16 bytes;
u32 crc32 of these}, then blocks {u32 bytes of the body, u32 crc32 of it, u32 crc32 of these two;
body}. The body is sealed, unless the store has no key: length and checksums can be checked
without it.
"""

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final
from zlib import crc32

from actors.errors import LogCorruptError, OperatorError
from actors.store.disk import REAL_DISK, Disk
from actors.store.seal import SALT_BYTES, TAG_BYTES, Seal, SealBrokenError, new_salt

LOG: Final = b"ANLASSL2"
SNAPSHOT: Final = b"ANLASSS2"
ARCHIVE: Final = b"ANLASSA2"
SIGHTINGS: Final = b"ANLASSE2"
PUBLICATION: Final = b"ANLASSP2"
DRAFT: Final = b"ANLASSD2"

HEADER: Final = struct.Struct(f">8sB3x{SALT_BYTES}sI")
HEAD: Final = struct.Struct(">III")
SIZE: Final = struct.Struct(">I")


class Blocks:
    """How blocks of one file are written and read."""

    def __init__(self, header: bytes, seal: Seal | None) -> None:
        self.header = header
        self._seal = seal

    def size(self, body_bytes: int) -> int:
        """Return the size of the block that holds a body of so many bytes."""
        return HEAD.size + body_bytes + (0 if self._seal is None else TAG_BYTES)

    def encode(self, offset: int, body: bytes) -> bytes:
        """Return the block that holds `body`, to be written at `offset` of the file."""
        if self._seal is not None:
            body = self._seal.close(offset, body)
        head = HEAD.pack(len(body), crc32(body), 0)[:8]
        return head + SIZE.pack(crc32(head)) + body

    def decode(self, offset: int, body: bytes) -> bytes:
        """Return what the block at `offset` holds. Raises SealBrokenError."""
        return body if self._seal is None else self._seal.open(offset, body)


def new_blocks(kind: bytes, key: bytes | None) -> Blocks:
    """Begin a file of this kind, sealed with the store's key if there is one."""
    salt = new_salt()
    seal = None if key is None else Seal(key, salt)
    header = HEADER.pack(kind, seal is not None, salt, 0)[: -SIZE.size]
    return Blocks(header + SIZE.pack(crc32(header)), seal)


def blocks_of(path: Path, header: bytes, kind: bytes, key: bytes | None) -> Blocks:
    """Read a file's header. Raises LogCorruptError, and OperatorError where the key is missing."""
    if len(header) < HEADER.size:
        raise LogCorruptError(f"{path} ends within its header; restore it from a copy")
    magic, sealed, salt, checksum = HEADER.unpack(header)
    if magic != kind:
        raise LogCorruptError(f"{path} does not open like a file of Anlass")
    if crc32(header[: -SIZE.size]) != checksum:
        raise damage(path, 0)
    if not sealed:
        return Blocks(header, None)
    if key is None:
        raise OperatorError(f"{path} is encrypted; name the store's key to read it")
    return Blocks(header, Seal(key, salt))


def read_blocks(
    path: Path, kind: bytes, key: bytes | None, *, torn_tail: bool = False, disk: Disk = REAL_DISK
) -> Iterator[bytes]:
    """Read what the blocks of a file hold.

    A torn block at its end is an error, unless it may be there. Raises LogCorruptError at the
    block that is not as written, after those before it were returned; OSError.
    """
    with disk.read(path) as file:
        blocks: Blocks | None
        if torn_tail:
            blocks, end = open_blocks(path, file, kind, key)
        else:
            blocks, end = blocks_of(path, file.read(HEADER.size), kind, key), _size(file)
        offset = HEADER.size
        file.seek(offset)
        while blocks is not None and offset < end:
            body, offset = read_body(path, file, blocks, offset)
            yield body


def read_body(path: Path, file: BinaryIO, blocks: Blocks, offset: int) -> tuple[bytes, int]:
    """Read the block at `offset`, where `file` is; return what it holds, and where it ends.

    Raises LogCorruptError.
    """
    head = file.read(HEAD.size)
    body = _sealed_body(head, file.read)
    if not body:
        raise damage(path, offset)
    try:
        return blocks.decode(offset, body), offset + len(head) + len(body)
    except SealBrokenError:
        text = f"{path} was sealed with another key, or changed, at byte {offset}"
        raise LogCorruptError(text) from None


def open_blocks(
    path: Path, file: BinaryIO, kind: bytes, key: bytes | None
) -> tuple[Blocks | None, int]:
    """Return a file's Blocks and how many of its bytes hold whole blocks, header included.

    None and 0 where not even the header is whole. What follows the whole ones is a torn last
    write, or zeroes. Only the last block can be torn: the next one is written when it is durable.
    A block that is not as written with another one behind it is damage, and raises
    LogCorruptError.
    """
    file.seek(0)
    header = file.read(HEADER.size)
    if header[:8] != kind:
        file.seek(0)
        begun = file.read().rstrip(b"\0")
        if kind.startswith(begun):
            return None, 0
        raise LogCorruptError(f"{path} does not open like a file of Anlass")
    blocks = blocks_of(path, header, kind, key)
    whole = _skip_whole(file, HEADER.size)
    while _block_behind(file, whole):
        # A running log may have gone on while this read: then the block is there by now.
        further = _skip_whole(file, whole)
        if further == whole:
            raise damage(path, whole)
        whole = further
    return blocks, whole


def damage(path: Path, offset: int) -> LogCorruptError:
    """Say that a file is not as it was written."""
    return LogCorruptError(f"{path} is damaged at byte {offset}; restore it from a copy")


def _skip_whole(file: BinaryIO, offset: int) -> int:
    """Return where the whole blocks end that begin at `offset`."""
    file.seek(offset)
    while body := _sealed_body(file.read(HEAD.size), file.read):
        offset += HEAD.size + len(body)
    return offset


def _block_behind(file: BinaryIO, offset: int) -> bool:
    """Say whether a whole block begins anywhere behind `offset`."""
    file.seek(offset)
    rest = file.read()
    return any(
        _sealed_body(rest[start : start + HEAD.size], _reader(rest, start + HEAD.size))
        for start in range(1, len(rest.rstrip(b"\0")))
    )


def _sealed_body(head: bytes, read: Callable[[int], bytes]) -> bytes:
    """Return the body of the block with this head if both are as written, else nothing."""
    if len(head) < HEAD.size:
        return b""
    length, checksum, head_checksum = HEAD.unpack(head)
    if crc32(head[:8]) != head_checksum:
        return b""
    body = read(length)
    return body if len(body) == length and crc32(body) == checksum else b""


def _reader(data: bytes, start: int) -> Callable[[int], bytes]:
    return lambda size: data[start : start + size]


def _size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)
