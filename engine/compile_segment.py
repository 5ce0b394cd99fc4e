"""Segments -> tests: those that a segment names come before it, and none names itself."""

from engine.author import NOTHING, Reader
from engine.compile_condition import compile_condition
from engine.condition import All, Test
from engine.journey import Segment
from engine.known import Known
from engine.segment import OnList


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
        known = around.with_segments(segment_test, list(written))
        test = compile_condition(segment.when, "$.when", reader, known)
    tests[name] = test
    return test
