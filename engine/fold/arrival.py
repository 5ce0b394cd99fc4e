"""An event arrives at the journeys: it ends some visits, moves some, and opens others."""

from collections.abc import Iterator

from engine.conditions.condition import Test
from engine.contacts.contact import Awaiting, Contact
from engine.contacts.history import remember_derived
from engine.decision import CONVERTED, EXITED, Fault, Outcome
from engine.fact import Fact
from engine.fold.backlog import drop
from engine.fold.entrance import enter, note_entry
from engine.fold.occasion import plan_anew
from engine.fold.programs import Programs
from engine.fold.route import Route
from engine.fold.watch import review
from engine.guard import Guard
from engine.input import DESCRIBED, Event, is_derived, looked_into, payload_of
from engine.limits import FOLLOWS_MAX, HOPS_MAX
from engine.moment import NO_VIEWS, Moment
from engine.nodes.dry_run import reached_otherwise
from engine.nodes.outbox import stop_pending
from engine.nodes.walk import end_visit, wake
from engine.notes import Notes
from engine.program import Goal, Program, Way
from engine.trace import ExitNote, GoalNote, Trace


def happen(
    programs: Programs,
    route: Route,
    contact: Contact,
    event: Event,
    now_ms: int,
    notes: Notes,
    views: list[bytes] = NO_VIEWS,
) -> None:
    """Let an event end the visits it ends, move those it moves, then open those it opens.

    `route` is that of the event's name; `views` are those of the session that ended, if that is
    the event. Then all that follows from it happens. Where it raises, the contact and the notes
    are as they were before.
    """
    payload = event.payload
    if not isinstance(payload, dict):
        event = looked_into(event)
        payload = payload_of(event)
    moment = Moment(programs.rules, contact, now_ms, notes, payload)
    moment.cause = event.id
    moment.described = route.describes
    guard = Guard(contact, notes) if route.moves and _may_move(route, contact) else None
    try:
        if guard is not None:
            _move(moment, programs, route, event)
            moment.visit, moment.trigger = None, payload
        traced = notes.decisions.__class__ is Trace
        for program, way in _noted(moment, programs, route, event) if traced else route.entries:
            test = way.test
            if test is None or test.holds(moment):
                if guard is None:
                    guard = Guard(contact, notes)
                enter(moment, program, event, way.late_after_ms, views)
                moment.visit, moment.trigger = None, payload
        if guard is None:
            if not (route.watched or route.describes):
                return  # Nothing has moved, so nothing follows.
            guard = Guard(contact, notes)
        follow(moment, programs, watched=route.watched)
    except Exception:
        if guard is not None:
            guard.restore(contact)
        raise


def _noted(
    moment: Moment, programs: Programs, route: Route, event: Event
) -> Iterator[tuple[Program, Way]]:
    """Yield the entries of an event, and before each note what comes of it."""
    for program, way in route.entries:
        note_entry(moment, programs, program, event, way)
        yield program, way


def follow(moment: Moment, programs: Programs, *, watched: bool) -> None:
    """Let happen what follows from what has moved, until nothing does.

    The caller holds a Guard if anything has moved, or `watched` says that something else than a
    visit changed which a watch reads.
    """
    watched |= moment.moved
    # Timers due before the publication in force was published: they come before its baseline.
    planned = moment.contact.planned_for == programs.version
    while True:
        if moment.described:
            watched |= _attributes_change(moment, programs)
            if programs.occasions and planned:
                plan_anew(moment, programs)
        if programs.watches and watched and planned:
            review(moment, programs)
        if not moment.derived:
            return
        event, moment.hops, views = moment.derived.pop(0)
        watched = _happen_derived(moment, programs, event, views)


def _attributes_change(moment: Moment, programs: Programs) -> bool:
    """Let visits that wait for a date of the contact look at it again; say whether any did."""
    contact = moment.contact
    route = programs.routes.get(DESCRIBED)
    event = Event("", contact.key, DESCRIBED, moment.now_ms, {})
    for _ in range(HOPS_MAX):  # One that goes on may set attributes itself.
        moment.described = False
        if route is None or not contact.visits:
            return False
        _wake_visits(moment, programs, route, event)
        if not moment.described:
            break
    moment.described = False
    return True


def _happen_derived(moment: Moment, programs: Programs, event: Event, views: list[bytes]) -> bool:
    """Let one derived event happen; say whether what a watch reads may have changed."""
    contact = moment.contact
    if moment.hops > HOPS_MAX:
        _refuse(moment, event, f"it follows from {HOPS_MAX} events that each follow from another")
        return False
    if moment.follows > FOLLOWS_MAX:
        left = len(moment.derived)
        moment.derived.clear()
        error = f"more than {FOLLOWS_MAX} events follow from one input; so are {left} after it"
        _refuse(moment, event, error)
        return False
    if not is_derived(event.name):
        remember_derived(contact, event, moment.now_ms)
    route = programs.routes.get(event.name)
    if route is None or not route.asked:
        return False
    moment.moved = False
    moment.visit, moment.trigger = None, payload_of(event)
    _move(moment, programs, route, event)
    for program, way in route.entries:
        moment.visit, moment.trigger = None, payload_of(event)
        if type(moment.decisions) is Trace:
            note_entry(moment, programs, program, event, way)
        if way.test is None or way.test.holds(moment):
            enter(moment, program, event, way.late_after_ms, views)
    return moment.moved or route.watched


