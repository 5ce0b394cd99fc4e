"""Local time: against the standard library, minute by minute, where clocks change."""

import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from engine.calendar.recurrence import next_anniversary, next_time
from engine.calendar.zone import (
    EVERY_DAY,
    FIRST_MS,
    LAST_MS,
    at_local,
    clock_text,
    date_start,
    day_start,
    local,
    month_start,
    week_start,
    zone_of,
)
from engine.limits import DAY_MS, FAR_MS
from tests.engine.calendar.almanac import (
    CHANGES,
    HOUR_MS,
    MINUTE_MS,
    ODD_CHANGES,
    at,
    clock,
    firsts_around,
    minutes_around,
    moments,
)
from tests.engine.payloads import id_of

ROOT = Path(__file__).parents[3]
BERLIN = ZoneInfo("Europe/Berlin")
thorough = settings(derandomize=True, max_examples=200, deadline=None)
minute_of_day = some.integers(0, 1_439)
some_weekdays = some.integers(0, EVERY_DAY)


NAMES = sorted(available_timezones() - {"localtime"})


def day_of(shown: int) -> date:
    return date(1970, 1, 1) + timedelta(days=shown // DAY_MS)


def test_every_zone_of_the_world_is_known() -> None:
    assert len(NAMES) > 400
    assert [name for name in NAMES if zone_of(name) is None] == []


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "/", "../x", "../../etc/passwd", "/etc/passwd", "Europe", "Europe/"),
        *("Europe/Berlin/", "Europe//Berlin", "Europe/../Europe/Berlin", " Europe/Berlin"),
        *("a\0b", "\0", "\ud800", "Zürich", "x" * 100_000, "a/" * 50_000, "Mars/Base", "CON"),
        *("localtime", "posixrules", "right/UTC", "posix/UTC", "__init__", "Europe/__init__"),
        *("tzdata.zi", "zone.tab", "leapseconds", "iso3166.tab", "__pycache__", "Europe/Berlin\n"),
    ],
    ids=id_of,
)
def test_what_is_no_zone_is_none(name: str) -> None:
    assert zone_of(name) is None


@settings(derandomize=True, max_examples=200, deadline=None)
@given(some.text(max_size=30) | some.text("Europe/Brlin.+-_\0\n", max_size=16))
def test_no_name_of_a_zone_raises(name: str) -> None:
    assert zone_of(name) is None or name in NAMES


def test_a_machine_without_zones_has_those_of_the_package() -> None:
    code = "from engine.calendar.zone import zone_of; assert zone_of('Europe/Berlin').key"
    nowhere = os.environ | {"PYTHONTZPATH": ""}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=nowhere, check=True)


@pytest.mark.parametrize("value", [None, 1, b"UTC", ["UTC"], {}, ("UTC",), float("nan")])
def test_what_is_no_text_is_no_zone(value: Any) -> None:
    assert zone_of(value) is None


def test_a_name_that_is_not_known_opens_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for: list[str] = []
    zone_of("UTC")
    monkeypatch.setattr("engine.calendar.zone.ZoneInfo", looked_for.append)
    assert zone_of("Nowhere/City") is None
    assert looked_for == []


@thorough
@given(moments(CHANGES + ODD_CHANGES))
def test_local_time_is_what_the_standard_library_says(moment: tuple[str, str, int]) -> None:
    name, _, at_ms = moment
    shown = clock(at_ms, ZoneInfo(name))
    found = local(at_ms, ZoneInfo(name))
    assert (found.date, found.ms_of_day) == (day_of(shown), shown % DAY_MS)
    assert found.weekday == found.date.weekday()


@pytest.mark.parametrize("name", NAMES[::20])
def test_offsets_are_right_all_through_a_century(name: str) -> None:
    zone = ZoneInfo(name)
    for at_ms in range(at("1950-01-01T00:00Z"), at("2050-01-01T00:00Z"), 91 * DAY_MS + 123_457):
        found = local(at_ms, zone)
        shown = clock(at_ms, zone)
        assert (found.date, found.ms_of_day) == (day_of(shown), shown % DAY_MS)


