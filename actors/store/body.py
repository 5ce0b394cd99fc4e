"""What a block of the log, or of an archive file once decompressed, holds: {u32 bytes, frame}..."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from actors.errors import LogCorruptError
from actors.frame import Frame, decode_frame
from actors.store.block import SIZE


def body_of(frames: list[bytes]) -> bytes:
    """Put encoded frames together."""
    parts = []
    for frame in frames:
        parts += [SIZE.pack(len(frame)), frame]
    return b"".join(parts)


def frames_in(path: Path, body: bytes) -> Iterator[bytes]:
    """Take encoded frames apart. Raises LogCorruptError."""
    start = 0
    while start < len(body):
        end = start + SIZE.size
        size = int.from_bytes(body[start:end], "big")
        start, end = end, end + size
        if end > len(body):
            raise LogCorruptError(f"{path} holds a frame that ends early; restore it from a copy")
        yield body[start:end]
        start = end


def read_frame(path: Path, frame: bytes) -> Frame:
    """Decode a frame of a file. Raises LogCorruptError."""
    try:
        return decode_frame(frame)
    except msgspec.DecodeError as error:
        text = f"{path} holds a frame that is none: {error}; restore it from a copy"
        raise LogCorruptError(text) from None
