"""The one function that moves a contact: state, input and time in, decisions out."""

from engine.contacts.contact import Contact
from engine.fold.arrival import follow, happen
from engine.fold.intake import take_in
from engine.fold.programs import Programs
from engine.fold.route import Route
from engine.fold.webhook import WEBHOOK, take_answer
from engine.guard import Guard
from engine.input import SESSION_START, ContactInput, Event, Handover, Receipt
from engine.moment import Moment
from engine.nodes.outbox import hand_over, settle
from engine.notes import Notes


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
    try:
        name = input.name  # type: ignore[union-attr]
    except AttributeError:  # No Event; to ask for that by its type took 2 % of a fold.
        _settle(programs, contact, input, now_ms, notes)  # type: ignore[arg-type]
        return True
    event: Event = input  # type: ignore[assignment]
    route = programs.routes.get(name)
    if route is None:
        route = Route(name)
    if programs.session_start and contact.session is None:
        return _open_session(programs, route, contact, event, now_ms, notes)
    if not take_in(route, contact, event, now_ms, programs.session_gap_ms):
        return False
    if route.asked:
        happen(programs, route, contact, event, now_ms, notes)
    return True


def _open_session(
    programs: Programs,
    route: Route,
    contact: Contact,
    first: Event,
    now_ms: int,
    notes: Notes,
) -> bool:
    """Do as `step` with an event that may begin a session, where a journey asks for that.

    `session_start` happens before the event.
    """
    if not take_in(route, contact, first, now_ms, programs.session_gap_ms):
        return False
    if contact.session is not None:
        payload = {"started_at_ms": now_ms, "name": first.name}
        event = Event(f"{SESSION_START}/{now_ms}", contact.key, SESSION_START, now_ms, payload)
        happen(programs, programs.routes[SESSION_START], contact, event, now_ms, notes)
    if route.asked:
        happen(programs, route, contact, first, now_ms, notes)
    return True


def _settle(
    programs: Programs,
    contact: Contact,
    input: Handover | Receipt,
    now_ms: int,
    notes: Notes,
) -> None:
    """Apply what became of a message."""
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
