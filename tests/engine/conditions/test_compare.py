"""Comparisons: every operator on any JSON value, against a model that says it in another way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.compile.claim import DATE_COMPARISONS
from engine.conditions.compare import COMPARISONS, comparison_text
from engine.limits import FAR_MS
from engine.value import MISSING
from tests.engine.conditions.tests_of import (
    assert_changes_no_earlier,
    compiled,
    compiled_well,
    moment_at,
)
from tests.engine.payloads import scalars, values
from tests.engine.situation import DAY_MS, HOUR_MS, NOON_MS

ABSENT = object()


def field(operator: str, operand: Any, case: str = "exact") -> dict[str, Any]:
    condition = {"field": "it", operator: operand}
    return condition if case == "exact" else condition | {"case": case}


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return one is not MISSING and bool(one == other)


def has(value: Any, part: Any) -> bool:
    if isinstance(value, str):
        return isinstance(part, str) and value.find(part) >= 0
    return isinstance(value, list) and any(same(each, part) for each in value)


def ordered(value: Any, operand: Any, signs: tuple[int, ...]) -> bool:
    if is_number(value) != is_number(operand) or isinstance(value, str) != isinstance(operand, str):
        return False
    if not is_number(value) and not isinstance(value, str):
        return False
    return (value > operand) - (value < operand) in signs


def plain(operator: str, value: Any, operand: Any) -> bool:  # noqa: C901 - one case each
    """The model: what each operator means, said in another way."""
    match operator:
        case "exists":
            return (value is not MISSING and value is not None) is operand
        case "equals":
            return same(value, operand)
        case "not_equals":
            return not same(value, operand)
        case "one_of":
            return any(same(value, each) for each in operand)
        case "none_of":
            return not any(same(value, each) for each in operand)
        case "contains":
            return has(value, operand)
        case "contains_any":
            return any(has(value, each) for each in operand)
        case "contains_all":
            lasting = isinstance(value, str | list)
            return lasting and not any(not has(value, each) for each in operand)
        case "starts_with":
            return isinstance(value, str) and value[: len(operand)] == operand
        case "ends_with":
            return isinstance(value, str) and value[::-1][: len(operand)] == operand[::-1]
        case "between":
            return ordered(value, operand[0], (0, 1)) and ordered(value, operand[1], (0, -1))
        case _:
            pass
    wanted = {"at_least": (0, 1), "more_than": (1,), "at_most": (0, -1), "less_than": (-1,)}
    return ordered(value, operand, wanted[operator])


operands = scalars.filter(lambda value: value is not None)
small = some.sampled_from(["", "a", "A", "ab", "b", "ß", "SS", -1, 0, 1, 1.5, True, False])
texts = some.sampled_from(["", "a", "A", "aB", "b", "ß", "SS"]) | some.text(max_size=3)
numbers = some.integers(-3, 3) | some.floats(allow_nan=False, allow_infinity=False)
lists = some.lists(operands | small, min_size=1, max_size=4)
OPERANDS = (
    {
        "exists": some.booleans(),
        "between": some.tuples(numbers, numbers) | some.tuples(texts, texts),
    }
    | dict.fromkeys(("one_of", "contains_any"), lists)
    | dict.fromkeys(("none_of", "contains_all"), lists | some.just([]))
    | dict.fromkeys(("at_least", "more_than", "at_most", "less_than"), numbers | texts)
    | dict.fromkeys(("starts_with", "ends_with"), texts)
)


def drawn_operand(data: some.DataObject, operator: str) -> Any:
    operand: Any = data.draw(OPERANDS.get(operator, operands | small))
    return sorted(operand) if operator == "between" else operand


@settings(derandomize=True, max_examples=1200, deadline=None)
@given(data=some.data(), operator=some.sampled_from(sorted(COMPARISONS)))
def test_every_comparison_agrees_with_a_plain_model_on_any_value(
    data: some.DataObject, operator: str
) -> None:
    operand = drawn_operand(data, operator)
    test, mistakes = compiled(field(operator, operand))
    parts = operand if isinstance(operand, list) else [operand]
    near = some.lists(some.sampled_from(parts or [0]), max_size=4) | some.sampled_from(parts or [0])
    alike = some.sampled_from([True, 1, False, 0])  # To Python two of them are the other two.
    value = data.draw(values | near | small | alike | some.just(MISSING))
    payload = {} if value is MISSING else {"it": value}
    assert test is not None, mistakes
    assert test.holds(moment_at(0, payload)) is plain(operator, value, operand)


def folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.casefold()
    return [folded(each) for each in value] if isinstance(value, list) else value


@settings(derandomize=True, max_examples=800, deadline=None)
@given(data=some.data(), operator=some.sampled_from(sorted(set(COMPARISONS) - {"exists"})))
def test_with_case_ignored_each_agrees_with_the_model_of_folded_texts(
    data: some.DataObject, operator: str
) -> None:
    operand = drawn_operand(data, operator)
    operand = sorted(operand, key=folded) if operator == "between" else operand
    parts = operand if isinstance(operand, list) else [operand]
    test, mistakes = compiled(field(operator, operand, "ignore"))
    if not any(isinstance(each, str) for each in parts):
        assert [each.path for each in mistakes] == ["$.entry.when.case"]
        return
    swapped = [each.swapcase() if isinstance(each, str) else each for each in parts]
    near = some.sampled_from(swapped) | some.lists(some.sampled_from(swapped), max_size=4)
    value = data.draw(near | small | some.lists(small, max_size=3) | some.just(MISSING))
    payload = {} if value is MISSING else {"it": value}
    assert test is not None, mistakes
    assert test.holds(moment_at(0, payload)) is plain(operator, folded(value), folded(operand))


NOON = datetime(2023, 11, 14, 12, tzinfo=UTC)
NOW_MS = int(NOON.timestamp()) * 1_000


@pytest.mark.parametrize(
    ("operator", "operand", "yes", "no"),
    [
        ("before", "now", ["2023-11-14", NOW_MS - 1, "2023-11-14T11:59Z"], [NOW_MS, "2023-11-15"]),
        ("after", "now", [NOW_MS + 1, "2023-11-15"], [NOW_MS, "2023-11-14", "soon", True, None]),
        ("before", "2023-11-14", ["2023-11-13T23:59:59.999Z"], ["2023-11-14", NOW_MS, ABSENT]),
        ("after", "2023-11-14", ["2023-11-15", "2023-11-15T00:00Z"], ["2023-11-14T23:59Z", []]),
        ("after", "2023-11-14T12:00", [NOW_MS + 1], [NOW_MS, "2023-11-14"]),
        ("before", "2023-11-14T13:00+01:00", [NOW_MS - 1], [NOW_MS]),
        ("within_last", "1d", [NOW_MS, NOW_MS - DAY_MS + 1], [NOW_MS - DAY_MS, NOW_MS + 1]),
        ("within_next", "1d", [NOW_MS + 1, NOW_MS + DAY_MS], [NOW_MS, NOW_MS + DAY_MS + 1]),
        ("within_next", "1d", ["2023-11-15"], ["2023-11-14", "2023-11-16", {}, "tomorrow"]),
    ],
)
def test_a_date_holds_for_these_and_not_for_those(
    operator: str, operand: str, yes: list[Any], no: list[Any]
) -> None:
    test = compiled_well(field(operator, operand))
    for expected, those in ((True, yes), (False, no)):
        for value in those:
            payload = {} if value is ABSENT else {"it": value}
            assert test.holds(moment_at(NOW_MS, payload)) is expected, value


def test_dates_without_offset_are_in_the_zone_of_the_settings() -> None:
    berlin = compiled_well(field("after", "2023-11-14T12:00"), time_zone="UTC")
    assert not berlin.holds(moment_at(NOW_MS, {"it": NOW_MS}))


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    operator=some.sampled_from(DATE_COMPARISONS),
    operand=some.sampled_from(["1ms", "1h", "3d"]),
    fixed=some.sampled_from(["now", "2023-11-14", "2023-11-14T12:00"]),
    ago_ms=some.integers(-4 * DAY_MS, 4 * DAY_MS) | some.sampled_from([0, 1, -1, HOUR_MS]),
    wild=some.none() | values,
    samples=some.lists(some.integers(NOW_MS, NOW_MS + 8 * DAY_MS), max_size=8),
)
def test_a_date_says_when_it_comes_out_otherwise(
    operator: str, operand: str, fixed: str, ago_ms: int, wild: Any, samples: list[int]
) -> None:
    test = compiled_well(field(operator, operand if operator.startswith("within") else fixed))
    at_ms = NOW_MS - ago_ms
    moment = moment_at(NOW_MS, {"it": at_ms if wild is None else wild})
    changes_ms = test.changes_at_ms(moment)
    assert_changes_no_earlier(test, moment, samples)
    if wild is None and changes_ms < FAR_MS:
        before = test.holds(moment)
        moment.now_ms = changes_ms
        assert test.holds(moment) is not before


def test_an_iso_date_is_that_day_whatever_the_way_it_is_sent() -> None:
    test = compiled_well(field("within_last", "2d"))
    day = NOON - timedelta(days=1)
    for value in (day.isoformat(), day.date().isoformat(), int(day.timestamp()), NOW_MS - DAY_MS):
        assert test.holds(moment_at(NOW_MS, {"it": value})), value
    assert NOON_MS != NOW_MS


@pytest.mark.parametrize(
    ("condition", "path", "problem"),
    [
        ({"between": [5, 3]}, ".between", "nothing is between 5 and 3"),
        ({"between": [5]}, ".between", "[5] is not from one value to another"),
        ({"between": [5, "a"]}, ".between", "[5, 'a'] is not from one value to another"),
        ({"contains_any": []}, ".contains_any", "an empty list never holds"),
        ({"equals": 5, "case": "ignore"}, ".case", "equals 5 has no case to ignore"),
        ({"exists": True, "case": "ignore"}, ".case", "exists True has no case to ignore"),
        ({"before": "now", "case": "ignore"}, ".case", "before now has no case to ignore"),
        ({"before": "tomorrow"}, ".before", "cannot read 'tomorrow' as a date"),
        ({"after": "2023-02-30"}, ".after", "cannot read '2023-02-30' as a date"),
        ({"before": 5}, ".before", "Expected `str | null`, got `int` (5)"),
        ({"starts_with": 5}, ".starts_with", "Expected `str | null`, got `int` (5)"),
        ({"within_last": "11y"}, ".within_last", "cannot read '11y' as a span"),
        ({"within_next": "9999d"}, ".within_next", "9999d is out of range"),
    ],
)
def test_an_operand_that_does_not_fit_is_refused(
    condition: dict[str, Any], path: str, problem: str
) -> None:
    _, mistakes = compiled({"field": "it"} | condition)
    assert [(each.path, each.problem) for each in mistakes] == [(f"$.entry.when{path}", problem)]
    assert mistakes[0].fix


@pytest.mark.parametrize(
    ("operator", "operand", "text"),
    [
        ("exists", True, "there"),
        ("exists", False, "not there"),
        ("at_least", 7, "at least 7"),
        ("equals", "gold", 'equals "gold"'),
    ],
)
def test_what_a_value_is_to_be_is_put_in_words(operator: str, operand: Any, text: str) -> None:
    assert comparison_text(operator, operand) == text


def test_a_comparison_that_ignores_case_says_so() -> None:
    told = comparison_text("equals", "gold", ignores_case=True)
    assert told == 'equals "gold", in whatever case'
