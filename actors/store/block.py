"""Blocks: what all files of a store are made of, each with its length, checksums and seal.

A file is a header {magic of its kind, 8 bytes; 1 if sealed else 0, and 7 zeroes; salt, 16 bytes},
then blocks {u32 bytes of the body, u32 crc32 of it, u32 crc32 of these two; body}. The body is
sealed, unless the store has no key: length and checksums can be checked without it.
"""

import struct
from collections.abc import Callable, Iterator
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO, Final
from zlib import crc32

from actors.errors import LogCorruptError, OperatorError
from actors.store.disk import REAL_DISK, Disk
from actors.store.seal import SALT_BYTES, Seal, SealBrokenError, new_salt

LOG: Final = b"ANLASSL2"
SNAPSHOT: Final = b"ANLASSS2"
ARCHIVE: Final = b"ANLASSA2"

HEADER: Final = struct.Struct(f">8sB7x{SALT_BYTES}s")
HEAD: Final = struct.Struct(">III")
SIZE: Final = struct.Struct(">I")


class Blocks:
    """How blocks of one file are written and read."""

    def __init__(self, header: bytes, seal: Seal | None) -> None:
        self.header = header
        self._seal = seal

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
    return Blocks(HEADER.pack(kind, seal is not None, salt), seal)


def blocks_of(path: Path, header: bytes, kind: bytes, key: bytes | None) -> Blocks:
    """Read a file's header. Raises LogCorruptError, and OperatorError where the key is missing."""
    if len(header) < HEADER.size:
        raise LogCorruptError(f"{path} ends within its header; restore it from a copy")
    magic, sealed, salt = HEADER.unpack(header)
    if magic != kind or sealed > 1:
        raise LogCorruptError(f"{path} does not open like a file of Anlass")
    if not sealed:
        return Blocks(header, None)
    if key is None:
        raise OperatorError(f"{path} is encrypted; name the store's key to read it")
    return Blocks(header, Seal(key, salt))


def read_blocks(
    path: Path,
    kind: bytes,
    key: bytes | None,
    *,
    torn_tail: bool = False,
    disk: Disk = REAL_DISK,
) -> Iterator[bytes]:
    """Read what the blocks of a file hold.

    A torn block at its end is an error, unless it may be there. Raises LogCorruptError.
    """
    with disk.read(path) as file:
        blocks, whole = open_blocks(path, file, kind, key)
        if whole < file.seek(0, SEEK_END) and not torn_tail:
            raise damage(path, whole)
        offset = HEADER.size
        file.seek(offset)
        while blocks is not None and offset < whole:
            length, _, _ = HEAD.unpack(file.read(HEAD.size))
            try:
                yield blocks.decode(offset, file.read(length))
            except SealBrokenError:
                text = f"{path} was sealed with another key, or changed, at byte {offset}"
                raise LogCorruptError(text) from None
            offset += HEAD.size + length


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
    whole = _whole_bytes(file, HEADER.size)
    while _block_follows(file, whole):  # Unless it is there now: the log may be written meanwhile.
        broken = whole
        whole = _whole_bytes(file, broken)
        if whole == broken:
            raise damage(path, whole)
    return blocks, whole


def damage(path: Path, offset: int) -> LogCorruptError:
    """Say that a file is not as it was written."""
    return LogCorruptError(f"{path} is damaged at byte {offset}; restore it from a copy")


def _whole_bytes(file: BinaryIO, start: int) -> int:
    """Return where the whole blocks end that follow each other from `start` on."""
    while True:
        file.seek(start)
        size = _block_bytes(file.read(HEAD.size), file.read)
        if not size:
            return start
        start += size


def _block_follows(file: BinaryIO, offset: int) -> bool:
    """Say whether a whole block begins anywhere behind this offset."""
    file.seek(offset)
    rest = file.read()
    return any(
        _block_bytes(rest[start : start + HEAD.size], _reader(rest, start + HEAD.size))
        for start in range(1, len(rest.rstrip(b"\0")))
    )


def _block_bytes(head: bytes, read: Callable[[int], bytes]) -> int:
    """Return the size of the block with this head if it is as written, else 0."""
    if len(head) < HEAD.size:
        return 0
    length, checksum, head_checksum = HEAD.unpack(head)
    if not length or crc32(head[:8]) != head_checksum:
        return 0
    body = read(length)
    return HEAD.size + length if len(body) == length and crc32(body) == checksum else 0


def _reader(data: bytes, start: int) -> Callable[[int], bytes]:
    return lambda size: data[start : start + size]
