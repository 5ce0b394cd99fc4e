"""Glimpse: where a contact's visits stand, told from its bytes without decoding the whole."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from engine.contacts.contact import Visit
from engine.partition import Partition


class Glimpse(Struct, frozen=True, array_like=True, gc=False):
    """The first fields of an `engine.contacts.contact.Contact`, most of them left packed."""

    key: str
    next_due_at_ms: int
    armed_at_ms: int
    event_ids: Raw
    history: Raw
    history_since_ms: int
    session: Raw
    visits: list[Visit]


_decode: Final = msgspec.msgpack.Decoder(Glimpse).decode


def visits_of(partition: Partition) -> dict[str, list[Visit]]:
    """Return the visits of all contacts that are in some journey."""
    found = {}
    for key, state in partition.states().items():
        visits = _decode(state).visits
        if visits:
            found[key] = visits
    return found
