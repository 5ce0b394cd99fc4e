"""Intake: what an event tells us about its contact, before any journey is asked.

The part of the fold that every event goes through. It never raises, whatever the payload (a
property test tries), so that it needs no copy of the contact to go back to.
"""

from typing import Any, Final

from msgspec import Raw

from engine.contacts.cart import update_cart
from engine.contacts.consent import consent_suffices, consent_text, consents_in, record_consents
from engine.contacts.contact import Contact
from engine.contacts.happening import (
    Happening,
    decode_fields,
    pack_happening,
    pack_kept,
    pick_fields,
    pick_kept,
)
from engine.contacts.history import forget_old, remember
from engine.contacts.identity import shortened_id
from engine.contacts.session import begin_session, encode_view, shortened_view
from engine.decision import NO_CONSENT
from engine.fold.route import CHANGES_CART, DESCRIBES_CONTACT, VIEWS_PRODUCT, Route
from engine.input import Event, payload_of
from engine.limits import (
    ATTRIBUTES_MAX,
    EVENT_ID_CHARS_KEPT,
    EVENT_IDS_BURST_MAX,
    EVENT_IDS_BURST_MS,
    EVENT_IDS_MAX,
    EVENT_IDS_MS,
    HISTORY_EVENTS_MAX,
    LISTS_MAX,
    SESSION_NAMES_MAX,
    SESSION_PRODUCTS_MAX,
    SESSION_VIEWS_MAX,
    UNREAD_BYTES_MAX,
    VIEW_BYTES_MAX,
)
from engine.nodes.outbox import stop_pending

NOTHING_READ: Final[dict[str, Any]] = {}
OBJECT: Final = ord("{")


def take_in(  # noqa: C901, PLR0912, PLR0915 - see below
    route: Route, contact: Contact, event: Event, now_ms: int, gap_ms: int
) -> bool:
    """Take an event into the contact's state; False if it is a repeat, and nothing is changed.

    `route` is that of its name, `gap_ms` the pause that ends a session which it may open.
    The contact's timers due by `now_ms` must have been applied before. Session and history are
    extended here: calls for that were a tenth of a fold's instructions.
    """
    payload = event.payload
    at_ms = event.at_ms
    if at_ms is None or at_ms > now_ms:
        at_ms = now_ms
    view, read = b"", NOTHING_READ
    happening: Happening  # Made first of all: where that raises, nothing has changed yet.
    if route.read_at_once or not isinstance(payload, Raw):
        read = payload_of(event)
        happening = _packed_at_once(route, read, at_ms)
    else:
        view = b"" + payload  # Its bytes, in no more memory; bytes() takes longer.
        happening = (at_ms, view)
        if view[0] != OBJECT or len(view) > UNREAD_BYTES_MAX:
            happening = pack_happening(at_ms, decode_fields(view))
    event_id = event.id
    if len(event_id) > EVENT_ID_CHARS_KEPT:
        event_id = shortened_id(event_id)
    recent = contact.event_ids
    older = contact.older_event_ids
    if event_id in recent or event_id in older:
        if now_ms - recent.get(event_id, older.get(event_id, 0)) < EVENT_IDS_MS:
            return False
        recent.pop(event_id, None)  # It goes to the end: the oldest stands first.
    recent[event_id] = now_ms
    if len(recent) >= EVENT_IDS_MAX:
        _turn_over_event_ids(contact, now_ms)

    kind = route.kind
    if kind == DESCRIBES_CONTACT:
        _identify(contact, event, now_ms)
        return True
    name = route.name
    if route.in_session:
        session = contact.session
        if session is None:
            session = begin_session(contact, name, now_ms, gap_ms)
        else:
            session.due_at_ms = now_ms + session.gap_ms
            counts = session.counts
            if name in counts:
                counts[name] += 1
            elif len(counts) < SESSION_NAMES_MAX:
                counts[name] = 1
        if kind == VIEWS_PRODUCT:
            view = view or encode_view(payload)
            views = session.views
            views.append(view if len(view) <= VIEW_BYTES_MAX else shortened_view(view))
            if len(views) >= SESSION_VIEWS_MAX:
                del views[: SESSION_VIEWS_MAX - SESSION_PRODUCTS_MAX]
    elif contact.session is None:
        forget_old(contact, route.keep_ms, now_ms)
    past = contact.history.get(name)
    if past is None or at_ms < now_ms or happening.__class__ is bytes:
        remember(contact, name, happening, at_ms)
    else:
        past.append(happening)
        if len(past) > HISTORY_EVENTS_MAX:
            del past[0]
    if kind == CHANGES_CART:
        update_cart(contact, read)
    return True


def _packed_at_once(route: Route, payload: dict[str, Any], at_ms: int) -> bytes:
    if route.recalled:
        return pack_kept(at_ms, pick_kept(payload, route.keeps))
    return pack_happening(at_ms, pick_fields(payload))


def _turn_over_event_ids(contact: Contact, now_ms: int) -> None:
    """Let the recent ids be the older ones, and those go; not amid a burst.

    Two dicts turned over, not one cut back: that touched every id each time, 5 % of the fold.
    """
    older = contact.older_event_ids
    if (
        not older
        or len(contact.event_ids) >= EVENT_IDS_BURST_MAX
        or next(reversed(older.values())) <= now_ms - EVENT_IDS_BURST_MS
    ):
        contact.older_event_ids = contact.event_ids
        contact.event_ids = {}


def forget_event_ids(contact: Contact, now_ms: int) -> None:
    """Drop ids too old to know a repeat by; called where a session ends."""
    before_ms = now_ms - EVENT_IDS_MS
    older = contact.older_event_ids
    if older and next(reversed(older.values())) <= before_ms:
        contact.older_event_ids = {}
    recent = contact.event_ids
    if recent and next(iter(recent.values())) <= before_ms:
        contact.event_ids = {id: at_ms for id, at_ms in recent.items() if at_ms > before_ms}


def _put_on_lists(contact: Contact, lists: dict[str, object], now_ms: int) -> None:
    for name, on in lists.items():
        if not on:
            contact.lists.pop(name, None)
        elif len(contact.lists) < LISTS_MAX:
            contact.lists.setdefault(name, now_ms)


def _identify(contact: Contact, event: Event, now_ms: int) -> None:
    """Take over attributes (null removes one), lists and consents; one withdrawn stops messages."""
    payload = payload_of(event)
    attributes = payload.get("attributes")
    if isinstance(attributes, dict):
        for name, value in attributes.items():
            if value is None:
                contact.attributes.pop(name, None)
            elif name in contact.attributes or len(contact.attributes) < ATTRIBUTES_MAX:
                contact.attributes[name] = value
    lists = payload.get("lists")
    if isinstance(lists, dict):
        _put_on_lists(contact, lists, now_ms)
    said = consents_in(event.name, payload)
    if not said:
        return
    weaker = record_consents(contact, said, now_ms, event.id)
    for pending in contact.pending if weaker else ():
        channel, needed, purpose = pending.channel, pending.consent, pending.purpose
        if needed and not consent_suffices(contact, channel, needed, purpose):
            stop_pending(pending, now_ms, NO_CONSENT, consent_text(contact, channel, purpose))