def _refuse(moment: Moment, event: Event, why: str) -> None:
    fault = Fault(moment.contact.key, f"{event.name} {event.id}", f"refused: {why}")
    moment.decisions.append(fault)


def _may_move(route: Route, contact: Contact) -> bool:
    """Say whether an event of this route can end, move or convert anything."""
    if route.exits and (contact.visits or contact.pending or contact.queued):
        return True
    return bool((route.hears and contact.visits) or (route.goals and contact.goals))


def _move(moment: Moment, programs: Programs, route: Route, event: Event) -> None:
    if route.goals:
        _convert(moment, route, event)
    if route.exits:
        _exit_visits(moment, programs, route, event)
    if route.hears:
        _wake_visits(moment, programs, route, event)


def _exit_visits(moment: Moment, programs: Programs, route: Route, event: Event) -> None:
    contact = moment.contact
    for visit in contact.visits[:]:
        moment.visit = visit
        if type(moment.decisions) is Trace:
            _note_exit(moment.decisions, moment, route, visit.journey, event)
        if programs.keeps:  # Each version has rules of its own.
            program = programs.program_of(visit)
            tests = None if program is None else program.exit_on.get(route.name)
            ends = tests is not None and _any_holds(moment, tests)
        else:
            ends = _ends(moment, route, visit.journey)
        if ends:
            end_visit(moment, visit, EXITED, event.name)
    moment.visit = None
    for queued in contact.queued:
        if _ends(moment, route, queued.journey):
            drop(moment, programs, queued, event.name)
    for pending in contact.pending:
        if type(moment.decisions) is Trace:
            _note_exit(moment.decisions, moment, route, pending.journey, event)
        if _ends(moment, route, pending.journey):
            stop_pending(pending, moment.now_ms, EXITED, event.name)


def _ends(moment: Moment, route: Route, journey: str) -> bool:
    tests = route.exits.get(journey)
    return tests is not None and _any_holds(moment, tests)


def _any_holds(moment: Moment, tests: list[Test | None]) -> bool:
    return any(test is None or test.holds(moment) for test in tests)


def _note_exit(trace: Trace, moment: Moment, route: Route, journey: str, event: Event) -> None:
    if journey in route.exits:
        tests = [test for test in route.exits[journey] if test is not None]
        trace.note(
            ExitNote(
                at_ms=moment.now_ms,
                journey=journey,
                event=event.name,
                event_id=event.id,
                ends=_ends(moment, route, journey),
                facts=[test.explain(moment) for test in tests],
            )
        )


def _wake_visits(moment: Moment, programs: Programs, route: Route, event: Event) -> None:
    """Let the event move each visit that waits for it."""
    for visit in moment.contact.visits[:]:
        if visit.journey not in route.hears:
            continue
        program = programs.program_of(visit)
        if program is None:
            continue
        if visit.node in program.places and visit in moment.contact.visits:
            wake(moment, program, visit, event)


def _convert(moment: Moment, route: Route, event: Event) -> None:
    """Record the visits whose goal this event is, each once."""
    contact, now_ms = moment.contact, moment.now_ms
    reached = []
    for goal in contact.goals:
        program = next((each for each in route.goals if each.journey == goal.journey), None)
        if program is None or program.goal is None:
            continue
        if type(moment.decisions) is Trace:
            _note_goal(moment.decisions, moment, program.goal, goal, event)
        if now_ms >= goal.until_ms:
            continue
        if program.goal.test is None or program.goal.test.holds(moment):
            reached.append(goal)
            reason = event.name
            if goal.held_out or goal.dry:
                reason, kind = reached_otherwise(event.name, dry=goal.dry)
                moment.counts.append((goal.journey, "", "", kind, now_ms, 1))
            moment.decide(
                Outcome(
                    f"{goal.visit}.goal",
                    contact.key,
                    goal.journey,
                    "",
                    "",
                    now_ms,
                    CONVERTED,
                    reason,
                )
            )
    if reached:
        contact.goals = [each for each in contact.goals if each not in reached]


def _note_goal(trace: Trace, moment: Moment, asked: Goal, goal: Awaiting, event: Event) -> None:
    in_time = Fact(
        what="still in time", holds=moment.now_ms < goal.until_ms, until_ms=goal.until_ms
    )
    facts = [in_time] if asked.test is None else [in_time, asked.test.explain(moment)]
    trace.note(
        GoalNote(
            at_ms=moment.now_ms,
            journey=goal.journey,
            visit=goal.visit,
            event=event.name,
            event_id=event.id,
            reached=all(fact.holds for fact in facts),
            key=f"{goal.visit}.goal",
            facts=facts,
        )
    )
