"""Entrance: may the contact enter a journey now, and what begins if so."""

from collections.abc import Iterator
from typing import Final

from engine.calendar.span import span_text
from engine.calendar.zone import day_start
from engine.chance import falls_within
from engine.contacts.contact import Awaiting, Contact, Entered, Visit
from engine.contacts.identity import message_key, shortened_id, visit_id
from engine.contacts.zone import zone_for
from engine.decision import CAPPED, EXITED, GROUPED, LATE
from engine.fact import Fact
from engine.fold.backlog import put_off, refuse
from engine.fold.programs import Programs
from engine.input import SESSION_END, Event, payload_of
from engine.limits import (
    ENTRIES_KEPT_MAX,
    FAR_MS,
    GOALS_MAX,
    QUEUED_MAX,
    REENTRY_KEY_CHARS_MAX,
    VISITS_MAX,
)
from engine.moment import Moment
from engine.nodes.dry_run import SHADOW
from engine.nodes.walk import advance, entry_key
from engine.notes import ENTERED_DRY, ENTERED_HELD_OUT
from engine.program import NEVER_LATE, REENTRY_ALWAYS, REENTRY_ONCE, Program, Reentry, Way
from engine.trace import (
    BACKLOG_FULL,
    CROWDED,
    ENTERED,
    INSIDE,
    LEAVES_AT_ONCE,
    NO_KEY,
    NO_MATCH,
    ONCE,
    PAUSED,
    RECORDED,
    TOO_LATE,
    TOO_SOON,
    TURN_TAKEN,
    EntryNote,
    Trace,
)
from engine.value import MISSING, value_at

HOLDS_ALREADY: Final = "its condition to leave holds already"


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
    payload = payload_of(event)
    key = _key_of(program.reentry, payload)
    if key is None or not _may_enter(moment, program, key):
        return
    trigger = payload
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
        dry=program.is_dry_for(contact.key),
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
    if program.exit_when and any(test.holds(moment) for test in program.exit_when):
        _refuse(moment, program, id, EXITED, HOLDS_ALREADY)
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
        _take_turn(moment, program, entered)
    _note_entry(moment, visit)
    contact.visits.append(visit)
    if program.goal is not None:
        _await_goal(contact, visit, now_ms, program.goal.within_ms)
    advance(moment, program, visit, program.first)


def _await_goal(contact: Contact, visit: Visit, now_ms: int, within_ms: int) -> None:
    open_goals = [each for each in contact.goals if each.until_ms > now_ms]
    goal = Awaiting(visit.journey, visit.id, now_ms + within_ms, visit.held_out, visit.dry)
    contact.goals = [*open_goals[-GOALS_MAX + 1 :], goal]


def note_entry(
    moment: Moment, programs: Programs, program: Program, event: Event, way: Way
) -> None:
    """Note in the Trace what `enter` is about to find on this event, and so whether it enters.

    What it asks is asked here in its order, up to what stands in the way; nothing is changed.
    """
    contact = moment.contact
    id = visit_id(program.journey, contact.key, event.id)
    note = EntryNote(
        at_ms=moment.now_ms,
        journey=program.journey,
        event=event.name,
        event_id=event.id,
        why=ENTERED,
        visit=id,
    )
    for why, fact in _facts(moment, programs, program, event, way):
        note.facts.append(fact)
        if not fact.holds:
            note.why = why
            note.key = message_key(id, program.first, 1) if why in RECORDED else ""
            break
    else:
        note.held_out = falls_within(program.hold_out, contact.key, program.journey)
    assert isinstance(moment.decisions, Trace)
    moment.decisions.note(note)


def _facts(
    moment: Moment, programs: Programs, program: Program, event: Event, way: Way
) -> Iterator[tuple[str, Fact]]:
    """Yield what is asked, each with what it means where it does not hold."""
    contact, reentry, journey = moment.contact, program.reentry, program.journey
    if way.test is not None:
        yield NO_MATCH, way.test.explain(moment)
    key = _key_of(reentry, payload_of(event)) if reentry.key else ""
    if reentry.key:
        found = None if key is None else key
        yield NO_KEY, Fact(what=".".join(reentry.key), holds=key is not None, found=found)
    assert key is not None
    for inside in contact.visits:
        dry = program.is_dry_for(contact.key)
        if inside.journey == journey and inside.key == key and (dry or not inside.dry):
            yield (
                INSIDE,
                Fact(
                    what=f"no visit of {journey} is there",
                    holds=False,
                    found=f"visit {inside.id} at {inside.node}",
                    since_ms=inside.entered_at_ms,
                    until_ms=inside.due_at_ms,
                    worded=True,
                ),
            )
    yield from _reentry_facts(moment, program, key)
    if way.late_after_ms != NEVER_LATE and event.at_ms is not None:
        age_ms = moment.now_ms - event.at_ms
        holds, wanted = age_ms <= way.late_after_ms, f"at most {span_text(way.late_after_ms)}"
        what, found = f"age of {event.name}", span_text(age_ms)
        yield TOO_LATE, Fact(what=what, holds=holds, wanted=wanted, found=found, worded=True)
    if program.paused:
        queued = len(contact.queued)
        full, wanted = queued >= QUEUED_MAX, f"fewer than {QUEUED_MAX}"
        yield (
            BACKLOG_FULL,
            Fact(what="entries that wait", holds=not full, wanted=wanted, found=queued),
        )
        yield PAUSED, Fact(what="not paused", holds=False)
    if program.exit_when:
        yield LEAVES_AT_ONCE, _leaving_fact(moment, program, event, key)
    crowded = _crowded(contact, program)
    if crowded:
        yield CROWDED, Fact(what=crowded, holds=False, found=len(contact.visits))
    if program.group:
        yield TURN_TAKEN, _turn_fact(moment, programs, program, event)


