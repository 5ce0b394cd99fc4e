"""Outbox: a contact's messages decided and not yet settled; handing over and settling them."""

from msgspec.structs import replace

from engine.contacts.address import address_of
from engine.contacts.contact import Contact, Pending, Sent
from engine.contacts.history import latest
from engine.contacts.session import products_of, summary_of
from engine.decision import FAILED, SENT, Delivery, Outcome
from engine.input import FEEDBACK, Handover, Receipt
from engine.language.rules import Rules
from engine.limits import LATEST_MAX
from engine.moment import Moment
from engine.nodes.cap import release
from engine.notes import DELIVERED
from engine.trace import StopNote, Trace


def find_pending(contact: Contact, key: str) -> Pending | None:
    """Return the pending message of this key, if it is not settled yet."""
    for pending in contact.pending:
        if pending.key == key:
            return pending
    return None


def stop_pending(pending: Pending, now_ms: int, outcome: str, why: str) -> None:
    """End a message; it holds if no courier has it yet (see `hand_over`)."""
    if now_ms < pending.stopped_at_ms:
        pending.stopped_at_ms = now_ms
        pending.stopped_as = outcome
        pending.stopped_why = why


def hand_over(moment: Moment, handover: Handover) -> None:
    """Check a message once more and pack it, or say why it does not go out after all.

    An exit, or a consent that was withdrawn, has marked it when it came; see `stop_pending`.
    """
    contact = moment.contact
    pending = find_pending(contact, handover.key)
    if pending is None:
        return
    if pending.handed_at_ms == 0 and pending.stopped_at_ms < handover.as_of_ms:
        contact.pending.remove(pending)
        release(contact, pending.key)
        if type(moment.decisions) is Trace:
            moment.decisions.note(
                StopNote(
                    at_ms=moment.now_ms,
                    key=pending.key,
                    stopped_at_ms=pending.stopped_at_ms,
                    outcome=pending.stopped_as,
                    reason=pending.stopped_why,
                )
            )
        _end_otherwise(moment, pending, pending.stopped_as, pending.stopped_why)
        return
    pending.handed_at_ms = moment.now_ms
    moment.decisions.append(_packed(contact, pending, moment.rules, moment.now_ms))


def _packed(contact: Contact, pending: Pending, rules: Rules, now_ms: int) -> Delivery:
    """Return a message with all that its template may ask for: what is known at the handover."""
    trigger = pending.trigger
    if pending.views:
        trigger = trigger | {"products": products_of(pending.views)}
    language = contact.attributes.get("language")
    mentions = rules.mentions
    past = {name: latest(contact, name, LATEST_MAX) for name in mentions.history}
    return Delivery(
        key=pending.key,
        contact=contact.key,
        journey=pending.journey,
        node=pending.node,
        channel=pending.channel,
        template=pending.template,
        language=language if isinstance(language, str) else "",
        purpose=pending.purpose,
        at_ms=pending.at_ms,
        attributes=dict(contact.attributes),
        trigger=trigger,
        cart=contact.cart,
        address=address_of(contact, pending.channel, rules),
        history={name: events for name, events in past.items() if events},
        session=summary_of(contact, now_ms) if mentions.session else None,
        visit=pending.visit,
        request=pending.request,
    )


def settle(moment: Moment, receipt: Receipt) -> Pending | None:
    """Take what the channel said, and return what it settles; None where that was settled before.

    A message that failed counts for no cap.
    """
    contact, now_ms = moment.contact, moment.now_ms
    if receipt.kind:
        if receipt.kind in FEEDBACK:
            sent = note_treatment(contact, receipt.key, f"{receipt.kind}_at_ms", now_ms)
            if sent is not None:
                moment.counts.append((sent.journey, sent.node, "", receipt.kind, now_ms, 1))
        return None
    pending = find_pending(contact, receipt.key)
    if pending is None:
        return None
    contact.pending.remove(pending)
    if receipt.delivered:
        note_treatment(contact, pending.key, "delivered_at_ms", now_ms)
        moment.counts.append((pending.journey, pending.node, "", DELIVERED, now_ms, 1))
    else:
        release(contact, pending.key)
        _end_otherwise(moment, pending, FAILED, receipt.reason)
    return pending


def note_treatment(contact: Contact, key: str, field: str, now_ms: int) -> Sent | None:
    """Keep when something first happened to a message, and return that; else None.

    That is, where it happened before, and where the message is no longer kept. In a new Sent: a
    Guard keeps the old one.
    """
    for i, sent in enumerate(contact.messages):
        if sent.key == key and getattr(sent, field) == 0:
            contact.messages[i] = replace(sent, **{field: now_ms})
            return sent
    return None


def _end_otherwise(moment: Moment, pending: Pending, outcome: str, reason: str) -> None:
    """Let a message that was decided come to something else: it counts for that alone."""
    moment.counts.append((pending.journey, pending.node, "", SENT, pending.at_ms, -1))
    moment.decide(_outcome(moment.contact, pending, outcome, reason))


def _outcome(contact: Contact, pending: Pending, outcome: str, reason: str) -> Outcome:
    return Outcome(
        pending.key,
        contact.key,
        pending.journey,
        pending.node,
        pending.channel,
        pending.at_ms,
        outcome,
        reason,
    )
