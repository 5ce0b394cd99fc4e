"""History: the contact's recent events, by name, as far as decisions look back."""

from bisect import insort_right
from typing import Any

from engine.contact import Contact, Happening
from engine.limits import HISTORY_EVENTS_MAX, HISTORY_MS, HISTORY_NAMES_MAX


def remember(contact: Contact, name: str, payload: dict[str, Any], at_ms: int, now_ms: int) -> None:
    """Add an event to the contact's history, in order of `at_ms` (clamped to now)."""
    if at_ms > now_ms:  # noqa: PLR1730 - min() costs three times as much
        at_ms = now_ms
    product_id = payload.get("product_id")
    happening: Happening
    if product_id is None:
        happening = (at_ms,)
    else:
        get = payload.get
        happening = (at_ms, product_id, get("category"), get("price"), get("quantity"))
    history = contact.history
    if name not in history:
        if len(history) < HISTORY_NAMES_MAX:
            history[name] = [happening]
        return
    past = history[name]
    if at_ms >= now_ms or at_ms >= past[-1][0]:
        past.append(happening)
    else:
        insort_right(past, happening, key=_at_ms)
    if len(past) > HISTORY_EVENTS_MAX:
        del past[0]


def forget_old(contact: Contact, now_ms: int) -> None:
    """Drop all that is older than the history's window; called where a session ends."""
    before_ms = now_ms - HISTORY_MS
    for name in [name for name, past in contact.history.items() if past[0][0] <= before_ms]:
        past = [each for each in contact.history[name] if each[0] > before_ms]
        if past:
            contact.history[name] = past
        else:
            del contact.history[name]


def _at_ms(happening: Happening) -> int:
    at_ms: int = happening[0]
    return at_ms
