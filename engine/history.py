"""History: the contact's recent events, by name, as far as decisions look back.

Each is kept packed, as msgpack of at_ms, or of [at_ms, product_id, category, price, quantity].
"""

from bisect import insort_right
from typing import Any, Final

import msgspec
from msgspec import Struct

from engine.contact import Contact, pack, unpack
from engine.input import Event, payload_of
from engine.limits import (
    FAR_MS,
    HAPPENING_BYTES_MAX,
    HAPPENING_FIELD_BYTES_MAX,
    HISTORY_EVENTS_MAX,
    HISTORY_MS,
    HISTORY_NAMES_MAX,
)


class Fields(Struct, gc=False):
    """What of a payload is remembered, of whatever type it is."""

    product_id: Any = None
    category: Any = None
    price: Any = None
    quantity: Any = None


NO_FIELDS: Final = Fields()
decode_fields: Final = msgspec.json.Decoder(Fields).decode
"""Pick what is remembered of a payload's JSON. Raises msgspec.DecodeError if it is no object."""


def pick_fields(payload: dict[str, Any]) -> Fields:
    """Pick what is remembered of a payload."""
    if "product_id" not in payload:
        return NO_FIELDS
    get = payload.get
    return Fields(payload["product_id"], get("category"), get("price"), get("quantity"))


def pack_happening(at_ms: int, fields: Fields) -> bytes:
    """Pack a past event."""
    product_id = fields.product_id
    if product_id is None:
        return pack(at_ms)
    happening = pack((at_ms, product_id, fields.category, fields.price, fields.quantity))
    return (
        happening if len(happening) <= HAPPENING_BYTES_MAX else shortened_happening(at_ms, fields)
    )


def shortened_happening(at_ms: int, fields: Fields) -> bytes:
    """Pack a past event without those of its fields that are too long."""
    values = (fields.product_id, fields.category, fields.price, fields.quantity)
    kept = [each if len(pack(each)) <= HAPPENING_FIELD_BYTES_MAX else None for each in values]
    return pack((at_ms, *kept))


def remember(contact: Contact, name: str, fields: Fields, at_ms: int | None, now_ms: int) -> None:
    """Add an event to the contact's history, in order of `at_ms` (clamped to now)."""
    if at_ms is None or at_ms > now_ms:
        at_ms = now_ms
    happening = pack_happening(at_ms, fields)
    past = contact.history.get(name)
    if past is None:
        if len(contact.history) >= HISTORY_NAMES_MAX:
            return
        contact.history[name] = [happening]
    else:
        insort_right(past, happening, key=happened_at_ms)
        if len(past) > HISTORY_EVENTS_MAX:
            del past[0]
    contact.history_since_ms = min(contact.history_since_ms, at_ms)


def remember_derived(contact: Contact, event: Event, now_ms: int) -> None:
    """Add an event that follows from another to a copy of the history: it may have to go back."""
    past = contact.history.get(event.name)
    copied = {} if past is None else {event.name: past[:]}
    contact.history = contact.history | copied
    remember(contact, event.name, pick_fields(payload_of(event)), None, now_ms)


def happened_at_ms(happening: bytes) -> int:
    """Return when a remembered event happened."""
    kept = unpack(happening)
    at_ms: int = kept if kept.__class__ is int else kept[0]
    return at_ms


def latest(contact: Contact, name: str, count: int) -> list[dict[str, Any]]:
    """Return what is kept of the last so many events of a name, the latest last."""
    return [_told(each) for each in contact.history.get(name, ())[-count:]]


def _told(happening: bytes) -> dict[str, Any]:
    """Return a past event by its fields' names: `at_ms`, and what is kept of those that it had."""
    kept = unpack(happening)
    if kept.__class__ is int:
        return {"at_ms": kept}
    standard = zip(("at_ms", *Fields.__struct_fields__), kept, strict=False)
    told = {name: value for name, value in standard if value is not None}
    return told | kept[5] if len(kept) > 5 else told


def forget_old(contact: Contact, keep_ms: dict[str, int], now_ms: int) -> None:
    """Drop all that is older than the history's window; called where a session ends.

    `keep_ms` has the names that are kept for longer.
    """
    if contact.history_since_ms > now_ms - HISTORY_MS:
        return
    history = contact.history
    for name in list(history):
        before_ms = now_ms - keep_ms.get(name, HISTORY_MS)
        if happened_at_ms(history[name][0]) > before_ms:
            continue
        past = [each for each in history[name] if happened_at_ms(each) > before_ms]
        if past:
            history[name] = past
        else:
            del history[name]
    since_ms = [happened_at_ms(past[0]) for past in history.values()]
    contact.history_since_ms = min(since_ms, default=FAR_MS)
