"""What can be told of an idle contact's bytes without decoding the whole of it."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from engine.contacts.happening import pack


class IdleContact(Struct, frozen=True, array_like=True, gc=False):
    """The first fields of an `engine.contacts.contact.Contact`, most of them left packed.

    Read in a third of the time that the whole takes: a snapshot does it for every contact.
    """

    key: str
    next_due_at_ms: int
    armed_at_ms: int
    event_ids: Raw
    history: Raw
    history_since_ms: int
    session: Raw
    visits: Raw
    entered: Raw
    messages: Raw
    pending: Raw

    @property
    def has_pending(self) -> bool:
        """Whether it has messages that are not settled."""
        return bytes(self.pending) != EMPTY_LIST


class _Armed(Struct, frozen=True, array_like=True, gc=False):
    key: str
    next_due_at_ms: int
    armed_at_ms: int


_decode_armed: Final = msgspec.msgpack.Decoder(_Armed).decode


def armed_anew(data: bytes, at_ms: int) -> bytes:
    """Return an idle contact's bytes with its timer armed for `at_ms`; the rest is not looked at.

    An array opens with 1 byte, one of more than 15 elements with 3; then come its elements.
    Contacts had 15 once, and their bytes may lie in a snapshot.
    """
    armed = _decode_armed(data)
    opening = 1 if data[0] & 0xF0 == 0x90 else 3
    fields = (armed.key, armed.next_due_at_ms, armed.armed_at_ms)
    rest = opening + sum(len(pack(each)) for each in fields)
    return data[:opening] + pack(armed.key) + pack(at_ms) * 2 + data[rest:]


def may_have_queued(data: bytes) -> bool:
    """Say whether a contact may have entries that wait: the list is its last field."""
    return data[-1:] != EMPTY_LIST


EMPTY_LIST: Final = msgspec.msgpack.encode([])

decode_idle: Final = msgspec.msgpack.Decoder(IdleContact).decode
