"""Windows of the day: against a search minute by minute, over midnight and where clocks change."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as some

from engine.calendar.window import Window, in_window, next_in_window, window_ends
from engine.calendar.zone import EVERY_DAY, LAST_MS
from engine.limits import DAY_MS, FAR_MS
from tests.engine.calendar.almanac import (
    CHANGES,
    HOUR_MS,
    MINUTE_MS,
    ODD_CHANGES,
    at,
    clock,
    minutes_from,
    moments,
)

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Window(21 * HOUR_MS, 8 * HOUR_MS)
MONDAY, FRIDAY = 1, 1 << 4
thorough = settings(derandomize=True, max_examples=200, deadline=None)


@some.composite
def windows(draw: some.DrawFn) -> Window:
    start, end = draw(some.lists(some.integers(0, 1_439), min_size=2, max_size=2, unique=True))
    weekdays = draw(some.just(EVERY_DAY) | some.integers(1, EVERY_DAY))
    return Window(start * MINUTE_MS, end * MINUTE_MS, weekdays)


def shown_in(shown: int, window: Window) -> bool:
    """Say it minute by minute: the window opened at some day's opening, and did not close since."""
    day = shown // DAY_MS
    length = (window.to_ms_of_day - window.from_ms_of_day) % DAY_MS
    return any(
        window.weekdays >> (each + 3) % 7 & 1
        and 0 <= shown - each * DAY_MS - window.from_ms_of_day < length
        for each in (day - 1, day)
    )


@thorough
@given(moments(CHANGES + ODD_CHANGES), windows())
def test_a_moment_is_in_a_window_by_what_clocks_show(
    moment: tuple[str, str, int], window: Window
) -> None:
    name, _, at_ms = moment
    zone = ZoneInfo(name)
    assert in_window(at_ms, window, zone) == shown_in(clock(at_ms, zone), window)


@thorough
@given(moments(CHANGES), windows())
def test_the_next_moment_in_a_window_is_the_first_by_search(
    moment: tuple[str, str, int], window: Window
) -> None:
    name, change, at_ms = moment
    zone = ZoneInfo(name)
    expected = at_ms
    if not shown_in(clock(at_ms, zone), window):
        minutes = minutes_from(name, change, at_ms)
        expected = next(each for each, shown in minutes if shown_in(shown, window))
    assert next_in_window(at_ms, window, zone) == expected


@thorough
@given(moments(CHANGES), windows())
def test_a_window_ends_at_the_first_moment_outside_by_search(
    moment: tuple[str, str, int], window: Window
) -> None:
    name, change, at_ms = moment
    zone = ZoneInfo(name)
    expected = at_ms
    if shown_in(clock(at_ms, zone), window):
        minutes = minutes_from(name, change, at_ms)
        expected = next(each for each, shown in minutes if not shown_in(shown, window))
    assert window_ends(at_ms, window, zone) == expected


@settings(thorough, max_examples=60)
@given(moments(ODD_CHANGES), windows())
def test_odd_offsets_too_have_openings_and_ends(
    moment: tuple[str, str, int], window: Window
) -> None:
    name, change, at_ms = moment
    zone = ZoneInfo(name)
    assume(not in_window(at_ms, window, zone))
    opens_ms = next_in_window(at_ms, window, zone)
    ends_ms = window_ends(opens_ms, window, zone)
    assert at_ms < opens_ms < ends_ms
    assert not shown_in(clock(opens_ms - 1, zone), window)
    assert shown_in(clock(opens_ms, zone), window)
    assert shown_in(clock(ends_ms - 1, zone), window)
    assert not shown_in(clock(ends_ms, zone), window)
    for each, shown in minutes_from(name, change, at_ms):
        if each >= opens_ms:
            break
        assert not shown_in(shown, window)


@pytest.mark.parametrize(
    ("moment", "ends"),
    [
        ("2024-06-03T21:00+02:00", "2024-06-04T08:00+02:00"),
        ("2024-06-04T07:59+02:00", "2024-06-04T08:00+02:00"),
        ("2024-06-04T08:00+02:00", "2024-06-04T08:00+02:00"),
        ("2024-06-04T20:59+02:00", "2024-06-04T20:59+02:00"),
        ("2024-03-30T23:00+01:00", "2024-03-31T08:00+02:00"),
        ("2024-10-26T23:00+02:00", "2024-10-27T08:00+01:00"),
    ],
)
def test_quiet_hours_end_in_the_morning(moment: str, ends: str) -> None:
    assert window_ends(at(moment), NIGHT, BERLIN) == at(ends)


