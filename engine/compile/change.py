"""Nodes that change something -> places."""

from typing import Any, Final

import msgspec

from engine.compile.known import Known
from engine.conditions.segment import OnList
from engine.input import CART_UPDATE, CONSENT, IDENTIFY, is_derived
from engine.language.author import Reader, nearest
from engine.language.node import EmitNode, EndNode, GoalNode, ListNode, Node, SetNode, StartNode
from engine.limits import (
    ATTRIBUTE_BYTES_MAX,
    ATTRIBUTES_MAX,
    EVENT_NAME_CHARS_MAX,
    FILLING_DEPTH_MAX,
)
from engine.nodes.change import Emit, End, GoalReached, ListChange, SetAttributes, Start
from engine.nodes.filling import ROOTS, VISIT_FIELDS, Filling
from engine.program import Place
from engine.value import MISSING

CHANGING: Final = (IDENTIFY, CONSENT, CART_UPDATE)
"""Events that change a contact as they are taken in, which those that follow are not."""
FROM_FIX: Final = (
    "write `trigger.FIELD`, `contact.ATTRIBUTE`, `answers.NODE.FIELD` or `visit.key` (id, messages)"
)


def compile_change(node: Node, then: str, path: str, reader: Reader, known: Known) -> Place | None:
    """Return the place of a node of these kinds, None for another; mistakes are noted."""
    match node:
        case SetNode(set=values):
            filling = compile_filling(values, f"{path}.set", reader)
            for name in values:
                if "." in name or not name:
                    fix = "use a name without dots: conditions find parts of a value by them"
                    reader.add(f"{path}.set", f"{name!r} cannot be an attribute", fix)
            return SetAttributes(node.id, then, filling)
        case ListNode():
            return _compile_list(node, then, path, reader, known)
        case EmitNode(emit=name, payload=payload):
            _check_emitted(name, f"{path}.emit", reader)
            return Emit(node.id, then, name, compile_filling(payload, f"{path}.payload", reader))
        case StartNode(start=journey):
            _check_journey(journey, f"{path}.start", reader, known)
            return Start(node.id, then, journey)
        case EndNode(end=journey):
            _check_journey(journey, f"{path}.end", reader, known)
            return End(node.id, then, journey)
        case GoalNode(goal=goal):
            return GoalReached(node.id, then, goal)
        case _:
            return None


def compile_filling(
    values: dict[str, Any], path: str, reader: Reader, depth: int = FILLING_DEPTH_MAX
) -> Filling:
    """Return what is to be filled in; mistakes are noted.

    A value is as written, or `{from: trigger.tier}`, maybe with a `default`, or fields of such.
    """
    filling = Filling()
    if depth == 0:
        reader.add(f"{path[:60]}...", "values are nested too deep", "say it with fewer levels")
        return filling
    if len(values) > ATTRIBUTES_MAX:
        reader.add(path, f"{len(values)} values", f"{ATTRIBUTES_MAX} at most")
    for name, value in values.items():
        if isinstance(value, dict) and "from" not in value and _is_filled(value):
            filling.inner[name] = compile_filling(value, f"{path}.{name}", reader, depth - 1)
            continue
        if not isinstance(value, dict) or "from" not in value:
            _check_size(value, f"{path}.{name}", reader)
            filling.written[name] = value
            continue
        for key in value:
            if key not in ("from", "default"):
                fix = "beside `from` there is only `default`"
                reader.add(f"{path}.{name}.{key}", f"unknown field {key!r}", fix)
        written = value["from"]
        names = written.split(".") if isinstance(written, str) else []
        if not _is_found(names):
            reader.add(f"{path}.{name}.from", f"{written!r} names nothing", FROM_FIX)
            continue
        default = value.get("default", MISSING)
        if default is not MISSING:
            _check_size(default, f"{path}.{name}.default", reader)
        filling.found[name] = (names, default)
    return filling


def _is_filled(value: Any) -> bool:
    """Say whether anything in a value is to be found elsewhere."""
    return isinstance(value, dict) and ("from" in value or any(map(_is_filled, value.values())))


def _is_found(names: list[str]) -> bool:
    """Say whether a path leads anywhere."""
    if len(names) < 2 or names[0] not in ROOTS or not all(names):
        return False
    return names[0] != "visit" or (len(names) == 2 and names[1] in VISIT_FIELDS)


def _check_size(value: Any, path: str, reader: Reader) -> None:
    size = len(msgspec.json.encode(value))
    if size > ATTRIBUTE_BYTES_MAX:
        reader.add(path, f"{size} bytes", f"{ATTRIBUTE_BYTES_MAX} at most, as JSON")


def _compile_list(node: ListNode, then: str, path: str, reader: Reader, known: Known) -> ListChange:
    adds = node.add_to is not None
    name = node.add_to or node.remove_from or ""
    name_path = f"{path}.{'add_to' if adds else 'remove_from'}"
    if node.audience:
        reader.check_name(name, name_path)
    elif not isinstance(known.segment_test(name), OnList):
        lists = [each for each in known.segments if isinstance(known.segment_test(each), OnList)]
        fix = f"{nearest(name, lists)} (a list is a segment with `list: true`)"
        reader.add(name_path, f"there is no list {name!r}", fix)
    return ListChange(node.id, then, name, adds=adds, audience=node.audience)


def _check_emitted(name: str, path: str, reader: Reader) -> None:
    if is_derived(name):
        fix = "give it a name of your own"
        reader.add(path, f"{name!r} happens by itself, and nothing else lets it happen", fix)
    elif name in CHANGING:
        fix = "change the contact with `set`, `add_to` or `remove_from`"
        reader.add(path, f"{name!r} changes a contact only where it is sent", fix)
    elif not 0 < len(name) <= EVENT_NAME_CHARS_MAX:
        fix = f"use 1 to {EVENT_NAME_CHARS_MAX} characters"
        reader.add(path, f"{name[:20]!r}... cannot be an event's name", fix)


def _check_journey(journey: str, path: str, reader: Reader, known: Known) -> None:
    if journey not in known.journeys:
        fix = nearest(journey, known.journeys)
        reader.add(path, f"there is no journey {journey!r}", fix)
