"""Until -> place: what a wait's moment is made of must fit together and come to pass."""

from typing import Final
from zoneinfo import ZoneInfo

from engine.calendar.clock_text import MOMENT_FORM, TIME_FORM, WEEKDAYS_FORM, moment_of, time_of_day
from engine.calendar.clock_text import weekdays_of as read_weekdays
from engine.calendar.span import OFFSET_FORM, offset_ms, span_text
from engine.calendar.window import Window
from engine.calendar.zone import EVERY_DAY, zone_of
from engine.compile.known import Known
from engine.compile.ways import leads_to
from engine.language.author import Reader
from engine.language.node import Until, WaitNode
from engine.language.rules import UTC
from engine.limits import DAY_MS, WAIT_MS_MAX
from engine.nodes.until import OF_CONTACT, OF_TRIGGER, Date, NextTime, WaitUntil
from engine.program import Place

DATES: Final = ("until", "attribute", "field")


def compile_until(
    node: WaitNode, until: Until, then: str, path: str, reader: Reader, known: Known
) -> Place:
    """Return the place of a wait until a moment; mistakes are noted."""
    at = f"{path}.wait"
    date = _compile_date(until, at, reader)
    ms_of_day = _read_time(until.time, f"{at}.time", reader)
    weekdays = _read_weekdays(until.weekdays, f"{at}.weekdays", reader)
    window = _compile_window(until, weekdays, at, reader)
    zone = _read_zone(until.zone, f"{at}.zone", reader, known)
    otherwise = leads_to(node.else_, f"{path}.else", reader, known)
    _check_together(until, date, at, reader)
    if date is None and node.else_ is not None:
        fix = "remove `else`, or wait for a date (`until`, `attribute` or `field`)"
        reader.add(f"{path}.else", "never taken: this moment is known, and not past", fix)
    if date is None and ms_of_day is not None:
        return NextTime(node.id, then, ms_of_day, weekdays, zone)
    place = WaitUntil(node.id, then, date, zone)
    place.ms_of_day = ms_of_day
    place.weekdays = weekdays
    place.window = window
    place.otherwise = otherwise
    place.has_else = node.else_ is not None
    return place


def _compile_date(until: Until, path: str, reader: Reader) -> Date | None:
    given = [name for name in DATES if getattr(until, name) is not None]
    if len(given) > 1:
        reader.add(path, f"{' and '.join(given)} together", "give one date to wait for")
    if not given:
        return None
    name = given[0]
    text: str = getattr(until, name)
    offset = 0
    if until.offset is not None:
        offset = _read_offset(until.offset, f"{path}.offset", reader)
    if name == "until":
        if moment_of(text, UTC) is None:
            reader.add(f"{path}.until", f"{text!r} is no moment", f"write {MOMENT_FORM}")
        return Date("", [], text, offset)
    names = text.split(".")
    if not all(names):
        fix = "write names with single dots in between"
        reader.add(f"{path}.{name}", f"{text!r} is no path", fix)
    source = OF_CONTACT if name == "attribute" else OF_TRIGGER
    return Date(source, names, f"{source}.{text}", offset)


def _read_offset(text: str, path: str, reader: Reader) -> int:
    offset = offset_ms(text)
    if offset is None:
        reader.add(path, f"cannot read {text!r} as an offset", f"write {OFFSET_FORM}")
        return 0
    if abs(offset) > WAIT_MS_MAX:
        longest = span_text(WAIT_MS_MAX)
        reader.add(path, f"{text} is out of range", f"use -{longest} to {longest}")
        return 0
    return offset


def _read_time(text: str | None, path: str, reader: Reader) -> int | None:
    if text is None:
        return None
    ms_of_day = time_of_day(text)
    if ms_of_day is None:
        reader.add(path, f"{text!r} is no time of day", f"write {TIME_FORM}")
        return 0
    return ms_of_day


def _read_weekdays(texts: list[str] | None, path: str, reader: Reader) -> int:
    if texts is None:
        return EVERY_DAY
    weekdays = read_weekdays(texts)
    if not weekdays:
        problem = "no weekday ever comes" if not texts else f"cannot read {texts} as weekdays"
        reader.add(path, problem, f"write {WEEKDAYS_FORM}")
        return EVERY_DAY
    return weekdays


def _compile_window(until: Until, weekdays: int, path: str, reader: Reader) -> Window | None:
    """Return the window of the day, or of whole days where only weekdays are given."""
    if until.between is None:
        return Window(0, DAY_MS, weekdays) if until.weekdays and until.time is None else None
    path = f"{path}.between"
    if len(until.between) != 2:
        reader.add(path, f"{len(until.between)} times", 'write two: ["09:00", "18:00"]')
        return None
    times = [_read_time(each, f"{path}[{i}]", reader) for i, each in enumerate(until.between)]
    opens, closes = times[0] or 0, times[1] or 0
    if opens == closes and all(time_of_day(each) is not None for each in until.between):
        fix = "give two different times, or leave it out for the whole day"
        reader.add(path, "the window opens when it closes", fix)
    return Window(opens, closes, weekdays)


def _read_zone(name: str, path: str, reader: Reader, known: Known) -> ZoneInfo | None:
    """Return the zone that is meant; None for that of each contact."""
    if name == "contact":
        return None
    zone = known.zone if name == "settings" else zone_of(name)
    if zone is None:
        fix = "write contact, settings or a name such as Europe/Berlin"
        reader.add(path, f"there is no time zone {name!r}", fix)
    return zone


def _check_together(until: Until, date: Date | None, path: str, reader: Reader) -> None:
    """Note what does not fit together."""
    asked = (date, until.time, until.between, until.weekdays)
    if all(each is None for each in asked):
        choices = ", ".join(f"`{each}`" for each in (*DATES, "time", "between", "weekdays"))
        reader.add(path, "this waits for nothing", f"give at least one of {choices}")
    if until.offset is not None and date is None:
        fix = "give `until`, `attribute` or `field`, or write the wait as a span"
        reader.add(f"{path}.offset", "there is no date that this is an offset from", fix)
    if until.time is not None and until.between is not None:
        fix = "remove `between`: `time` says the moment of the day"
        reader.add(path, "time and between together", fix)
    if until.time is not None and date is not None and date.offset_ms % DAY_MS:
        fix = "use whole days (`-3d`), or remove `time`"
        reader.add(f"{path}.offset", f"{until.offset} from a time of the day of that date", fix)
