"""Nodes that split -> places: branches, cases and shares are checked."""

from typing import Any, Final

from engine.compile.condition import compile_condition
from engine.compile.known import Known
from engine.compile.ways import leads_to
from engine.language.author import Reader, nearest
from engine.language.node import Node, ParticipationNode, RandomNode, SplitNode, SwitchNode
from engine.limits import BRANCHES_MAX, WAIT_MS_MAX
from engine.nodes.split import CONTACT, TRIGGER, VISIT, Lot, Participation, Split, Switch
from engine.program import Place

SOURCE_FORM: Final = "trigger.FIELD, contact.ATTRIBUTE, visit.key or visit.answers.NODE.FIELD"
OF_VISIT: Final = ("key", "messages", "trigger", "answers")
ROUNDING: Final = 0.1
"""So much may the shares miss 100 by: 33.3 three times."""


def compile_split(
    node: SplitNode | SwitchNode | RandomNode | ParticipationNode,
    then: str,
    path: str,
    reader: Reader,
    known: Known,
) -> Place:
    """Return the place of a node that leads different ways; mistakes are noted."""
    match node:
        case SplitNode():
            _check_then(node, path, reader)
            return _compile_branches(node, path, reader, known)
        case SwitchNode():
            _check_then(node, path, reader)
            return _compile_cases(node, path, reader, known)
        case RandomNode():
            _check_then(node, path, reader)
            return _compile_shares(node, path, reader, known)
        case ParticipationNode(participation=span):
            span_ms = reader.read_span(span, f"{path}.participation", WAIT_MS_MAX)
            otherwise = leads_to(node.else_, f"{path}.else", reader, known)
            return Participation(node.id, then, span_ms, otherwise)


def _check_then(node: Node, path: str, reader: Reader) -> None:
    if node.then is not None:
        fix = "remove `then`; where none fits is said by `else`"
        reader.add(f"{path}.then", "each branch says where it leads", fix)


def _check_number(what: str, count: int, least: int, path: str, reader: Reader) -> None:
    if count < least:
        problem = f"{count} {what}" if count else f"no {what}"
        reader.add(path, f"{problem}: this splits nothing", f"list at least {least}")
    elif count > BRANCHES_MAX:
        reader.add(path, f"{count} {what}", f"{BRANCHES_MAX} at most")


def _compile_branches(node: SplitNode, path: str, reader: Reader, known: Known) -> Split:
    _check_number("branches", len(node.split), 1, f"{path}.split", reader)
    branches = []
    for i, branch in enumerate(node.split):
        at = f"{path}.split[{i}]"
        test = compile_condition(branch.when, f"{at}.when", reader, known)
        branches.append((test, leads_to(branch.then, f"{at}.then", reader, known)))
    otherwise = leads_to(node.else_, f"{path}.else", reader, known)
    return Split(node.id, branches, otherwise)


def _compile_cases(node: SwitchNode, path: str, reader: Reader, known: Known) -> Switch:
    _check_number("cases", len(node.cases), 1, f"{path}.cases", reader)
    source, names = _read_source(node.switch, f"{path}.switch", reader, known)
    cases: dict[str, str] = {}
    case: Any
    for case, target in node.cases.items():
        at = f"{path}.cases.{case}"
        if not isinstance(case, str):
            fix = f'put it in quotes: "{case}"'
            if isinstance(case, bool):
                fix = f'put it in quotes: "{str(case).lower()}", or the word that YAML read so'
            reader.add(at, f"{case!r} is no text", fix)
        cases[str(case)] = leads_to(target, at, reader, known)
    otherwise = leads_to(node.else_, f"{path}.else", reader, known)
    return Switch(node.id, source, names, cases, otherwise)


def _read_source(text: str, path: str, reader: Reader, known: Known) -> tuple[str, list[str]]:
    """Return what a value is taken from, and the path there."""
    source, *names = text.split(".")
    if source not in (TRIGGER, CONTACT, VISIT) or not names or not all(names):
        reader.add(path, f"{text!r} names no value", f"write {SOURCE_FORM}")
        return TRIGGER, names
    if source == VISIT:
        first, *rest = names
        if first not in OF_VISIT or bool(rest) != (first in ("trigger", "answers")):
            reader.add(path, f"{text!r} names no value", f"write {SOURCE_FORM}")
        elif first == "answers" and rest[0] not in known.nodes:
            reader.add(path, f"there is no node {rest[0]!r}", nearest(rest[0], known.nodes))
    return source, names


def _compile_shares(node: RandomNode, path: str, reader: Reader, known: Known) -> Lot:
    _check_number("shares", len(node.random), 2, f"{path}.random", reader)
    sides: list[tuple[float, str, bool]] = []
    upto = 0.0
    for i, side in enumerate(node.random):
        at = f"{path}.random[{i}]"
        if not 0 < side.share < 100:
            fix = "write a percentage of more than 0 and less than 100"
            reader.add(f"{at}.share", f"{side.share} is out of range", fix)
        upto += side.share
        sides.append((upto, leads_to(side.then, f"{at}.then", reader, known), side.hold_out))
    if node.random and not abs(upto - 100) <= ROUNDING + 1e-9:
        reader.add(f"{path}.random", f"the shares are {upto:g} together", "let them be 100")
    return Lot(node.id, sides, node.salt or "")
