"""Local time: what clocks on walls show, in zones whose offset changes.

A *reading* is what a clock on a wall shows, as milliseconds since 1970-01-01T00:00 on that clock.
Nothing here raises, whatever the moment: where a result would lie past the year 9999 it is FAR_MS.
"""

from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from engine.limits import DAY_MS, FAR_MS, ZONE_STRETCHES_MAX

EVERY_DAY: Final = 0b111_1111
"""Weekdays are bits: 1 << 0 is Monday."""

FIRST_MS: Final = -62_135_596_800_000
LAST_MS: Final = 253_402_300_799_999
"""The first moment of the year 1 and the last of the year 9999, UTC."""

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_FIRST_DAY: Final = 1 - _EPOCH_DAY
_LAST_DAY: Final = date.max.toordinal() - _EPOCH_DAY
_STRETCH_MS: Final = 30 * DAY_MS


class Local(NamedTuple):
    """What calendar and clock on a wall show; Monday is weekday 0."""

    date: date
    ms_of_day: int
    weekday: int


def zone_of(name: Any) -> ZoneInfo | None:
    """Return the zone of this name from the IANA database, such as `Europe/Berlin`; None if none.

    Never raises, whatever it is given, and looks at no file for a name that is not known.
    """
    return _load(name) if isinstance(name, str) and name in zone_names() else None


@cache
def zone_names() -> frozenset[str]:
    """Return the names of the 600 zones; not `localtime`, which each machine has its own of."""
    return frozenset(available_timezones() - {"localtime"})


@cache
def _load(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return None  # Its file was taken away or is damaged.


@lru_cache(ZONE_STRETCHES_MAX)
def _offsets(zone: ZoneInfo, stretch: int) -> tuple[tuple[int, int], ...]:
    """Return (until_ms, offset_ms) of each offset from UTC that 30 days have, in order.

    Looks once a day: no zone of the database ever changed twice within three days.
    """
    found: list[tuple[int, int]] = []
    start = stretch * _STRETCH_MS
    offset = _offset_at(start, zone)
    for sample in range(start + DAY_MS, start + _STRETCH_MS + 1, DAY_MS):
        after = _offset_at(sample, zone)
        if after != offset:
            found.append((_change(sample - DAY_MS, sample, zone), offset))
            offset = after
    found.append((start + _STRETCH_MS, offset))
    return tuple(found)


def _change(before: int, after: int, zone: ZoneInfo) -> int:
    """Return the moment, a whole second, from which the zone has the offset it has at `after`."""
    offset = _offset_at(after, zone)
    while after - before > 1_000:
        middle = (before + after) // 2_000 * 1_000
        if _offset_at(middle, zone) == offset:
            after = middle
        else:
            before = middle
    return after


def _offset_at(at_ms: int, zone: ZoneInfo) -> int:
    # A day short of what datetime can say, so that adding an offset cannot overflow.
    second = min(max(at_ms, FIRST_MS + DAY_MS), LAST_MS - DAY_MS) // 1_000
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else offset.days * DAY_MS + offset.seconds * 1_000


def offset_until(at_ms: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the zone's offset from UTC at a moment, and a later moment until which it stays."""
    for until_ms, offset in _offsets(zone, at_ms // _STRETCH_MS):
        if at_ms < until_ms:
            return offset, until_ms
    raise AssertionError("a stretch ends where the next begins")


def reading(at_ms: int, zone: ZoneInfo) -> int:
    """Return what clocks show at a moment, as milliseconds since 1970 on them."""
    return at_ms + offset_until(at_ms, zone)[0]


def local(at_ms: int, zone: ZoneInfo) -> Local:
    """Return date and time of day at a moment; outside the years 1 to 9999 the nearest date."""
    day, ms_of_day = divmod(reading(at_ms, zone), DAY_MS)
    return Local(date_of_day(day), ms_of_day, (day + 3) % 7)


def clock_text(at_ms: int, zone: ZoneInfo) -> str:
    """Return what calendar and clock show, for people: `Sun 2026-04-05 19:31`."""
    shown = local(at_ms, zone)
    minutes = shown.ms_of_day // 60_000
    return f"{DAYS[shown.weekday]} {shown.date} {minutes // 60:02}:{minutes % 60:02}"


def at_local(date: date, ms_of_day: int, zone: ZoneInfo) -> int:
    """Return the moment at which clocks show this time of this day.

    A time that clocks skip counts with the offset before the gap, so it is late by the length of
    the gap: where 02:00 to 03:00 is skipped, 02:30 is 03:30. Of a time that comes twice it is the
    first. So say RFC 5545 (3.3.5) and java.time (`ZonedDateTime.ofLocal`).
    """
    return not_too_far(moment_of_reading(day_of_date(date) * DAY_MS + ms_of_day, zone))


def not_too_far(at_ms: int) -> int:
    """Return a moment, or FAR_MS for one past the year 9999."""
    return at_ms if at_ms <= LAST_MS else FAR_MS


def moment_of_reading(shown: int, zone: ZoneInfo) -> int:
    """Return the moment at which clocks show this, by the rule of `at_local`, however far."""
    start_ms = shown - DAY_MS  # No zone is as far as a day from UTC, so it cannot be earlier.
    at_ms = start_ms
    while True:
        offset, until_ms = offset_until(start_ms, zone)
        before_gap, at_ms = at_ms, shown - offset
        if at_ms < start_ms:
            return before_gap
        if at_ms < until_ms:
            return at_ms
        start_ms = until_ms


def date_of_day(day: int) -> date:
    """Return the date so many days after 1970-01-01, or the nearest there is."""
    return date.fromordinal(min(max(day, _FIRST_DAY), _LAST_DAY) + _EPOCH_DAY)


def day_of_date(date: date) -> int:
    """Return the number of days from 1970-01-01 to a date."""
    return date.toordinal() - _EPOCH_DAY


def date_start(date: date, zone: ZoneInfo) -> int:
    """Return the first moment of a day; of a day that a zone skipped, that of the next."""
    return _start(day_of_date(date), zone)


def day_start(at_ms: int, zone: ZoneInfo) -> int:
    """Return the first moment of the local day that contains a moment.

    That is midnight, or where clocks skip midnight the moment they jump to.
    """
    return _start(reading(at_ms, zone) // DAY_MS, zone)


def week_start(at_ms: int, zone: ZoneInfo) -> int:
    """Return the first moment of the local week that contains a moment; weeks begin on Monday."""
    day = reading(at_ms, zone) // DAY_MS
    return _start(day - (day + 3) % 7, zone)


def month_start(at_ms: int, zone: ZoneInfo) -> int:
    """Return the first moment of the local month that contains a moment."""
    day = reading(at_ms, zone) // DAY_MS
    return _start(day - date_of_day(day).day + 1, zone)


def _start(day: int, zone: ZoneInfo) -> int:
    """Return the first moment at which clocks show that day or, where they skip it, a later one."""
    midnight = day * DAY_MS
    at_ms = moment_of_reading(midnight, zone)
    if reading(at_ms, zone) == midnight:
        return at_ms
    # Clocks jump over midnight: at_ms is late by the whole gap, which may have begun before it.
    start_ms = at_ms - DAY_MS
    while True:
        offset, until_ms = offset_until(start_ms, zone)
        if start_ms + offset >= midnight:
            return start_ms
        start_ms = until_ms
