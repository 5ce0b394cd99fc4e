"""Comparison -> Test: one operator, an operand that fits it, and where the value is found."""

from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.calendar.clock_text import DATE_FORM, iso_date, moment_of
from engine.calendar.span import span_ms
from engine.calendar.zone import date_of_day, date_start, day_of_date
from engine.compile.claim import DATE_COMPARISONS, Claim, cannot_be
from engine.compile.found import EARLIER, LATER, CompareFound, Found, InDates, NearNow
from engine.compile.known import Known
from engine.conditions.compare import COMPARISONS, comparison_text, folded
from engine.conditions.condition import All, Compare, CompareInner, Test
from engine.conditions.source import (
    CART,
    LIST,
    NUMBER,
    SESSION,
    TRUTH,
    VISIT,
    Source,
    answer_source,
    attribute_source,
    payload_source,
    session_count,
    trigger_source,
)
from engine.language.author import Reader, nearest
from engine.language.clause import (
    AttributeCondition,
    CartCondition,
    Comparison,
    FieldCondition,
    SessionCondition,
    VisitCondition,
)
from engine.language.rules import UTC
from engine.limits import DATE_SPAN_MS_MAX, FAR_MS

OPERATORS: Final = (*COMPARISONS, *DATE_COMPARISONS)
WORD_OF: Final = {"attribute": "contact"}
"""What asks for a value -> what facts call where it is, if that is another word."""
NOT_EMPTY: Final = ("one_of", "contains_any")
NOW: Final = "now"
SESSION_NAMES: Final = [*SESSION, "counts.NAME"]
VISIT_NAMES: Final = [*VISIT, "trigger.FIELD", "answers.NODE.FIELD"]


def compile_comparison(comparison: Comparison, path: str, reader: Reader, known: Known) -> Test:
    """Return the test of a comparison; mistakes are noted, and then the test means nothing."""
    before = len(reader.mistakes)
    _, name = _place_of(comparison)
    given = _given(comparison)
    if len(given) != 1:
        said = " and ".join(given) if given else "no comparison"
        fix = f"give exactly one of {', '.join(OPERATORS)}"
        reader.add(path, f"{said} for {name!r}", fix)
        return All([])
    if not all(name.split(".")):
        reader.add(path, f"{name!r} is no path", "write names with single dots in between")
        return All([])
    (operator,) = given
    operand: Any = getattr(comparison, operator)
    ignores_case = comparison.case == "ignore"
    _check_operand(comparison, operator, f"{path}.{operator}", reader)
    if ignores_case and not _has_text(operator, operand):
        fix = "leave `case` out: only texts have upper and lower case"
        reader.add(f"{path}.case", f"{operator} {operand} has no case to ignore", fix)
    source = source_of(comparison)
    if source is None:
        _note_unknown(comparison, path, reader)
    if len(reader.mistakes) > before or source is None:
        return All([])
    test = _test_of(comparison, operator, source, known.zone)
    if operator in DATE_COMPARISONS:
        if source.kind in (NUMBER, TRUTH, LIST):
            problem = f"{operator} is for dates: `{name}` is {source.kind}"
            reader.add(f"{path}.{operator}", problem, f"compare it with {source.kind}")
    elif not isinstance(comparison, FieldCondition | AttributeCondition):
        _check_fits(comparison, f"{path}.{operator}", reader, source)
    return test


def _test_of(comparison: Comparison, operator: str, source: Source, zone: ZoneInfo) -> Test:
    """Return the test of a comparison without mistakes."""
    place, name = _place_of(comparison)
    operand = getattr(comparison, operator)
    ignores_case = comparison.case == "ignore"
    if operator in DATE_COMPARISONS:
        found: Found = _date_test(source, operator, operand, zone)
    elif isinstance(comparison, FieldCondition | AttributeCondition):
        names = name.split(".")
        kind = CompareInner if len(names) == 2 else Compare
        of_contact = isinstance(comparison, AttributeCondition)
        return kind(names, of_contact, operator, operand, ignores_case=ignores_case)
    else:
        found = CompareFound(source, operator, operand, ignores_case=ignores_case)
    found.what = name if place == "field" else f"{WORD_OF.get(place, place)}.{name}"
    found.wanted = comparison_text(operator, operand, ignores_case=ignores_case)
    return found


