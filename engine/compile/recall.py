"""Conditions on past events -> tests that look them up."""

from collections.abc import Callable
from math import inf
from typing import Final

from engine.calendar.clock_text import MOMENT_FORM, moment_of
from engine.compile.known import Known
from engine.conditions.condition import Happened, Not, Test
from engine.conditions.recall import COUNT_MAX, MEASURES, Recall, SessionWindow, VisitWindow, Window
from engine.input import (
    CONSENT,
    IDENTIFY,
    SEGMENT_ENTER,
    SEGMENT_LEAVE,
    SESSION_END,
    SESSION_START,
)
from engine.language.author import Reader
from engine.language.clause import (
    AllCondition,
    AnyCondition,
    Condition,
    FieldCondition,
    HappenedCondition,
    NotCondition,
    NotHappenedCondition,
    PastCondition,
)
from engine.limits import CONDITION_DEPTH_MAX, HISTORY_MS, HISTORY_MS_MAX

CompilePart = Callable[[Condition, str], Test]
"""Compiles a condition that stands below one on the past, at its path."""

NAMES_MAX: Final = 20
FIELDS_MAX: Final = 20
NOT_REMEMBERED: Final = (IDENTIFY, CONSENT, SESSION_START, SESSION_END)


def compile_happened(
    condition: HappenedCondition, path: str, reader: Reader, known: Known, compile_part: CompilePart
) -> Test:
    """Return the test of `happened`; mistakes are noted, and then it means nothing."""
    names = _names(condition.happened, f"{path}.happened", reader)
    given = [name for name in MEASURES if getattr(condition, _attribute(name)) is not None]
    if len(given) > 1:
        reader.add(path, f"{' and '.join(given)} together", "measure one thing a condition")
    measure = given[0] if given else ""
    at_least, at_most = _range(condition, measure, len(names), path, reader)
    window = _window(condition, names, path, reader, known)
    plain = type(window) is Window and not (window.since or window.from_ms or condition.between)
    if plain and not (measure or condition.where or condition.same) and len(names) == 1:
        most = int(min(at_most, COUNT_MAX))
        return Happened(names[0], window.span_ms, int(max(at_least, 0)), most)
    recall = Recall(names, window, at_least, at_most)
    if measure:
        field = getattr(condition, _attribute(measure))
        recall.measure = MEASURES[measure]
        recall.measured = _path(field, f"{path}.{measure}", reader)
        recall.fields.add(field)
    _narrow(recall, condition, path, reader, compile_part)
    return recall


def compile_not_happened(
    condition: NotHappenedCondition,
    path: str,
    reader: Reader,
    known: Known,
    compile_part: CompilePart,
) -> Test:
    """Return the test of `not_happened`; mistakes are noted, and then it means nothing."""
    names = _names(condition.not_happened, f"{path}.not_happened", reader)
    window = _window(condition, names, path, reader, known)
    recall = Recall(names, window, 1, inf)
    _narrow(recall, condition, path, reader, compile_part)
    return Not(recall)


def _attribute(measure: str) -> str:
    """Return what the field of a HappenedCondition is called in Python."""
    return f"{measure}_" if measure in ("sum", "max", "min") else measure


def _names(given: str | list[str], path: str, reader: Reader) -> list[str]:
    names = [given] if isinstance(given, str) else list(dict.fromkeys(given))
    if not 1 <= len(names) <= NAMES_MAX:
        reader.add(path, f"{len(names)} names", f"name 1 to {NAMES_MAX} events")
    for name in names:
        _check_name(name, path, reader)
    return names


def _check_name(name: str, path: str, reader: Reader) -> None:
    if name in NOT_REMEMBERED or name.startswith((SEGMENT_ENTER, SEGMENT_LEAVE)):
        fix = "look back at events that senders send, and ask of the contact by `attribute:`, "
        fix += "`consent:`, `session:` or `segment:`"
        reader.add(path, f"{name!r} is never remembered as an event, so this cannot be", fix)


