"""Nights in which clocks changed, and what they showed in each minute around."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as some

from engine.limits import DAY_MS

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CHANGES = [
    ("UTC", "2024-02-29T00:00Z"),
    ("Asia/Kathmandu", "2024-01-01T00:00Z"),
    ("Europe/Berlin", "2024-03-31T01:00Z"),
    ("Europe/Berlin", "2024-10-27T01:00Z"),
    ("Europe/Dublin", "2024-10-27T01:00Z"),
    ("America/New_York", "2012-03-11T07:00Z"),
    ("America/New_York", "2012-11-04T06:00Z"),
    ("America/Sao_Paulo", "2017-10-15T03:00Z"),  # Midnight is skipped.
    ("America/Sao_Paulo", "2018-02-18T02:00Z"),  # The hour before midnight comes twice.
    ("Asia/Beirut", "2022-03-26T22:00Z"),  # Midnight is skipped.
    ("America/Havana", "2024-11-03T05:00Z"),  # The hour from midnight comes twice.
    ("Pacific/Apia", "2011-12-30T10:00Z"),  # A whole day is skipped.
    ("Australia/Lord_Howe", "2024-04-06T15:00Z"),  # By half an hour.
    ("Australia/Lord_Howe", "2024-10-05T15:30Z"),
    ("America/St_Johns", "2010-11-07T02:31Z"),  # From 00:01 back to the day before.
    ("America/Toronto", "1919-03-31T04:30Z"),  # From 23:30 over midnight.
    ("Africa/Casablanca", "2024-03-10T02:00Z"),
    ("Europe/Berlin", "2071-03-29T01:00Z"),  # By rule: no table goes so far.
]
ODD_CHANGES = [
    ("Africa/Monrovia", "1972-01-07T00:44:30Z"),  # From an offset with seconds.
    ("America/Juneau", "1867-10-19T00:33:32Z"),  # A day comes twice.
]


def at(text: str) -> int:
    """Return the moment of an ISO text with its offset."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def clock(at_ms: int, zone: ZoneInfo) -> int:
    """Return what clocks show, as the standard library says."""
    offset = datetime.fromtimestamp(at_ms // 1_000, zone).utcoffset()
    assert offset is not None
    return at_ms + offset // timedelta(milliseconds=1)


@cache
def minutes_around(name: str, change: str) -> dict[int, int]:
    """Return what clocks show in each minute, by moment, 4 days before to 10 after a change."""
    zone, middle = ZoneInfo(name), at(change) // MINUTE_MS * MINUTE_MS
    moments = range(middle - 4 * DAY_MS, middle + 10 * DAY_MS, MINUTE_MS)
    return {at_ms: clock(at_ms, zone) for at_ms in moments}


@cache
def firsts_around(name: str, change: str) -> dict[int, int]:
    """Return the moment of each minute around a change that clocks show, the first if twice."""
    firsts: dict[int, int] = {}
    for at_ms, shown in minutes_around(name, change).items():
        firsts.setdefault(shown, at_ms)
    return firsts


@some.composite
def moments(draw: some.DrawFn, changes: list[tuple[str, str]]) -> tuple[str, str, int]:
    """Draw a zone, a change and a moment near it: mostly within hours, and at whole minutes."""
    name, change = draw(some.sampled_from(changes))
    near = some.integers(-180, 180) | some.integers(-1_440, 1_440)
    ms = draw(some.sampled_from([0, 0, 1, -1, 29_999]))
    return name, change, at(change) + draw(near) * MINUTE_MS + ms


def minutes_from(name: str, change: str, at_ms: int) -> Iterator[tuple[int, int]]:
    """Yield the whole minutes from a moment on, and what clocks show."""
    minutes = minutes_around(name, change)
    start_ms = -(-at_ms // MINUTE_MS) * MINUTE_MS
    while start_ms in minutes:
        yield start_ms, minutes[start_ms]
        start_ms += MINUTE_MS