def moment_by_search(name: str, change: str, target: int) -> int:
    """Return the first minute that shows the target, or from the last before it goes on."""
    firsts = firsts_around(name, change)
    if target in firsts:
        return firsts[target]
    last = target
    while last not in firsts:
        last -= MINUTE_MS
    return firsts[last] + target - last


@thorough
@given(moments(CHANGES), minute_of_day)
def test_a_local_time_is_the_first_of_two_and_late_by_a_gap(
    moment: tuple[str, str, int], minute: int
) -> None:
    name, change, at_ms = moment
    day = clock(at_ms, ZoneInfo(name)) // DAY_MS
    expected = moment_by_search(name, change, day * DAY_MS + minute * MINUTE_MS)
    assert at_local(day_of(day * DAY_MS), minute * MINUTE_MS, ZoneInfo(name)) == expected


@pytest.mark.parametrize(
    ("zone", "day", "time", "moment"),
    [
        ("Europe/Berlin", "2024-03-31", "02:30", "2024-03-31T03:30+02:00"),
        ("Europe/Berlin", "2024-03-31", "02:00", "2024-03-31T03:00+02:00"),
        ("Europe/Berlin", "2024-03-31", "03:00", "2024-03-31T03:00+02:00"),
        ("Europe/Berlin", "2024-10-27", "02:30", "2024-10-27T02:30+02:00"),
        ("Europe/Berlin", "2024-10-27", "03:00", "2024-10-27T03:00+01:00"),
        ("America/New_York", "2007-03-11", "02:30", "2007-03-11T03:30-04:00"),  # RFC 5545, 3.3.5
        ("America/New_York", "2007-11-04", "01:30", "2007-11-04T01:30-04:00"),
        ("Pacific/Apia", "2011-12-30", "09:00", "2011-12-31T09:00+14:00"),
        ("Africa/Monrovia", "1972-01-07", "00:10", "1972-01-07T00:54:30+00:00"),
        ("America/Juneau", "1867-10-18", "20:00", "1867-10-18T04:57:41Z"),
    ],
)
def test_a_time_of_a_day_is_a_moment(zone: str, day: str, time: str, moment: str) -> None:
    hour, minute = map(int, time.split(":"))
    ms_of_day = hour * HOUR_MS + minute * MINUTE_MS
    assert at_local(date.fromisoformat(day), ms_of_day, ZoneInfo(zone)) == at(moment)


@thorough
@given(moments(CHANGES), minute_of_day, some_weekdays)
def test_the_next_time_is_the_first_by_search(
    moment: tuple[str, str, int], minute: int, weekdays: int
) -> None:
    name, change, at_ms = moment
    today = clock(at_ms, ZoneInfo(name)) // DAY_MS
    days = [day for day in range(today - 1, today + 9) if weekdays >> (day + 3) % 7 & 1]
    ms_of_day = minute * MINUTE_MS
    every = [moment_by_search(name, change, day * DAY_MS + ms_of_day) for day in days]
    expected = min((each for each in every if each > at_ms), default=FAR_MS)
    assert next_time(at_ms, ms_of_day, ZoneInfo(name), weekdays) == expected


def test_the_next_time_is_later_and_the_same_time_is_asked_for_from_before() -> None:
    nine = at("2024-06-03T09:00+02:00")  # A Monday.
    assert next_time(nine, 9 * HOUR_MS, BERLIN) == nine + DAY_MS
    assert next_time(nine - 1, 9 * HOUR_MS, BERLIN) == nine
    assert next_time(nine, 9 * HOUR_MS, BERLIN, 1) == nine + 7 * DAY_MS
    assert next_time(nine, 9 * HOUR_MS, BERLIN, 0) == FAR_MS


