"""Times as people and senders write them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.calendar.clock_text import (
    SECONDS_BELOW,
    date_of,
    iso_date,
    moment_of,
    time_of_day,
    weekday_of,
    weekdays_of,
)
from engine.calendar.zone import EVERY_DAY, FIRST_MS, LAST_MS
from engine.limits import DAY_MS
from tests.engine.calendar.almanac import HOUR_MS, MINUTE_MS, at
from tests.engine.payloads import id_of, payloads

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "ms_of_day"),
    [
        ("09:00", 9 * HOUR_MS),
        ("9:00", 9 * HOUR_MS),
        (" 21:30 ", 21 * HOUR_MS + 30 * MINUTE_MS),
        ("00:00", 0),
        ("23:59", DAY_MS - MINUTE_MS),
        ("23:59:59.999999999", DAY_MS - 1),
        ("09:00:01,5", 9 * HOUR_MS + 1_500),
        *((text, None) for text in ("24:00", "9", "9:5", "09:60", "-1:00", "09:00pm", "")),
        *(
            (text, None)
            for text in ("09:00:60", "09:00.5", "9 00", "009:00", "\u0660\u0669:00", "0" * 9_999)
        ),
    ],
    ids=id_of,
)
def test_a_time_of_day(text: str, ms_of_day: int | None) -> None:
    assert time_of_day(text) == ms_of_day


@pytest.mark.parametrize(("read", "text"), [(time_of_day, "09:00"), (iso_date, "2026-12-24")])
def test_a_text_longer_than_any_time_is_not_searched_for_one(
    read: Callable[[str], object], text: str
) -> None:
    assert read(text.rjust(64)) is not None
    assert read(text.rjust(65)) is None


def test_weekdays_have_short_and_full_names() -> None:
    shorts = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    assert [weekday_of(name) for name in shorts] == list(range(7))
    assert weekday_of(" Saturday") == 5
    assert [weekday_of(each) for each in ("", "m", "mo", "mond", "1", "mon-fri")] == [None] * 6


@pytest.mark.parametrize(
    ("texts", "weekdays"),
    [
        (["mon"], 1),
        (["mon", "Mon", "monday"], 1),
        (["mon-fri"], 0b001_1111),
        (["sat - sun"], 0b110_0000),
        (["fri-mon"], 0b111_0001),
        (["wednesday-wed"], 0b000_0100),
        (["mon-sun"], EVERY_DAY),
        (["tue", "thu"], 0b000_1010),
        ([], 0),
        (["mon", "fool"], None),
        (["mon-"], None),
        (["-mon"], None),
        (["mon-tue-wed"], None),
    ],
)
def test_weekdays_are_bits(texts: list[str], weekdays: int | None) -> None:
    assert weekdays_of(texts) == weekdays


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-12-24", date(2026, 12, 24)),
        ("2024-02-29", date(2024, 2, 29)),
        *((text, None) for text in ("2026-02-29", "2026-13-01", "0000-01-01", "26-12-24", "")),
        *((text, None) for text in ("20261224", "2026-W01-1", "24.12.2026", "2026-12-24T", "x")),
    ],
)
def test_a_date(text: str, day: date | None) -> None:
    assert iso_date(text) == day


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1_700_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000.5, "2023-11-14T22:13:20.500Z"),
        (1_700_000_000_000.0, "2023-11-14T22:13:20Z"),
        (0, "1970-01-01T00:00Z"),
        (-86_400, "1969-12-31T00:00Z"),
        (SECONDS_BELOW - 1, "5138-11-16T09:46:39Z"),
        (SECONDS_BELOW, "1973-03-03T09:46:40Z"),
        ("2026-12-24", "2026-12-24T00:00+01:00"),
        ("1956-07-01", "1956-07-01T00:00+01:00"),
        ("2026-12-24T09:00", "2026-12-24T09:00+01:00"),
        ("2026-12-24 09:00:30.5", "2026-12-24T09:00:30.500+01:00"),
        ("2026-07-24T09:00", "2026-07-24T09:00+02:00"),
        ("2024-03-31T02:30", "2024-03-31T03:30+02:00"),
        ("2024-10-27T02:30", "2024-10-27T02:30+02:00"),
        ("2026-12-24T09:00Z", "2026-12-24T09:00Z"),
        ("2026-12-24t09:00z", "2026-12-24T09:00Z"),
        ("2026-12-24T09:00:00.123456Z", "2026-12-24T09:00:00.123Z"),
        ("2026-12-24T09:00-05:00", "2026-12-24T14:00Z"),
        ("2026-12-24T09:00+0530", "2026-12-24T03:30Z"),
        ("2026-12-24T09:00+02", "2026-12-24T07:00Z"),
        ("2026-12-24T09:00 +02:00", "2026-12-24T07:00Z"),
        ("9999-12-31T00:00", "9999-12-30T23:00Z"),
    ],
)
def test_a_moment(value: Any, moment: str) -> None:
    assert moment_of(value, BERLIN) == at(moment)


def test_a_date_whose_midnight_is_skipped_begins_later() -> None:
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    assert moment_of("2017-10-15", sao_paulo) == at("2017-10-15T01:00-02:00")
    toronto = ZoneInfo("America/Toronto")  # From 23:30 to 00:30.
    assert moment_of("1919-03-31", toronto) == at("1919-03-31T00:30-04:00")


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, [], {}, ["2026-12-24"], b"2026-12-24", float("nan"), float("inf")),
        *(1e300, -1e300, 10**30, -(10**30), LAST_MS + 1, FIRST_MS - 1),
        *("", " ", "soon", "2026", "2026-12", "2026-02-30", "2026-12-24T", "2026-12-24T09"),
        *("2026-12-24T24:00", "2026-12-24T09:00+24:00", "2026-12-24T09:00+1", "2026-12-24T09:00ZZ"),
        *("1700000000", "9999-12-31T23:59-05:00", "2026-12-24T09:00\0", "2026-12-24Z", "-" * 10),
        *("24.12.2026", "\u0662026-12-24", "1" * 100_000, "2026-12-24T09:00:00.1234567890Z"),
    ],
    ids=id_of,
)
def test_what_is_no_moment_is_none(value: Any) -> None:
    assert moment_of(value, BERLIN) is None
    assert date_of(value, BERLIN) is None


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("1990-05-12", date(1990, 5, 12)),
        ("1990-05-12T23:30Z", date(1990, 5, 13)),
        ("1990-05-12T23:30", date(1990, 5, 12)),
        (at("1990-05-12T23:30Z"), date(1990, 5, 13)),
        ("9999-12-31", date(9999, 12, 31)),
    ],
)
def test_a_day(value: Any, day: date) -> None:
    assert date_of(value, BERLIN) == day


def test_the_first_and_the_last_moment_are_read() -> None:
    for value in (FIRST_MS, "0001-01-01T00:00Z"):
        assert moment_of(value, BERLIN) == FIRST_MS
    for value in (LAST_MS, "9999-12-31T23:59:59.999Z"):
        assert moment_of(value, BERLIN) == LAST_MS


def test_spaces_around_a_moment_are_passed_by_within_bounds() -> None:
    text = "2026-12-24T09:00Z"
    assert moment_of(text.center(64), BERLIN) == at(text)
    assert moment_of(text.center(65), BERLIN) is None


def test_a_date_is_that_day_where_clocks_skipped_it_too() -> None:
    assert date_of("2011-12-30", ZoneInfo("Pacific/Apia")) == date(2011, 12, 30)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    payloads
    | some.text("0123456789-:TZ+. ", max_size=32)
    | some.integers()
    | some.floats()
    | some.datetimes().map(datetime.isoformat)
    | some.dates().map(date.isoformat)
)
def test_no_value_raises(value: Any) -> None:
    found = moment_of(value, BERLIN)
    assert found is None or FIRST_MS <= found <= LAST_MS
    assert (date_of(value, BERLIN) is None) <= (found is None)
    for text in (str(value)[:60], repr(value)[:60]):
        time_of_day(text)
        iso_date(text)
        weekdays_of([text])


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    some.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001
    some.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_what_iso_says_is_read_as_the_standard_library_does(
    shown: datetime, offset: timezone
) -> None:
    text = shown.replace(tzinfo=offset).isoformat()
    assert moment_of(text, BERLIN) == at(text)


def test_a_moment_written_out_is_read_again() -> None:
    for at_ms in range(at("1973-04-01T00:00Z"), at("2100-01-01T00:00Z"), 1_234_567_891):
        text = datetime.fromtimestamp(at_ms // 1_000, UTC).isoformat()
        assert moment_of(text, BERLIN) == at_ms // 1_000 * 1_000
        assert moment_of(at_ms, BERLIN) == at_ms
