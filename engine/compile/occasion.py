"""Entries by schedule and by date -> occasions of a program."""

from zlib import crc32
from zoneinfo import ZoneInfo

from engine.calendar.clock_text import time_of_day
from engine.calendar.cron import CRON_FORM, next_fire, read_cron
from engine.calendar.span import offset_ms, span_text
from engine.calendar.zone import zone_of
from engine.compile.known import Known
from engine.conditions.condition import All, Test
from engine.conditions.segment import InSegment
from engine.fold.schedule import AttributeDate, Schedule
from engine.language.author import Reader, nearest
from engine.language.entry import DateEntry, ScheduleEntry
from engine.limits import DAY_MS, FAR_MS, WAIT_MS_MAX
from engine.program import Occasion, Program


def compile_schedule(
    entry: ScheduleEntry,
    test: Test | None,
    path: str,
    program: Program,
    reader: Reader,
    known: Known,
) -> None:
    """Give the program this schedule; mistakes are noted."""
    in_segment = known.segment_test(entry.segment)
    if in_segment is None:
        problem = f"there is no segment {entry.segment!r}"
        reader.add(f"{path}.segment", problem, nearest(entry.segment, known.segments))
        return
    cron = read_cron(entry.schedule)
    if isinstance(cron, str):
        reader.add(f"{path}.schedule", cron, f"write {CRON_FORM}")
        return
    zone = _zone_of(entry.zone, f"{path}.zone", reader, known)
    if next_fire(cron, 0, known.zone) == FAR_MS:
        fix = "use a day that its months have"
        reader.add(f"{path}.schedule", f"{entry.schedule!r} never comes", fix)
        return
    asked: list[Test] = [InSegment(entry.segment, in_segment)]
    id = _id_of(program, "schedule", entry.schedule, zone, known)
    tests = All(asked if test is None else [*asked, test])
    _add(program, Schedule(id, tests, cron, zone))


def compile_date(
    entry: DateEntry, test: Test | None, path: str, program: Program, reader: Reader, known: Known
) -> None:
    """Give the program this date; mistakes are noted."""
    zone = _zone_of(entry.zone, f"{path}.zone", reader, known)
    ms_of_day = time_of_day(entry.time)
    if ms_of_day is None:
        fix = "write it as `09:00`, in quotes"
        reader.add(f"{path}.time", f"{entry.time!r} is no time of day", fix)
        return
    offset_days = _days(entry.offset, f"{path}.offset", reader)
    if not entry.date or "." in entry.date:
        fix = "name one attribute, without dots"
        reader.add(f"{path}.date", f"{entry.date!r} is no attribute", fix)
    said = f"{entry.date} {entry.every} {offset_days} {ms_of_day}"
    id = _id_of(program, "date", said, zone, known)
    date = AttributeDate(id, test, entry.date, yearly=entry.every == "year")
    date.offset_days = offset_days
    date.ms_of_day = ms_of_day
    date.zone = zone
    _add(program, date)


def _add(program: Program, occasion: Occasion) -> None:
    """Add an occasion; one that is due as another is gets an id of its own."""
    taken = {each.id for each in program.occasions}
    number = 1
    while occasion.id in taken:
        number += 1
        occasion.id = f"{occasion.id.partition('.')[0]}.{number}"
    program.occasions.append(occasion)


def _id_of(program: Program, kind: str, said: str, zone: ZoneInfo | None, known: Known) -> str:
    """Name an occasion for when it is due: where that is said otherwise, it is planned anew.

    Each contact keeps it, so it is short.
    """
    where = f"contact {known.zone.key}" if zone is None else zone.key
    return f"{program.journey}/{crc32(f'{kind} {said} {where}'.encode()):x}"


def _zone_of(name: str, path: str, reader: Reader, known: Known) -> ZoneInfo | None:
    """Return the zone that is named; None for the contact's own."""
    if name == "contact":
        return None
    if name == "settings":
        return known.zone
    zone = zone_of(name)
    if zone is None:
        fix = "write `settings`, `contact`, or a name such as `Europe/Berlin`"
        reader.add(path, f"there is no time zone {name!r}", fix)
    return zone


def _days(text: str, path: str, reader: Reader) -> int:
    """Read whole days, before a date or after it; on a mistake note it and return 0."""
    span_ms = offset_ms(text)
    if span_ms is None or span_ms % DAY_MS:
        fix = "write whole days, such as 3d after it, or -3d before it: `time` has the rest"
        reader.add(path, f"cannot read {text!r}", fix)
        return 0
    if abs(span_ms) > WAIT_MS_MAX:
        reader.add(path, f"{text} is out of range", f"use {span_text(WAIT_MS_MAX)} at most")
        return 0
    return span_ms // DAY_MS