def source_of(comparison: Comparison) -> Source | None:
    """Return where the value of a comparison is found; None where its name is not known."""
    _, name = _place_of(comparison)
    first, _, rest = name.partition(".")
    names = name.split(".")
    match comparison:
        case FieldCondition():
            return payload_source(names)
        case AttributeCondition():
            return attribute_source(names)
        case SessionCondition():
            return session_count(rest) if first == "counts" and rest else SESSION.get(name)
        case CartCondition():
            return CART.get(name)
        case VisitCondition() if first == "trigger" and rest:
            return trigger_source(names[1:])
        case VisitCondition() if first == "answers" and rest:
            return answer_source(names[1], names[2:])
        case VisitCondition():
            return VISIT.get(name)
        case _:
            raise AssertionError(f"no source for {type(comparison).__name__}")


def claim_of(comparison: Comparison) -> Claim | None:
    """Return what a comparison says of its value; None where it is written wrongly."""
    given = _given(comparison)
    reader = Reader("")
    source = source_of(comparison)
    if len(given) != 1 or source is None:
        return None
    operand = getattr(comparison, given[0])
    _check_operand(comparison, given[0], "", reader)
    if reader.mistakes:
        return None
    value = ": ".join(_place_of(comparison))
    return Claim(value, source.kind, given[0], operand, comparison.case == "ignore")


def _given(comparison: Comparison) -> list[str]:
    return [each for each in OPERATORS if getattr(comparison, each) is not None]


def _place_of(comparison: Comparison) -> tuple[str, str]:
    """Return what a comparison asks, and the name it has there: `field`, `price`."""
    match comparison:
        case FieldCondition(field=name):
            return "field", name
        case AttributeCondition(attribute=name):
            return "attribute", name
        case SessionCondition(session=name):
            return "session", name
        case CartCondition(cart=name):
            return "cart", name
        case VisitCondition(visit=name):
            return "visit", name
        case _:
            raise AssertionError(f"no place for {type(comparison).__name__}")


def _note_unknown(comparison: Comparison, path: str, reader: Reader) -> None:
    place, name = _place_of(comparison)
    names = {"session": SESSION_NAMES, "cart": list(CART), "visit": VISIT_NAMES}[place]
    reader.add(f"{path}.{place}", f"there is no {name!r} of a {place}", nearest(name, names))


def _check_operand(comparison: Comparison, operator: str, path: str, reader: Reader) -> None:
    """Note what is wrong with an operand, whatever the value is that it is compared with."""
    operand = getattr(comparison, operator)
    if operator in NOT_EMPTY and not operand:
        reader.add(path, "an empty list never holds", "list at least one value")
    elif operator == "between":
        _check_between(folded(operand) if comparison.case == "ignore" else operand, path, reader)
    elif operator in ("within_last", "within_next"):
        reader.read_span(operand, path, DATE_SPAN_MS_MAX)
    elif operator in ("before", "after") and operand != NOW and moment_of(operand, UTC) is None:
        fix = f"write `now`, {DATE_FORM}, 2026-12-24T09:00 or 2026-12-24T09:00+01:00"
        reader.add(path, f"cannot read {operand!r} as a date", fix)


def _check_between(operand: list[Any], path: str, reader: Reader) -> None:
    texts = [isinstance(each, str) for each in operand]
    if len(operand) != 2 or texts[0] != texts[1]:
        fix = "write two numbers or two texts: `[5, 10]`"
        reader.add(path, f"{operand!r} is not from one value to another", fix)
    elif operand[0] > operand[1]:
        fix = "write the lower one first"
        reader.add(path, f"nothing is between {operand[0]} and {operand[1]}", fix)


def _check_fits(comparison: Comparison, path: str, reader: Reader, source: Source) -> None:
    claim = claim_of(comparison)
    if claim is not None and cannot_be([claim]):
        fix = f"compare it with {source.kind}"
        reader.add(path, f"{claim.text} never holds: `{claim.value}` is {source.kind}", fix)


def _has_text(operator: str, operand: Any) -> bool:
    if operator in DATE_COMPARISONS:
        return False
    operands = operand if isinstance(operand, list) else [operand]
    return any(isinstance(each, str) for each in operands)


def _date_test(source: Source, operator: str, operand: str, zone: ZoneInfo) -> Found:
    if operator == "within_last":
        return NearNow(source, 0, span_ms(operand) or 1)
    if operator == "within_next":
        return NearNow(source, -(span_ms(operand) or 1), 0)
    if operand == NOW:
        return NearNow(source, *(EARLIER if operator == "before" else LATER))
    at_ms = moment_of(operand, zone) or 0
    if operator == "before":
        return InDates(source, -FAR_MS, at_ms)
    day = iso_date(operand)
    if day is None:
        return InDates(source, at_ms + 1, FAR_MS)
    # A date is the whole of its day.
    return InDates(source, date_start(date_of_day(day_of_date(day) + 1), zone), FAR_MS)
