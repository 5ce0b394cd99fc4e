"""Spool: outcomes on their way through files, by partition: any number of them in little memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from engine.decision import Outcome

HELD_MAX: Final = 100_000
"""Outcomes held in memory, some 30 MB; then all go to their files."""
REAL: Final = 0
"""The side of what really went out; the draft's variants follow from 1."""


class Sided(Struct, array_like=True, frozen=True, gc=False):
    """An outcome, and whose it is."""

    side: int
    outcome: Outcome


_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(list[Sided])


class Spool:
    """Takes outcomes in and gives those of one partition back, in their order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, list[Sided]] = {}
        self._count = 0

    def add(self, partition: int, side: int, outcomes: list[Outcome]) -> None:
        """Take outcomes in."""
        held = self._held.setdefault(partition, [])
        held += [Sided(side, outcome) for outcome in outcomes]
        self._count += len(outcomes)
        if self._count > HELD_MAX:
            self._write()

    def take(self, partition: int) -> Iterator[Sided]:
        """Yield a partition's outcomes, and forget them."""
        path = self._path(partition)
        if path.exists():
            with path.open("rb") as file:
                while size := int.from_bytes(file.read(4), "big"):
                    yield from _decoder.decode(file.read(size))
            path.unlink()
        yield from self._held.pop(partition, [])

    def _write(self) -> None:
        for partition, held in self._held.items():
            data = _encode(held)
            with self._path(partition).open("ab") as file:
                file.write(len(data).to_bytes(4, "big") + data)
        self._held.clear()
        self._count = 0

    def _path(self, partition: int) -> Path:
        return self._folder / f"outcomes-{partition:03}"
