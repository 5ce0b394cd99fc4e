"""History: the contact's recent events, by name, as far as decisions look back."""

from bisect import insort_right
from typing import Any, Final

from engine.contacts.contact import Contact
from engine.contacts.happening import (
    Fields,
    Happening,
    fields_of,
    happened_at_ms,
    pack_happening,
    pack_unread,
    packed,
    pick_fields,
    unpack,
)
from engine.fact import PastEvent
from engine.input import Event, payload_of
from engine.limits import FAR_MS, HISTORY_EVENTS_MAX, HISTORY_MS, HISTORY_NAMES_MAX

NOTHING: Final[list[bytes]] = []


def past_of(contact: Contact, name: str) -> list[bytes]:
    """Return the remembered events of a name, packed, the oldest first."""
    past = contact.history.get(name)
    if past is None:
        return NOTHING
    if past[-1].__class__ is tuple:
        pack_unread(past)
    return past  # type: ignore[return-value]


def remember(contact: Contact, name: str, happening: Happening, at_ms: int) -> None:
    """Add an event of `at_ms`, not later than now, to the contact's history, in order of that."""
    past = contact.history.get(name)
    if past is None:
        if len(contact.history) >= HISTORY_NAMES_MAX:
            return
        contact.history[name] = [happening]
    else:
        late = happened_at_ms(past[-1]) > at_ms
        if late or happening.__class__ is bytes:
            pack_unread(past)  # Only the last ones may be unread.
        if late:
            insort_right(past, packed(happening), key=happened_at_ms)
        else:
            past.append(happening)
        if len(past) > HISTORY_EVENTS_MAX:
            del past[0]
    if at_ms < contact.history_since_ms:  # noqa: PLR1730 - as in Partition.fold
        contact.history_since_ms = at_ms


def remember_derived(contact: Contact, event: Event, now_ms: int) -> None:
    """Add an event that follows from another to a copy of the history: it may have to go back."""
    past = contact.history.get(event.name)
    copied = {} if past is None else {event.name: past[:]}
    contact.history = contact.history | copied
    happening = pack_happening(now_ms, pick_fields(payload_of(event)))
    remember(contact, event.name, happening, now_ms)


def told_events(contact: Contact, name: str, after_ms: int, until_ms: int) -> list[PastEvent]:
    """Return the remembered events of a name in (after, until], the latest first."""
    told = []
    last_ms, newer = -1, 0
    for happening in reversed(past_of(contact, name)):
        kept = unpack(happening)
        at_ms = kept if kept.__class__ is int else kept[0]
        newer = newer + 1 if at_ms == last_ms else 0
        last_ms = at_ms
        if after_ms < at_ms <= until_ms:
            told.append(PastEvent(name, at_ms, newer, fields=fields_of(kept)))
    return told


def latest(contact: Contact, name: str, count: int) -> list[dict[str, Any]]:
    """Return what is kept of the last so many events of a name, the latest last."""
    return [_told(each) for each in past_of(contact, name)[-count:]]


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
