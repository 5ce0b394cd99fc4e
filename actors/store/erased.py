"""Which contacts were erased whose traces are still in files: noted before, crossed out after."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.errors import LogCorruptError
from actors.store.disk import Disk
from actors.store.port import SnapshotHead

NAME: Final = "erasures.json"


class UnsureError(Exception):
    """Notes may be on the disk or not: the process must not go on, and the next start will see."""


class Erasure(Struct, frozen=True, kw_only=True):
    """One contact to be taken out of all files."""

    digest: str
    """See engine.contacts.erasure.digest_of."""
    partition: int
    position: int
    """Of the record that erases it: what comes after is not touched."""
    keep_out_ms: int
    pseq: int = 0
    """Number of that record in its partition, which holds in all slots; 0 in notes of before they
    had it."""

    @property
    def elsewhere(self) -> tuple[int, int]:
        """What other slots go by: see actors.erasure.ErasedElsewhere."""
        return self.partition, self.pseq

    def follows(self, head: SnapshotHead, slot: int) -> bool:
        """Say whether it came after a snapshot was taken; for who holds a slot.

        One that another slot wrote is older than anything in this log of its partition: so where
        the note does not say the record's number.
        """
        if self.pseq:
            return head.pseq < self.pseq
        return head.slot not in {-1, slot} or head.position <= self.position


class ErasureNotes:
    """The erasures that are not finished, in `erasures.json` of the slot's folder.

    An erasure is noted before it gets into the log, so that a crash at any moment leaves a note;
    what is noted is carried out, by the next start if need be.
    """

    def __init__(self, folder: Path, disk: Disk) -> None:
        """Read what an earlier owner of the slot left. Raises LogCorruptError, OSError."""
        self._path = folder / NAME
        self._disk = disk
        self._open: dict[str, Erasure] = {each.digest: each for each in self._read()}

    @property
    def open(self) -> list[Erasure]:
        """Those not finished, the oldest first."""
        return list(self._open.values())

    @property
    def erased(self) -> dict[str, int]:
        """Digest -> position of its record, of those not finished; see actors.erasure.Erased."""
        return {digest: each.position for digest, each in self._open.items()}

    def add(self, erasure: Erasure) -> None:
        """Note one, durably, in place of an earlier one of the same contact.

        Raises OSError where it is not noted. Raises UnsureError: the process has to end before
        anything more is folded. The next start carries out what it finds noted; what went on
        beside a note that nobody knows of would lose the half of a contact.
        """
        noted = {key: each for key, each in self._open.items() if key != erasure.digest}
        noted[erasure.digest] = erasure
        self._write(noted)
        self._open = noted

    def cross_out(self, done: list[Erasure]) -> None:
        """Note durably that these are finished; not a later one of the same contact.

        Raises OSError, UnsureError: to do it again does no harm.
        """
        left = {key: each for key, each in self._open.items() if each not in done}
        self._write(left)
        self._open = left

    def _read(self) -> list[Erasure]:
        try:
            with self._disk.read(self._path) as file:
                return msgspec.json.decode(file.read(), type=list[Erasure])
        except FileNotFoundError:
            return []
        except msgspec.DecodeError as error:
            text = f"{self._path} cannot be read: {error}; restore it from a copy, or remove it"
            raise LogCorruptError(f"{text} and erase again who is to be erased") from None

    def _write(self, noted: dict[str, Erasure]) -> None:
        new = self._path.with_name(NAME + ".new")
        file = self._disk.create(new)
        try:
            file.write(msgspec.json.encode(list(noted.values())), 0)
            file.sync()
        finally:
            file.close()
        self._disk.rename(new, self._path)
        try:
            self._disk.sync_folder(self._path.parent)
        except OSError as error:
            raise UnsureError(f"{self._path} may be durable or not: {error}") from error
