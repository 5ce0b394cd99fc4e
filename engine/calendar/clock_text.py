"""Times as people and senders write them: `09:00`, `mon-fri`, `2026-12-24T09:00+01:00`."""

import math
from collections.abc import Iterable
from datetime import date
from re import compile as pattern
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.calendar.zone import FIRST_MS, LAST_MS, at_local, date_start, day_of_date, local
from engine.limits import DAY_MS

TIME_FORM: Final = "a time of day from 00:00 to 23:59"
WEEKDAYS_FORM: Final = "weekdays such as mon, friday or mon-fri"
DATE_FORM: Final = "a date such as 2026-12-24"
MOMENT_FORM: Final = f"{DATE_FORM}, 2026-12-24T09:00, 2026-12-24T09:00+01:00 or epoch milliseconds"
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

SECONDS_BELOW: Final = 100_000_000_000
"""A number nearer to 0 is epoch seconds (to the year 5138), others are milliseconds (from 1973)."""

_CHARS_MAX: Final = 64
_TIME: Final = pattern(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:[.,]([0-9]{1,9}))?)?")
_DATE: Final = pattern(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_ZONE: Final = pattern(r"[Zz]|([+-])([01][0-9]|2[0-3]):?([0-5][0-9])?")
_MOMENT: Final = pattern(r"([0-9-]{10})(?:[Tt ]([0-9:.,]{4,18}) ?([Zz]|[+-][0-9:]{2,5})?)?")


def time_of_day(text: str) -> int | None:
    """Read `09:00`, `9:00` or `09:00:30` as milliseconds of the day; None where it is none."""
    match = _TIME.fullmatch(text.strip()) if len(text) <= _CHARS_MAX else None
    if match is None:
        return None
    hour, minute, second, fraction = match.groups("0")
    seconds = (60 * int(hour) + int(minute)) * 60 + int(second)
    return 1_000 * seconds + int(fraction[:3].ljust(3, "0"))


def weekdays_of(texts: Iterable[str]) -> int | None:
    """Read weekdays and ranges of them (`fri-mon` too) as bits, Monday 1; None if one is wrong."""
    weekdays = 0
    for text in texts:
        first, dash, last = text.partition("-")
        start = weekday_of(first)
        end = weekday_of(last) if dash else start
        if start is None or end is None:
            return None
        for i in range((end - start) % 7 + 1):
            weekdays |= 1 << (start + i) % 7
    return weekdays


def weekday_of(text: str) -> int | None:
    """Read `mon` or `Monday` as the weekday's number, Monday 0; None where it is none."""
    name = text.strip().lower()
    for i, weekday in enumerate(WEEKDAYS):
        if name in (weekday, weekday[:3]):
            return i
    return None


def iso_date(text: str) -> date | None:
    """Read `2026-12-24`; None where there is no such day."""
    match = _DATE.fullmatch(text.strip()) if len(text) <= _CHARS_MAX else None
    if match is None:
        return None
    try:
        return date(*map(int, match.groups()))
    except ValueError:
        return None


def moment_of(value: Any, zone: ZoneInfo) -> int | None:
    """Read what an attribute or a payload says is a moment; None where that is none. Never raises.

    Numbers are epoch milliseconds, or seconds below SECONDS_BELOW. A date is the first moment of
    that day in the zone; date and time without offset are in the zone, by the rule of `at_local`.
    """
    if isinstance(value, str):
        return _moment_of_text(value, zone)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    at_ms = int(value * 1_000 if abs(value) < SECONDS_BELOW else value)
    return at_ms if FIRST_MS <= at_ms <= LAST_MS else None


def date_of(value: Any, zone: ZoneInfo) -> date | None:
    """Read what an attribute or a payload says is a day; of a moment, its day in the zone.

    A date is that day in every zone: a birthday is best sent as one, not as a moment.
    """
    if isinstance(value, str):
        day = iso_date(value)
        if day is not None:
            return day
    at_ms = moment_of(value, zone)
    return None if at_ms is None else local(at_ms, zone).date


def _moment_of_text(text: str, zone: ZoneInfo) -> int | None:
    match = _MOMENT.fullmatch(text.strip()) if len(text) <= _CHARS_MAX else None
    if match is None:
        return None
    day = iso_date(match[1])
    if day is None:
        return None
    if match[2] is None:
        at_ms = date_start(day, zone)
    else:
        ms_of_day = time_of_day(match[2])
        if ms_of_day is None:
            return None
        if match[3] is None:
            at_ms = at_local(day, ms_of_day, zone)
        else:
            offset = _offset(match[3])
            if offset is None:
                return None
            at_ms = day_of_date(day) * DAY_MS + ms_of_day - offset
    return at_ms if FIRST_MS <= at_ms <= LAST_MS else None


def _offset(text: str) -> int | None:
    match = _ZONE.fullmatch(text)
    if match is None:
        return None
    sign, hours, minutes = match.groups("0")
    span = (60 * int(hours) + int(minutes)) * 60_000
    return -span if sign == "-" else span
