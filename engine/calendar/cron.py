"""Schedules as authors of cron tables write them: minute, hour, day, month, weekday.

The language is that of crontab(5) as robfig/cron reads it, without seconds. So is the rule where
clocks change: a schedule fires whenever clocks show its time. A time that clocks skip does not fire
that day, and one that comes twice fires twice. (Who wants once a day takes `next_time`.)
"""

from bisect import bisect_left
from calendar import monthrange
from datetime import date
from re import compile as pattern
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from engine.calendar.zone import (
    FIRST_MS,
    LAST_MS,
    date_of_day,
    day_of_date,
    not_too_far,
    offset_until,
)
from engine.limits import CRON_CHARS_MAX, DAY_MS, FAR_MS

CRON_FORM: Final = "`minute hour day month weekday`, such as `0 9 * * mon-fri`, or `@daily`"
SHORTHANDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
YEARS_AHEAD: Final = 5
"""A schedule that does not fire within this year and five more never does, as with robfig/cron."""

_MINUTE_MS: Final = 60_000
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_RANGE: Final = pattern(r"([*?]|\w{1,3})(?:-(\w{1,3}))?(?:/([0-9]{1,3}))?")


class Cron(NamedTuple):
    """A schedule that was read. Masks have a bit for each day, month, and weekday from Sunday, 0.

    `either_day`: with both day and weekday restricted, it is enough that one of them is right.
    """

    minutes_of_day: tuple[int, ...]
    days: int
    months: int
    weekdays: int
    either_day: bool


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 6, _WEEKDAYS),
)


def read_cron(text: str) -> Cron | str:
    """Read a schedule; where it is none, return what is wrong with it, for its author.

    Fields are lists of `*`, `?` (the same), `3`, `1-5`, each with a step: `*/15`, `9-17/2`; `5/15`
    is from 5 to the field's end. Months and weekdays have names of three letters; Sunday is 0 or 7.
    """
    if len(text) > CRON_CHARS_MAX:
        return f"a schedule has at most {CRON_CHARS_MAX} characters"
    words = SHORTHANDS.get(text.strip().lower(), text).split()
    if len(words) != len(_FIELDS):
        return f"{text!r} is no schedule: write {CRON_FORM}"
    masks: list[int] = []
    free: list[bool] = []
    for field, word in zip(_FIELDS, words, strict=True):
        mask, starred = 0, False
        for part in word.split(","):
            read = _read_part(field, part)
            if isinstance(read, str):
                return read
            mask |= read[0]
            starred = starred or read[1]
        masks.append(mask)
        free.append(starred)
    minutes, hours, days, months, weekdays = masks
    times = (60 * hour + minute for hour in _bits(hours) for minute in _bits(minutes))
    return Cron(tuple(times), days, months, weekdays, not (free[2] or free[4]))


def _read_part(field: _Field, text: str) -> tuple[int, bool] | str:
    """Return the bits of one item of a list, and whether it leaves the field free."""
    match = _RANGE.fullmatch(text) if text.isascii() else None
    if match is None:
        return f"{text!r} is no {field.name}: write a number, a range such as 1-5, or *"
    low, high, step = match.groups()
    if low in ("*", "?"):
        if high is not None:
            return f"{text!r} is no {field.name}: * has no end"
        first, last = field.least, field.most
    else:
        first_read, last_read = _number(field, low), _number(field, high or low)
        if first_read is None or last_read is None:
            wrong = low if first_read is None else high
            return f"{wrong!r} is no {field.name}: use {field.least} to {field.most}"
        first, last = first_read, last_read
        if step is not None and high is None:
            last = field.most
    if field.names is _WEEKDAYS and last == 0 < first:
        last = 7  # `sat-sun`: weeks end with Sunday for most.
    if first > last:
        return f"{text!r} is no range of {field.name}s: its end is before its beginning"
    every = int(step or 1)
    if every == 0:
        return f"{text!r} has a step of 0: use 1 or more"
    bits = sum(1 << value for value in range(first, last + 1, every))
    if field.names is _WEEKDAYS and bits >> 7:
        bits = bits & 0b111_1111 | 1
    # A field of steps restricts, `*/1` does not.
    return bits, low in ("*", "?") and every == 1


def _number(field: _Field, text: str) -> int | None:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.least
    most = 7 if field.names is _WEEKDAYS else field.most
    if text.isdecimal() and field.least <= int(text) <= most:
        return int(text)
    return None


def _bits(mask: int) -> list[int]:
    return [i for i in range(mask.bit_length()) if mask >> i & 1]


def next_fire(cron: Cron, after_ms: int, zone: ZoneInfo) -> int:
    """Return the first moment later than `after_ms` at which clocks show a time of the schedule.

    FAR_MS where there is none until the end of the fifth year after this, such as for 30 February.
    """
    at_ms = max(after_ms + 1, FIRST_MS)
    if at_ms > LAST_MS:
        return FAR_MS
    last_year = date_of_day((at_ms + offset_until(at_ms, zone)[0]) // DAY_MS).year + YEARS_AHEAD
    end = (day_of_date(date(min(last_year, 9999), 12, 31)) + 1) * DAY_MS
    while True:
        offset, until_ms = offset_until(at_ms, zone)
        shown_until = until_ms + offset
        fires = _next_shown(cron, at_ms + offset, min(shown_until, end))
        if fires is not None:
            return not_too_far(fires - offset)
        if shown_until >= end:
            return FAR_MS
        at_ms = until_ms


def _next_shown(cron: Cron, shown: int, until: int) -> int | None:
    """Return the first reading of the schedule from `shown` on, before `until`."""
    day, ms_of_day = divmod(shown, DAY_MS)
    times = cron.minutes_of_day
    index = bisect_left(times, -(-ms_of_day // _MINUTE_MS))
    while day * DAY_MS < until:
        of_year = date_of_day(day)
        if not cron.months >> of_year.month & 1:
            day, index = day + monthrange(of_year.year, of_year.month)[1] - of_year.day + 1, 0
            continue
        if index < len(times) and _is_day(cron, day, of_year.day):
            fires = day * DAY_MS + times[index] * _MINUTE_MS
            return fires if fires < until else None
        day, index = day + 1, 0
    return None


def _is_day(cron: Cron, day: int, of_month: int) -> bool:
    by_day = bool(cron.days >> of_month & 1)
    by_weekday = bool(cron.weekdays >> (day + 4) % 7 & 1)
    return by_day or by_weekday if cron.either_day else by_day and by_weekday
