"""Schedules of cron: by robfig/cron's own cases, by search, and what is refused."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.calendar.cron import Cron, next_fire, read_cron
from engine.calendar.zone import FIRST_MS, LAST_MS
from engine.limits import CRON_CHARS_MAX, DAY_MS, FAR_MS
from tests.engine.calendar.almanac import (
    CHANGES,
    EPOCH,
    MINUTE_MS,
    at,
    clock,
    minutes_from,
    moments,
)

CASES = Path(__file__).parents[4] / "shared" / "fixtures" / "cron" / "robfig_cron.json"
BERLIN, UTC = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
thorough = settings(derandomize=True, max_examples=200, deadline=None)


def cron(text: str) -> Cron:
    read = read_cron(text)
    assert isinstance(read, Cron), read
    return read


def moment_of_case(text: str, zone: ZoneInfo) -> tuple[int, ZoneInfo]:
    """Read the forms of time in robfig's cases; return the moment, and the zone it is meant in."""
    text = re.sub(r"^TZ=\S+ ", "", text)
    for form in ("%a %b %d %H:%M %Y", "%a %b %d %H:%M:%S %Y"):
        try:
            shown = datetime.strptime(text, form).replace(tzinfo=zone)
        except ValueError:
            continue
        return round(shown.timestamp() * 1_000), zone
    read = datetime.fromisoformat(text)
    if read.utcoffset() == timedelta(hours=5, minutes=30):
        zone = ZoneInfo("Asia/Kolkata")
    return round(read.timestamp() * 1_000), zone


def run_case(case: dict[str, Any]) -> bool:
    """Check one case; False if it is of seconds, which are not read here."""
    named = re.search(r"TZ=(\S+)", f"{case['spec']} {case['at']}")
    zone = ZoneInfo(named[1]) if named else UTC
    words = re.sub(r"(CRON_)?TZ=\S+ ", "", case["spec"]).split()
    if len(words) == 6 and words[0] != "0":
        return False
    spec = " ".join(words[-5:])
    at_ms, zone = moment_of_case(case["at"], zone)
    if isinstance(case["expected"], bool):
        fires = next_fire(cron(spec), at_ms - 1, zone) == at_ms
        assert fires is case["expected"], case
        return True
    expected = moment_of_case(case["expected"], zone)[0] if case["expected"] else FAR_MS
    assert next_fire(cron(spec), at_ms, zone) == expected, case
    return True


def test_schedules_fire_as_robfig_cron_says() -> None:
    if not CASES.exists():
        pytest.skip(f"{CASES} is not there: it is test data that never ships")
    cases = json.loads(CASES.read_text(encoding="utf-8"))["cases"]
    assert sum(map(run_case, cases)) == len(cases) - 6  # Six fire at seconds.


