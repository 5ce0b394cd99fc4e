"""Conditions on earlier messages -> tests."""

from typing import Final

from engine.compile.known import Known
from engine.conditions.condition import Test
from engine.conditions.treated import Messages, Treated
from engine.language.author import Reader, nearest
from engine.language.clause import MessageCondition
from engine.limits import CAP_SPAN_MS_MAX, MESSAGES_KEPT_MAX

VISIT: Final = "visit"


def compile_message(condition: MessageCondition, path: str, reader: Reader, known: Known) -> Test:
    """Return the test of a condition on earlier messages; mistakes are noted."""
    at_least, at_most = _counts(condition, path, reader)
    _check_names(condition, path, reader, known)
    messages = Messages(
        condition.journey or "",
        condition.node or "",
        condition.channel or "",
        condition.purpose or "",
    )
    test = Treated(condition.message, messages, at_least, at_most)
    if condition.within == VISIT:
        test.in_visit = True
    elif condition.within is not None:
        test.span_ms = reader.read_span(condition.within, f"{path}.within", CAP_SPAN_MS_MAX)
    return test


def _counts(condition: MessageCondition, path: str, reader: Reader) -> tuple[int, int]:
    at_least, at_most = condition.at_least, condition.at_most
    if condition.message == "not_sent":
        if at_least is not None or at_most is not None:
            fix = "write `message: sent` with the count"
            reader.add(path, "what was not sent cannot be counted", fix)
        return 0, 0
    if at_least is None:
        at_least = 1 if at_most is None else 0
    if at_most is None:
        at_most = MESSAGES_KEPT_MAX
    if not 0 <= at_least <= MESSAGES_KEPT_MAX or not 0 <= at_most <= MESSAGES_KEPT_MAX:
        reader.add(path, "a count is out of range", f"use 0 to {MESSAGES_KEPT_MAX}")
    elif at_least > at_most:
        problem = f"at least {at_least} and at most {at_most} cannot both be"
        reader.add(path, problem, "raise at_most or lower at_least")
    return at_least, at_most


def _check_names(condition: MessageCondition, path: str, reader: Reader, known: Known) -> None:
    journey, node = condition.journey, condition.node
    if journey is not None and journey not in known.nodes_of:
        fix = nearest(journey, sorted(known.nodes_of))
        reader.add(f"{path}.journey", f"there is no journey {journey!r}", fix)
        return
    among = known.nodes_of if journey is None else {journey: known.nodes_of[journey]}
    nodes = sorted({each for nodes in among.values() for each in nodes})
    if node is not None and node not in nodes:
        where = "in any journey" if journey is None else f"in {journey}"
        reader.add(f"{path}.node", f"there is no node {node!r} {where}", nearest(node, nodes))
