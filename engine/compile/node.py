"""Nodes -> places: edges are resolved and checked, so that a Program cannot lose a contact."""

from engine.compile.change import compile_change
from engine.compile.condition import compile_condition
from engine.compile.known import Known
from engine.compile.send import compile_send
from engine.compile.split import compile_split
from engine.compile.wait import compile_await, compile_wait
from engine.compile.ways import check_ways
from engine.compile.webhook import compile_webhook
from engine.language.author import Reader, nearest
from engine.language.node import (
    AwaitNode,
    DecideNode,
    ExitNode,
    Node,
    ParticipationNode,
    RandomNode,
    SendNode,
    SplitNode,
    SwitchNode,
    WaitNode,
    WebhookNode,
)
from engine.language.rules import Rules
from engine.limits import NODES_MAX
from engine.nodes.decide import Decide, Exit
from engine.program import Place


def compile_nodes(
    nodes: list[Node], rules: Rules, known: Known, reader: Reader
) -> tuple[dict[str, Place], str]:
    """Return the places by id and the id of the first; mistakes are noted."""
    if not nodes:
        reader.add("$.nodes", "a journey without nodes does nothing", "add at least a `send`")
        return {}, ""
    if len(nodes) > NODES_MAX:
        reader.add("$.nodes", f"{len(nodes)} nodes", f"{NODES_MAX} at most")
        return {}, ""
    places: dict[str, Place] = {}
    ids = [node.id for node in nodes]
    for i, node in enumerate(nodes):
        path = f"$.nodes[{i}]"
        reader.check_name(node.id, f"{path}.id")
        if node.id in places:
            reader.add(f"{path}.id", f"{node.id!r} is there twice", "give each node its own id")
        following = ids[i + 1] if i + 1 < len(ids) else ""
        then = _target(node.then, following, ids, f"{path}.then", reader)
        places[node.id] = _compile_node(node, then, rules, known, path, reader)
    if not reader.mended:  # Else the ways are not those that the author wrote.
        check_ways(nodes, places, reader)
    return places, ids[0]


def _compile_node(
    node: Node,
    then: str,
    rules: Rules,
    known: Known,
    path: str,
    reader: Reader,
) -> Place:
    ids = known.nodes
    match node:
        case DecideNode(if_=condition, else_=otherwise):
            test = compile_condition(condition, f"{path}.if", reader, known)
            target = _target(otherwise, "", ids, f"{path}.else", reader)
            return Decide(node.id, then, test, target)
        case SplitNode() | SwitchNode() | RandomNode() | ParticipationNode():
            return compile_split(node, then, path, reader, known)
        case WaitNode():
            return compile_wait(node, then, path, reader, known)
        case AwaitNode():
            return compile_await(node, then, path, reader, known)
        case SendNode():
            return compile_send(node, then, rules, known, path, reader)
        case WebhookNode(else_=otherwise):
            target = _target(otherwise, "", ids, f"{path}.else", reader)
            return compile_webhook(node, then, target, path, reader)
        case ExitNode(exit=reason):
            if node.then is not None:
                reader.add(f"{path}.then", "an exit goes nowhere", "remove `then`")
            return Exit(node.id, reason)
        case _:
            place = compile_change(node, then, path, reader, known)
            assert place is not None, f"no compiler for {type(node).__name__}"
            return place


def _target(name: str | None, default: str, ids: list[str], path: str, reader: Reader) -> str:
    if name is None:
        return default
    if name not in ids:
        reader.add(path, f"there is no node {name!r}", nearest(name, ids))
        return ""
    return name
