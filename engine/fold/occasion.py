"""Occasions: when schedules and dates let a contact enter journeys, though nothing comes in."""

from engine.contacts.contact import Contact, Queued
from engine.fold.backlog import BACKLOG, drop, may_go_on, take_next
from engine.fold.entrance import enter, note_entry
from engine.fold.programs import Programs
from engine.fold.version import JOURNEY_ENDED
from engine.fold.watch import WATCH, look_at_once, note_segments, review
from engine.input import Event
from engine.limits import FAR_MS
from engine.moment import NO_VIEWS, Moment
from engine.notes import Counted, Notes
from engine.program import NEVER_LATE, Way
from engine.trace import Trace


def plan_occasions(programs: Programs, contact: Contact, now_ms: int) -> None:
    """Plan everything of the publication in force; what was planned before stays as it was.

    Segments that the contact is in already are taken as given: a publish lets nobody enter. Who
    is inside a journey that has got a condition to leave leaves now, if it holds.
    """
    moment = Moment(programs.rules, contact, now_ms, Notes(), {})
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
    _plan_backlog(programs, contact, now_ms)
    note_segments(moment, programs)
    look_at_once(moment, programs)


def plan_anew(moment: Moment, programs: Programs) -> None:
    """Plan what rests on the contact's attributes anew, as they may have changed.

    What is due at this very moment stays: its turn comes.
    """
    contact, now_ms = moment.contact, moment.now_ms
    planned = {
        id: due_at_ms
        for id, due_at_ms in contact.occasions.items()
        if due_at_ms <= now_ms or id == WATCH
    }
    for id, (_, occasion) in programs.occasions.items():
        if id not in planned:
            due_at_ms = occasion.next_ms(programs.rules, contact, now_ms)
            if due_at_ms < FAR_MS:
                planned[id] = due_at_ms
                contact.next_due_at_ms = min(contact.next_due_at_ms, due_at_ms)
    contact.occasions = planned


def carry_out(moment: Moment, programs: Programs, id: str) -> None:
    """Do what is planned under `id` for this moment: let the contact enter, or look again."""
    contact = moment.contact
    if id == BACKLOG:
        queued = take_next(programs, contact, moment.now_ms, moment.counts)
        _plan_backlog(programs, contact, moment.now_ms)
        if queued is not None:
            _let_in(moment, programs, queued)
        return
    pass_over(programs, contact, id, moment.counts)
    if id == WATCH:
        if contact.planned_for == programs.version:
            review(moment, programs)
        return
    found = programs.occasions.get(id)
    if found is None:
        return
    program, occasion = found
    event = Event(f"{id}/{moment.now_ms}", contact.key, id, moment.now_ms, {})
    if type(moment.decisions) is Trace:
        note_entry(moment, programs, program, event, Way(id, occasion.test))
    if occasion.test is None or occasion.test.holds(moment):
        enter(moment, program, event, NEVER_LATE, NO_VIEWS)


def pass_over(programs: Programs, contact: Contact, id: str, counts: list[Counted]) -> None:
    """Put in the place of what is planned under `id` the next time, if there is one."""
    if id == BACKLOG:
        at_ms = contact.occasions[id]
        take_next(programs, contact, at_ms, counts)
        _plan_backlog(programs, contact, at_ms)
        return
    found = programs.occasions.get(id)
    occasions = contact.occasions.copy()
    at_ms = occasions.pop(id)
    if found is not None:
        due_at_ms = found[1].next_ms(programs.rules, contact, at_ms)
        if due_at_ms < FAR_MS:
            occasions[id] = due_at_ms
    contact.occasions = occasions


def _plan_backlog(programs: Programs, contact: Contact, at_ms: int) -> None:
    """Let the next entry that waits for nothing any more have its turn now: one after the other."""
    occasions = {id: due for id, due in contact.occasions.items() if id != BACKLOG}
    if may_go_on(programs, contact):
        occasions[BACKLOG] = at_ms
        contact.next_due_at_ms = min(contact.next_due_at_ms, at_ms)
    contact.occasions = occasions


def _let_in(moment: Moment, programs: Programs, queued: Queued) -> None:
    """Let the contact enter a journey that was paused, if its rules allow it now."""
    program = programs.by_journey.get(queued.journey)
    if program is None or programs.versions.is_ended(queued.journey):
        drop(moment, programs, queued, JOURNEY_ENDED)
        return
    moment.cause = queued.event_id
    contact = moment.contact.key
    event = Event(queued.event_id, contact, queued.name, queued.at_ms, queued.trigger)
    if type(moment.decisions) is Trace:
        way = Way(queued.name, None, queued.late_after_ms)
        note_entry(moment, programs, program, event, way)
    enter(moment, program, event, queued.late_after_ms, queued.views)
