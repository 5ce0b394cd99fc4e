"""Ways between nodes: cycles through waits are walked, those without one are refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.compile import programs_of
from engine.compile_ways import ROUND_FIX, cycles_of, on_cycles
from engine.contact import Sent
from engine.decision import SENT, Outcome
from engine.identity import message_key
from engine.limits import NODES_MAX, PASSES_MAX
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    NOON_MS,
    Situation,
    decide,
    mail,
    only_outcome,
    outcomes,
    wait,
)
from tests.engine.test_await import wait_for
from tests.engine.test_compile import mistakes_in
from tests.publications import journey, source_of

thorough = settings(derandomize=True, deadline=None)
ASK = {"attribute": "done", "exists": True}
DIGEST = [
    mail(),
    wait("1d"),
    decide(ASK, then="out", **{"else": "mail"}),
    {"id": "out", "exit": "x"},
]


def places_of(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    return programs_of(source_of(journey(nodes=nodes))).by_journey["hello"].places


def occurrences(decided: list[Any]) -> list[str]:
    return [each.key.partition(".")[2] for each in decided if isinstance(each, Outcome)]


def test_each_pass_of_a_cycle_sends_a_message_of_its_own() -> None:
    situation = Situation(journey(nodes=DIGEST))
    decided = situation.event()
    decided += situation.pass_time(3 * DAY_MS)
    assert occurrences(decided) == [f"mail.{i}" for i in (1, 2, 3, 4)]
    assert len({each.key for each in situation.contact().pending}) == 4
    situation.event("identify", {"attributes": {"done": True}})
    assert situation.pass_time(DAY_MS) == []
    assert situation.contact().visits == []


def test_only_places_on_a_cycle_recur() -> None:
    nodes = [mail("first"), wait("1h"), mail(), decide(ASK, **{"else": "wait"}), mail("last")]
    recurs = [id for id, place in places_of(nodes).items() if place.recurs]
    assert recurs == ["wait", "mail", "decide"]
    assert not any(place.recurs for place in places_of([wait("1h"), mail()]).values())


def test_a_node_that_leads_to_itself_recurs() -> None:
    situation = Situation(journey(nodes=[wait("1h", then="wait")], exit_on=["bye"]))
    situation.event()
    situation.pass_time(3 * HOUR_MS)
    (visit,) = situation.contact().visits
    assert visit.passes == {"wait": 4}


def test_a_cycle_ends_after_so_many_passes_and_says_so() -> None:
    situation = Situation(journey(nodes=[wait("1h", then="wait")]))
    situation.event()
    outcome = only_outcome(situation.run_out())
    assert outcome.at_ms == NOON_MS + PASSES_MAX * HOUR_MS
    assert outcome.reason == f"wait: came here {PASSES_MAX} times"


def test_a_cycle_by_an_event_needs_no_other_wait() -> None:
    nodes = [wait_for("next", **{"else": "out"}), mail(then="await"), {"id": "out", "exit": "x"}]
    situation = Situation(journey(nodes=nodes))
    situation.event()
    decided = situation.event("next") + situation.event("next")
    assert occurrences(decided) == ["mail.1", "mail.2"]


def test_all_cycles_without_a_wait_come_at_once_each_with_its_way() -> None:
    nodes = [
        decide(ASK, "a", then="b", **{"else": "c"}),
        mail("b", then="a"),
        mail("c", then="d"),
        decide(ASK, "d", then="c", **{"else": "w"}),
        wait("1h", "w", then="x"),
        mail("x", then="x"),
    ]
    assert mistakes_in(journey(nodes=nodes)) == [
        ("$.nodes[1].then", "this goes round without a wait: a -> b -> a", ROUND_FIX),
        ("$.nodes[3].then", "this goes round without a wait: c -> d -> c", ROUND_FIX),
        ("$.nodes[5].then", "this goes round without a wait: x -> x", ROUND_FIX),
    ]


def test_a_cycle_may_be_closed_by_the_node_that_is_written_next() -> None:
    nodes = [mail("a", then="c"), mail("b"), decide(ASK, "c", then="b", **{"else": "b"})]
    assert mistakes_in(journey(nodes=nodes)) == [
        ("$.nodes[1]", "this goes round without a wait: c -> b -> c", ROUND_FIX)
    ]


def test_a_cycle_is_refused_where_one_of_two_ways_has_no_wait() -> None:
    nodes = [decide(ASK, "a", **{"else": "c"}), wait("1h", "b"), mail("c", then="a")]
    assert mistakes_in(journey(nodes=nodes)) == [
        ("$.nodes[2].then", "this goes round without a wait: a -> c -> a", ROUND_FIX)
    ]


def test_as_many_nodes_as_there_may_be_are_checked_in_no_time() -> None:
    nodes = [mail(f"n-{i}") for i in range(NODES_MAX)]
    nodes[-1] = nodes[-1] | {"then": "n-0"}
    ((path, problem, _),) = mistakes_in(journey(nodes=nodes))
    assert path == f"$.nodes[{NODES_MAX - 1}].then"
    assert problem.count("->") == NODES_MAX


IDS = [f"n{i}" for i in range(6)]
graphs = some.fixed_dictionaries(
    {id: some.lists(some.sampled_from(IDS), unique=True) for id in IDS}
)


def reach(edges: dict[str, list[str]], start: str) -> set[str]:
    """Return all that a way leads to from `start`, by as many rounds as it takes."""
    found: set[str] = set(edges[start])
    while True:
        more = found | {far for near in found for far in edges[near]}
        if more == found:
            return found
        found = more


@thorough
@given(graphs)
def test_what_is_on_a_cycle_is_what_leads_back_to_itself(edges: dict[str, list[str]]) -> None:
    assert on_cycles(IDS, edges) == {id for id in IDS if id in reach(edges, id)}


@thorough
@given(graphs)
def test_cycles_are_ways_and_without_their_last_edges_none_is_left(
    edges: dict[str, list[str]],
) -> None:
    cycles = cycles_of(IDS, edges)
    left = {id: list(leads) for id, leads in edges.items()}
    for cycle in cycles:
        for here, there in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert there in edges[here]
        left[cycle[-1]].remove(cycle[0])
    assert on_cycles(IDS, left) == set()
    assert bool(cycles) == bool(on_cycles(IDS, edges))


@pytest.mark.parametrize("others", [0, 100])
def test_a_message_has_a_key_of_its_own_where_a_newer_version_goes_round(others: int) -> None:
    situation = Situation(journey(nodes=[mail(), wait("1d"), mail("end")]))
    first = only_outcome(situation.event()).key
    if others:  # It was so long ago that it is forgotten.
        situation.handover(first)
        situation.receipt(first, delivered=True)
        sent = [Sent(i, "other", "a", "email", "marketing", f"k-{i}") for i in range(others)]
        next(iter(situation.partition._hot.values())).messages = sent
    situation.publish(journey(nodes=DIGEST))
    second = only_outcome(situation.pass_time(DAY_MS)).key
    assert (first, second) == (first, first[:-1] + "2")


def test_a_message_has_a_key_of_its_own_where_a_newer_version_goes_round_no_more() -> None:
    situation = Situation(journey(nodes=DIGEST))
    situation.event()
    situation.pass_time(DAY_MS)
    situation.publish(journey(nodes=[wait("1d"), mail()]))
    assert occurrences(situation.pass_time(DAY_MS)) == ["mail.3"]


@pytest.mark.parametrize("occurrence", [1, 2, 5])
def test_a_recorded_message_of_any_pass_is_upheld(occurrence: int) -> None:
    """What newer code did not decide, or only later, goes out with all that it was entered on."""
    situation = Situation(journey(nodes=[wait("1d"), *DIGEST[:1], wait("1d", "b", then="mail")]))
    situation.event("hi", {"a": 1})
    (visit,) = situation.contact().visits
    key = message_key(visit.id, "mail", occurrence)
    recorded = Outcome(key, "c-1", "hello", "mail", "email", NOON_MS, SENT)
    situation.partition.uphold(recorded)
    situation.partition.uphold(recorded)
    (pending,) = situation.contact().pending
    assert (pending.key, pending.trigger) == (key, {"a": 1})
    later = only_outcome(situation.pass_time(DAY_MS))
    assert later.key == message_key(visit.id, "mail", occurrence + 1)


OTHERS: list[dict[str, Any]] = [
    wait("3d", "here"),
    wait_for("next", id="here", **{"else": "out"}),
    mail("here"),
    decide(ASK, "here", **{"else": "out"}),
    {"id": "here", "exit": "left"},
]
KINDS_BEFORE = OTHERS[:2]


@pytest.mark.parametrize("before", KINDS_BEFORE, ids=lambda node: list(node)[1])
@pytest.mark.parametrize("after", OTHERS, ids=lambda node: list(node)[1])
def test_a_visit_stays_as_long_whatever_kind_its_node_becomes(before: Any, after: Any) -> None:
    rest = [mail("then"), {"id": "out", "exit": "x"}]
    situation = Situation(journey(nodes=[before, *rest]))
    situation.event()
    due_at_ms = situation.contact().visits[0].due_at_ms
    situation.publish(journey(nodes=[after, *(rest if "exit" not in after else [])]))
    situation.event("other")
    assert situation.contact().visits[0].due_at_ms == due_at_ms
    decided = situation.run_out()
    assert situation.contact().visits == []
    assert {each.at_ms for each in decided if isinstance(each, Outcome)} == {due_at_ms}
    expected = {
        "wait": [("then", "sent")],
        "wait_for": [("out", "declined")],
        "send": [("here", "sent"), ("then", "sent")],
        "if": [("out", "declined")],
        "exit": [("here", "declined")],
    }[list(after)[1]]
    assert [(each.node, each.outcome) for each in decided if isinstance(each, Outcome)] == expected


def test_a_wait_that_becomes_one_for_an_event_hears_it() -> None:
    situation = Situation(journey(nodes=[wait("3d", "here"), mail()]))
    situation.event()
    situation.publish(journey(nodes=[wait_for("next", id="here"), mail()]))
    assert outcomes(situation.event("next")) == [("hello", "sent")]


def test_a_wait_for_an_event_that_becomes_another_hears_none() -> None:
    situation = Situation(journey(nodes=[wait_for("next", id="here"), mail()]))
    situation.event()
    situation.publish(journey("other", entry={"event": "next"}, nodes=[wait("1h"), mail()]))
    assert situation.event("next") == []
    assert outcomes(situation.run_out()) == [("hello", "exited"), ("other", "sent")]
