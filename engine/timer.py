"""Timers of a contact: its session's end and its waiting visits. They act as of their due time."""

from engine.contact import Contact, Visit, plan_next_due
from engine.decision import EXITED, FAILED, Decision
from engine.guard import Guard
from engine.history import forget_old
from engine.input import SESSION_END, payload_of
from engine.intake import forget_event_ids
from engine.limits import FAR_MS
from engine.program import Programs
from engine.session import end_session, products_of
from engine.walk import advance, end_visit, happen


def apply_next_timer(programs: Programs, contact: Contact, decisions: list[Decision]) -> bool:
    """Apply the timer due first (of two due at once, the one set first); True if a session ended.

    It acts as of its due time, even where load or downtime made it late: so it is the same
    whether it is applied by an Advance, by the contact's next input, or in a replay. Where it
    raises, the contact and `decisions` are as they were before.
    """
    visit = _next_visit(contact) if contact.visits else None
    if visit is None:
        _end_session(programs, contact, decisions)
    else:
        guard = Guard(contact)
        mark = len(decisions)
        try:
            _end_wait(programs, contact, visit, decisions)
        except Exception:
            guard.restore(contact)
            del decisions[mark:]
            raise
    plan_next_due(contact)
    return visit is None


def _end_session(programs: Programs, contact: Contact, decisions: list[Decision]) -> None:
    session = contact.session
    assert session is not None
    now_ms = session.due_at_ms
    forget_old(contact, now_ms)
    forget_event_ids(contact, now_ms)
    route = programs.routes.get(SESSION_END)
    event = end_session(contact)
    if route is None or not route.asked:
        return
    try:
        if route.reads_products:
            payload_of(event)["products"] = products_of(session.views)
        happen(programs, route, contact, event, now_ms, decisions, session.views)
    except Exception:
        contact.session = session
        raise


def _end_wait(
    programs: Programs, contact: Contact, visit: Visit, decisions: list[Decision]
) -> None:
    now_ms = visit.due_at_ms
    visit.due_at_ms = FAR_MS
    program = programs.by_journey.get(visit.journey)
    if program is None or visit.node not in program.places:
        gone = "journey" if program is None else "node"
        end_visit(contact, visit, now_ms, EXITED, f"the {gone} is no longer there", decisions)
        return
    then = program.places[visit.node].then
    advance(programs, program, contact, visit, then, now_ms, decisions)


def drop_next_timer(contact: Contact, error: str, decisions: list[Decision]) -> str:
    """Take away the timer that is due first, as it cannot be applied; return what it was."""
    visit = _next_visit(contact)
    if visit is None:
        assert contact.session is not None
        what = f"end of the session begun at {contact.session.started_at_ms}"
        contact.session = None
    else:
        what = f"visit {visit.id} of journey {visit.journey} at node {visit.node}"
        end_visit(contact, visit, visit.due_at_ms, FAILED, error, decisions)
    plan_next_due(contact)
    return what


def _next_visit(contact: Contact) -> Visit | None:
    """Return the visit whose timer is next; None where the session's end comes first."""
    session = contact.session
    first: Visit | None = None
    due_at_ms, since_ms = FAR_MS, FAR_MS
    if session is not None:
        due_at_ms, since_ms = session.due_at_ms, session.started_at_ms
    for visit in contact.visits:
        if (visit.due_at_ms, visit.waits_since_ms) < (due_at_ms, since_ms):
            first = visit
            due_at_ms, since_ms = visit.due_at_ms, visit.waits_since_ms
    return first
