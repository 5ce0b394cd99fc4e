"""Condition -> Test: what an author wrote as a tree becomes small objects that answer fast."""

from typing import Any, Final

from engine.author import Reader, nearest
from engine.clause import (
    AllCondition,
    AnyCondition,
    AttributeCondition,
    Comparison,
    Condition,
    ConsentCondition,
    FieldCondition,
    HappenedCondition,
    NotCondition,
    NotHappenedCondition,
    SegmentCondition,
)
from engine.compile_recall import compile_happened, compile_not_happened
from engine.condition import (
    COMPARISONS,
    All,
    Any_,
    Compare,
    CompareInner,
    Consented,
    Not,
    Test,
)
from engine.known import Known
from engine.limits import CONDITION_DEPTH_MAX
from engine.segment import InSegment

OPERATORS: Final = tuple(COMPARISONS)


def compile_condition(
    condition: Condition, path: str, reader: Reader, known: Known, depth: int = 0
) -> Test:
    """Return the test of a condition; mistakes are noted, and then the test means nothing."""
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
        case FieldCondition(field=field):
            return _compile_comparison(condition, field, path, reader)
        case AttributeCondition(attribute=attribute):
            return _compile_comparison(condition, attribute, path, reader)
        case ConsentCondition(consent=channel, is_=level):
            return Consented(channel, level)
        case SegmentCondition(segment=segment):
            return _compile_segment(segment, path, reader, known)
        case HappenedCondition() | NotHappenedCondition():
            return _compile_past(condition, path, reader, known, depth)
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


def _compile_comparison(comparison: Comparison, name: str, path: str, reader: Reader) -> Test:
    given = [each for each in OPERATORS if getattr(comparison, each) is not None]
    choices = ", ".join(OPERATORS)
    if len(given) != 1:
        said = " and ".join(given) if given else "no comparison"
        reader.add(path, f"{said} for {name!r}", f"give exactly one of {choices}")
        return All([])
    if not all(name.split(".")):
        reader.add(path, f"{name!r} is no path", "write names with single dots in between")
    operand: Any = getattr(comparison, given[0])
    if given[0] == "one_of" and not operand:
        reader.add(f"{path}.one_of", "an empty list never holds", "list at least one value")
    of_contact = isinstance(comparison, AttributeCondition)
    path_names = name.split(".")
    kind = CompareInner if len(path_names) == 2 else Compare
    return kind(path_names, of_contact, given[0], operand)


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
