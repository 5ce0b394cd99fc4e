"""Publications as files: one each in `publications/` of the store, sealed as all of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from actors.errors import LogCorruptError, PassingError, UnknownError
from actors.publications import PublicationNote, too_many
from actors.store.block import PUBLICATION, read_blocks
from actors.store.disk import REAL_DISK, Disk
from actors.store.lock import take_lock
from actors.store.newfile import NewFile, no_pause, remove_leftovers

FOLDER: Final = "publications"
SUFFIX: Final = ".pub"
LOCK: Final = "lock"

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(PublicationNote).decode


class PublishedFiles:
    """See Publications. Each file is there as a whole or not at all, and never changes.

    A file is one block for the note and one for the source.
    """

    def __init__(self, data: Path, key: bytes | None, disk: Disk = REAL_DISK) -> None:
        self._folder = data / FOLDER
        self._key = key
        self._disk = disk

    def notes(self) -> list[PublicationNote]:
        """See Publications."""
        return [self._note(path) for path in self._files()]

    def source(self, number: int) -> bytes:
        """See Publications."""
        path = self._path(number)
        try:
            _, source = self._blocks(path)
        except FileNotFoundError:
            kept = [path.stem for path in self._files()]
            known = f"{int(kept[0])} to {int(kept[-1])}" if kept else "none"
            text = f"publication {number} is not kept; there are {known}"
            raise UnknownError(f"{text}, see `anlass history`") from None
        return source

    def add(self, note: PublicationNote, source: bytes) -> None:
        """See Publications."""
        self._disk.make_folder(self._folder)
        lock = take_lock(self._folder / LOCK)
        try:
            remove_leftovers(self._folder, self._disk)
            path = self._path(note.number)
            if path in self._files():
                text = f"publication {note.number} was published meanwhile by somebody else"
                raise PassingError(f"{text}; look at `anlass history`, and try again")
            with NewFile(path, PUBLICATION, self._key, self._disk, no_pause) as file:
                file.add(_encode(note))
                file.add(source)
                file.finish()
            self._let_go()
        finally:
            lock.release()

    def _let_go(self) -> None:
        sizes = {int(path.stem): self._disk.size(path) for path in self._files()}
        for number in too_many(sizes):
            self._disk.remove(self._path(number))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:09}{SUFFIX}"

    def _files(self) -> list[Path]:
        try:
            names = self._disk.names(self._folder)
        except FileNotFoundError:
            return []
        return [self._folder / name for name in sorted(names) if name.endswith(SUFFIX)]

    def _note(self, path: Path) -> PublicationNote:
        blocks = self._read(path)
        try:
            return _decode(next(blocks))
        except (StopIteration, msgspec.DecodeError) as error:
            raise LogCorruptError(f"{path} cannot be read: {error}; remove it") from None

    def _blocks(self, path: Path) -> tuple[bytes, bytes]:
        blocks = list(self._read(path))
        if len(blocks) != 2:  # The note, and the source.
            raise LogCorruptError(f"{path} has {len(blocks)} blocks, not 2; remove it")
        return blocks[0], blocks[1]

    def _read(self, path: Path) -> Iterator[bytes]:
        return read_blocks(path, PUBLICATION, self._key, disk=self._disk)
