"""Sessions: a contact's activity without a long pause, and what is said of one at its end."""

from typing import Any, Final

import msgspec

from engine.contacts.contact import Contact, Session
from engine.contacts.happening import unpack
from engine.input import CART_UPDATE, SESSION_END, STANDARD_NAMES, Event, decode_payload
from engine.limits import (
    PRODUCT_FIELD_BYTES_MAX,
    SESSION_PRODUCTS_MAX,
)

encode_view: Final = msgspec.json.Encoder().encode
PRODUCT_FIELDS: Final = ("product_id", "name", "category", "price", "url", "image")
SIMPLE: Final = (str, int)
NO_COUNTS: Final = dict.fromkeys(STANDARD_NAMES, 0)


def begin_session(contact: Contact, name: str, now_ms: int, gap_ms: int) -> Session:
    """Open a session with its first event; what went before was ended by its timer."""
    due_at_ms = now_ms + gap_ms
    contact.session = session = Session(now_ms, gap_ms, due_at_ms, {name: 1}, [])
    if due_at_ms < contact.next_due_at_ms:  # noqa: PLR1730 - as in Partition.fold
        contact.next_due_at_ms = due_at_ms
    return session


def shortened_view(view: bytes) -> bytes:
    """Cut the payload of a product view, as JSON, to the fields of a product."""
    return encode_view(_product(decode_payload(view)))


def _product(payload: dict[str, Any]) -> dict[str, Any]:
    return {
        field: payload[field]
        for field in PRODUCT_FIELDS
        if field in payload and len(encode_view(payload[field])) <= PRODUCT_FIELD_BYTES_MAX
    }


def unpacked(kept: bytes) -> Any:
    """Return a past event or a view as it was before it was packed."""
    # Views are JSON; those kept by older code are msgpack, of which only the number 123 begins so.
    return decode_payload(kept) if kept[:1] == b"{" != kept else unpack(kept)


def products_of(views: list[bytes]) -> list[dict[str, Any]]:
    """Return the last products viewed, each once, the latest last."""
    products: list[dict[str, Any]] = []
    listed: set[str | int] = set()
    for packed in reversed(views):
        view = unpacked(packed)
        product_id = view.get("product_id")
        if product_id.__class__ in SIMPLE and product_id not in listed:
            listed.add(product_id)
            products.append(view)
            if len(products) == SESSION_PRODUCTS_MAX:
                break
    products.reverse()
    return products


def summary_of(contact: Contact, now_ms: int) -> dict[str, Any] | None:
    """Return what is known of the session at a moment, as at its end; None where there is none."""
    session = contact.session
    if session is None:
        return None
    return {
        "started_at_ms": session.started_at_ms,
        "duration_ms": max(now_ms - session.started_at_ms, 0),
        "counts": NO_COUNTS | session.counts,
        "products": products_of(session.views),
        "cart": contact.cart,
        "cart_filled": bool(contact.cart) and CART_UPDATE in session.counts,
    }


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