def test_a_window_that_closes_as_clocks_go_back_into_it_lasts_on() -> None:
    window = Window(HOUR_MS, 3 * HOUR_MS)
    assert window_ends(at("2024-10-27T01:30+02:00"), window, BERLIN) == at("2024-10-27T03:00+01:00")


@pytest.mark.parametrize(
    ("window", "moment", "opens"),
    [
        (Window(9 * HOUR_MS, 17 * HOUR_MS), "2024-06-03T08:00+02:00", "2024-06-03T09:00+02:00"),
        (Window(9 * HOUR_MS, 17 * HOUR_MS), "2024-06-03T16:59+02:00", "2024-06-03T16:59+02:00"),
        (Window(9 * HOUR_MS, 17 * HOUR_MS), "2024-06-03T17:00+02:00", "2024-06-04T09:00+02:00"),
        # A Monday; the night of Friday lasts into Saturday, and that of Thursday is not meant.
        (NIGHT._replace(weekdays=FRIDAY), "2024-06-03T12:00+02:00", "2024-06-07T21:00+02:00"),
        (NIGHT._replace(weekdays=FRIDAY), "2024-06-07T03:00+02:00", "2024-06-07T21:00+02:00"),
        (NIGHT._replace(weekdays=FRIDAY), "2024-06-08T03:00+02:00", "2024-06-08T03:00+02:00"),
        (NIGHT._replace(weekdays=FRIDAY), "2024-06-08T08:00+02:00", "2024-06-14T21:00+02:00"),
        (Window(0, HOUR_MS, MONDAY), "2024-06-03T01:00+02:00", "2024-06-10T00:00+02:00"),
        # The opening is skipped: open from where clocks jump to.
        (
            Window(5 * HOUR_MS // 2, 4 * HOUR_MS),
            "2024-03-31T01:00+01:00",
            "2024-03-31T03:00+02:00",
        ),
        # The whole window is skipped that day.
        (
            Window(2 * HOUR_MS, 3 * HOUR_MS),
            "2024-03-31T01:00+01:00",
            "2024-04-01T02:00+02:00",
        ),
        # It closed at 02:30, and clocks show 02:00 again.
        (
            Window(2 * HOUR_MS, 5 * HOUR_MS // 2),
            "2024-10-27T02:30+02:00",
            "2024-10-27T02:00+01:00",
        ),
    ],
)
def test_a_window_opens(window: Window, moment: str, opens: str) -> None:
    assert next_in_window(at(moment), window, BERLIN) == at(opens)


def test_the_last_moment_there_is_may_be_in_a_window() -> None:
    night, noon = Window(22 * HOUR_MS, 2 * HOUR_MS), Window(12 * HOUR_MS, 13 * HOUR_MS)
    utc = ZoneInfo("UTC")
    assert next_in_window(LAST_MS, night, utc) == LAST_MS
    assert next_in_window(LAST_MS, noon, utc) == FAR_MS
    assert window_ends(LAST_MS, noon, utc) == LAST_MS
    assert window_ends(LAST_MS, night, utc) == FAR_MS


@thorough
@given(
    some.integers() | some.integers(-8, 8).map(lambda i: LAST_MS + i * DAY_MS // 4),
    windows(),
    some.sampled_from(["UTC", "Pacific/Apia", "Pacific/Niue"]),
)
@example(FAR_MS, NIGHT, "UTC")
def test_no_moment_is_too_early_or_too_late(at_ms: int, window: Window, name: str) -> None:
    zone = ZoneInfo(name)
    found = next_in_window(at_ms, window, zone)
    assert at_ms <= found <= LAST_MS or found == FAR_MS
    ends_ms = window_ends(at_ms, window, zone)
    assert at_ms <= ends_ms <= LAST_MS or ends_ms == FAR_MS
    assert next_in_window(at_ms, window._replace(weekdays=0), zone) == FAR_MS
    assert window_ends(at_ms, window._replace(weekdays=0), zone) in (at_ms, FAR_MS)
    always = window._replace(to_ms_of_day=window.from_ms_of_day)  # Refused of authors; it halts.
    assert window_ends(at_ms, always, zone) >= min(at_ms, FAR_MS)
