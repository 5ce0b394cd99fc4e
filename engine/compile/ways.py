"""The ways between a journey's nodes: that each is reached, and that none goes round for ever."""

from collections.abc import Callable
from typing import Any

import msgspec

from engine.compile.known import Known
from engine.language.author import Reader, nearest
from engine.language.node import Node
from engine.program import Place

ROUND_FIX = "let a `wait` of some length or a `wait_for` come in between, or lead it to an end"
_UNSEEN, _OPEN, _DONE = range(3)


def leads_to(name: str | None, path: str, reader: Reader, known: Known, default: str = "") -> str:
    """Return the id of the node that is named, or `default` where none is; the end is empty.

    A name that no node of the journey has is noted as a mistake.
    """
    if name is None:
        return default
    if name not in known.nodes:
        reader.add(path, f"there is no node {name!r}", nearest(name, known.nodes))
        return ""
    return name


def check_ways(nodes: list[Node], places: dict[str, Place], reader: Reader) -> None:
    """Note nodes that no way leads to, and cycles without a wait; mark places that recur.

    A cycle is allowed where a visit always stays at one of its nodes for a while. Takes time by
    the number of nodes and edges.
    """
    ids = [node.id for node in nodes]
    edges = {id: _edges_of(place) for id, place in places.items()}
    reached = _reached(ids[0], edges)
    for i, id in enumerate(ids):
        if id not in reached:
            reader.add(f"$.nodes[{i}]", f"no way leads to {id!r}", "name it in a `then` or `else`")
    passing = {id: [] if places[id].lasts else leads for id, leads in edges.items()}
    for cycle in cycles_of(ids, passing):
        at = ids.index(cycle[-1])
        path = _path_of_edge(nodes[at], f"$.nodes[{at}]", cycle[0])
        text = " -> ".join([*cycle, cycle[0]])
        reader.add(path, f"this goes round without a wait: {text}", ROUND_FIX)
    for id in on_cycles(ids, edges):
        places[id].recurs = True


def _edges_of(place: Place) -> list[str]:
    return list(dict.fromkeys(edge for edge in place.edges() if edge))


def _reached(first: str, edges: dict[str, list[str]]) -> set[str]:
    reached = {first}
    ahead = [first]
    while ahead:
        for edge in edges[ahead.pop()]:
            if edge not in reached:
                reached.add(edge)
                ahead.append(edge)
    return reached


def cycles_of(ids: list[str], edges: dict[str, list[str]]) -> list[list[str]]:
    """Return one cycle for each edge that closes one on a walk in depth, so that none is forgotten.

    Each as ids, from the node come back to, to the one that leads back; without the edges that
    lead back no cycle is left. All there are could be more than anyone can read.
    """
    cycles: list[list[str]] = []
    way: list[str] = []

    def close(target: str) -> None:
        cycles.append(way[way.index(target) :])

    _walk(ids, edges, way, lambda _: None, close)
    return cycles


def on_cycles(ids: list[str], edges: dict[str, list[str]]) -> set[str]:
    """Return all nodes that a way leads from back to themselves."""
    finished: list[str] = []
    _walk(ids, edges, [], finished.append, lambda _: None)
    back: dict[str, list[str]] = {id: [] for id in ids}
    for id, leads in edges.items():
        for edge in leads:
            back[edge].append(id)
    # Kosaraju: what is reached backwards from the last finished is one strong component.
    found: set[str] = set()
    seen: set[str] = set()
    for id in reversed(finished):
        if id in seen:
            continue
        component = [id]
        seen.add(id)
        for each in component:
            for before in back[each]:
                if before not in seen:
                    seen.add(before)
                    component.append(before)
        if len(component) > 1 or id in edges[id]:
            found.update(component)
    return found


def _walk(
    ids: list[str],
    edges: dict[str, list[str]],
    way: list[str],
    finish: Callable[[str], None],
    close: Callable[[str], None],
) -> None:
    """Walk in depth from each id in order; `way` is the way from there, `close` an edge into it."""
    state = dict.fromkeys(ids, _UNSEEN)
    for first in ids:
        if state[first] != _UNSEEN:
            continue
        state[first] = _OPEN
        way.append(first)
        ahead = [iter(edges[first])]
        while ahead:
            edge = next(ahead[-1], None)
            if edge is None:
                ahead.pop()
                done = way.pop()
                state[done] = _DONE
                finish(done)
            elif state[edge] == _OPEN:
                close(edge)
            elif state[edge] == _UNSEEN:
                state[edge] = _OPEN
                way.append(edge)
                ahead.append(iter(edges[edge]))


def _path_of_edge(node: Node, path: str, target: str) -> str:
    """Return where the author wrote that a node leads to another; the node's own path if nowhere.

    Looks at what nodes call their edges, whatever the kind.
    """
    return _find(msgspec.to_builtins(node), path, target) or path


def _find(data: Any, path: str, target: str) -> str:
    if isinstance(data, list):
        below = [(each, f"{path}[{i}]") for i, each in enumerate(data)]
    elif isinstance(data, dict):
        for name in ("then", "else", "on_cap"):
            if data.get(name) == target:
                return f"{path}.{name}"
        cases = data.get("cases")
        if isinstance(cases, dict):
            for case, edge in cases.items():
                if edge == target:
                    return f"{path}.cases.{case}"
        below = [
            (data[name], f"{path}.{name}")
            for name in ("split", "random", "wait_for")
            if name in data
        ]
    else:
        return ""
    return next((found for each, at in below if (found := _find(each, at, target))), "")
