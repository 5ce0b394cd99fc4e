"""Ways between nodes: which recur, and that cycles without a wait are refused."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from engine.compile.publication import programs_of
from engine.compile.ways import ROUND_FIX, cycles_of, on_cycles
from engine.limits import NODES_MAX
from tests.engine.compile.test_mistakes import mistakes_in
from tests.engine.situation import (
    decide,
    mail,
    wait,
)
from tests.publications import journey, source_of

thorough = settings(derandomize=True, deadline=None)
ASK = {"attribute": "done", "exists": True}


def places_of(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    return programs_of(source_of(journey(nodes=nodes))).by_journey["hello"].places


def test_only_places_on_a_cycle_recur() -> None:
    nodes = [mail("first"), wait("1h"), mail(), decide(ASK, **{"else": "wait"}), mail("last")]
    recurs = [id for id, place in places_of(nodes).items() if place.recurs]
    assert recurs == ["wait", "mail", "decide"]
    assert not any(place.recurs for place in places_of([wait("1h"), mail()]).values())


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
