"""Happening: one past event of a contact, as its history keeps it.

Packed, that is msgpack of at_ms, or of [at_ms, product_id, category, price, quantity], or of that
and {path: value} for further fields that conditions look back at. Of a contact in use it may be
unread as well: most are forgotten, or packed with all the others, before anybody asks for them.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from engine.limits import HAPPENING_BYTES_MAX, HAPPENING_FIELD_BYTES_MAX, HAPPENING_KEPT_BYTES_MAX
from engine.value import MISSING, value_at

pack: Final = msgspec.msgpack.Encoder().encode
unpack: Final = msgspec.msgpack.Decoder().decode
"""Past events and views are kept packed: one object instead of six, a third of the memory."""

Unread = tuple[int, bytes]
"""When, and the payload's JSON, an object: a tenth of W1's instructions less than to pack it."""

Happening = bytes | Unread


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
    product_id = fields.product_id
    if product_id is None:
        return pack(at_ms)
    happening = pack((at_ms, product_id, fields.category, fields.price, fields.quantity))
    return happening if len(happening) <= HAPPENING_BYTES_MAX else _shortened(at_ms, fields)


def _shortened(at_ms: int, fields: Fields) -> bytes:
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


def pack_kept(at_ms: int, fields: KeptFields) -> bytes:
    """Pack a past event with what else conditions look back at, as far as there is room."""
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


def happened_at_ms(happening: Happening) -> int:
    """Return when a remembered event happened."""
    if isinstance(happening, tuple):
        return happening[0]
    kept = unpack(happening)
    at_ms: int = kept if kept.__class__ is int else kept[0]
    return at_ms


def packed(happening: Happening) -> bytes:
    """Return a past event packed.

    Of one whose payload cannot be read no field is known; the gateway lets none through.
    """
    if isinstance(happening, bytes):
        return happening
    at_ms, payload = happening
    try:
        return pack_happening(at_ms, decode_fields(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        return pack(at_ms)


def pack_unread(past: list[Happening]) -> None:
    """Pack what of past events, in their order, is still unread: none, or the last ones."""
    for i in range(len(past) - 1, -1, -1):
        if past[i].__class__ is bytes:
            return
        past[i] = packed(past[i])
