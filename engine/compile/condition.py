"""Condition -> Test: what an author wrote as a tree becomes small objects that answer fast."""

from engine.compile.comparison import compile_comparison
from engine.compile.contradiction import check_contradictions
from engine.compile.daytime import compile_share, compile_time
from engine.compile.known import Known
from engine.compile.message import compile_message
from engine.compile.recall import compile_happened, compile_not_happened
from engine.conditions.condition import (
    All,
    Any_,
    Consented,
    Not,
    Test,
)
from engine.conditions.segment import InSegment
from engine.language.author import Reader, nearest
from engine.language.clause import (
    AllCondition,
    AnyCondition,
    Comparison,
    Condition,
    ConsentCondition,
    HappenedCondition,
    MessageCondition,
    NotCondition,
    NotHappenedCondition,
    SegmentCondition,
    ShareCondition,
    TimeCondition,
)
from engine.limits import CONDITION_DEPTH_MAX


def compile_condition(
    condition: Condition, path: str, reader: Reader, known: Known, depth: int = 0
) -> Test:
    """Return the test of a condition; mistakes are noted, and then the test means nothing."""
    if depth == 0:
        check_contradictions(condition, path, reader)
    if depth > CONDITION_DEPTH_MAX:
        fix = f"{CONDITION_DEPTH_MAX} levels at most"
        reader.add(path, "conditions are nested too deep", fix)
        return All([])
    match condition:
        case AllCondition(all=parts):
            return All(_compile_parts(parts, f"{path}.all", reader, known, depth))
        case AnyCondition(any=parts):
            return Any_(_compile_parts(parts, f"{path}.any", reader, known, depth))
        case NotCondition(not_=part):
            return Not(compile_condition(part, f"{path}.not", reader, known, depth + 1))
        case HappenedCondition() | NotHappenedCondition():
            return _compile_past(condition, path, reader, known, depth)
        case _:
            return _compile_leaf(condition, path, reader, known)


def _compile_leaf(condition: Condition, path: str, reader: Reader, known: Known) -> Test:
    match condition:
        case Comparison():
            return compile_comparison(condition, path, reader, known)
        case ConsentCondition(consent=channel, is_=level, purpose=purpose):
            return Consented(channel, level, purpose)
        case SegmentCondition(segment=segment):
            return _compile_segment(segment, path, reader, known)
        case MessageCondition():
            return compile_message(condition, path, reader, known)
        case TimeCondition():
            return compile_time(condition, path, reader)
        case ShareCondition():
            return compile_share(condition, path, reader)
        case _:
            raise AssertionError(f"no compiler for {type(condition).__name__}")


def _compile_parts(
    parts: list[Condition], path: str, reader: Reader, known: Known, depth: int
) -> list[Test]:
    if not parts:
        reader.add(path, "an empty list decides nothing", "list at least one condition")
    return [
        compile_condition(part, f"{path}[{i}]", reader, known, depth + 1)
        for i, part in enumerate(parts)
    ]


def _compile_segment(segment: str, path: str, reader: Reader, known: Known) -> Test:
    test = known.segment_test(segment)
    if test is None:
        fix = nearest(segment, known.segments)
        reader.add(f"{path}.segment", f"there is no segment {segment!r}", fix)
        return All([])
    return InSegment(segment, test)


def _compile_past(
    condition: HappenedCondition | NotHappenedCondition,
    path: str,
    reader: Reader,
    known: Known,
    depth: int,
) -> Test:
    def compile_part(part: Condition, path: str) -> Test:
        return compile_condition(part, path, reader, known, depth + 1)

    if isinstance(condition, NotHappenedCondition):
        return compile_not_happened(condition, path, reader, known, compile_part)
    return compile_happened(condition, path, reader, known, compile_part)
