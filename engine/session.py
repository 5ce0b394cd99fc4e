"""Sessions: a contact's activity without a long pause, and what is said of one at its end."""

from typing import Any, Final

from engine.contact import Contact, Session, pack, unpack
from engine.input import CART_UPDATE, PRODUCT_VIEW, SESSION_END, STANDARD_NAMES, Event
from engine.limits import (
    SESSION_NAMES_MAX,
    SESSION_PRODUCTS_MAX,
    SESSION_VIEWS_MAX,
    VIEW_FIELDS_MAX,
)

PRODUCT_FIELDS: Final = ("product_id", "name", "category", "price", "url", "image")
SIMPLE: Final = (str, int)
NO_COUNTS: Final = dict.fromkeys(STANDARD_NAMES, 0)


def extend_session(
    contact: Contact, name: str, payload: dict[str, Any], now_ms: int, gap_ms: int
) -> None:
    """Count an event in the contact's session, opening one where there is none.

    A session that is over was ended by its timer before: timers come before events.
    """
    session = contact.session
    if session is None:
        due_at_ms = now_ms + gap_ms
        contact.session = session = Session(now_ms, gap_ms, due_at_ms, {name: 1}, [])
        contact.next_due_at_ms = min(contact.next_due_at_ms, due_at_ms)
    else:
        session.due_at_ms = now_ms + session.gap_ms
        counts = session.counts
        if name in counts:
            counts[name] += 1
        elif len(counts) < SESSION_NAMES_MAX:
            counts[name] = 1
    if name == PRODUCT_VIEW:
        # The payload as sent: authors may use any of its fields, and to pick some costs 0.7 µs.
        views = session.views
        views.append(pack(payload if len(payload) <= VIEW_FIELDS_MAX else _product(payload)))
        if len(views) >= SESSION_VIEWS_MAX:
            del views[: SESSION_VIEWS_MAX - SESSION_PRODUCTS_MAX]


def _product(payload: dict[str, Any]) -> dict[str, Any]:
    return {field: payload[field] for field in PRODUCT_FIELDS if field in payload}


def products_of(views: list[bytes]) -> list[dict[str, Any]]:
    """Return the last products viewed, each once, the latest last."""
    products: list[dict[str, Any]] = []
    listed: set[str | int] = set()
    for packed in reversed(views):
        view = unpack(packed)
        product_id = view.get("product_id")
        if product_id.__class__ in SIMPLE and product_id not in listed:
            listed.add(product_id)
            products.append(view)
            if len(products) == SESSION_PRODUCTS_MAX:
                break
    products.reverse()
    return products


def end_session(contact: Contact) -> Event:
    """Close the contact's session and return the event that says so, with its summary.

    Its `products` are left out (see `products_of`): to list them costs as much as three events,
    and few sessions open a visit.
    """
    session = contact.session
    assert session is not None
    contact.session = None
    cart = contact.cart
    return Event(
        id=f"{SESSION_END}/{session.started_at_ms}",
        contact=contact.key,
        name=SESSION_END,
        at_ms=session.due_at_ms,
        payload={
            "started_at_ms": session.started_at_ms,
            "ended_at_ms": session.due_at_ms,
            "duration_ms": session.due_at_ms - session.gap_ms - session.started_at_ms,
            "counts": NO_COUNTS | session.counts,
            "cart": cart,
            "cart_filled": bool(cart) and CART_UPDATE in session.counts,
        },
    )
