"""The one function that moves a contact: state, input and time in, decisions out."""

from engine.arrival import follow, happen
from engine.contact import Contact
from engine.guard import Guard
from engine.input import SESSION_START, ContactInput, Event, Handover, Receipt
from engine.intake import take_in
from engine.moment import Moment
from engine.notes import Notes
from engine.outbox import hand_over, settle
from engine.programs import Programs
from engine.route import Route
from engine.webhook import WEBHOOK, take_answer


def step(
    programs: Programs,
    contact: Contact,
    input: ContactInput,
    now_ms: int,
    notes: Notes,
) -> bool:
    """Apply one input to one contact; False if it is a repeat, and then nothing is changed.

    Changes `contact` and nothing else; what to do about it is added to `notes` (a list of its
    own for each event would cost 0.15 µs). Deterministic: equal arguments, equal result.
    The contact's timers due by `now_ms` must have been applied before. Where it raises, no
    visit and no message has changed, and nothing was decided.
    """
    if isinstance(input, Event):
        route = programs.routes.get(input.name)
        if route is None:
            route = Route(input.name)
        begins = programs.session_start and contact.session is None
        if not take_in(route, contact, input, now_ms, programs.session_gap_ms):
            return False
        if begins and contact.session is not None:
            _session_starts(programs, contact, input, now_ms, notes)
        if route.asked:
            happen(programs, route, contact, input, now_ms, notes)
        return True
    guard = Guard(contact, notes)
    moment = Moment(programs.rules, contact, now_ms, notes, {})
    moment.cause = f"{type(input).__name__} {input.key}"
    try:
        if type(input) is Handover:
            hand_over(moment, input)
        else:
            assert type(input) is Receipt
            settled = settle(moment, input)
            if settled is not None and settled.channel == WEBHOOK:
                take_answer(moment, programs, settled, input)
        follow(moment, programs, watched=True)
    except Exception:
        guard.restore(contact)
        raise
    return True


def _session_starts(
    programs: Programs, contact: Contact, first: Event, now_ms: int, notes: Notes
) -> None:
    """Let `session_start` happen before the event that began the session."""
    payload = {"started_at_ms": now_ms, "name": first.name}
    event = Event(f"{SESSION_START}/{now_ms}", contact.key, SESSION_START, now_ms, payload)
    happen(programs, programs.routes[SESSION_START], contact, event, now_ms, notes)
