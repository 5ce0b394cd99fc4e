"""Timers of a contact: its session's end, its waiting visits and its occasions.

They act as of their due time.
"""

from typing import Final

from engine.contacts.contact import Contact, Visit, plan_next_due
from engine.contacts.history import forget_old
from engine.contacts.session import end_session, products_of
from engine.decision import EXITED, FAILED, Decision
from engine.fold.arrival import follow, happen
from engine.fold.intake import forget_event_ids
from engine.fold.occasion import carry_out, pass_over
from engine.fold.programs import Programs
from engine.fold.watch import WATCH
from engine.guard import Guard
from engine.input import SESSION_END, payload_of
from engine.limits import FAR_MS
from engine.moment import Moment
from engine.nodes.walk import end_visit, resume
from engine.notes import Notes
from engine.trace import SessionNote, TimerNote, TimersOverNote, Trace

SESSION: Final = ""
"""In place of a visit or an occasion: the session's end is next."""
RANK_MAX: Final = FAR_MS
"""Lower than any priority: of what belongs to no journey any more."""


def apply_next_timer(programs: Programs, contact: Contact, notes: Notes) -> bool:
    """Apply the timer that is next; True if a session ended.

    The first due goes first; of several due at once the one that was meant to be due earlier (a
    pause, or a publish, has put it off), that of the journey with the higher priority
    (a session's end has 0; conditions come before all), then the one set first. It acts as of its
    due time, even where load or downtime made it late: so it is the same whether it is applied by
    an Advance, by the contact's next input, or in a replay. Where it raises, the contact and
    the notes are as before.
    """
    timer: Visit | str = SESSION
    if contact.visits or contact.occasions:
        timer = _next_timer(programs, contact)
    if timer == SESSION:
        _end_session(programs, contact, notes)
        plan_next_due(contact)
        return True
    guard = Guard(contact, notes)
    try:
        if isinstance(timer, Visit):
            _end_wait(programs, contact, timer, notes)
        else:
            moment = Moment(programs.rules, contact, contact.occasions[timer], notes, {})
            moment.cause = timer
            carry_out(moment, programs, timer)
            follow(moment, programs, watched=False)
    except Exception:
        guard.restore(contact)
        raise
    plan_next_due(contact)
    return False


def note_next_timer(programs: Programs, contact: Contact, trace: list[Decision]) -> None:
    """Note in a Trace what the timer is that is next; what comes after comes of it."""
    timer = _next_timer(programs, contact)
    note: TimerNote | SessionNote
    if isinstance(timer, Visit):
        journey, node, id = timer.journey, timer.node, timer.id
        note = TimerNote(at_ms=timer.due_at_ms, what="visit", journey=journey, node=node, id=id)
    elif timer == SESSION:
        session = contact.session
        assert session is not None
        started_at_ms, counts = session.started_at_ms, dict(session.counts)
        note = SessionNote(at_ms=session.due_at_ms, started_at_ms=started_at_ms, counts=counts)
    else:
        what = "watch" if timer == WATCH else "occasion"
        note = TimerNote(at_ms=contact.occasions[timer], what=what, id=timer)
    assert isinstance(trace, Trace)
    trace.note(note)


def note_timers_over(at_ms: int, trace: list[Decision]) -> None:
    """Note in a Trace that no more timers are due: what comes after comes of the input."""
    assert isinstance(trace, Trace)
    trace.note(TimersOverNote(at_ms=at_ms))


def _end_session(programs: Programs, contact: Contact, notes: Notes) -> None:
    session = contact.session
    assert session is not None
    now_ms = session.due_at_ms
    forget_old(contact, programs.keep_ms, now_ms)
    forget_event_ids(contact, now_ms)
    route = programs.routes.get(SESSION_END)
    event = end_session(contact)
    if route is None or not route.asked:
        return
    try:
        if route.reads_products:
            payload_of(event)["products"] = products_of(session.views)
        happen(programs, route, contact, event, now_ms, notes, session.views)
    except Exception:
        contact.session = session
        raise


def _end_wait(programs: Programs, contact: Contact, visit: Visit, notes: Notes) -> None:
    moment = Moment(programs.rules, contact, visit.due_at_ms, notes, visit.trigger)
    moment.cause = visit.id
    visit.due_at_ms, visit.was_due_ms = FAR_MS, 0
    program = programs.program_of(visit)
    if program is None or visit.node not in program.places:
        gone = "journey" if program is None else "node"
        end_visit(moment, visit, EXITED, f"the {gone} is no longer there")
    else:
        resume(moment, program, visit)
    follow(moment, programs, watched=False)


def drop_next_timer(programs: Programs, contact: Contact, error: str, notes: Notes) -> str:
    """Take away the timer that is due first, as it cannot be applied; return what it was."""
    timer = _next_timer(programs, contact)
    if isinstance(timer, Visit):
        what = f"visit {timer.id} of journey {timer.journey} at node {timer.node}"
        moment = Moment(programs.rules, contact, timer.due_at_ms, notes, timer.trigger)
        end_visit(moment, timer, FAILED, error)
    elif timer == SESSION:
        assert contact.session is not None
        what = f"end of the session begun at {contact.session.started_at_ms}"
        contact.session = None
    else:
        what = f"occasion {timer}"
        pass_over(programs, contact, timer, notes.counts)
    plan_next_due(contact)
    return what


def _next_timer(programs: Programs, contact: Contact) -> Visit | str:
    """Return the visit or the occasion whose timer is next, or SESSION."""
    session = contact.session
    first: Visit | str = SESSION
    order = (FAR_MS, FAR_MS, RANK_MAX, 0)
    if session is not None:
        order = (session.due_at_ms, session.due_at_ms, 0, session.started_at_ms)
    for visit in contact.visits:
        if visit.due_at_ms <= order[0]:
            program = programs.program_of(visit)
            rank = 0 if program is None else -program.priority
            since_ms = visit.was_due_ms or visit.due_at_ms
            own = (visit.due_at_ms, since_ms, rank, visit.waits_since_ms)
            if own < order:
                first, order = visit, own
    for id, due_at_ms in contact.occasions.items():
        if due_at_ms <= order[0]:
            found = programs.occasions.get(id)
            rank = RANK_MAX if found is None else -found[0].priority
            # What ends goes before what goes on: so it is with events as well.
            if id == WATCH:
                own = (due_at_ms, -FAR_MS, -FAR_MS, FAR_MS)
            else:
                own = (due_at_ms, due_at_ms, rank, FAR_MS)
            if own < order:
                first, order = id, own
    return first
