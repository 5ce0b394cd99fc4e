"""Visits on their way: an event ends some and opens others, and each walks node by node."""

from typing import Final

from engine.cap import cap_reached, reserve
from engine.condition import Consented, Test
from engine.consent import consent_reason, consent_suffices
from engine.contact import Contact, Pending, Sent, Visit
from engine.decision import CAPPED, DECLINED, EXITED, NO_CONSENT, SENT, Decision, Outcome
from engine.guard import Guard
from engine.identity import message_key, visit_id
from engine.input import Event, looked_into, payload_of
from engine.limits import FAR_MS, JOURNEYS_MAX, NODES_PER_INPUT_MAX, PENDING_MAX
from engine.outbox import stop_pending
from engine.program import (
    REENTRY_ALWAYS,
    REENTRY_ONCE,
    Decide,
    Exit,
    Program,
    Programs,
    Route,
    Send,
    Wait,
)

NO_VIEWS: Final[list[bytes]] = []


def happen(
    programs: Programs,
    route: Route,
    contact: Contact,
    event: Event,
    now_ms: int,
    decisions: list[Decision],
    views: list[bytes] = NO_VIEWS,
) -> None:
    """Let an event end the visits it ends, then open those it opens, the higher priority first.

    `route` is that of the event's name; `views` are those of the session that ended, if that is
    the event. Where it raises, the contact and
    `decisions` are as they were before.
    """
    guard: Guard | None = None
    mark = len(decisions)
    event = looked_into(event)
    try:
        if route.exits and (contact.visits or contact.pending):
            guard = Guard(contact)
            _exit_visits(route, contact, event, now_ms, decisions)
        for program in route.entries:
            test = program.entry_test
            if test is None or test.holds(contact, payload_of(event), now_ms):
                if guard is None:
                    guard = Guard(contact)
                _enter(programs, program, contact, event, views, now_ms, decisions)
    except Exception:
        if guard is not None:
            guard.restore(contact)
        del decisions[mark:]
        raise


def _exit_visits(
    route: Route, contact: Contact, event: Event, now_ms: int, decisions: list[Decision]
) -> None:
    for visit in contact.visits[:]:
        if _ends(route.exits.get(visit.journey), contact, event, now_ms):
            end_visit(contact, visit, now_ms, EXITED, event.name, decisions)
    for pending in contact.pending:
        if _ends(route.exits.get(pending.journey), contact, event, now_ms):
            stop_pending(pending, now_ms, EXITED, event.name)


def _ends(tests: list[Test | None] | None, contact: Contact, event: Event, now_ms: int) -> bool:
    if tests is None:
        return False
    return any(test is None or test.holds(contact, payload_of(event), now_ms) for test in tests)


def end_visit(
    contact: Contact,
    visit: Visit,
    now_ms: int,
    outcome: str,
    reason: str,
    decisions: list[Decision],
) -> None:
    """End a visit; one that never came to a message says why there is none."""
    if visit in contact.visits:
        contact.visits.remove(visit)
    if visit.messages == 0:
        key = message_key(visit.id, visit.node, 1)
        decisions.append(
            Outcome(key, contact.key, visit.journey, visit.node, "", now_ms, outcome, reason)
        )


def _enter(
    programs: Programs,
    program: Program,
    contact: Contact,
    event: Event,
    views: list[bytes],
    now_ms: int,
    decisions: list[Decision],
) -> None:
    journey = program.journey
    for visit in contact.visits:
        if visit.journey == journey:
            return
    entered_at_ms = contact.entered.get(journey)
    if entered_at_ms is not None and not _may_return(program.reentry_ms, now_ms - entered_at_ms):
        return
    if entered_at_ms is None and len(contact.entered) >= JOURNEYS_MAX:
        del contact.entered[next(iter(contact.entered))]
    contact.entered[journey] = now_ms
    visit = Visit(
        id=visit_id(journey, contact.key, event.id),
        journey=journey,
        node=program.first,
        entered_at_ms=now_ms,
        waits_since_ms=now_ms,
        due_at_ms=FAR_MS,
        trigger=payload_of(event),
        views=views,
    )
    contact.visits.append(visit)
    advance(programs, program, contact, visit, program.first, now_ms, decisions)


def _may_return(reentry_ms: int, since_ms: int) -> bool:
    if reentry_ms == REENTRY_ALWAYS:
        return True
    return reentry_ms != REENTRY_ONCE and since_ms >= reentry_ms


def advance(
    programs: Programs,
    program: Program,
    contact: Contact,
    visit: Visit,
    node: str,
    now_ms: int,
    decisions: list[Decision],
) -> None:
    """Walk from `node` until the visit waits or ends."""
    outcome, reason = DECLINED, "no message on its way"
    for _ in range(NODES_PER_INPUT_MAX):
        if not node:
            end_visit(contact, visit, now_ms, outcome, reason, decisions)
            return
        visit.node = node
        place = program.places[node]
        node = place.then
        if isinstance(place, Decide):
            if not place.test.holds(contact, visit.trigger, now_ms):
                node = place.otherwise
                outcome, reason = _declined(place, contact)
        elif isinstance(place, Send):
            send(programs, program, place, contact, visit, now_ms, decisions)
        elif isinstance(place, Wait):
            visit.waits_since_ms = now_ms
            visit.due_at_ms = now_ms + place.span_ms
            contact.next_due_at_ms = min(contact.next_due_at_ms, visit.due_at_ms)
            return
        else:
            assert isinstance(place, Exit)
            if outcome == DECLINED:
                reason = place.reason
            end_visit(contact, visit, now_ms, outcome, reason, decisions)
            return
    raise AssertionError(f"{program.journey}: {NODES_PER_INPUT_MAX} nodes without a wait")


def _declined(place: Decide, contact: Contact) -> tuple[str, str]:
    test = place.test
    if isinstance(test, Consented):
        return NO_CONSENT, consent_reason(contact, test.channel, test.level)
    return DECLINED, f"{place.id} did not hold"


def send(
    programs: Programs,
    program: Program,
    place: Send,
    contact: Contact,
    visit: Visit,
    now_ms: int,
    decisions: list[Decision],
) -> None:
    """Decide a message, if consent and caps allow it; else say what held it back."""
    visit.messages += 1
    key = message_key(visit.id, place.id, 1)
    outcome, reason = SENT, ""
    if place.consent and not consent_suffices(contact, place.channel, place.consent):
        outcome, reason = NO_CONSENT, consent_reason(contact, place.channel, place.consent)
    else:
        reason = cap_reached(programs, program, place, contact, now_ms)
        if len(contact.pending) >= PENDING_MAX:
            reason = f"outbox: {PENDING_MAX} messages are not settled yet"
        if reason:
            outcome = CAPPED
    if outcome == SENT:
        journey, channel, purpose = program.journey, place.channel, place.purpose
        reserve(contact, Sent(now_ms, journey, place.id, channel, purpose, key))
        contact.pending.append(
            Pending(
                key=key,
                journey=journey,
                node=place.id,
                channel=channel,
                template=place.template,
                purpose=purpose,
                consent=place.consent,
                at_ms=now_ms,
                trigger=visit.trigger,
                views=visit.views,
            )
        )
    decisions.append(
        Outcome(key, contact.key, program.journey, place.id, place.channel, now_ms, outcome, reason)
    )
