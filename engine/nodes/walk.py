"""A visit's walk through its journey, node by node, until it waits or ends."""

from typing import Any

from engine.contacts.contact import Contact, Visit
from engine.contacts.identity import message_key
from engine.decision import DECLINED, EXITED, FAILED, Outcome
from engine.fact import Fact
from engine.input import Event, payload_of
from engine.limits import (
    ENTRIES_KEPT_MAX,
    FAR_MS,
    MESSAGES_KEPT_MAX,
    NODES_PER_INPUT_MAX,
    PASSES_MAX,
)
from engine.moment import NO_MESSAGE, Moment
from engine.nodes.dry_run import SHADOW
from engine.nodes.outbox import find_pending, stop_pending
from engine.notes import COMPLETED, LEFT_AS
from engine.program import Program
from engine.trace import COMES, EVENT, TIME, EndNote, NodeNote, Trace


def advance(moment: Moment, program: Program, visit: Visit, node: str) -> None:
    """Walk from `node` until the visit waits or ends."""
    moment.moved = True
    _begin(moment, visit, visit.trigger)
    _walk(moment, program, visit, node)


def _walk(moment: Moment, program: Program, visit: Visit, node: str) -> None:
    for _ in range(NODES_PER_INPUT_MAX):
        if not node:
            end_visit(moment, visit, moment.outcome, moment.reason)
            return
        moment.counts.append((visit.journey, visit.node, node, "", moment.now_ms, 1))
        visit.node = node
        if program.paused:
            _stand_before(moment, visit)
            if moment.decisions.__class__ is Trace:
                paused = Fact(what="not paused", holds=False)
                _noted(moment, visit, COMES, [paused]).until_ms = FAR_MS
            return
        place = program.places[node]
        if (place.recurs or node in visit.passes) and not _counted(moment, visit, node):
            end_visit(moment, visit, DECLINED, f"{node}: came here {PASSES_MAX} times")
            return
        note = None
        if moment.decisions.__class__ is Trace:
            note = _noted(moment, visit, COMES, place.explain(moment, program, visit))
        goes_on = place.enter(moment, program, visit)
        if note is not None:
            _note_way(note, moment, visit, goes_on)
        if visit not in moment.contact.visits:
            return  # It ended itself.
        if goes_on is None:
            moment.contact.next_due_at_ms = min(moment.contact.next_due_at_ms, visit.due_at_ms)
            return
        node = goes_on
    raise AssertionError(f"{program.journey}: {NODES_PER_INPUT_MAX} nodes without a wait")


def resume(moment: Moment, program: Program, visit: Visit) -> None:
    """Let a visit go on whose time to stay is over.

    A publish may have made another kind of node of that where it stays: see `Place.due`.
    """
    moment.moved = True
    _begin(moment, visit, visit.trigger)
    if visit.enters:
        visit.enters = False
        # It stood before the node: it was counted there, and is when it comes.
        moment.counts.append((visit.journey, visit.node, visit.node, "", moment.now_ms, -1))
        _walk(moment, program, visit, visit.node)
        return
    place, note = program.places[visit.node], None
    if moment.decisions.__class__ is Trace:
        note = _noted(moment, visit, TIME, place.explain(moment, program, visit))
    goes_on = place.due(moment, program, visit)
    if note is not None:
        _note_way(note, moment, visit, goes_on)
    if goes_on is not None and visit in moment.contact.visits:
        _walk(moment, program, visit, goes_on)
    elif program.paused:
        hold_timer(visit)


def wake(moment: Moment, program: Program, visit: Visit, event: Event) -> None:
    """Let an event move a visit, if the node where it stays waits for such a one.

    Where the journey is paused, it goes as far as before the next node.
    """
    if visit.enters:
        return
    _begin(moment, visit, payload_of(event))
    place, note = program.places[visit.node], None
    if moment.decisions.__class__ is Trace and event.name in place.hears():
        note = _noted(moment, visit, EVENT, place.explain(moment, program, visit, event))
    goes_on = place.hear(moment, program, visit, event)
    if note is not None:
        _note_way(note, moment, visit, goes_on)
    if goes_on is not None:
        moment.moved = True
        moment.trigger = visit.trigger
        _walk(moment, program, visit, goes_on)
    elif program.paused and visit.due_at_ms < FAR_MS:
        hold_timer(visit)


def _stand_before(moment: Moment, visit: Visit) -> None:
    """Let a visit of a paused journey wait until it may enter its node."""
    visit.enters = True
    visit.waits_since_ms = visit.due_at_ms = moment.now_ms
    hold_timer(visit)


def hold_timer(visit: Visit) -> None:
    """Put a visit's timer off until its journey is resumed."""
    visit.was_due_ms = visit.due_at_ms
    visit.due_at_ms = FAR_MS


