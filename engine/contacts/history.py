"""History: the contact's recent events, by name, as far as decisions look back.

Each is kept packed, as msgpack of at_ms, or of [at_ms, product_id, category, price, quantity], or
of that and {path: value} for further fields that conditions look back at.
"""

from bisect import insort_right
from typing import Any, Final

import msgspec
from msgspec import Struct

from engine.contacts.contact import Contact, pack, unpack
from engine.fact import PastEvent
from engine.input import Event, payload_of
from engine.limits import (
    FAR_MS,
    HAPPENING_BYTES_MAX,
    HAPPENING_FIELD_BYTES_MAX,
    HAPPENING_KEPT_BYTES_MAX,
    HISTORY_EVENTS_MAX,
    HISTORY_MS,
    HISTORY_NAMES_MAX,
)
from engine.value import MISSING, value_at


class Fields(Struct, gc=False):
    """What of a payload is remembered, of whatever type it is."""

    product_id: Any = None
    category: Any = None
    price: Any = None
    quantity: Any = None


STANDARD_FIELDS: Final = Fields.__struct_fields__
NO_FIELDS: Final = Fields()
NO_VALUES: Final = (None,) * len(STANDARD_FIELDS)
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
    if type(fields) is KeptFields:  # A `no` of isinstance costs five times as much.
        return _pack_kept(at_ms, fields)
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


class KeptFields(Fields, gc=False):
    """Those, whether of a product or not, and what else conditions look back at."""

    kept: dict[str, Any] = {}
    """By path."""


def pick_kept(payload: dict[str, Any], paths: tuple[str, ...]) -> KeptFields:
    """Pick what conditions look back at: the standard fields, and those at these paths."""
    get = payload.get
    kept: dict[str, Any] = {}
    for path in paths:
        value = value_at(payload, path.split(".")) if "." in path else get(path)
        if value is not None and value is not MISSING:
            kept[path] = value
    return KeptFields(get("product_id"), get("category"), get("price"), get("quantity"), kept)


def _pack_kept(at_ms: int, fields: KeptFields) -> bytes:
    values: tuple[Any, ...] = (fields.product_id, fields.category, fields.price, fields.quantity)
    kept = fields.kept
    happening = pack((at_ms, *values, kept) if kept else (at_ms, *values))
    if not kept and values == NO_VALUES:
        return pack(at_ms)
    if len(happening) <= HAPPENING_BYTES_MAX:
        return happening
    if len(pack(values)) > HAPPENING_BYTES_MAX:
        values = tuple(
            each if len(pack(each)) <= HAPPENING_FIELD_BYTES_MAX else None for each in values
        )
    left = HAPPENING_KEPT_BYTES_MAX
    short: dict[str, Any] = {}
    for path, value in kept.items():
        length = len(pack(path)) + len(pack(value))
        if length <= left:
            short[path] = value
            left -= length
    return pack((at_ms, *values, short) if short else (at_ms, *values))


def fields_of(unpacked: Any) -> dict[str, Any]:
    """Return what is still known of a payload, from a remembered event that was unpacked.

    What was not kept is missing.
    """
    if unpacked.__class__ is int:
        return {}
    _, product_id, category, price, quantity = unpacked[:5]
    fields: dict[str, Any] = {
        "product_id": product_id,
        "category": category,
        "price": price,
        "quantity": quantity,
    }
    if None in unpacked:
        fields = {name: value for name, value in fields.items() if value is not None}
    if len(unpacked) > 5:
        for path, value in unpacked[5].items():
            if "." in path:
                _put(fields, path.split("."), value)
            else:
                fields[path] = value
    return fields


def _put(fields: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value where it was in its payload, unless something else has been kept there."""
    for name in path[:-1]:
        fields = fields.setdefault(name, {})
        if fields.__class__ is not dict:
            return
    fields[path[-1]] = value


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
        if happened_at_ms(past[-1]) <= at_ms:
            past.append(happening)
        else:
            insort_right(past, happening, key=happened_at_ms)
        if len(past) > HISTORY_EVENTS_MAX:
            del past[0]
    if at_ms < contact.history_since_ms:  # noqa: PLR1730 - as in Partition.fold
        contact.history_since_ms = at_ms


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


def told_events(contact: Contact, name: str, after_ms: int, until_ms: int) -> list[PastEvent]:
    """Return the remembered events of a name in (after, until], the latest first."""
    told = []
    last_ms, newer = -1, 0
    for happening in reversed(contact.history.get(name, ())):
        kept = unpack(happening)
        at_ms = kept if kept.__class__ is int else kept[0]
        newer = newer + 1 if at_ms == last_ms else 0
        last_ms = at_ms
        if after_ms < at_ms <= until_ms:
            told.append(PastEvent(name, at_ms, newer, fields=fields_of(kept)))
    return told


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
    """Drop all that is older than the history's window.

    Called where a session ends, and for an event that belongs to none, as such contacts may never
    have one. `keep_ms` has the names that are kept for longer.
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
