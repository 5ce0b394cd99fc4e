"""Occasions: when schedules and dates let a contact enter journeys, though nothing comes in."""

from engine.contact import Contact
from engine.entrance import enter
from engine.input import Event
from engine.limits import FAR_MS
from engine.moment import Moment
from engine.program import NEVER_LATE
from engine.programs import Programs
from engine.watch import WATCH, look_again_at, note_segments, review

NO_VIEWS: list[bytes] = []


def is_stale(programs: Programs, contact: Contact) -> bool:
    """Say whether the contact's occasions are of another publication than the one in force."""
    return contact.planned_for != programs.version and (programs.timed or bool(contact.occasions))


def plan_occasions(programs: Programs, contact: Contact, now_ms: int) -> None:
    """Plan everything of the publication in force; what was planned before stays as it was.

    Segments that the contact is in already are taken as given: a publish lets nobody enter.
    """
    moment = Moment(programs.rules, contact, now_ms, [], {})
    before = contact.occasions
    contact.planned_for = programs.version
    contact.occasions = {}
    for id, (_, occasion) in programs.occasions.items():
        due_at_ms = before.get(id)
        if due_at_ms is None:
            due_at_ms = occasion.next_ms(programs.rules, contact, now_ms)
        if due_at_ms < FAR_MS:
            contact.occasions[id] = due_at_ms
            contact.next_due_at_ms = min(contact.next_due_at_ms, due_at_ms)
    note_segments(moment, programs)
    look_again_at(moment, programs)


def plan_anew(moment: Moment, programs: Programs) -> None:
    """Occasion what rests on the contact's attributes anew, as they may have changed."""
    contact = moment.contact
    occasions = contact.occasions
    for id, (_, occasion) in programs.occasions.items():
        due_at_ms = occasion.next_ms(programs.rules, contact, moment.now_ms)
        if due_at_ms != occasions.get(id, FAR_MS):
            occasions = occasions | {id: due_at_ms}
    contact.occasions = {id: due_at_ms for id, due_at_ms in occasions.items() if due_at_ms < FAR_MS}
    for due_at_ms in contact.occasions.values():
        contact.next_due_at_ms = min(contact.next_due_at_ms, due_at_ms)


def carry_out(moment: Moment, programs: Programs, id: str) -> None:
    """Do what is planned under `id` for this moment: let the contact enter, or look again."""
    contact = moment.contact
    if id == WATCH:
        contact.occasions = {each: due for each, due in contact.occasions.items() if each != WATCH}
        review(moment, programs)
        return
    found = programs.occasions.get(id)
    due_at_ms = (
        FAR_MS if found is None else found[1].next_ms(programs.rules, contact, moment.now_ms)
    )
    occasions = {each: due for each, due in contact.occasions.items() if each != id}
    contact.occasions = occasions if due_at_ms == FAR_MS else occasions | {id: due_at_ms}
    if found is None:
        return
    program, occasion = found
    if occasion.test is None or occasion.test.holds(moment):
        event = Event(f"{id}/{moment.now_ms}", contact.key, id, moment.now_ms, {})
        enter(moment, program, event, NEVER_LATE, NO_VIEWS)
