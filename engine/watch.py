"""Watch: conditions that act when they come to hold: segments entered and left, and exits."""

from typing import Final

from engine.decision import EXITED
from engine.input import SEGMENT_ENTER, SEGMENT_LEAVE
from engine.limits import FAR_MS
from engine.moment import Moment
from engine.outbox import stop_pending
from engine.programs import Programs
from engine.walk import end_visit

WATCH: Final = "*"
"""Among a contact's occasions: when to look again. No plan of a journey is called so."""


def review(moment: Moment, programs: Programs) -> None:
    """Look at all watched conditions again: derive events of segments, end visits.

    The Guard of the caller must hold the contact.
    """
    _review_segments(moment, programs)
    _review_exits(moment, programs)
    look_again_at(moment, programs)


def note_segments(moment: Moment, programs: Programs) -> None:
    """Take the watched segments that the contact is in as given: nobody enters by a publish."""
    contact = moment.contact
    moment.visit, moment.trigger = None, {}
    segments = {}
    for name, test in programs.watched.items():
        if test.holds(moment):
            segments[name] = contact.segments.get(name, moment.now_ms)
    contact.segments = segments


def look_again_at(moment: Moment, programs: Programs) -> None:
    """Occasion when a watched condition may come out otherwise though nothing comes in."""
    contact = moment.contact
    moment.visit, moment.trigger = None, {}
    at_ms = FAR_MS
    for test in programs.watched.values():
        at_ms = min(at_ms, test.changes_at_ms(moment))
    for visit in contact.visits:
        program = programs.by_journey.get(visit.journey)
        if program is not None:
            moment.visit, moment.trigger = visit, visit.trigger
            for test in program.exit_when:
                at_ms = min(at_ms, test.changes_at_ms(moment))
    if at_ms != contact.occasions.get(WATCH, FAR_MS):
        occasions = {id: due for id, due in contact.occasions.items() if id != WATCH}
        at_ms = max(at_ms, moment.now_ms + 1)
        if at_ms < FAR_MS:
            occasions[WATCH] = at_ms
            contact.next_due_at_ms = min(contact.next_due_at_ms, at_ms)
        contact.occasions = occasions


def _review_segments(moment: Moment, programs: Programs) -> None:
    contact = moment.contact
    moment.visit, moment.trigger = None, {}
    for name, test in programs.watched.items():
        since_ms = contact.segments.get(name)
        is_in = test.holds(moment)
        if is_in == (since_ms is not None):
            continue
        if is_in:
            contact.segments = contact.segments | {name: moment.now_ms}
        else:
            contact.segments = {each: at for each, at in contact.segments.items() if each != name}
        event = (SEGMENT_ENTER if is_in else SEGMENT_LEAVE) + name
        moment.derive(f"{event}/{moment.now_ms}/{moment.hops}", event, {"segment": name})


def _review_exits(moment: Moment, programs: Programs) -> None:
    contact = moment.contact
    for visit in contact.visits[:]:
        program = programs.by_journey.get(visit.journey)
        if program is None:
            continue
        for test in program.exit_when:
            moment.visit, moment.trigger = visit, visit.trigger
            if test.holds(moment):
                end_visit(moment, visit, EXITED, "its condition to leave came to hold")
                for pending in contact.pending:
                    if pending.key.startswith(visit.id):
                        stop_pending(pending, moment.now_ms, EXITED, "its condition to leave")
                break
