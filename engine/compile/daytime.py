"""Conditions on local time and on chance -> tests."""

from typing import Final

from engine.calendar.clock_text import TIME_FORM, WEEKDAYS_FORM, time_of_day, weekdays_of
from engine.calendar.window import Window
from engine.calendar.zone import EVERY_DAY, zone_of
from engine.conditions.condition import Test
from engine.conditions.daytime import InShare, InTime
from engine.language.author import Reader
from engine.language.clause import ShareCondition, TimeCondition
from engine.limits import DAY_MS

CONTACT: Final = "contact"


def compile_time(condition: TimeCondition, path: str, reader: Reader) -> Test:
    """Return the test of a condition on local time; mistakes are noted."""
    weekdays: int | None = EVERY_DAY
    if condition.weekdays is not None:
        weekdays = weekdays_of(condition.weekdays)
        if not weekdays:
            problem = f"{condition.weekdays!r} are no weekdays"
            reader.add(f"{path}.weekdays", problem, f"list {WEEKDAYS_FORM}")
    elif condition.time is None:
        fix = 'give `time: ["09:00", "18:00"]`, `weekdays: [mon-fri]`, or both'
        reader.add(path, "any time of any day decides nothing", fix)
    window = Window(0, DAY_MS, weekdays or EVERY_DAY)
    if condition.time is not None:
        window = _window(condition.time, window, f"{path}.time", reader)
    zone = None
    if condition.zone != CONTACT:
        zone = zone_of(condition.zone)
        if zone is None:
            fix = "write `contact`, or a name such as Europe/Berlin"
            reader.add(f"{path}.zone", f"there is no time zone {condition.zone!r}", fix)
    return InTime(window, zone)


def _window(times: list[str], window: Window, path: str, reader: Reader) -> Window:
    read = [time_of_day(each) for each in times]
    if len(read) != 2 or read[0] is None or read[1] is None:
        fix = f'write two times, each {TIME_FORM}: `["09:00", "18:00"]`'
        reader.add(path, f"{times!r} is not from one time to another", fix)
    elif read[0] == read[1]:
        fix = "write two different times, or `time: null` for all day"
        reader.add(path, f"nothing is from {times[0]} to before {times[1]}", fix)
    else:
        return window._replace(from_ms_of_day=read[0], to_ms_of_day=read[1])
    return window


def compile_share(condition: ShareCondition, path: str, reader: Reader) -> Test:
    """Return the test of a condition on chance; mistakes are noted."""
    if not 0 < condition.share <= 100:
        problem = f"{condition.share} is out of range"
        reader.add(f"{path}.share", problem, "write a percentage above 0, at most 100")
    return InShare(condition.share, condition.salt)