def _range(
    condition: HappenedCondition, measure: str, names: int, path: str, reader: Reader
) -> tuple[float, float]:
    """Return between what the measure must lie; mistakes are noted."""
    at_least, at_most = condition.at_least, condition.at_most
    if condition.exactly is not None:
        if at_least is not None or at_most is not None:
            fix = "give either `exactly`, or `at_least` and `at_most`"
            reader.add(path, "exactly, and a range as well", fix)
        at_least = at_most = condition.exactly
    counts = measure in ("", "distinct")
    if at_least is None and at_most is None:
        if measure:
            fix = "give `at_least`, `at_most` or `exactly`"
            reader.add(path, f"{measure} of a field is compared with nothing", fix)
        return 1, inf
    if counts:
        most = COUNT_MAX * names
        for bound in (at_least, at_most):
            if bound is not None and not (0 <= bound <= most and bound == int(bound)):
                problem = f"a count of {bound} is out of range"
                kept = f"of each name the last {COUNT_MAX} are kept"
                fix = f"use whole numbers from 0 to {most}: {kept}"
                reader.add(path, problem, fix)
                return 1, inf
    low = -inf if at_least is None else at_least
    high = inf if at_most is None else at_most
    if low > high:
        problem = f"at least {at_least} and at most {at_most} cannot both be"
        reader.add(path, problem, "raise at_most or lower at_least")
    return low, high


def _window(
    condition: PastCondition, names: list[str], path: str, reader: Reader, known: Known
) -> Window:
    within = condition.within
    if within == "visit":
        if path.startswith(("$.entry", "$.goal")) or not known.nodes:
            problem = "there is no visit yet, so nothing has happened in it"
            reader.add(f"{path}.within", problem, "write a span such as `7d`, or `session`")
        window: Window = VisitWindow(HISTORY_MS_MAX)
    elif within == "session":
        window = SessionWindow(HISTORY_MS)
    elif within is not None:
        window = Window(reader.read_span(within, f"{path}.within", HISTORY_MS_MAX))
    else:
        window = Window(HISTORY_MS if condition.between is None else HISTORY_MS_MAX)
    if condition.since is not None:
        window.since = condition.since
        _check_name(condition.since, f"{path}.since", reader)
        if condition.since in names:
            problem = f"no {condition.since!r} comes after the last one"
            reader.add(f"{path}.since", problem, "name another event")
    if condition.between is not None:
        window.from_ms, window.until_ms = _dates(condition.between, path, reader, known)
    return window


def _dates(between: list[str], path: str, reader: Reader, known: Known) -> tuple[int, int]:
    path = f"{path}.between"
    moments = []
    for i, text in enumerate(between):
        at_ms = moment_of(text, known.zone)
        if at_ms is None:
            reader.add(f"{path}[{i}]", f"cannot read {text!r}", f"write {MOMENT_FORM}")
        moments.append(at_ms or 0)
    if len(moments) != 2:
        reader.add(path, f"{len(moments)} dates", "write two: from the first to before the second")
        return 0, 0
    first, second = moments
    if first >= second and all(moments):
        reader.add(
            path, "the first date is not before the second", "swap them, or give a later one"
        )
    return first, second


def _narrow(
    recall: Recall, condition: PastCondition, path: str, reader: Reader, compile_part: CompilePart
) -> None:
    """Let the test mean only events whose fields are as asked."""
    for i, field in enumerate(condition.same):
        recall.same.append(_path(field, f"{path}.same[{i}]", reader))
        recall.fields.add(field)
    where = condition.where
    if where is None:
        return
    before = len(reader.mistakes)
    recall.fields |= _fields_in(where, f"{path}.where", reader)
    if len(recall.fields) > FIELDS_MAX:
        problem = f"{len(recall.fields)} fields of past events"
        reader.add(path, problem, f"look at {FIELDS_MAX} at most")
    if len(reader.mistakes) == before:
        recall.where = compile_part(where, f"{path}.where")


def _fields_in(condition: Condition, path: str, reader: Reader, depth: int = 0) -> set[str]:
    """Return the paths that a condition on past events asks; mistakes are noted."""
    parts: list[tuple[Condition, str]] = []
    match condition:
        case FieldCondition(field=field):
            return {field}
        case AllCondition(all=inner):
            parts = [(part, f"{path}.all[{i}]") for i, part in enumerate(inner)]
        case AnyCondition(any=inner):
            parts = [(part, f"{path}.any[{i}]") for i, part in enumerate(inner)]
        case NotCondition(not_=part):
            parts = [(part, f"{path}.not")]
        case _:
            fix = "use `field:`, in `all:`, `any:` and `not:`; put the rest beside `happened:`"
            reader.add(path, "of a past event only fields are known", fix)
    if depth > CONDITION_DEPTH_MAX:
        return set()
    found: set[str] = set()
    for part, where in parts:
        found |= _fields_in(part, where, reader, depth + 1)
    return found


def _path(field: str, path: str, reader: Reader) -> list[str]:
    names = field.split(".")
    if not all(names):
        reader.add(path, f"{field!r} is no path", "write names with single dots in between")
    return names