def _noted(moment: Moment, visit: Visit, how: str, facts: list[Fact]) -> NodeNote:
    key = message_key(visit.id, visit.node, visit.passes.get(visit.node, 1))
    assert isinstance(moment.decisions, Trace)
    return moment.decisions.note(
        NodeNote(
            at_ms=moment.now_ms,
            journey=visit.journey,
            visit=visit.id,
            node=visit.node,
            how=how,
            key=key,
            facts=facts,
        )
    )


def _note_way(note: NodeNote, moment: Moment, visit: Visit, goes_on: str | None) -> None:
    """Note where a visit goes on; one that ended itself goes nowhere."""
    if goes_on is None and visit in moment.contact.visits:
        note.until_ms = visit.due_at_ms
    else:
        note.goes_to = goes_on or ""


def _counted(moment: Moment, visit: Visit, node: str) -> bool:
    """Count that a visit comes to a node once more; False if that is too often.

    A Guard keeps the counts, so new ones are put in their place.
    """
    passes = visit.passes.get(node)
    if passes is None:
        passes = 1 if _may_have_sent(moment.contact, visit, node) else 0
    if passes >= PASSES_MAX:
        return False
    visit.passes = visit.passes | {node: passes + 1}
    return True


def _may_have_sent(contact: Contact, visit: Visit, node: str) -> bool:
    """Say whether a visit may have had a message here before a publish let the node recur.

    Each message has a key of its own: so it is also where there are so many since that this one may
    be forgotten.
    """
    if visit.messages == 0:
        return False
    first = message_key(visit.id, node, 1)
    return (
        len(contact.messages) > MESSAGES_KEPT_MAX // 2
        or any(each.key == first for each in contact.messages)
        or find_pending(contact, first) is not None
    )


def _begin(moment: Moment, visit: Visit, trigger: dict[str, Any]) -> None:
    moment.visit = visit
    moment.trigger = trigger
    moment.outcome, moment.reason = DECLINED, NO_MESSAGE


def end_visit(moment: Moment, visit: Visit, outcome: str, reason: str) -> None:
    """End a visit; one that never came to a message, or has one waiting, says why there is none."""
    contact = moment.contact
    moment.moved = True
    if visit in contact.visits:
        contact.visits.remove(visit)
        left = _leaving(visit, outcome) if visit.messages else LEFT_AS[outcome]
        tells = left != LEFT_AS[COMPLETED] or reason != NO_MESSAGE
        why = reason if tells else ""
        moment.counts.append((visit.journey, visit.node, why, left, moment.now_ms, 1))
    if visit.notes_exit:
        shadow = SHADOW if visit.dry else ""
        _note_exit(moment, shadow + entry_key(visit.journey, visit.key))
    if moment.decisions.__class__ is Trace:
        _note_end(moment, visit, outcome, reason)
    if visit.messages == 0 or visit.held_since_ms:
        key = message_key(visit.id, visit.node, visit.passes.get(visit.node, 1))
        moment.decide(
            Outcome(key, contact.key, visit.journey, visit.node, "", moment.now_ms, outcome, reason)
        )


def _leaving(visit: Visit, outcome: str) -> str:
    """Return as what the end of a visit is counted that had messages, or was to have one.

    Only an exit or a fault keeps it from being complete.
    """
    if visit.held_since_ms or outcome in (EXITED, FAILED):
        return LEFT_AS[outcome]
    return LEFT_AS[COMPLETED]


def _note_end(moment: Moment, visit: Visit, outcome: str, reason: str) -> None:
    assert isinstance(moment.decisions, Trace)
    moment.decisions.note(
        EndNote(
            at_ms=moment.now_ms,
            journey=visit.journey,
            visit=visit.id,
            node=visit.node,
            outcome=outcome,
            reason=reason,
            cause=moment.cause,
            key=message_key(visit.id, visit.node, visit.passes.get(visit.node, 1)),
        )
    )


def _note_exit(moment: Moment, name: str) -> None:
    exited = moment.contact.exited.copy()
    exited.pop(name, None)  # It goes to the end: the longest ago stands first.
    if len(exited) >= ENTRIES_KEPT_MAX:
        del exited[next(iter(exited))]
    moment.contact.exited = exited | {name: moment.now_ms}


def end_visits(moment: Moment, journey: str, outcome: str, reason: str) -> None:
    """End all visits of a journey, and stop its messages that no courier has yet."""
    for visit in moment.contact.visits[:]:
        if visit.journey == journey:
            end_visit(moment, visit, outcome, reason)
    for pending in moment.contact.pending:
        if pending.journey == journey:
            stop_pending(pending, moment.now_ms, outcome, reason)


def entry_key(journey: str, key: str) -> str:
    """Return under what entries and exits of a journey are kept: one for each re-entry key."""
    return f"{journey}/{key}" if key else journey
