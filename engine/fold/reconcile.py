"""Reconciling a refold with the log: what was recorded of a message holds.

Newer code may decide otherwise than the code that wrote the log. Then a message that was recorded
as on its way must still be delivered or settled, and one that nobody was told of must not go out.
"""

from typing import Any

from engine.contacts.contact import Contact, Pending, Sent, Visit
from engine.decision import SENT, Outcome
from engine.fold.programs import Programs
from engine.fold.webhook import WEBHOOK, Webhook
from engine.moment import Moment
from engine.nodes.cap import forget_uncounted, release, reserve
from engine.nodes.change import ListChange
from engine.nodes.need import seen_of
from engine.nodes.outbox import find_pending
from engine.nodes.send import Send
from engine.notes import Notes


def uphold(programs: Programs, contact: Contact, outcome: Outcome) -> bool:
    """Put a message recorded as SENT among the contact's pending ones; take any other out.

    Say whether one was taken out.
    """
    pending = find_pending(contact, outcome.key)
    if outcome.outcome != SENT:
        if pending is not None:
            contact.pending.remove(pending)
            release(contact, outcome.key)
            return True
    elif pending is None:
        visit = _visit_of(contact, outcome)
        if visit is not None:
            _count(programs, visit, outcome)
        pending = _pending_of(programs, contact, visit, outcome)
        contact.pending.append(pending)
        forget_uncounted(contact, programs.rules, outcome.at_ms)
        if outcome.channel != WEBHOOK:
            reserve(
                contact,
                Sent(
                    outcome.at_ms,
                    outcome.journey,
                    outcome.node,
                    outcome.channel,
                    pending.purpose,
                    outcome.key,
                ),
            )
    return False


def _visit_of(contact: Contact, outcome: Outcome) -> Visit | None:
    """Return the visit that decided a message, whichever time it came to the node."""
    for visit in contact.visits:
        if outcome.key.startswith(f"{visit.id}.{outcome.node}."):
            return visit
    return None


def _count(programs: Programs, visit: Visit, outcome: Outcome) -> None:
    """Let no later pass of the visit mint the key of this message again."""
    program = programs.by_journey.get(outcome.journey)
    place = None if program is None else program.places.get(outcome.node)
    said = outcome.key.rpartition(".")[2]
    occurrence = int(said) if said.isdecimal() else 1
    if occurrence > 1 or (place is not None and place.recurs):
        passes = max(visit.passes.get(outcome.node, 0), occurrence)
        visit.passes = visit.passes | {outcome.node: passes}


def _pending_of(
    programs: Programs, contact: Contact, visit: Visit | None, outcome: Outcome
) -> Pending:
    """Return what is still known of the message.

    Where its node is gone there is no template: then its courier settles it as failed, which says
    why. What it was entered on is known only while its visit lasts.
    """
    program = programs.by_journey.get(outcome.journey)
    place = None if program is None else program.places.get(outcome.node)
    return Pending(
        key=outcome.key,
        journey=outcome.journey,
        node=outcome.node,
        channel=outcome.channel,
        template=place.template if isinstance(place, Send) else "",
        purpose=place.purpose if isinstance(place, Send) else "",
        consent=place.consent if isinstance(place, Send) else "",
        at_ms=outcome.at_ms,
        trigger={} if visit is None else visit.trigger,
        views=[] if visit is None else visit.views,
        request=_request_of(programs, contact, visit, outcome),
        visit={} if visit is None or not programs.rules.mentions.visit else seen_of(visit),
    )


def _request_of(
    programs: Programs, contact: Contact, visit: Visit | None, outcome: Outcome
) -> dict[str, Any] | None:
    """Return what is asked of an audience, or of a server while the visit lasts that asks it."""
    program = programs.by_journey.get(outcome.journey)
    place = None if program is None else program.places.get(outcome.node)
    if isinstance(place, ListChange):
        return dict(place.request())
    if not isinstance(place, Webhook) or visit is None:
        return None
    moment = Moment(programs.rules, contact, outcome.at_ms, Notes(), visit.trigger)
    moment.visit = visit
    return place.request(moment)
