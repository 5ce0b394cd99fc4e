"""Intake: what an event tells us about its contact, before any journey is asked.

The part of the fold that every event goes through. It never raises, whatever the payload (a
property test tries), so that it needs no copy of the contact to go back to.
"""

from itertools import islice

from engine.cart import update_cart
from engine.consent import consent_suffices, consents_in, record_consents
from engine.contact import Contact
from engine.decision import NO_CONSENT
from engine.history import remember
from engine.identity import shortened_id
from engine.input import CART_UPDATE, CONSENT, IDENTIFY, Event
from engine.limits import (
    ATTRIBUTES_MAX,
    EVENT_ID_CHARS_KEPT,
    EVENT_IDS_BURST_MAX,
    EVENT_IDS_BURST_MS,
    EVENT_IDS_MAX,
    EVENT_IDS_MIN,
    EVENT_IDS_MS,
)
from engine.outbox import stop_pending
from engine.program import Programs
from engine.session import extend_session


def take_in(programs: Programs, contact: Contact, event: Event, now_ms: int) -> bool:
    """Take an event into the contact's state; False if it is a repeat, and nothing is changed.

    The contact's timers due by `now_ms` must have been applied before.
    """
    event_id = event.id
    if len(event_id) > EVENT_ID_CHARS_KEPT:
        event_id = shortened_id(event_id)
    seen = contact.event_ids
    if event_id in seen:
        if now_ms - seen[event_id] < EVENT_IDS_MS:
            return False
        del seen[event_id]  # It goes to the end: the oldest stands first.
    seen[event_id] = now_ms
    if len(seen) >= EVENT_IDS_MAX:
        _cut_event_ids(contact, now_ms)

    name = event.name
    if name == IDENTIFY or name == CONSENT:  # noqa: SIM109, PLR1714 - a tuple costs twice as much
        _identify(contact, event, now_ms)
        return True
    payload = event.payload
    if name not in programs.no_session:
        extend_session(contact, name, payload, now_ms, programs.session_gap_ms)
    remember(contact, name, payload, event.at_ms, now_ms)
    if name == CART_UPDATE:
        update_cart(contact, payload)
    return True


def _cut_event_ids(contact: Contact, now_ms: int) -> None:
    """Drop the oldest ids, but for the last EVENT_IDS_MIN and those of a burst going on."""
    seen = contact.event_ids
    drop = len(seen) - EVENT_IDS_MIN
    if len(seen) < EVENT_IDS_BURST_MAX:
        kept_since_ms = now_ms - EVENT_IDS_BURST_MS
        old = 0
        for applied_at_ms in islice(seen.values(), drop):
            if applied_at_ms > kept_since_ms:
                break
            old += 1
        drop = old
    if drop >= EVENT_IDS_MAX - EVENT_IDS_MIN:  # Fewer are not worth the copy.
        contact.event_ids = dict(islice(seen.items(), drop, None))


def _identify(contact: Contact, event: Event, now_ms: int) -> None:
    """Take over attributes (null removes one) and consents; a withdrawn consent stops messages."""
    attributes = event.payload.get("attributes")
    if isinstance(attributes, dict):
        for name, value in attributes.items():
            if value is None:
                contact.attributes.pop(name, None)
            elif name in contact.attributes or len(contact.attributes) < ATTRIBUTES_MAX:
                contact.attributes[name] = value
    said = consents_in(event.name, event.payload)
    if not said:
        return
    for channel in record_consents(contact, said, now_ms, event.id):
        for pending in contact.pending:
            if (
                pending.channel == channel
                and pending.consent
                and not consent_suffices(contact, channel, pending.consent)
            ):
                stop_pending(pending, now_ms, NO_CONSENT, f"{channel}: {said[channel]}")
