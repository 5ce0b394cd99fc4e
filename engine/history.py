"""History: the contact's recent events, by name, as far as decisions look back.

Each is kept packed, as msgpack of at_ms, or of [at_ms, product_id, category, price, quantity].
"""

from bisect import insort_right
from typing import Any

from engine.contact import Contact, pack, unpack
from engine.limits import FAR_MS, HISTORY_EVENTS_MAX, HISTORY_MS, HISTORY_NAMES_MAX


def remember(
    contact: Contact, name: str, payload: dict[str, Any], at_ms: int | None, now_ms: int
) -> None:
    """Add an event to the contact's history, in order of `at_ms` (clamped to now)."""
    in_order = at_ms is None or at_ms >= now_ms
    if in_order:
        at_ms = now_ms
    get = payload.get
    product_id = get("product_id")
    if product_id is None:
        happening = pack(at_ms)
    else:
        happening = pack((at_ms, product_id, get("category"), get("price"), get("quantity")))
    past = contact.history.get(name)
    if past is None:
        assert at_ms is not None
        _begin(contact, name, happening, at_ms)
    elif in_order or at_ms >= happened_at_ms(past[-1]):  # type: ignore[operator]
        past.append(happening)
        if len(past) > HISTORY_EVENTS_MAX:
            del past[0]
    else:
        assert at_ms is not None
        insort_right(past, happening, key=happened_at_ms)
        contact.history_since_ms = min(contact.history_since_ms, at_ms)
        if len(past) > HISTORY_EVENTS_MAX:
            del past[0]


def _begin(contact: Contact, name: str, happening: bytes, at_ms: int) -> None:
    if len(contact.history) < HISTORY_NAMES_MAX:
        contact.history[name] = [happening]
        contact.history_since_ms = min(contact.history_since_ms, at_ms)


def happened_at_ms(happening: bytes) -> int:
    """Return when a remembered event happened."""
    kept = unpack(happening)
    at_ms: int = kept if kept.__class__ is int else kept[0]
    return at_ms


def forget_old(contact: Contact, now_ms: int) -> None:
    """Drop all that is older than the history's window; called where a session ends."""
    before_ms = now_ms - HISTORY_MS
    if contact.history_since_ms > before_ms:
        return
    history = contact.history
    old = [name for name, past in history.items() if happened_at_ms(past[0]) <= before_ms]
    for name in old:
        past = [each for each in history[name] if happened_at_ms(each) > before_ms]
        if past:
            history[name] = past
        else:
            del history[name]
    since_ms = [happened_at_ms(past[0]) for past in history.values()]
    contact.history_since_ms = min(since_ms, default=FAR_MS)