@thorough
@given(moments(CHANGES + ODD_CHANGES))
def test_a_day_starts_where_clocks_first_show_it(moment: tuple[str, str, int]) -> None:
    name, change, at_ms = moment
    zone = ZoneInfo(name)
    shown = clock(at_ms, zone)
    start = day_start(at_ms, zone)
    assert start <= at_ms
    assert clock(start, zone) // DAY_MS == shown // DAY_MS
    assert clock(start - 1, zone) // DAY_MS < shown // DAY_MS
    minutes = minutes_around(name, change).items()
    before = [each for minute, each in minutes if start - DAY_MS <= minute < start]
    assert all(each // DAY_MS < shown // DAY_MS for each in before)
    assert date_start(day_of(shown), zone) == start


@pytest.mark.parametrize(
    ("zone", "moment", "day", "week", "month"),
    [
        (
            "America/Sao_Paulo",
            "2017-10-15T12:00-02:00",
            "2017-10-15T01:00-02:00",
            "2017-10-09T00:00-03:00",
            "2017-10-01T00:00-03:00",
        ),
        (
            "Asia/Beirut",
            "2022-03-27T01:00+03:00",
            "2022-03-27T01:00+03:00",
            "2022-03-21T00:00+02:00",
            "2022-03-01T00:00+02:00",
        ),
        (
            "Pacific/Apia",
            "2011-12-31T00:00+14:00",
            "2011-12-31T00:00+14:00",
            "2011-12-26T00:00-10:00",
            "2011-12-01T00:00-10:00",
        ),
        (
            "America/Toronto",
            "1919-03-31T09:00-04:00",
            "1919-03-31T00:30-04:00",
            "1919-03-31T00:30-04:00",
            "1919-03-01T00:00-05:00",
        ),
        (
            "Europe/Berlin",
            "2024-02-29T23:59+01:00",
            "2024-02-29T00:00+01:00",
            "2024-02-26T00:00+01:00",
            "2024-02-01T00:00+01:00",
        ),
        (
            "America/Juneau",
            "1867-10-18T23:00-09:00",
            "1867-10-17T08:57:41Z",
            "1867-10-13T08:57:41Z",
            "1867-09-30T08:57:41Z",
        ),
    ],
)
def test_days_weeks_and_months_start(
    zone: str, moment: str, day: str, week: str, month: str
) -> None:
    info, at_ms = ZoneInfo(zone), at(moment)
    starts = (day_start(at_ms, info), week_start(at_ms, info), month_start(at_ms, info))
    assert starts == (at(day), at(week), at(month))


def test_a_day_that_was_skipped_starts_with_the_next() -> None:
    apia = ZoneInfo("Pacific/Apia")
    assert date_start(date(2011, 12, 30), apia) == date_start(date(2011, 12, 31), apia)


@pytest.mark.parametrize(
    ("after", "month", "day", "offset_days", "expected"),
    [
        ("2024-05-01T08:59+02:00", 5, 1, 0, "2024-05-01T09:00+02:00"),
        ("2024-05-01T09:00+02:00", 5, 1, 0, "2025-05-01T09:00+02:00"),
        ("2024-04-28T09:00+02:00", 5, 1, -3, "2025-04-28T09:00+02:00"),
        ("2024-04-28T08:00+02:00", 5, 1, -3, "2024-04-28T09:00+02:00"),
        ("2024-12-30T00:00+01:00", 1, 2, -3, "2024-12-30T09:00+01:00"),
        ("2024-12-30T10:00+01:00", 1, 2, -3, "2025-12-30T09:00+01:00"),
        ("2025-01-01T00:00+01:00", 12, 30, 3, "2025-01-02T09:00+01:00"),
        ("2024-01-01T00:00+01:00", 2, 29, 0, "2024-02-29T09:00+01:00"),
        ("2025-01-01T00:00+01:00", 2, 29, 0, "2025-02-28T09:00+01:00"),
        ("2025-02-28T09:00+01:00", 2, 29, 0, "2026-02-28T09:00+01:00"),
        ("2025-01-01T00:00+01:00", 2, 29, 1, "2025-03-01T09:00+01:00"),
        ("2025-01-01T00:00+01:00", 5, 1, 800, "2025-07-09T09:00+02:00"),
        ("2100-01-01T00:00+01:00", 2, 29, 0, "2100-02-28T09:00+01:00"),
    ],
)
def test_a_date_comes_again_every_year(
    after: str, month: int, day: int, offset_days: int, expected: str
) -> None:
    found = next_anniversary(at(after), month, day, 9 * HOUR_MS, BERLIN, offset_days)
    assert found == at(expected)


def test_a_date_at_the_end_of_a_year_that_was_skipped_comes_late() -> None:
    """Kiritimati had no 31 December 1994, and so its 09:00 on the day after."""
    kiritimati = ZoneInfo("Pacific/Kiritimati")
    after_ms = at("1995-01-01T08:00+14:00")
    assert next_anniversary(after_ms, 12, 31, 9 * HOUR_MS, kiritimati) == after_ms + HOUR_MS


def test_what_comes_again_goes_by_the_days_of_the_zone() -> None:
    """Kiritimati is a day ahead of UTC for most of the day, over New Year too."""
    kiritimati, tuesday = ZoneInfo("Pacific/Kiritimati"), 1 << 1
    after_ms, expected = at("2024-06-04T10:00+14:00"), at("2024-06-11T09:00+14:00")
    assert next_time(after_ms, 9 * HOUR_MS, kiritimati, tuesday) == expected
    after_ms, expected = at("2024-01-01T05:00+14:00"), at("2025-01-01T00:00+14:00")
    assert next_anniversary(after_ms, 1, 1, 0, kiritimati) == expected


def test_a_date_comes_again_in_the_first_and_the_last_year_there_are() -> None:
    utc = ZoneInfo("UTC")
    assert next_anniversary(FIRST_MS, 6, 1, 0, utc, 0) == at("0001-06-01T00:00Z")
    assert next_anniversary(at("9998-12-01T00:00Z"), 6, 1, 0, utc) == at("9999-06-01T00:00Z")
    assert next_anniversary(at("9999-06-01T00:00Z"), 6, 1, 0, utc) == FAR_MS


@pytest.mark.parametrize("month", [-1, 0, 13])
def test_a_month_that_there_is_not_never_comes(month: int) -> None:
    assert next_anniversary(0, month, 1, 0, BERLIN) == FAR_MS


any_int = (
    some.integers()
    | some.integers(0, 2**53)
    | some.integers(-10, 10).map(lambda i: LAST_MS + i * DAY_MS // 4)
    | some.integers(-(10**40), 10**40)
)


@thorough
@given(any_int, some.sampled_from(["UTC", "Pacific/Apia", "Pacific/Niue", "Europe/Berlin"]))
@example(FAR_MS, "Europe/Berlin")
@example(LAST_MS, "Pacific/Niue")
def test_no_moment_is_too_early_or_too_late(at_ms: int, name: str) -> None:
    zone = ZoneInfo(name)
    shown = local(at_ms, zone)
    assert 0 <= shown.ms_of_day < DAY_MS
    assert 0 <= shown.weekday < 7
    for start in (day_start, week_start, month_start):
        found = start(at_ms, zone)
        assert found <= at_ms or at_ms > LAST_MS
    for found in (
        next_time(at_ms, 9 * HOUR_MS, zone),
        next_anniversary(at_ms, 2, 29, 9 * HOUR_MS, zone),
        next_anniversary(at_ms, 2, 29, 9 * HOUR_MS, zone, at_ms),
    ):
        assert at_ms < found <= LAST_MS or found == FAR_MS
    assert next_anniversary(at_ms, at_ms, 1, 0, zone) > 0 or 1 <= at_ms <= 12


def test_the_last_and_the_first_day_there_are_have_moments() -> None:
    for zone in (BERLIN, ZoneInfo("Pacific/Niue"), ZoneInfo("Pacific/Apia")):
        assert at_local(date.min, 0, zone) < 0
        assert 0 < at_local(date.max, DAY_MS - 1, zone) <= FAR_MS
    assert at_local(date.max, DAY_MS - 1, ZoneInfo("Pacific/Niue")) == FAR_MS


@pytest.mark.parametrize("time", ["00:00", "07:59", "19:31", "23:59"])
def test_a_moment_is_shown_as_calendar_and_clock_do(time: str) -> None:
    shown = datetime.fromisoformat(f"2026-04-05T{time}").replace(tzinfo=ZoneInfo("Europe/Berlin"))
    at_ms = int(shown.timestamp() * 1_000) + 59_999
    assert clock_text(at_ms, ZoneInfo("Europe/Berlin")) == f"Sun 2026-04-05 {time}"
