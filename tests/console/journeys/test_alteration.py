"""What a draft changes is told at its path, before and after, and never more than can be read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from console.journeys.alteration import ALTERATIONS_MAX, TEXT_CHARS_MAX, alterations_of, words
from tests.engine.situation import mail, wait
from tests.publications import journey

PRICE = {"field": "price", "at_least": 10}
HI = {"event": "hi", "when": PRICE}


def told(was: Any, now: Any) -> list[str]:
    return [words(each) for each in alterations_of("hello", was, now).fields]


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ({"nodes": [wait("2h", "w2")]}, {"nodes": [wait("3h", "w2")]}, "nodes.w2.wait: 2h → 3h"),
        ({"entry": HI}, {"entry": HI | {"when": PRICE | {"at_least": 12}}},
         "entry.when.at_least: 10 → 12"),
        ({"entry": [HI]}, {"entry": [HI, {"enters": "vip"}]},
         'entry[1]: nothing → {"enters":"vip"}'),
        ({"entry": [{"enters": "vip"}, HI]}, {"entry": [HI]},
         'entry[0]: {"enters":"vip"} → nothing'),
        ({"entry": [HI, HI]}, {"entry": [HI, HI | {"late_after": "1d"}]},
         "entry[1].late_after: nothing → 1d"),
        ({"exit_on": ["a", "b"]}, {"exit_on": ["b"]}, 'exit_on: ["a","b"] → ["b"]'),
        ({"priority": 1}, {}, "priority: 1 → nothing"),
        ({"title": "a" * 200 + "b"}, {"title": "a" * 200 + "c"},
         f"title: ...{'a' * 20}b → ...{'a' * 20}c"),
        ({"test": None}, {"test": {"contacts": ["ada"]}}, 'test: null → {"contacts":["ada"]}'),
        ({"nodes": [wait("1h", "a"), wait("1h", "b"), mail()]},
         {"nodes": [wait("1h", "b"), wait("1h", "a"), mail()]}, "nodes: a, b, mail → b, a, mail"),
        ({"title": "a"}, {"title": "b" * 200}, f"title: a → {'b' * (TEXT_CHARS_MAX - 3)}..."),
    ],
)  # fmt: skip
def test_a_field_is_told_at_its_path_before_and_after(was: Any, now: Any, said: str) -> None:
    assert told(journey(**was), journey(**now)) == [said]


def test_a_node_that_is_gone_and_one_that_comes_are_told_as_they_stand() -> None:
    was, now = (journey(nodes=[wait("1h", id), mail()]) for id in ("a", "b"))
    assert told(was, now) == [
        'nodes.a: {"id":"a","wait":"1h"} → nothing',
        'nodes.b: nothing → {"id":"b","wait":"1h"}',
    ]


def test_of_what_is_too_much_it_is_said_how_much_is_left_off() -> None:
    was = journey(nodes=[wait("1h", f"n-{i}") for i in range(70)])
    now = journey(nodes=[wait("2h", f"n-{i}") for i in range(70)])
    found = alterations_of("hello", was, now)
    assert (len(found.fields), found.left) == (ALTERATIONS_MAX, 70 - ALTERATIONS_MAX)


values = some.recursive(
    some.none() | some.booleans() | some.integers(0, 3) | some.sampled_from("ab"),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(some.sampled_from(["id", "x", "y"]), inner, max_size=3)
        | some.lists(
            some.fixed_dictionaries({"id": some.sampled_from("pqr"), "x": inner}), max_size=3
        )
    ),
    max_leaves=12,
)


@given(values, values)
def test_whatever_differs_is_told_and_what_does_not_is_not(was: Any, now: Any) -> None:
    found = alterations_of("any", was, now)
    assert bool(found.fields) == (was != now)
    assert all((each.was, each.now) != (None, None) for each in found.fields)
