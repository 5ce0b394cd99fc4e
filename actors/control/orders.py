"""Orders: what the Controller wants of a shard's process; the Beat: what that says of itself.

Orders say what should be, beats what is. So either may be lost, come late or come twice: the next
says it again.
"""

from typing import Final

import msgspec
from msgspec import Struct

from actors.map import ClusterMap, Site

BEAT_S: Final = 0.5


class Held(Struct, frozen=True):
    """A slot that a process holds, or is about to."""

    epoch: int = 0
    site: Site | None = None
    """Where it is served; None while it is being opened."""
    error: str = ""
    """Why it could not be opened, the last time it was tried."""

    @property
    def serves(self) -> bool:
        """Whether it has recovered and answers."""
        return self.site is not None


class Beat(Struct, frozen=True, kw_only=True):
    """How a shard's process is, each half second."""

    name: str
    number: int = 0
    """Of the latest orders that it has begun to carry out; 0 where it has none."""
    map_version: int = -1
    """Of the map that it knows."""
    held: dict[int, Held] = {}
    """By slot."""
    busy: float = 0.0
    """Part of the time since the last beat in which its processor worked."""
    lag_ms: int = 0
    """The longest that its loop came late since the last beat."""


class Give(Struct, frozen=True, array_like=True):
    """A partition that one slot is to give to another."""

    partition: int
    slot: int
    to_slot: int
    site: Site
    """Where the other slot is served."""


class Orders(Struct, frozen=True, kw_only=True):
    """What a shard's process has to do."""

    number: int
    hold: list[int] = []
    """The slots it is to hold; it closes all others."""
    give: list[Give] = []
    """Moves to make, in this order, few at a time; those of earlier orders that are not begun and
    not here any more are off."""
    leave: bool = False
    """Close what it holds, in good order, and end."""
    gone: bool = False
    """Others hold its slots: end at once."""
    map: ClusterMap | None = None
    """Where it is newer than the one it knows."""


encode: Final = msgspec.msgpack.Encoder().encode
decode_beat: Final = msgspec.msgpack.Decoder(Beat).decode
decode_orders: Final = msgspec.msgpack.Decoder(Orders).decode
