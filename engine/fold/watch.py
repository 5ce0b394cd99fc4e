"""Watch: conditions that act when they come to hold: segments entered and left, and exits."""

from collections.abc import Iterator
from typing import Final

from engine.contacts.contact import Pending, Visit
from engine.contacts.identity import VISIT_ID_CHARS
from engine.decision import EXITED
from engine.fold.programs import Programs
from engine.input import SEGMENT_ENTER, SEGMENT_LEAVE
from engine.limits import FAR_MS
from engine.moment import Moment
from engine.nodes.outbox import stop_pending
from engine.nodes.walk import end_visit
from engine.program import Program
from engine.trace import ExitNote, SegmentNote, Trace

WATCH: Final = "*"
"""Among a contact's occasions: when to look again. No occasion of a journey is called so."""
EXIT_HELD: Final = "its condition to leave came to hold"


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
    moment.visit, moment.trigger = None, {}
    at_ms = FAR_MS
    for test in programs.watched.values():
        at_ms = min(at_ms, test.changes_at_ms(moment))
    for program, _ in _may_end(moment, programs):
        for test in program.exit_when:
            at_ms = min(at_ms, test.changes_at_ms(moment))
    _look_again(moment, max(at_ms, moment.now_ms + 1))


def look_at_once(moment: Moment, programs: Programs) -> None:
    """Let what a condition may end be looked at now, by a timer of its own; else as it says."""
    if next(_may_end(moment, programs), None) is None:
        look_again_at(moment, programs)
    else:
        _look_again(moment, moment.now_ms)


def _look_again(moment: Moment, at_ms: int) -> None:
    contact = moment.contact
    if at_ms == contact.occasions.get(WATCH):
        return
    occasions = {id: due for id, due in contact.occasions.items() if id != WATCH}
    if at_ms < FAR_MS:
        occasions[WATCH] = at_ms
        contact.next_due_at_ms = min(contact.next_due_at_ms, at_ms)
    contact.occasions = occasions


def _may_end(moment: Moment, programs: Programs) -> Iterator[tuple[Program, Visit | Pending]]:
    """Yield what a condition may end, and let the moment look at it.

    That is visits of journeys that have one, and messages that no courier has yet of visits that
    have ended.
    """
    contact = moment.contact
    if not programs.watches:
        return
    for visit in contact.visits[:]:
        program = programs.program_of(visit)
        if program is not None and program.exit_when:
            moment.visit, moment.trigger = visit, visit.trigger
            yield program, visit
    inside = {visit.id for visit in contact.visits}
    for pending in contact.pending:
        program = programs.by_journey.get(pending.journey)
        if program is None or not program.exit_when or pending.key[:VISIT_ID_CHARS] in inside:
            continue
        if pending.handed_at_ms == 0 and pending.stopped_at_ms == FAR_MS:
            moment.visit, moment.trigger = None, pending.trigger
            yield program, pending


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
        if type(moment.decisions) is Trace:
            facts = [test.explain(moment)]
            note = SegmentNote(at_ms=moment.now_ms, segment=name, inside=is_in, facts=facts)
            moment.decisions.note(note)
        event = (SEGMENT_ENTER if is_in else SEGMENT_LEAVE) + name
        # Two inputs of one moment may both let it enter, and so may two events of one input.
        id = f"{event}/{moment.now_ms}/{moment.cause}/{moment.follows}"
        moment.derive(id, event, {"segment": name})


def _review_exits(moment: Moment, programs: Programs) -> None:
    contact, now_ms = moment.contact, moment.now_ms
    for program, ending in _may_end(moment, programs):
        if not any(test.holds(moment) for test in program.exit_when):
            continue
        if type(moment.decisions) is Trace:
            facts = [test.explain(moment) for test in program.exit_when]
            moment.decisions.note(
                ExitNote(
                    at_ms=now_ms,
                    journey=program.journey,
                    event="",
                    event_id=moment.cause,
                    ends=True,
                    facts=facts,
                )
            )
        if isinstance(ending, Pending):
            stop_pending(ending, now_ms, EXITED, EXIT_HELD)
            continue
        end_visit(moment, ending, EXITED, EXIT_HELD)
        for pending in contact.pending:
            if pending.key[:VISIT_ID_CHARS] == ending.id:
                stop_pending(pending, now_ms, EXITED, EXIT_HELD)
