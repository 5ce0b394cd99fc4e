"""What can never hold is refused, with its path; and nothing that can hold is."""

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as some

from engine.compile.condition import compile_condition
from engine.compile.known import Known
from engine.conditions.compare import folded
from engine.language.author import Reader
from engine.language.clause import Condition
from tests.engine.conditions.tests_of import compiled, moment_at

A5 = {"field": "a", "equals": 5}


@pytest.mark.parametrize(
    ("parts", "last"),
    [
        ([A5, {"field": "a", "equals": 6}], "equals 5 and equals 6"),
        ([A5, {"field": "a", "equals": "5"}], "equals 5 and equals 5"),
        ([{"field": "a", "equals": 1}, {"field": "a", "equals": True}], "equals 1 and equals true"),
        ([A5, {"field": "a", "not_equals": 5.0}], "equals 5 and not_equals 5.0"),
        ([A5, {"not": A5}], ""),
        ([A5, {"not": {"field": "a", "one_of": [5, 6]}}], "equals 5 and none_of [5, 6]"),
        ([A5, {"field": "a", "exists": False}], "equals 5 and exists false"),
        ([A5, {"not": {"field": "a", "exists": True}}], "equals 5 and exists false"),
        ([A5, {"field": "a", "one_of": [1, "5"]}], "equals 5 and one_of [1, '5']"),
        ([A5, {"field": "a", "starts_with": "5"}], "equals 5 and starts_with 5"),
        ([A5, {"field": "a", "more_than": 5}], "equals 5 and more_than 5"),
        (
            [{"field": "a", "at_least": 5}, {"field": "a", "less_than": 3}],
            "at_least 5 and less_than 3",
        ),
        (
            [{"field": "a", "at_least": 5}, {"field": "a", "less_than": 5}],
            "at_least 5 and less_than 5",
        ),
        (
            [{"field": "a", "between": [1, 2]}, {"field": "a", "between": [3, 4]}],
            "between [1, 2] and between [3, 4]",
        ),
        (
            [{"field": "a", "at_least": "m"}, {"field": "a", "at_most": "b"}],
            "at_least m and at_most b",
        ),
        (
            [{"field": "a", "at_least": "m"}, {"field": "a", "at_most": 9}],
            "at_least m and at_most 9",
        ),
        (
            [
                {"field": "a", "equals": "Tee", "case": "ignore"},
                {"field": "a", "equals": "hat", "case": "ignore"},
            ],
            "equals Tee and equals hat",
        ),
        (
            [{"field": "a", "equals": "tee"}, {"field": "a", "equals": "HAT", "case": "ignore"}],
            "equals tee and equals HAT",
        ),
        (
            [{"field": "a", "before": "now"}, {"field": "a", "equals": True}],
            "before now and equals",
        ),
        (
            [
                {"field": "a", "one_of": [1, 2, 3]},
                {"field": "a", "not_equals": 2},
                {"field": "a", "none_of": [1, 3]},
            ],
            "one_of [1, 2, 3] and not_equals 2 and none_of [1, 3]",
        ),
        ([{"segment": "vip"}, {"not": {"segment": "vip"}}], ""),
    ],
)
def test_parts_that_exclude_each_other_are_refused(parts: list[Any], last: str) -> None:
    mistakes = written({"all": parts})
    assert [each[0] for each in mistakes] == [f"$.all[{len(parts) - 1}]"]
    assert last in mistakes[0][1]
    assert mistakes[0][2]
    nested = {"any": [{"not": {"all": [{"field": "b", "equals": 1}, {"all": parts}]}}]}
    (found,) = written(nested)
    assert found[0] == f"$.any[0].not.all[1].all[{len(parts) - 1}]"


