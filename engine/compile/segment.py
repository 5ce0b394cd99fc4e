"""Segments -> tests: those that a segment names come before it, and none names itself."""

from typing import Final

from engine.compile.condition import compile_condition
from engine.compile.known import Known
from engine.conditions.condition import All, Test
from engine.conditions.segment import OnList
from engine.language.author import NOTHING, Reader
from engine.language.clause import (
    AllCondition,
    AnyCondition,
    Condition,
    FieldCondition,
    MessageCondition,
    NotCondition,
    PastCondition,
    VisitCondition,
)
from engine.language.journey import Segment

OF_CONTACT: Final = "a segment is of the contact, wherever it is asked: it knows of no {}"


def compile_segments(
    files: dict[str, object], readers: dict[str, Reader], around: Known
) -> dict[str, Test]:
    """Return the tests of all segments by their id; mistakes are noted by their file's reader.

    `around` is what the publication knows beside segments.
    """
    written: dict[str, tuple[Segment, Reader]] = {}
    for file, data in sorted(files.items()):
        reader = readers[file] = Reader(file)
        segment = reader.read(Segment, data)
        if segment is NOTHING:
            continue
        reader.check_name(segment.segment, "$.segment")
        if segment.segment in written:
            other = written[segment.segment][1].file
            problem = f"{segment.segment!r} is the segment of {other} already"
            reader.add("$.segment", problem, "give it another id")
        if (segment.when is None) == (not segment.list):
            fix = "give either `when:` with a condition, or `list: true`"
            reader.add("$", "a segment is a condition or a list", fix)
        written[segment.segment] = (segment, reader)
    tests: dict[str, Test] = {}
    for name in written:
        _compile(name, written, tests, [], around)
    return tests


def _compile(
    name: str,
    written: dict[str, tuple[Segment, Reader]],
    tests: dict[str, Test],
    on_the_way: list[str],
    around: Known,
) -> Test | None:
    """Compile a segment after those that it names; None where there is none of this name."""
    if name in tests:
        return tests[name]
    if name not in written:
        return None
    segment, reader = written[name]
    if name in on_the_way:
        cycle = " -> ".join([*on_the_way[on_the_way.index(name) :], name])
        reader.add("$.when", f"segments name each other in a circle: {cycle}", "break the circle")
        return All([])

    def segment_test(other: str) -> Test | None:
        return _compile(other, written, tests, [*on_the_way, name], around)

    if segment.when is None:
        test: Test = OnList(name)
    else:
        _check_of_contact(segment.when, "$.when", reader)
        known = around.with_segments(segment_test, list(written))
        test = compile_condition(segment.when, "$.when", reader, known)
    tests[name] = test
    return test


def _check_of_contact(condition: Condition, path: str, reader: Reader) -> None:
    """Note what rests on an event or a visit: it would be another segment in each place."""
    match condition:
        case AllCondition(all=parts) | AnyCondition(any=parts):
            name = "all" if isinstance(condition, AllCondition) else "any"
            for i, part in enumerate(parts):
                _check_of_contact(part, f"{path}.{name}[{i}]", reader)
        case NotCondition(not_=part):
            _check_of_contact(part, f"{path}.not", reader)
        case FieldCondition():
            fix = "write `happened:` with `where:` around it, or ask for it beside the segment"
            reader.add(f"{path}.field", OF_CONTACT.format("event"), fix)
        case PastCondition(same=[_, *_]):
            fix = "ask for it beside the segment"
            reader.add(f"{path}.same", OF_CONTACT.format("event"), fix)
        case VisitCondition():
            reader.add(f"{path}.visit", OF_CONTACT.format("visit"), "ask for it beside the segment")
        case MessageCondition(within="visit"):
            fix = "write a span such as `7d`"
            reader.add(f"{path}.within", OF_CONTACT.format("visit"), fix)
        case _:
            pass