@pytest.mark.parametrize(
    ("spec", "after", "expected"),
    [
        ("0 9 * * mon-fri", "2024-06-07T09:00+02:00", "2024-06-10T09:00+02:00"),
        ("0 9 * * Sat-Sun", "2024-06-07T09:00+02:00", "2024-06-08T09:00+02:00"),
        ("0 9 * * 7", "2024-06-07T09:00+02:00", "2024-06-09T09:00+02:00"),
        ("0 9 * * 5-7", "2024-06-08T09:00+02:00", "2024-06-09T09:00+02:00"),
        ("0 9 * * mon/2", "2024-06-07T09:00+02:00", "2024-06-10T09:00+02:00"),
        ("0 9 * * 0", "2024-06-07T09:00+02:00", "2024-06-09T09:00+02:00"),
        ("*/20 9-10 * * *", "2024-06-07T09:40+02:00", "2024-06-07T10:00+02:00"),
        ("5/20 9 * * *", "2024-06-07T09:05+02:00", "2024-06-07T09:25+02:00"),
        ("1,31 9 * * *", "2024-06-07T09:01+02:00", "2024-06-07T09:31+02:00"),
        ("0 9 ? jan,JUL *", "2024-02-01T00:00+01:00", "2024-07-01T09:00+02:00"),
        ("0 9 13 * fri", "2024-06-07T09:00+02:00", "2024-06-13T09:00+02:00"),  # Either is enough.
        ("0 9 13 * *", "2024-06-07T09:00+02:00", "2024-06-13T09:00+02:00"),
        ("0 9 */13 * fri", "2024-06-02T09:00+02:00", "2024-06-07T09:00+02:00"),
        ("0 9 */1 * fri", "2024-06-02T09:00+02:00", "2024-06-07T09:00+02:00"),  # Both.
        ("0 9 13 * */1", "2024-06-07T09:00+02:00", "2024-06-13T09:00+02:00"),
        ("0 0 29 2 *", "2024-03-01T00:00+01:00", "2028-02-29T00:00+01:00"),
        ("@yearly", "2024-01-01T00:00+01:00", "2025-01-01T00:00+01:00"),
        (" @Monthly ", "2024-01-01T00:00+01:00", "2024-02-01T00:00+01:00"),
        ("@hourly", "2024-06-01T00:00:30+02:00", "2024-06-01T01:00+02:00"),
        # Skipped, so that day it does not fire; every hour goes on.
        ("30 2 * * *", "2024-03-30T03:00+01:00", "2024-04-01T02:30+02:00"),
        ("0 * * * *", "2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00"),
        # Twice shown, twice fired.
        ("30 2 * * *", "2024-10-27T02:00+02:00", "2024-10-27T02:30+02:00"),
        ("30 2 * * *", "2024-10-27T02:30+02:00", "2024-10-27T02:30+01:00"),
        ("30 2 * * *", "2024-10-27T02:30+01:00", "2024-10-28T02:30+01:00"),
    ],
)
def test_a_schedule_fires(spec: str, after: str, expected: str) -> None:
    assert next_fire(cron(spec), at(after), BERLIN) == at(expected)


@pytest.mark.parametrize("spec", ["0 0 30 2 *", "0 0 31 4,6,9,11 ?", "0 0 30-31 feb *"])
def test_what_cannot_be_never_fires(spec: str) -> None:
    for after_ms in (at("2024-01-01T00:00Z"), LAST_MS, FAR_MS, -FAR_MS):
        assert next_fire(cron(spec), after_ms, BERLIN) == FAR_MS


def test_a_schedule_may_be_as_long_as_it_may() -> None:
    assert read_cron("0 9 * * *".ljust(CRON_CHARS_MAX)) == cron("0 9 * * *")


def test_a_schedule_may_take_until_the_end_of_the_fifth_year_of_the_zone() -> None:
    """2100 is no leap year, so 29 February takes eight years."""
    kiritimati, leap = ZoneInfo("Pacific/Kiritimati"), cron("0 0 29 2 *")
    before, after = at("2098-12-31T23:59+14:00"), at("2099-01-01T00:00+14:00")
    assert next_fire(leap, before - 1, kiritimati) == FAR_MS
    assert next_fire(leap, after - 1, kiritimati) == at("2104-02-29T00:00+14:00")
    last = cron("59 23 31 12 *")
    assert next_fire(last, at("9999-06-01T00:00Z"), UTC) == LAST_MS - MINUTE_MS + 1


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("", "is no schedule"),
        ("* * * *", "is no schedule"),
        ("0 0 9 * * *", "is no schedule"),
        ("@every 5m", "is no schedule"),
        ("CRON_TZ=UTC 0 9 * * *", "is no schedule"),
        ("60 * * * *", "'60' is no minute: use 0 to 59"),
        ("* 24 * * *", "'24' is no hour: use 0 to 23"),
        ("* * 0 * *", "'0' is no day: use 1 to 31"),
        ("* * 32 * *", "'32' is no day"),
        ("* * * 13 *", "'13' is no month"),
        ("* * * 0 *", "'0' is no month"),
        ("* * * * 8", "'8' is no weekday"),
        ("* * * mon *", "'mon' is no month"),
        ("* * * * monday", "'monday' is no weekday"),
        ("* * 1-40 * *", "'40' is no day"),
        ("* * * * 1-9", "'9' is no weekday"),
        ("5-1 * * * *", "its end is before its beginning"),
        ("* * * * fri-mon", "its end is before its beginning"),
        ("*/0 * * * *", "a step of 0"),
        ("*-5 * * * *", "* has no end"),
        ("1,,2 * * * *", "'' is no minute"),
        ("-1 * * * *", "'-1' is no minute"),
        ("1-2-3 * * * *", "is no minute"),
        ("1/2/3 * * * *", "is no minute"),
        ("\u0663 * * * *", "is no minute"),
        ("* * L * *", "'L' is no day"),
        ("* " * CRON_CHARS_MAX, "characters"),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_fault(spec: str, problem: str) -> None:
    read = read_cron(spec)
    assert isinstance(read, str)
    assert problem in read


