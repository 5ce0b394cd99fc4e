"""Conditions: each operator on each type, and a contact's past within a span."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.compile.publication import compile_publication
from engine.conditions.condition import reads_field
from engine.language.journey import Publication
from tests.engine.conditions.tests_of import compiled_well
from tests.engine.situation import DAY_MS, HOUR_MS, Situation, mail, outcomes
from tests.publications import journey

ABSENT = object()


def holds(condition: dict[str, Any], payload: dict[str, Any], **attributes: Any) -> bool:
    """Say whether a journey with this entry condition is entered on the payload."""
    situation = Situation(journey(entry={"event": "hi", "when": condition}))
    situation.event("identify", {"attributes": attributes})
    return bool(outcomes(situation.event("hi", payload)))


TEXT, NUMBER, FRACTION, DATE = "Tee", 5, 2.5, "2025-10-07"


@pytest.mark.parametrize(
    ("operator", "operand", "yes", "no"),
    [
        ("equals", "Tee", ["Tee"], ["tee", "Teer", "", 5, True, ["Tee"], None, ABSENT]),
        ("equals", 5, [5, 5.0], [6, "5", True, [5], None, ABSENT]),
        ("equals", 1, [1, 1.0], [True, "1"]),
        ("equals", True, [True], [False, 1, "true", None, ABSENT]),
        ("equals", False, [False], [True, 0, 0.0, "", [], {}, None, ABSENT]),
        ("not_equals", "Tee", ["tee", 5, None, ABSENT, ["Tee"]], ["Tee"]),
        ("not_equals", 0, [False, 1, "0", None, ABSENT], [0, 0.0]),
        ("at_least", 5, [5, 5.0, 6], [4, 4.9, "5", "9", True, [5], {}, None, ABSENT]),
        ("more_than", 5, [5.1, 6], [5, "6", True, None, ABSENT]),
        ("at_most", 5, [5, -1, 4.9], [5.1, "4", False, None, ABSENT, []]),
        ("less_than", 5, [4, -1e300], [5, 5.0, "4", False, None, ABSENT]),
        ("less_than", 0, [-1], [False, None, "", 0]),
        ("at_least", DATE, [DATE, "2025-10-07T00:00:00Z", "2026"], ["2025-10-06", 2025, None]),
        ("more_than", DATE, ["2025-10-08"], [DATE, "2025-09-30", ABSENT]),
        ("at_most", DATE, [DATE, "2024-12-31", ""], ["2025-10-08", 0, ABSENT, None]),
        ("less_than", DATE, ["2025-10-06"], [DATE, None, [DATE]]),
        ("one_of", ["a", 2, True], ["a", 2, 2.0, True], ["b", 1, "2", False, ["a"], None, ABSENT]),
        ("contains", "ee", ["Tee", "ee", ["ee", 1]], ["EE", ["Tee"], 5, {"ee": 1}, None, ABSENT]),
        ("contains", 5, [[5], [5.0, "x"]], ["5", [True, "5"], 5, ABSENT]),
        ("contains", True, [[True]], [[1], "True", True]),
        ("exists", True, ["", 0, False, [], {}], [None, ABSENT]),
        ("exists", False, [None, ABSENT], ["", 0, False, [], {}]),
    ],
)
def test_a_comparison_holds_for_these_and_not_for_those(
    operator: str, operand: Any, yes: list[Any], no: list[Any]
) -> None:
    for expected, those in ((True, yes), (False, no)):
        for value in those:
            payload = {} if value is ABSENT else {"it": value}
            of_field = holds({"field": "it", operator: operand}, payload)
            of_contact = holds({"attribute": "it", operator: operand}, {}, **payload)
            assert (of_field, of_contact) == (expected, expected), value


@pytest.mark.parametrize("path", ["a.b", "a.b.c", "x", "a.list.0", "text.a"])
def test_a_path_into_nothing_finds_nothing(path: str) -> None:
    payload = {"a": {"b": 5, "list": [1]}, "text": "abc"}
    assert holds({"field": path, "exists": True}, payload) == (path == "a.b")


def test_a_path_of_the_contact_leads_into_its_attributes() -> None:
    payload, home = {"home": {"city": "Bonn"}}, {"city": "Köln"}
    assert holds({"attribute": "home.city", "equals": "Köln"}, payload, home=home)
    assert not holds({"attribute": "home.city", "equals": "Bonn"}, payload, home=home)
    assert holds({"field": "home.city", "equals": "Bonn"}, payload, home=home)
    for case, expected in (("ignore", True), ("exact", False)):
        assert holds({"field": "home.city", "equals": "BONN", "case": case}, payload) is expected


def test_a_missing_count_of_a_session_is_none_at_all() -> None:
    entered = {"event": "session_end", "when": {"field": "counts.no_such", "equals": 0}}
    situation = Situation(journey(entry=entered))
    situation.event("page_view")
    assert len(situation.run_out()) == 1


def test_a_count_missing_among_attributes_is_missing() -> None:
    assert not holds({"attribute": "counts.x", "equals": 0}, {})
    assert holds({"field": "counts.x", "at_most": 0}, {})


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"all": [{"field": "a", "equals": 1}, {"field": "b", "equals": 2}]}, True),
        ({"all": [{"field": "a", "equals": 1}, {"field": "b", "equals": 9}]}, False),
        ({"any": [{"field": "a", "equals": 9}, {"field": "b", "equals": 2}]}, True),
        ({"any": [{"field": "a", "equals": 9}, {"field": "b", "equals": 9}]}, False),
        ({"not": {"field": "a", "equals": 9}}, True),
        ({"not": {"any": [{"field": "a", "equals": 1}]}}, False),
    ],
)
def test_conditions_combine(condition: dict[str, Any], *, expected: bool) -> None:
    assert holds(condition, {"a": 1, "b": 2}) is expected


def entered_after(condition: dict[str, Any], *ago_ms: int) -> bool:
    """Say whether the condition holds for a contact with `seen` events so long ago."""
    situation = Situation(journey(entry={"event": "hi", "when": condition}, nodes=[mail()]))
    situation.now_ms += 30 * DAY_MS
    for each in ago_ms:
        situation.event("seen", at_ms=situation.now_ms - each)
    return bool(outcomes(situation.event("hi")))


@pytest.mark.parametrize(
    ("fields", "ago_ms", "expected"),
    [
        ({"within": "1h"}, [0], True),
        ({"within": "1h"}, [HOUR_MS - 1], True),
        ({"within": "1h"}, [HOUR_MS], False),
        ({"within": "1h"}, [], False),
        ({}, [30 * DAY_MS - 1], True),
        ({}, [30 * DAY_MS], False),
        ({"within": "1h", "at_least": 2}, [HOUR_MS - 1, 5], True),
        ({"within": "1h", "at_least": 2}, [HOUR_MS, 5], False),
        ({"within": "1h", "at_least": 2}, [5, HOUR_MS - 1], True),
        ({"within": "1h", "at_least": 0}, [], True),
        ({"within": "1h", "at_most": 0}, [HOUR_MS], True),
        ({"within": "1h", "at_most": 0}, [HOUR_MS - 1], False),
        ({"within": "1h", "at_most": 0}, [], True),
        ({"within": "1h", "at_most": 1}, [5, 6], False),
        ({"within": "1h", "at_most": 1}, [5, HOUR_MS], True),
        ({"within": "1h", "at_least": 1, "at_most": 1}, [5], True),
        ({"within": "1h", "at_least": 1, "at_most": 1}, [], False),
        ({"within": "1h", "at_least": 1, "at_most": 1}, [5, 6], False),
    ],
)
def test_the_past_counts_in_a_window_open_at_its_begin(
    fields: dict[str, Any], ago_ms: list[int], *, expected: bool
) -> None:
    assert entered_after({"happened": "seen"} | fields, *ago_ms) is expected


def test_the_event_itself_counts_as_the_past() -> None:
    assert entered_after({"happened": "hi", "within": "1ms"})


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    ago=some.lists(some.integers(0, 12), max_size=8),
    span=some.integers(1, 12),
    at_least=some.none() | some.integers(0, 4),
    at_most=some.none() | some.integers(0, 4),
)
def test_happened_counts_as_one_would_by_hand(
    ago: list[int], span: int, at_least: int | None, at_most: int | None
) -> None:
    low = at_least if at_least is not None else (1 if at_most is None else 0)
    high = at_most if at_most is not None else 200
    if low > high:
        return
    count = sum(each < span for each in ago)
    condition: dict[str, Any] = {"happened": "seen", "within": f"{span}ms"}
    condition |= {} if at_least is None else {"at_least": at_least}
    condition |= {} if at_most is None else {"at_most": at_most}
    assert entered_after(condition, *ago) is (low <= count <= high)


def test_a_condition_knows_which_fields_it_reads() -> None:
    condition = {"all": [{"not": {"any": [{"field": "products.x", "exists": True}]}}]}
    publication = Publication(
        journeys={"a": journey(entry={"event": "hi", "when": condition})},
        templates={"hello.en": ""},
    )
    programs, _ = compile_publication(publication)
    assert programs is not None
    test = programs.by_journey["hello"].ways[0].test
    assert reads_field(test, "products")
    assert not reads_field(test, "x")
    assert not reads_field(None, "products")


@pytest.mark.parametrize(
    "condition", [{"happened": "seen", "within": "1d"}, {"consent": "email", "is": "opt_in"}]
)
def test_a_condition_on_the_contact_alone_reads_no_field(condition: dict[str, Any]) -> None:
    assert not reads_field(compiled_well(condition), "products")
