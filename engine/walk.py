"""A visit's walk through its journey, node by node, until it waits or ends."""

from engine.contact import Visit
from engine.decision import DECLINED, Outcome
from engine.identity import message_key
from engine.limits import NODES_PER_INPUT_MAX, PASSES_MAX
from engine.moment import NO_MESSAGE, Moment
from engine.outbox import stop_pending
from engine.program import Program


def advance(moment: Moment, program: Program, visit: Visit, node: str) -> None:
    """Walk from `node` until the visit waits or ends."""
    _look_at(moment, visit)
    for _ in range(NODES_PER_INPUT_MAX):
        if not node:
            end_visit(moment, visit, moment.outcome, moment.reason)
            return
        visit.node = node
        place = program.places[node]
        if place.recurs:
            passes = visit.passes.get(node, 0) + 1
            if passes > PASSES_MAX:
                end_visit(moment, visit, DECLINED, f"{node}: came here {PASSES_MAX} times")
                return
            visit.passes[node] = passes
        goes_on = place.enter(moment, program, visit)
        if visit not in moment.contact.visits:
            return  # It ended itself.
        if goes_on is None:
            moment.contact.next_due_at_ms = min(moment.contact.next_due_at_ms, visit.due_at_ms)
            return
        node = goes_on
    raise AssertionError(f"{program.journey}: {NODES_PER_INPUT_MAX} nodes without a wait")


def resume(moment: Moment, program: Program, visit: Visit) -> None:
    """Let a visit go on whose time to stay is over."""
    _look_at(moment, visit)
    goes_on = program.places[visit.node].due(moment, program, visit)
    if goes_on is not None:
        advance(moment, program, visit, goes_on)


def _look_at(moment: Moment, visit: Visit) -> None:
    moment.moved = True
    moment.visit = visit
    moment.trigger = visit.trigger
    moment.outcome, moment.reason = DECLINED, NO_MESSAGE


def end_visit(moment: Moment, visit: Visit, outcome: str, reason: str) -> None:
    """End a visit; one that never came to a message, or has one waiting, says why there is none."""
    contact = moment.contact
    moment.moved = True
    if visit in contact.visits:
        contact.visits.remove(visit)
    if visit.notes_exit:
        contact.exited = contact.exited | {entry_key(visit.journey, visit.key): moment.now_ms}
    if visit.messages == 0 or visit.held_since_ms:
        key = message_key(visit.id, visit.node, visit.passes.get(visit.node, 1))
        moment.decisions.append(
            Outcome(key, contact.key, visit.journey, visit.node, "", moment.now_ms, outcome, reason)
        )


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
