"""Nodes -> places: edges are resolved and checked, so that a Program cannot lose a contact."""

from engine.author import Reader, nearest
from engine.compile_condition import compile_condition
from engine.compile_webhook import compile_webhook
from engine.decide import Decide, Exit
from engine.known import Known
from engine.limits import NODES_MAX, WAIT_MS_MAX
from engine.node import DecideNode, ExitNode, Node, SendNode, WaitNode, WebhookNode
from engine.program import Place
from engine.rules import MARKETING, TRANSACTIONAL, WEAKEST_CONSENT, Rules
from engine.send import Send
from engine.wait import Wait


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
    _check_ways(places, ids, reader)
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
        case WaitNode(wait=str() as wait):
            return Wait(node.id, then, reader.read_span(wait, f"{path}.wait", WAIT_MS_MAX))
        case SendNode(send=channel, template=template, purpose=purpose):
            if template not in known.templates:
                fix = nearest(template, sorted(known.templates))
                reader.add(f"{path}.template", f"there is no template {template!r}", fix)
            needed = _consent_for(channel, purpose, rules, f"{path}.purpose", reader)
            return Send(node.id, then, channel, template, purpose, needed)
        case WebhookNode(else_=otherwise):
            target = _target(otherwise, "", ids, f"{path}.else", reader)
            return compile_webhook(node, then, target, path, reader, known)
        case ExitNode(exit=reason):
            if node.then is not None:
                reader.add(f"{path}.then", "an exit goes nowhere", "remove `then`")
            return Exit(node.id, reason)
        case _:
            raise AssertionError(f"no compiler for {type(node).__name__}")


def _consent_for(channel: str, purpose: str, rules: Rules, path: str, reader: Reader) -> str:
    """Return the level of consent that a message needs, empty for none."""
    if purpose == MARKETING:
        return rules.consent.get(channel, WEAKEST_CONSENT)
    if purpose == TRANSACTIONAL:
        return ""
    if purpose not in rules.purposes:
        fix = nearest(purpose, [MARKETING, TRANSACTIONAL, *rules.purposes])
        reader.add(path, f"there is no purpose {purpose!r}", fix)
        return WEAKEST_CONSENT
    return rules.purposes[purpose]


def _target(name: str | None, default: str, ids: list[str], path: str, reader: Reader) -> str:
    if name is None:
        return default
    if name not in ids:
        reader.add(path, f"there is no node {name!r}", nearest(name, ids))
        return ""
    return name


def _check_ways(places: dict[str, Place], ids: list[str], reader: Reader) -> None:
    """Note nodes that no way leads to, and cycles without a wait: they would never rest."""
    reached: set[str] = set()
    on_the_way: list[str] = []

    def walk(id: str) -> None:
        if id in on_the_way:
            cycle = " -> ".join([*on_the_way[on_the_way.index(id) :], id])
            path = f"$.nodes[{ids.index(on_the_way[-1])}]"
            fix = "lead it to an end; who may come again is said by `reentry`"
            reader.add(path, f"this goes round for ever: {cycle}", fix)
            return
        if id in reached:
            return
        reached.add(id)
        on_the_way.append(id)
        for edge in places[id].edges():
            if edge:
                walk(edge)
        on_the_way.pop()

    walk(ids[0])
    for i, id in enumerate(ids):
        if id not in reached:
            reader.add(f"$.nodes[{i}]", f"no way leads to {id!r}", "name it in a `then` or `else`")
