"""Splits: by conditions, by a value, by chance with hold-out, and by when one last took part."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from engine.chance import point_of
from engine.decision import Outcome
from engine.limits import PARTICIPATIONS_MAX
from engine.nodes.split import case_of
from tests.engine.compile.test_mistakes import mistakes_in
from tests.engine.nodes.test_await import wait_for
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    NOON_MS,
    Situation,
    mail,
    only_outcome,
)
from tests.publications import journey

thorough = settings(derandomize=True, deadline=None)
OUT = {"id": "out", "exit": "done"}


def ways(node: dict[str, Any], *ends: str) -> list[dict[str, Any]]:
    """Return the node, and a mail for each of its ends."""
    return [node, *(mail(end, then="out") for end in ends), OUT]


def split(*branches: tuple[int, str], **fields: Any) -> dict[str, Any]:
    """Return a node that splits by the price, each branch up to one."""
    return {
        "id": "split",
        "split": [
            {"when": {"field": "price", "at_most": most}, "then": to} for most, to in branches
        ],
    } | fields


def switch(cases: dict[str, str], by: str = "trigger.status", **fields: Any) -> dict[str, Any]:
    return {"id": "switch", "switch": by, "cases": cases} | fields


def shares(*sides: tuple[float, str] | dict[str, Any], **fields: Any) -> dict[str, Any]:
    listed = [s if isinstance(s, dict) else {"share": s[0], "then": s[1]} for s in sides]
    return {"id": "random", "random": listed} | fields


@thorough
@given(some.lists(some.integers(0, 9), min_size=1, max_size=5), some.integers(0, 10))
def test_the_first_branch_that_holds_is_taken(bounds: list[int], price: int) -> None:
    ends = [f"n{i}" for i in range(len(bounds))]
    node = split(*zip(bounds, ends, strict=True), **{"else": "none"})
    situation = Situation(journey(nodes=ways(node, *ends, "none")))
    fits = [end for most, end in zip(bounds, ends, strict=True) if price <= most]
    assert only_outcome(situation.event("hi", {"price": price})).node == [*fits, "none"][0]


def test_a_split_without_else_leads_out_and_says_so() -> None:
    situation = Situation(journey(nodes=ways(split((5, "a")), "a")))
    outcome = only_outcome(situation.event("hi", {"price": 6}))
    assert (outcome.node, outcome.reason) == ("split", "split: no branch held")


VALUES: list[tuple[Any, str | None]] = [
    ("gold", "gold"),
    ("", ""),
    (3, "3"),
    (3.0, "3"),
    (2.5, "2.5"),
    (-1, "-1"),
    (1e300, str(int(1e300))),
    (True, "true"),
    (False, "false"),
    (None, None),
    ([1], None),
    ({"a": 1}, None),
]


@pytest.mark.parametrize(("value", "case"), VALUES)
def test_a_value_takes_the_case_of_its_text(value: Any, case: str | None) -> None:
    node = switch({"gold": "g", "3": "n", "2.5": "n", "true": "y"}, **{"else": "none"})
    situation = Situation(journey(nodes=ways(node, "g", "n", "y", "none")))
    assert case_of(value) == case
    expected = {"gold": "g", "3": "n", "2.5": "n", "true": "y"}.get(case or "?", "none")
    assert only_outcome(situation.event("hi", {"status": value})).node == expected


@thorough
@given(some.one_of(some.text(max_size=9), some.integers(), some.booleans(), some.none()))
@example("true")
def test_a_switch_is_a_look_up_in_its_cases(value: Any) -> None:
    cases = {"a": "one", "0": "one", "1": "two", "true": "two", "": "one"}
    situation = Situation(journey(nodes=ways(switch(cases, **{"else": "no"}), "one", "two", "no")))
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    expected = "no" if value is None else cases.get(text, "no")
    assert only_outcome(situation.event("hi", {"status": value})).node == expected


@pytest.mark.parametrize(
    ("payload", "said"),
    [({"status": "x" * 99}, f"'{'x' * 40}'"), ({}, "no value"), ({"status": 7}, "'7'")],
)
def test_a_switch_without_else_leads_out_and_says_which_value_it_was(
    payload: dict[str, Any], said: str
) -> None:
    situation = Situation(journey(nodes=ways(switch({"a": "a"}), "a")))
    outcome = only_outcome(situation.event("hi", payload))
    assert outcome.reason == f"switch: no case for trigger.status, {said}"


def test_a_switch_looks_at_attributes() -> None:
    node = switch({"gold": "a"}, "contact.club.tier")
    situation = Situation(journey(nodes=ways(node, "a")))
    situation.event("identify", {"attributes": {"club": {"tier": "gold"}}})
    assert only_outcome(situation.event()).node == "a"


@pytest.mark.parametrize(
    ("by", "case"),
    [
        ("visit.answers.ask.score", "9"),
        ("visit.trigger.order", "o-1"),
        ("visit.key", "o-1"),
        ("visit.messages", "0"),
        ("trigger.order", "o-1"),
    ],
)
def test_a_switch_looks_at_the_visit(by: str, case: str) -> None:
    nodes = [wait_for("answer", id="ask"), *ways(switch({case: "a"}, by), "a")]
    situation = Situation(journey(nodes=nodes, reentry={"key": "order"}))
    situation.event("hi", {"order": "o-1"})
    assert only_outcome(situation.event("answer", {"score": 9, "order": "o-2"})).node == "a"


def falls(node: dict[str, Any], *ends: str, contacts: int = 400) -> dict[str, str]:
    situation = Situation(journey(nodes=ways(node, *ends)))
    return {
        key: only_outcome(situation.event(contact=key)).node
        for key in (f"c-{i}" for i in range(contacts))
    }


def test_shares_get_about_as_many_contacts_as_they_say_and_always_the_same() -> None:
    node = shares((20, "a"), (30, "b"), (50, "c"))
    first = falls(node, "a", "b", "c")
    counts = Counter(first.values())
    assert [round(counts[end] / 4, -1) for end in ("a", "b", "c")] == [20, 30, 50]
    assert falls(node, "a", "b", "c") == first
    sides = {"a": (0, 20), "b": (20, 50), "c": (50, 100)}
    for key, end in first.items():
        low, high = sides[end]
        assert low <= point_of(key, "hello.random") < high


def test_two_nodes_split_in_their_own_ways_unless_they_share_a_salt() -> None:
    one = falls(shares((50, "a"), (50, "b")), "a", "b")
    other = falls(shares((50, "a"), (50, "b"), id="again"), "a", "b")
    assert 100 < sum(one[key] == other[key] for key in one) < 300
    salted = falls(shares((50, "a"), (50, "b"), salt="x"), "a", "b")
    assert falls(shares((50, "a"), (50, "b"), salt="x", id="again"), "a", "b") == salted != one


def test_shares_that_are_rounded_leave_nobody_out() -> None:
    node = shares((33.3, "a"), (33.3, "b"), (33.3, "c"))
    low = shares((99.9 - 1e-6, "a"), {"share": 1e-6, "then": "b"})
    assert mistakes_in(journey(nodes=ways(node, "a", "b", "c"))) == []
    assert set(falls(low, "a", "b").values()) == {"a"}
    situation = Situation(journey(nodes=ways(low, "a", "b")))
    key = next(key for key in map(str, range(10**6)) if point_of(key, "hello.random") > 99.95)
    assert only_outcome(situation.event(contact=key)).node == "b"


def test_a_share_without_then_leads_out_and_says_so() -> None:
    node = shares((1, "a"), {"share": 99})
    situation = Situation(journey(nodes=ways(node, "a")))
    outcome = only_outcome(situation.event())
    assert (outcome.node, outcome.outcome, outcome.reason) == (
        "random",
        "declined",
        "random: by chance",
    )


def test_who_is_held_out_goes_on_without_messages() -> None:
    node = shares((0.001, "a"), {"share": 99.999, "then": "a", "hold_out": True})
    nodes = [mail("before"), *ways(node, "a")]
    situation = Situation(journey(nodes=nodes, goal={"event": "bought"}))
    before, outcome = situation.event()
    assert isinstance(outcome, Outcome)
    assert only_outcome([before]).outcome == "sent"
    assert (outcome.node, outcome.outcome) == ("a", "held_out")
    assert outcome.reason == "hello: held out by a random split"
    assert len(situation.contact().pending) == 1
    assert only_outcome(situation.event("bought")).reason == "bought (held out)"


def test_the_goal_of_others_is_not_held_out() -> None:
    node = shares((0.001, "a"), {"share": 99.999, "then": "a", "hold_out": True})
    situation = Situation(
        journey("other", priority=1, goal={"event": "bought"}),
        journey(nodes=ways(node, "a")),
    )
    situation.event()
    assert only_outcome(situation.event("bought")).reason == "bought"


@pytest.mark.parametrize("before", [[], [mail("before")]])
def test_who_is_held_out_may_leave_there_and_that_is_recorded(before: list[Any]) -> None:
    node = shares((0.001, "a"), {"share": 99.999, "hold_out": True})
    situation = Situation(journey(nodes=[*before, *ways(node, "a")]))
    *_, outcome = situation.event()
    assert isinstance(outcome, Outcome)
    assert (outcome.node, outcome.outcome) == ("random", "held_out")
    assert outcome.reason == "random: held out by a random split"
    assert situation.contact().visits == []


def take_part(span: str = "30d", id: str = "part", **fields: Any) -> dict[str, Any]:
    return {"id": id, "participation": span} | fields


def test_who_took_part_does_not_again_before_the_span_is_over() -> None:
    situation = Situation(journey(nodes=[take_part(), mail()]))
    decided = [only_outcome(situation.event(after_ms=after)) for after in (0, 30 * DAY_MS - 1, 1)]
    assert [each.outcome for each in decided] == ["sent", "declined", "sent"]
    assert decided[1].reason == "part: took part less than 30d ago"
    assert decided[1].node == "part"


def test_only_the_way_on_counts_as_taking_part() -> None:
    nodes = ways(take_part("2d", **{"else": "no"}), "yes", "no")
    situation = Situation(journey(nodes=nodes))
    taken = [only_outcome(situation.event(after_ms=DAY_MS)).node for _ in range(5)]
    assert taken == ["yes", "no", "yes", "no", "yes"]


def test_each_node_of_each_journey_counts_by_itself() -> None:
    nodes = [take_part(id="a"), take_part(id="b"), mail()]
    situation = Situation(journey("one", nodes=nodes), journey("two", nodes=nodes))
    assert len(situation.event()) == 2
    assert list(situation.contact().participations) == ["one.a", "one.b", "two.a", "two.b"]


def test_so_many_participations_are_kept_and_the_longest_ago_goes() -> None:
    situation = Situation(journey(nodes=[take_part(), mail()]))
    situation.event()
    contact = next(iter(situation.partition._hot.values()))
    contact.participations = {f"old.{i}": i for i in range(PARTICIPATIONS_MAX)}
    situation.event(after_ms=HOUR_MS)
    kept = situation.contact().participations
    assert len(kept) == PARTICIPATIONS_MAX
    assert "old.0" not in kept
    assert kept["hello.part"] == NOON_MS + HOUR_MS


def test_a_fault_leaves_participations_goals_and_hold_outs_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = shares((0.001, "part"), {"share": 99.999, "then": "part", "hold_out": True})
    nodes = [wait_for("next"), node, take_part(), mail()]
    situation = Situation(journey(nodes=nodes, goal={"event": "bought"}))
    situation.event()

    def breaks(*_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("engine.nodes.send.Send.enter", breaks)
    situation.event("next")
    contact = situation.contact()
    assert contact.participations == {}
    assert [goal.held_out for goal in contact.goals] == [False]
    assert [visit.held_out for visit in contact.visits] == [False]