@settings(derandomize=True, max_examples=300, deadline=None)
@given(some.text(max_size=20) | some.text("0123456789*?/-, monfriJAN@daily", max_size=30))
def test_no_text_raises(text: str) -> None:
    assert isinstance(read_cron(text), str | Cron)
    assert isinstance(read_cron(f"0 9 {text} * *"), str | Cron)


NUMBERS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]


@some.composite
def schedules(draw: some.DrawFn) -> list[set[int] | None]:
    """Draw what each field allows; None where it is free."""
    fields: list[set[int] | None] = []
    for least, most in NUMBERS:
        values = some.sets(some.integers(least, most), min_size=1, max_size=12)
        fields.append(draw(some.none() | values))
    return fields


def shows(fields: list[set[int] | None], shown: int) -> bool:
    read = EPOCH + timedelta(milliseconds=shown)
    minute, hour, day, month, weekday = fields
    by_day = day is None or read.day in day
    by_weekday = weekday is None or read.isoweekday() % 7 in weekday
    either = day is not None and weekday is not None
    return (
        (minute is None or read.minute in minute)
        and (hour is None or read.hour in hour)
        and (month is None or read.month in month)
        and (by_day or by_weekday if either else by_day and by_weekday)
    )


@settings(thorough, max_examples=150)
@given(moments(CHANGES), schedules())
def test_a_schedule_fires_next_at_the_first_minute_by_search(
    moment: tuple[str, str, int], fields: list[set[int] | None]
) -> None:
    name, change, at_ms = moment
    spec = " ".join("*" if each is None else ",".join(map(str, each)) for each in fields)
    fires_ms = next_fire(cron(spec), at_ms, ZoneInfo(name))
    until_ms = at_ms + DAY_MS
    expected = None
    for each, shown in minutes_from(name, change, at_ms + 1):
        if each > until_ms or expected is not None:
            break
        expected = each if shows(fields, shown) else None
    if expected is None:
        assert fires_ms > until_ms
        assert fires_ms == FAR_MS or shows(fields, clock(fires_ms, ZoneInfo(name)))
    else:
        assert fires_ms == expected


@thorough
@given(
    some.integers()
    | some.integers(-8, 8).map(lambda i: LAST_MS + i * DAY_MS // 4)
    | some.integers(max_value=10 * FIRST_MS),
    some.sampled_from(["UTC", "Pacific/Apia", "Pacific/Niue"]),
)
def test_no_moment_is_too_early_or_too_late(at_ms: int, name: str) -> None:
    for spec in ("0 9 * * *", "* * * * *"):
        found = next_fire(cron(spec), at_ms, ZoneInfo(name))
        assert max(at_ms, FIRST_MS - 1) < found <= LAST_MS or found == FAR_MS
        assert found - max(at_ms, FIRST_MS) <= 3 * DAY_MS or found == FAR_MS


def test_minutes_are_whole_on_the_clock_that_is_shown() -> None:
    """Monrovia was 44 minutes and 30 seconds off."""
    monrovia = ZoneInfo("Africa/Monrovia")
    fires_ms = next_fire(cron("* * * * *"), at("1971-01-01T00:00Z"), monrovia)
    assert fires_ms == at("1971-01-01T00:00:30Z")
    assert clock(fires_ms, monrovia) % MINUTE_MS == 0
