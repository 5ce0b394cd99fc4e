"""Entrance: may the contact enter a journey now, and what begins if so."""

from engine.backlog import put_off, refuse
from engine.chance import falls_within
from engine.contact import Awaiting, Contact, Entered, Visit
from engine.contact_zone import zone_for
from engine.decision import CAPPED, EXITED, GROUPED, LATE
from engine.identity import shortened_id, visit_id
from engine.input import SESSION_END, Event, payload_of
from engine.limits import (
    ENTRIES_KEPT_MAX,
    FAR_MS,
    GOALS_MAX,
    REENTRY_KEY_CHARS_MAX,
    VISITS_MAX,
)
from engine.moment import Moment
from engine.notes import ENTERED_HELD_OUT
from engine.program import NEVER_LATE, REENTRY_ALWAYS, REENTRY_ONCE, Program, Reentry
from engine.value import MISSING, value_at
from engine.walk import advance, entry_key
from engine.zone import day_start


def enter(
    moment: Moment, program: Program, event: Event, late_after_ms: int, views: list[bytes]
) -> None:
    """Open a visit on this event, if the journey's rules allow it, and walk it.

    `views` are those of the session that ended, if that is the event. Who is inside already, or
    may not come again yet, does not enter; that is no decision, and nothing is said of it. An
    event too late, too many visits at a time, or a group whose turn is taken, is recorded. Where
    the journey is paused, the entry waits: who may enter then is asked again.
    """
    contact, now_ms = moment.contact, moment.now_ms
    key = _key_of(program.reentry, payload_of(event))
    if key is None or not _may_enter(moment, program, key):
        return
    trigger = payload_of(event)
    id = visit_id(program.journey, contact.key, event.id)
    visit = Visit(
        id=id,
        journey=program.journey,
        node="",  # It is at none before it walks.
        entered_at_ms=now_ms,
        waits_since_ms=now_ms,
        due_at_ms=FAR_MS,
        trigger=trigger,
        views=views,
        key=key,
        notes_exit=program.reentry.since_exit,
        held_out=falls_within(program.hold_out, contact.key, program.journey),
        version=program.number,
    )
    if late_after_ms != NEVER_LATE and event.at_ms is not None:
        late_ms = now_ms - event.at_ms
        if late_ms > late_after_ms:
            _refuse(moment, program, id, LATE, f"{event.name}: {late_ms} ms old when it came")
            return
    if program.paused:
        put_off(moment, program, event, late_after_ms, views)
        return
    moment.visit, moment.trigger = visit, trigger
    if any(test.holds(moment) for test in program.exit_when):
        _refuse(moment, program, id, EXITED, "its condition to leave holds already")
        return
    crowded = _crowded(contact, program)
    if crowded:
        _refuse(moment, program, id, CAPPED, crowded)
        return
    if program.group:
        reason = _taken(moment, program, event)
        if reason:
            _refuse(moment, program, id, GROUPED, reason)
            return
        entered = Entered(now_ms, program.priority, _session_at_ms(contact, event))
        # Groups that the settings no longer name go.
        known = {group: at for group, at in contact.groups.items() if group in moment.rules.groups}
        contact.groups = known | {program.group: entered}
    _note_entry(moment, visit)
    contact.visits.append(visit)
    if program.goal is not None:
        _await_goal(contact, visit, now_ms, program.goal.within_ms)
    advance(moment, program, visit, program.first)


def _await_goal(contact: Contact, visit: Visit, now_ms: int, within_ms: int) -> None:
    open_goals = [each for each in contact.goals if each.until_ms > now_ms]
    goal = Awaiting(visit.journey, visit.id, now_ms + within_ms, visit.held_out)
    contact.goals = [*open_goals[-GOALS_MAX + 1 :], goal]


def _key_of(reentry: Reentry, payload: dict[str, object]) -> str | None:
    """Return the value of the re-entry key; None where the event has none, and cannot enter."""
    if not reentry.key:
        return ""
    value = value_at(payload, reentry.key)
    if value is MISSING or not isinstance(value, str | int | float):
        return None
    text = str(value)
    return text if 0 < len(text) <= REENTRY_KEY_CHARS_MAX else shortened_id(text)


def _may_enter(moment: Moment, program: Program, key: str) -> bool:
    contact, reentry = moment.contact, program.reentry
    for visit in contact.visits:
        if visit.journey == program.journey and visit.key == key:
            return False
    if reentry.again_ms == REENTRY_ALWAYS:
        return True
    name = entry_key(program.journey, key)
    if reentry.again_ms == REENTRY_ONCE:
        return name not in contact.entered
    last = contact.exited if reentry.since_exit else contact.entered
    last_at_ms = last.get(name)
    return last_at_ms is None or moment.now_ms - last_at_ms >= reentry.again_ms


def _crowded(contact: Contact, program: Program) -> str:
    """Say which bound on visits at a time is reached; empty where none is."""
    at_most = program.reentry.at_most
    if sum(visit.journey == program.journey for visit in contact.visits) >= at_most:
        return f"journey {program.journey}: {at_most} visits at a time"
    if len(contact.visits) >= VISITS_MAX:
        return f"all journeys: {VISITS_MAX} visits at a time"
    return ""


def _note_entry(moment: Moment, visit: Visit) -> None:
    if visit.held_out:
        moment.counts.append((visit.journey, "", "", ENTERED_HELD_OUT, moment.now_ms, 1))
    entered = moment.contact.entered
    name = entry_key(visit.journey, visit.key)
    entered.pop(name, None)  # It goes to the end: the longest ago stands first.
    if len(entered) >= ENTRIES_KEPT_MAX:
        del entered[next(iter(entered))]
    entered[name] = moment.now_ms


def _taken(moment: Moment, program: Program, event: Event) -> str:
    """Say why the group's turn is taken in this period; empty where it is free."""
    last = moment.contact.groups.get(program.group)
    if last is None or program.priority > last.priority:
        return ""
    session_at_ms = _session_at_ms(moment.contact, event)
    per = moment.rules.groups.get(program.group, "day")
    if per == "session" and session_at_ms:
        if last.session_at_ms != session_at_ms:
            return ""
    else:  # What comes outside of any session has the day to itself.
        per = "day"
        zone = zone_for(moment.contact, moment.rules)
        if last.at_ms < day_start(moment.now_ms, zone):
            return ""
    return f"{program.group}: one of priority {last.priority} came first in this {per}"


def _session_at_ms(contact: Contact, event: Event) -> int:
    """Return when the session began that an event falls into, or ends; 0 where there is none."""
    if contact.session is not None:
        return contact.session.started_at_ms
    if event.name == SESSION_END:
        started_at_ms: int = payload_of(event)["started_at_ms"]
        return started_at_ms
    return 0


def _refuse(moment: Moment, program: Program, id: str, outcome: str, reason: str) -> None:
    refuse(moment, program.journey, program.first, id, outcome, reason)
