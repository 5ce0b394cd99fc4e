"""What a shard has seen of events' names and fields, kept in `sightings.bin` of its folder."""

import threading
from pathlib import Path
from typing import Final

import msgspec

from actors.errors import LogCorruptError
from actors.store.block import SIGHTINGS, read_blocks
from actors.store.disk import REAL_DISK, Disk
from actors.store.newfile import NewFile, no_pause
from engine.seen.sighting import Sightings

NAME: Final = "sightings.bin"

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Sightings).decode


class SightingsFile:
    """One file, sealed as all of a store; there as a whole or not at all. From any thread.

    Nothing rests on it but what authors are offered: it may be lost, and be removed at any time.
    """

    def __init__(self, folder: Path, key: bytes | None, disk: Disk = REAL_DISK) -> None:
        self.path = folder / NAME
        self._key = key
        self._disk = disk
        self._turn = threading.Lock()
        self._dropped = 0

    @property
    def edition(self) -> int:
        """Changes when the file is dropped: what was captured before must not get into it."""
        return self._dropped

    def read(self) -> Sightings | None:
        """Return what was written last; None where nothing was, or it was dropped.

        Raises LogCorruptError, OSError, and OperatorError where the key is missing.
        """
        try:
            data = b"".join(read_blocks(self.path, SIGHTINGS, self._key, disk=self._disk))
        except FileNotFoundError:
            return None
        try:
            return _decode(data)
        except msgspec.DecodeError as error:
            raise LogCorruptError(f"{self.path} cannot be read: {error}; remove it") from None

    def write(self, data: bytes, edition: int) -> bool:
        """Write what `encode` returned, captured at that edition; False where it was dropped since.

        Raises OSError, StoreFullError.
        """
        with self._turn:
            if edition != self._dropped:
                return False
            with NewFile(self.path, SIGHTINGS, self._key, self._disk, no_pause) as file:
                file.add(data)
                file.finish()
            return True

    def drop(self) -> None:
        """Remove it, as samples in it may rest on a contact that is erased. Raises OSError."""
        with self._turn:
            self._dropped += 1
            self._disk.remove(self.path)
            self._disk.sync_folder(self.path.parent)


def encode_sightings(sightings: Sightings) -> bytes:
    """Return what `SightingsFile.write` takes."""
    return _encode(sightings)
