"""Journey -> Program: its entries, rules and nodes."""

from engine.calendar.span import SPAN_FORM, span_ms
from engine.compile.caps import compile_own_caps
from engine.compile.condition import compile_condition
from engine.compile.entry import compile_entries
from engine.compile.known import Known
from engine.compile.node import compile_nodes
from engine.compile.rules import compile_test_contacts
from engine.language.author import Reader
from engine.language.journey import ExitRule, Goal, Journey, Reentry
from engine.language.rules import Rules
from engine.limits import CAP_SPAN_MS_MAX, VISITS_MAX, WAIT_MS_MAX
from engine.program import REENTRY_ALWAYS, REENTRY_ONCE, Program
from engine.program import Goal as CompiledGoal
from engine.program import Reentry as CompiledReentry


def compile_journey(journey: Journey, rules: Rules, known: Known, reader: Reader) -> Program:
    """Return the program of a journey; mistakes are noted, and then it must not run."""
    reader.check_name(journey.journey, "$.journey")
    program = Program(journey.journey, journey.priority)
    compile_entries(journey.entry, program, reader, known)
    _compile_exits(journey.exit_on, program, reader, known)
    program.reentry = _compile_reentry(journey.reentry, reader)
    if program.reentry.key and program.occasions:
        fix = "leave the key out, or give that entry a journey of its own"
        reader.add("$.reentry.key", "schedules and dates have no fields to be a key", fix)
    if journey.group is not None:
        program.group = journey.group
        if journey.group not in rules.groups:
            fix = f"name it in `groups` of the settings: `{journey.group}: {{per: day}}`"
            reader.add("$.group", f"there is no group {journey.group!r}", fix)
    compile_own_caps(journey.caps, program, known.members, list(rules.purposes), reader)
    if journey.goal is not None:
        program.goal = _compile_goal(journey.goal, reader, known)
    if not 0 <= journey.hold_out < 100:
        reader.add("$.hold_out", f"{journey.hold_out} is out of range", "write 0 to 99 (percent)")
    program.hold_out = journey.hold_out
    if journey.test is not None:
        own = compile_test_contacts(journey.test.contacts, "$.test.contacts", reader)
        program.test = own | rules.test_contacts
    program.places, program.first = compile_nodes(journey.nodes, rules, known, reader)
    return program


def _compile_exits(
    rules: list[str | ExitRule], program: Program, reader: Reader, known: Known
) -> None:
    for i, rule in enumerate(rules):
        path = f"$.exit_on[{i}]"
        exit_rule = ExitRule(event=rule) if isinstance(rule, str) else rule
        test = None
        if exit_rule.when is not None:
            test = compile_condition(exit_rule.when, f"{path}.when", reader, known)
        if exit_rule.event is not None:
            program.exit_on.setdefault(exit_rule.event, []).append(test)
        elif test is not None:
            program.exit_when.append(test)
        else:
            reader.add(path, "this ends nothing", "give `event:`, `when:` or both")


def _compile_reentry(reentry: str | Reentry, reader: Reader) -> CompiledReentry:
    rule = Reentry(again=reentry) if isinstance(reentry, str) else reentry
    path = "$.reentry" if isinstance(reentry, str) else "$.reentry.again"
    compiled = CompiledReentry(_again_ms(rule.again, path, reader))
    compiled.since_exit = rule.since == "exit"
    if rule.key is not None:
        compiled.key = rule.key.split(".")
        if not all(compiled.key):
            fix = "write names with single dots in between"
            reader.add("$.reentry.key", f"{rule.key!r} is no path", fix)
        compiled.at_most = rule.at_most
        if not 1 <= rule.at_most <= VISITS_MAX:
            fix = f"write 1 to {VISITS_MAX}"
            reader.add("$.reentry.at_most", f"{rule.at_most} is out of range", fix)
    return compiled


def _again_ms(again: str, path: str, reader: Reader) -> int:
    if again == "always":
        return REENTRY_ALWAYS
    if again == "once":
        return REENTRY_ONCE
    after_ms = span_ms(again)
    if after_ms is None or not 0 < after_ms <= WAIT_MS_MAX:
        reader.add(path, f"cannot read {again!r}", f"write always, once or {SPAN_FORM}")
        return REENTRY_ALWAYS
    return after_ms


def _compile_goal(goal: Goal, reader: Reader, known: Known) -> CompiledGoal:
    test = None
    if goal.when is not None:
        test = compile_condition(goal.when, "$.goal.when", reader, known)
    within_ms = reader.read_span(goal.within, "$.goal.within", CAP_SPAN_MS_MAX)
    return CompiledGoal(goal.event, test, within_ms)
