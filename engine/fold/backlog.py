"""Backlog: entries into paused journeys, kept with the contact until they are resumed or ended."""

from typing import Final

from engine.contacts.contact import Contact, Queued
from engine.contacts.identity import message_key, visit_id
from engine.decision import EXITED, PAUSED, Outcome
from engine.fold.programs import Programs
from engine.input import Event, payload_of
from engine.limits import QUEUED_MAX
from engine.moment import Moment
from engine.notes import QUEUED, Counted
from engine.program import Program
from engine.trace import EndNote, Trace

BACKLOG: Final = "+"
"""Among a contact's occasions: entries may go on. No occasion of a journey is called so."""


def put_off(
    moment: Moment, program: Program, event: Event, late_after_ms: int, views: list[bytes]
) -> None:
    """Keep an entry until its journey is resumed; where too many are kept, say that it is not."""
    contact = moment.contact
    if len(contact.queued) >= QUEUED_MAX:
        id = visit_id(program.journey, contact.key, event.id)
        reason = f"all journeys: {QUEUED_MAX} entries wait already"
        refuse(moment, program.journey, program.first, id, PAUSED, reason)
        return
    queued = Queued(
        program.journey,
        event.id,
        event.name,
        event.at_ms,
        payload_of(event),
        views,
        late_after_ms,
        moment.now_ms,
    )
    contact.queued = [*contact.queued, queued]
    moment.counts.append((queued.journey, "", "", QUEUED, moment.now_ms, 1))


def may_go_on(programs: Programs, contact: Contact) -> bool:
    """Say whether some entry waits for nothing any more."""
    return any(not _is_paused(programs, each) for each in contact.queued)


def take_next(
    programs: Programs, contact: Contact, at_ms: int, counts: list[Counted]
) -> Queued | None:
    """Take out the first entry that waits for nothing any more."""
    for queued in contact.queued:
        if not _is_paused(programs, queued):
            _take_out(contact, queued, at_ms, counts)
            return queued
    return None


def drop(moment: Moment, programs: Programs, queued: Queued, reason: str) -> None:
    """Let an entry go for good, as an exit, and say why."""
    contact = moment.contact
    if any(each is queued for each in contact.queued):
        _take_out(contact, queued, moment.now_ms, moment.counts)
    program = programs.by_journey.get(queued.journey)
    id = visit_id(queued.journey, contact.key, queued.event_id)
    node = "" if program is None else program.first
    if type(moment.decisions) is Trace:
        moment.decisions.note(
            EndNote(
                at_ms=moment.now_ms,
                journey=queued.journey,
                visit=id,
                node=node,
                outcome=EXITED,
                reason=reason,
                cause=moment.cause,
                key=message_key(id, node, 1),
            )
        )
    refuse(moment, queued.journey, node, id, EXITED, reason)


def refuse(moment: Moment, journey: str, node: str, id: str, outcome: str, reason: str) -> None:
    """Record that a visit does not begin."""
    key = message_key(id, node, 1)
    decision = Outcome(key, moment.contact.key, journey, node, "", moment.now_ms, outcome, reason)
    moment.decide(decision)


def _take_out(contact: Contact, queued: Queued, at_ms: int, counts: list[Counted]) -> None:
    contact.queued = [each for each in contact.queued if each is not queued]
    counts.append((queued.journey, "", "", QUEUED, at_ms, -1))


def _is_paused(programs: Programs, queued: Queued) -> bool:
    program = programs.by_journey.get(queued.journey)
    return program is not None and program.paused