def written(condition: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return path, problem and fix of all mistakes in a condition, where there is a segment vip."""
    reader = Reader("a.yaml")
    read = reader.read(Condition, condition)
    assert reader.mistakes == []
    known = Known(lambda name: None, ["vip"])
    compile_condition(read, "$", reader, known)
    return [
        (each.path, each.problem, each.fix)
        for each in reader.mistakes
        if not each.problem.startswith("there is no segment")
    ]


@pytest.mark.parametrize(
    "parts",
    [
        [A5, {"field": "b", "equals": 6}],
        [A5, {"attribute": "a", "equals": 6}],
        [{"field": "a", "equals": 1}, {"not": {"field": "a", "equals": True}}],
        [{"field": "a", "exists": False}, {"field": "a", "not_equals": 5}],
        [{"field": "a", "at_least": 5}, {"field": "a", "at_most": 5}],
        [{"field": "a", "equals": "tee", "case": "ignore"}, {"field": "a", "equals": "TEE"}],
        [{"field": "a", "contains": "x"}, {"field": "a", "contains": 5}],
        [{"field": "a", "before": "now"}, {"field": "a", "after": "2020-01-01"}],
        [{"field": "a", "between": ["b", "C"], "case": "ignore"}],
        [{"field": "a", "at_least": "a"}, {"field": "a", "at_most": "B", "case": "ignore"}],
        [{"any": [A5, {"field": "a", "equals": 6}]}],
    ],
)
def test_parts_that_may_hold_together_are_not(parts: list[Any]) -> None:
    assert written({"all": parts}) == []


scalars = some.sampled_from([0, 1, 2, 1.0, 1.5, True, False, "", "a", "A", "b", "ab", "ß", "SS"])
bounds = some.sampled_from([0, 1, 1.0, 1.5, 2, "", "a", "A", "b"])
lists = some.lists(scalars, min_size=1, max_size=3)
operands: dict[str, some.SearchStrategy[Any]] = (
    dict.fromkeys(("equals", "not_equals", "contains"), scalars)
    | dict.fromkeys(("at_least", "more_than", "at_most", "less_than"), bounds)
    | dict.fromkeys(("one_of", "none_of", "contains_any", "contains_all"), lists)
    | dict.fromkeys(("starts_with", "ends_with"), some.sampled_from(["", "a", "A", "b", "ß"]))
    | {"exists": some.booleans(), "between": some.tuples(bounds, bounds).map(list)}
    | {"before": some.sampled_from(["now", "1970-01-01"]), "within_last": some.just("1h")}
)


@some.composite
def comparisons(draw: some.DrawFn) -> dict[str, Any]:
    operator = draw(some.sampled_from(sorted(operands)))
    field = draw(some.sampled_from(["it", "it", "counts.it"]))
    condition = {"field": field, operator: draw(operands[operator])}
    return condition | draw(some.sampled_from([{}, {}, {"case": "ignore"}]))


found = scalars | some.none() | some.lists(scalars, max_size=2) | some.just({})


@settings(derandomize=True, max_examples=800, deadline=None)
@given(
    condition=some.lists(comparisons(), min_size=1, max_size=4),
    values=some.lists(found, max_size=12),
)
def test_what_is_refused_holds_for_no_value(condition: list[Any], values: list[Any]) -> None:
    """Each alone is well written: then what is refused of them together never holds together."""
    alone = [each for each in condition if not written(each)]
    refused = bool(alone) and bool(written({"all": alone}))
    event(f"refused: {refused}")
    if not refused:
        return
    tests = [compiled(each)[0] for each in alone]
    for value in [*values, *ALL_VALUES]:
        for payload in ({"it": value, "counts": {"it": value}}, {}):
            moment = moment_at(0, payload)
            assert not all(test is not None and test.holds(moment) for test in tests), payload


@settings(derandomize=True, max_examples=400, deadline=None)
@given(pair=some.tuples(bounds, bounds), case=some.sampled_from(["exact", "ignore"]))
def test_a_range_that_is_refused_holds_for_no_value(pair: tuple[Any, Any], case: str) -> None:
    condition = {"field": "it", "between": list(pair), "case": case}
    problems = [problem for _, problem, _ in written(condition)]
    if not any(problem.startswith("nothing is between") for problem in problems):
        return
    fold = folded if case == "ignore" else (lambda value: value)
    low, high = map(fold, pair)
    for value in ALL_VALUES:
        if isinstance(value, str) == isinstance(low, str) and isinstance(value, str | int | float):
            assert not low <= fold(value) <= high, value


ALL_VALUES = [0, 1, 2, 1.5, 3, True, False, "", "a", "A", "b", "aB", "ß", "SS", None, [], [1, "a"]]
