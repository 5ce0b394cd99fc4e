"""Entries -> ways and plans into a program."""

from engine.compile.condition import compile_condition
from engine.compile.known import Known
from engine.compile.occasion import compile_date, compile_schedule
from engine.conditions.condition import Test
from engine.input import SEGMENT_ENTER, SEGMENT_LEAVE
from engine.language.author import Reader, nearest
from engine.language.entry import (
    DateEntry,
    EntersEntry,
    Entry,
    EventEntry,
    LeavesEntry,
    ScheduleEntry,
)
from engine.limits import WAIT_MS_MAX
from engine.program import NEVER_LATE, Program, Way


def compile_entries(
    entry: Entry | list[Entry], program: Program, reader: Reader, known: Known
) -> None:
    """Give the program its ways and plans; mistakes are noted."""
    entries = entry if isinstance(entry, list) else [entry]
    if not entries and program.journey not in known.started:
        reader.add(
            "$.entry",
            "nothing leads into this journey",
            "list at least one entry, or start it from another journey",
        )
    for i, each in enumerate(entries):
        path = f"$.entry[{i}]" if isinstance(entry, list) else "$.entry"
        _compile_entry(each, path, program, reader, known)


def _compile_entry(entry: Entry, path: str, program: Program, reader: Reader, known: Known) -> None:
    test: Test | None = None
    if entry.when is not None:
        test = compile_condition(entry.when, f"{path}.when", reader, known)
    match entry:
        case EventEntry(event=name, late_after=late_after):
            late_after_ms = _late_after_ms(late_after, f"{path}.late_after", reader)
            program.ways.append(Way(name, test, late_after_ms))
        case EntersEntry(enters=segment):
            _check_segment(segment, f"{path}.enters", reader, known)
            program.ways.append(Way(SEGMENT_ENTER + segment, test))
        case LeavesEntry(leaves=segment):
            _check_segment(segment, f"{path}.leaves", reader, known)
            program.ways.append(Way(SEGMENT_LEAVE + segment, test))
        case ScheduleEntry():
            compile_schedule(entry, test, path, program, reader, known)
        case DateEntry():
            compile_date(entry, test, path, program, reader, known)
        case _:
            raise AssertionError(f"no compiler for {type(entry).__name__}")


def _late_after_ms(late_after: str, path: str, reader: Reader) -> int:
    if late_after == "off":
        return NEVER_LATE
    return reader.read_span(late_after, path, WAIT_MS_MAX)


def _check_segment(segment: str, path: str, reader: Reader, known: Known) -> None:
    if known.segment_test(segment) is None:
        fix = nearest(segment, known.segments)
        reader.add(path, f"there is no segment {segment!r}", fix)
