"""Reconciling a refold with the log: what was recorded of a message holds.

Newer code may decide otherwise than the code that wrote the log. Then a message that was recorded
as on its way must still be delivered or settled, and one that nobody was told of must not go out.
"""

from typing import Any

from engine.cap import release, reserve
from engine.contact import Contact, Pending, Sent
from engine.decision import SENT, Outcome
from engine.identity import message_key
from engine.moment import Moment
from engine.outbox import find_pending
from engine.programs import Programs
from engine.send import Send
from engine.webhook import WEBHOOK, Webhook


def uphold(programs: Programs, contact: Contact, outcome: Outcome) -> None:
    """Put a message recorded as SENT among the contact's pending ones; take any other out."""
    pending = find_pending(contact, outcome.key)
    if outcome.outcome != SENT:
        if pending is not None:
            contact.pending.remove(pending)
            release(contact, outcome.key)
    elif pending is None:
        pending = _pending_of(programs, contact, outcome)
        contact.pending.append(pending)
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


def _pending_of(programs: Programs, contact: Contact, outcome: Outcome) -> Pending:
    """Return what is still known of the message.

    Where its node is gone there is no template: then its courier settles it as failed, which says
    why. What it was entered on is known only while its visit lasts.
    """
    program = programs.by_journey.get(outcome.journey)
    place = None if program is None else program.places.get(outcome.node)
    request: dict[str, Any] | None = None
    visit = next(
        (each for each in contact.visits if message_key(each.id, outcome.node, 1) == outcome.key),
        None,
    )
    if isinstance(place, Webhook) and visit is not None:
        moment = Moment(programs.rules, contact, outcome.at_ms, [], visit.trigger)
        moment.visit = visit
        request = place.request(moment)
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
        request=request,
    )