def _reentry_facts(moment: Moment, program: Program, key: str) -> Iterator[tuple[str, Fact]]:
    contact, again_ms = moment.contact, program.reentry.again_ms
    if again_ms == REENTRY_ALWAYS:
        return
    last_at_ms = _last_at_ms(contact, program, key)
    if again_ms == REENTRY_ONCE:
        yield ONCE, Fact(what="never entered before", holds=last_at_ms is None, since_ms=last_at_ms)
        return
    from_exit = program.reentry.since_exit
    until_ms = None if last_at_ms is None else last_at_ms + again_ms
    what = f"last {'exit' if from_exit else 'entry'}"
    wanted = f"at least {span_text(again_ms)} ago"
    holds = until_ms is None or until_ms <= moment.now_ms
    yield (
        TOO_SOON,
        Fact(what=what, holds=holds, wanted=wanted, since_ms=last_at_ms, until_ms=until_ms),
    )


def _leaving_fact(moment: Moment, program: Program, event: Event, key: str) -> Fact:
    """Look at the conditions to leave as the visit would: it is not there yet."""
    before, trigger = moment.visit, payload_of(event)
    id, now_ms = visit_id(program.journey, moment.contact.key, event.id), moment.now_ms
    moment.visit = Visit(
        id, program.journey, program.first, now_ms, now_ms, FAR_MS, trigger, [], key=key
    )
    parts = [test.explain(moment) for test in program.exit_when]
    moment.visit = before
    held = any(part.holds for part in parts)
    return Fact(what="no condition to leave holds", holds=not held, parts=parts)


def _turn_fact(moment: Moment, programs: Programs, program: Program, event: Event) -> Fact:
    """Say who had the group's turn last, and whether it is free again."""
    contact, group = moment.contact, program.group
    reason = _taken(moment, program, event)
    last = contact.groups.get(group)
    fact = Fact(what=f"turn of group {group} is free", holds=not reason)
    if last is None:
        return fact
    entered = {name.partition("/")[0] for name, at in contact.entered.items() if at == last.at_ms}
    of_group = [
        name
        for name in sorted(entered)
        if name in programs.by_journey
        and programs.by_journey[name].group == group
        and programs.by_journey[name].priority == last.priority
    ]
    by = " or ".join(of_group) or "a journey that is gone"
    fact.worded = True
    fact.found = f"last taken by {by}, of priority {last.priority}"
    fact.since_ms = last.at_ms
    return fact


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
    dry = program.is_dry_for(contact.key)
    for visit in contact.visits:
        if visit.journey == program.journey and visit.key == key and (dry or not visit.dry):
            return False
    if reentry.again_ms == REENTRY_ALWAYS:
        return True
    last_at_ms = _last_at_ms(contact, program, key)
    if reentry.again_ms == REENTRY_ONCE:
        return last_at_ms is None
    return last_at_ms is None or moment.now_ms - last_at_ms >= reentry.again_ms


def _last_at_ms(contact: Contact, program: Program, key: str) -> int | None:
    """Return from when on re-entry counts; what was dry counts for who is dry alone."""
    kept = contact.exited if program.reentry.since_exit else contact.entered
    if program.reentry.again_ms == REENTRY_ONCE:
        kept = contact.entered
    name = entry_key(program.journey, key)
    last_at_ms = kept.get(name)
    if program.is_dry_for(contact.key) and (shadow_at_ms := kept.get(SHADOW + name)) is not None:
        return shadow_at_ms if last_at_ms is None else max(shadow_at_ms, last_at_ms)
    return last_at_ms


def _crowded(contact: Contact, program: Program) -> str:
    """Say which bound on visits at a time is reached; empty where none is."""
    visits = contact.visits
    if not visits:
        return ""
    if not program.is_dry_for(contact.key):
        visits = [visit for visit in visits if not visit.dry]
    at_most = program.reentry.at_most
    if sum(visit.journey == program.journey for visit in visits) >= at_most:
        return f"journey {program.journey}: {at_most} visits at a time"
    if len(visits) >= VISITS_MAX:
        return f"all journeys: {VISITS_MAX} visits at a time"
    return ""


def _note_entry(moment: Moment, visit: Visit) -> None:
    if visit.held_out or visit.dry:
        kind = ENTERED_DRY if visit.dry else ENTERED_HELD_OUT
        moment.counts.append((visit.journey, "", "", kind, moment.now_ms, 1))
    entered = moment.contact.entered
    name = (SHADOW if visit.dry else "") + entry_key(visit.journey, visit.key)
    entered.pop(name, None)  # It goes to the end: the longest ago stands first.
    if len(entered) >= ENTRIES_KEPT_MAX:
        del entered[next(iter(entered))]
    entered[name] = moment.now_ms


def _taken(moment: Moment, program: Program, event: Event) -> str:
    """Say why the group's turn is taken in this period; empty where it is free."""
    groups = moment.contact.groups
    reason = _taken_by(moment, program, event, groups.get(program.group))
    if not reason and program.is_dry_for(moment.contact.key):
        reason = _taken_by(moment, program, event, groups.get(SHADOW + program.group))
    return reason


def _take_turn(moment: Moment, program: Program, entered: Entered) -> None:
    """Note the group's turn, in the shadow where it is dry; groups no longer named go."""
    groups, known = moment.contact.groups, moment.rules.groups
    kept = {name: at for name, at in groups.items() if name.removeprefix(SHADOW) in known}
    dry = program.is_dry_for(moment.contact.key)
    moment.contact.groups = kept | {(SHADOW if dry else "") + program.group: entered}


def _taken_by(moment: Moment, program: Program, event: Event, last: Entered | None) -> str:
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
