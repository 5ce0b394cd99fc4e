"""Waits until a moment, against a search minute by minute; dates past, unknown, moved, far."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.calendar.span import offset_ms
from engine.decision import Outcome
from engine.limits import WAIT_MS_MAX
from tests.engine.calendar.almanac import CHANGES, MINUTE_MS, at, minutes_from, moments
from tests.engine.situation import DAY_MS, HOUR_MS, Situation, mail, only_outcome
from tests.publications import journey

thorough = settings(derandomize=True, deadline=None)
RECENT = [each for each in CHANGES if at(each[1]) > 0]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OUT = {"id": "out", "exit": "done"}
ELSE: dict[str, Any] = {"else": "else"}


def begin(
    until: dict[str, Any], now_ms: int, *, contact: dict[str, Any] | None = None, **fields: Any
) -> Situation:
    """Return a situation whose contact is about to wait from this moment on."""
    rest = [mail("then", then="out"), *([mail("else")] if "else" in fields else []), OUT]
    situation = Situation(journey(nodes=[{"id": "w", "wait": until} | fields, *rest]))
    situation.now_ms = situation.partition.now_ms = now_ms
    if contact is not None:
        situation.event("identify", {"attributes": contact})
    return situation


def goes_on(
    until: dict[str, Any],
    now_ms: int,
    *,
    contact: dict[str, Any] | None = None,
    trigger: dict[str, Any] | None = None,
    **fields: Any,
) -> Outcome:
    """Return what comes of a visit that waits from this moment on."""
    situation = begin(until, now_ms, contact=contact, **fields)
    return only_outcome(situation.event("hi", trigger or {}) + situation.run_out())


def searched_time(now_ms: int, hour: int, minute: int, days: set[int], zone: ZoneInfo) -> int:
    """Return the first moment after now that is this time, trying each day around."""
    today = datetime.fromtimestamp(now_ms // 1_000, UTC).date()
    for ahead in range(-3, 12):
        day = today + timedelta(days=ahead)
        shown = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=0)
        at_ms = int(shown.timestamp()) * 1_000
        if at_ms > now_ms and day.weekday() in days:
            return at_ms
    raise AssertionError("there is a right day in a week")


weekday_sets = some.sets(some.integers(0, 6), min_size=1)


@thorough
@given(moments(RECENT), some.integers(0, 23), some.sampled_from([0, 1, 30]), weekday_sets)
def test_a_time_of_day_is_its_next_moment_that_days_show(
    around: tuple[str, str, int], hour: int, minute: int, days: set[int]
) -> None:
    name, _, now_ms = around
    until = {"time": f"{hour:02}:{minute:02}", "weekdays": [WEEKDAYS[day] for day in sorted(days)]}
    expected = searched_time(now_ms, hour, minute, days, ZoneInfo(name))
    assert goes_on(until | {"zone": name}, now_ms).at_ms == expected
    assert goes_on(until, now_ms, contact={"time_zone": name}).at_ms == expected


def shown_in(shown: int, opens: int, closes: int, days: set[int]) -> bool:
    """Tell whether a clock shows a minute of the window; after midnight it is yesterday's."""
    day, ms = divmod(shown, DAY_MS)
    weekday = (day + 3) % 7
    if opens < closes:
        return opens <= ms < closes and weekday in days
    return (ms >= opens and weekday in days) or (ms < closes and (weekday - 1) % 7 in days)


def searched(
    around: tuple[str, str, int], start_ms: int, opens: int, closes: int, days: set[int]
) -> int:
    name, change, _ = around
    minutes = list(minutes_from(name, change, start_ms))
    before = start_ms // MINUTE_MS * MINUTE_MS
    shown_before = dict(minutes_from(name, change, before))[before]
    if shown_in(shown_before, opens, closes, days):
        return start_ms
    return next(at_ms for at_ms, shown in minutes if shown_in(shown, opens, closes, days))


times = some.integers(0, 47).map(lambda half: half * 30)


@thorough
@given(moments(RECENT), times, times, weekday_sets)
def test_a_window_is_its_next_minute_that_clocks_show(
    around: tuple[str, str, int], opens: int, closes: int, days: set[int]
) -> None:
    if opens == closes:
        closes = (opens + 30) % 1_440
    name, _, now_ms = around
    between = [f"{each // 60:02}:{each % 60:02}" for each in (opens, closes)]
    until = {"between": between, "weekdays": [WEEKDAYS[day] for day in sorted(days)]}
    expected = searched(around, now_ms, opens * MINUTE_MS, closes * MINUTE_MS, days)
    assert goes_on(until | {"zone": name}, now_ms).at_ms == expected


@thorough
@given(moments(RECENT), weekday_sets)
def test_weekdays_are_from_midnight_to_midnight(
    around: tuple[str, str, int], days: set[int]
) -> None:
    name, _, now_ms = around
    until = {"weekdays": [WEEKDAYS[day] for day in sorted(days)], "zone": name}
    assert goes_on(until, now_ms).at_ms == searched(around, now_ms, 0, DAY_MS, days)


@thorough
@given(moments(RECENT), some.integers(-2, 5), some.integers(0, 23), some.integers(-2, 2))
def test_a_date_at_a_time_is_what_clocks_show_then(
    around: tuple[str, str, int], ahead: int, hour: int, offset: int
) -> None:
    name, _, now_ms = around
    zone = ZoneInfo(name)
    day = datetime.fromtimestamp(now_ms // 1_000, zone).date() + timedelta(days=ahead)
    that = day + timedelta(days=offset)
    expected = int(datetime(that.year, that.month, that.day, hour, tzinfo=zone).timestamp()) * 1_000
    until = {"field": "day", "time": f"{hour}:00", "zone": name, "offset": f"{offset}d"}
    outcome = goes_on(until, now_ms, trigger={"day": day.isoformat()}, **ELSE)
    assert outcome.node == ("else" if expected < now_ms else "then")
    assert outcome.at_ms == max(expected, now_ms)


BERLIN = "Europe/Berlin"
MORNING = "2024-10-23T10:00+02:00"  # A Wednesday, four days before clocks go back.


@pytest.mark.parametrize(
    ("until", "value", "expected"),
    [
        ({}, "2024-10-25", "2024-10-25T00:00+02:00"),
        ({}, "2024-10-25T14:00", "2024-10-25T14:00+02:00"),
        ({}, "2024-10-25T14:00Z", "2024-10-25T14:00+00:00"),
        ({}, at("2024-10-25T14:00+00:00"), "2024-10-25T14:00+00:00"),
        ({"offset": "-3d"}, "2024-10-28", "2024-10-25T00:00+02:00"),
        ({"offset": "-1d"}, "2024-10-28", "2024-10-27T00:00+02:00"),
        ({"offset": "-72h"}, "2024-10-28", "2024-10-25T00:00+02:00"),  # Whole days.
        ({"offset": "-25h"}, "2024-10-28", "2024-10-27T00:00+02:00"),  # The day has 25 hours.
        ({"offset": "+1w"}, "2024-10-25T14:00", "2024-11-01T14:00+01:00"),
        ({"offset": "90m"}, "2024-10-27T01:00", "2024-10-27T02:30+02:00"),
        ({"time": "09:00"}, "2024-10-25T14:00", "2024-10-25T09:00+02:00"),
        ({"time": "09:00", "offset": "-3d"}, "2024-10-28", "2024-10-25T09:00+02:00"),
        ({"time": "09:00", "weekdays": ["mon"]}, "2024-10-25", "2024-10-28T09:00+01:00"),
        ({"weekdays": ["mon-fri"]}, "2024-10-26T14:00", "2024-10-28T00:00+01:00"),
        ({"weekdays": ["mon-fri"]}, "2024-10-25T14:00", "2024-10-25T14:00+02:00"),
        ({"between": ["09:00", "18:00"]}, "2024-10-25", "2024-10-25T09:00+02:00"),
        ({"between": ["09:00", "18:00"]}, "2024-10-25T11:11", "2024-10-25T11:11+02:00"),
        ({"between": ["09:00", "18:00"]}, "2024-10-26T18:00", "2024-10-27T09:00+01:00"),
        (
            {"between": ["09:00", "18:00"], "weekdays": ["sat"]},
            "2024-10-25T11:00",
            "2024-10-26T09:00+02:00",
        ),
        # The window opens only now though the date is past: the moment is not past.
        ({"weekdays": ["thu"]}, "2024-10-22T14:00", "2024-10-24T00:00+02:00"),
    ],
)
def test_a_date_with_all_that_goes_with_it(until: Any, value: Any, expected: str) -> None:
    contact = {"time_zone": BERLIN, "due": value}
    for fields in ({}, ELSE):
        outcome = goes_on({"attribute": "due"} | until, at(MORNING), contact=contact, **fields)
        assert (outcome.node, outcome.at_ms) == ("then", at(expected))
    if isinstance(value, str):
        outcome = goes_on({"until": value} | until, at(MORNING), contact={"time_zone": BERLIN})
        assert outcome.at_ms == at(expected)


@pytest.mark.parametrize(
    ("until", "value", "expected"),
    [
        ({}, "2024-10-23T09:59", MORNING),
        ({"time": "09:00"}, "2024-10-23", MORNING),
        ({"time": "09:00", "weekdays": ["mon", "wed"]}, "2024-10-21", MORNING),
        ({"time": "09:00", "weekdays": ["mon"]}, "2024-10-21", "2024-10-28T09:00+01:00"),
        ({"weekdays": ["tue"]}, "2024-10-22", "2024-10-29T00:00+01:00"),
        ({"between": ["08:00", "09:00"]}, "2024-10-22", "2024-10-24T08:00+02:00"),
        ({"between": ["08:00", "11:00"]}, "2024-10-22", MORNING),
    ],
)
def test_a_past_date_leads_to_else_or_on_as_soon_as_it_may(
    until: Any, value: str, expected: str
) -> None:
    contact = {"time_zone": BERLIN, "due": value}
    until = {"attribute": "due"} | until
    outcome = goes_on(until, at(MORNING), contact=contact)
    assert (outcome.node, outcome.at_ms) == ("then", at(expected))
    outcome = goes_on(until, at(MORNING), contact=contact, **ELSE)
    assert (outcome.node, outcome.at_ms) == ("else", at(MORNING))


@pytest.mark.parametrize("until", [{}, {"between": ["09:00", "18:00"]}, {"weekdays": ["wed"]}])
def test_a_moment_that_is_now_is_not_waited_for(until: Any) -> None:
    until = {"field": "at", "zone": BERLIN} | until
    situation = begin(until, at(MORNING), **ELSE)
    outcome = only_outcome(situation.event("hi", {"at": MORNING}))
    assert (outcome.node, outcome.at_ms) == ("then", at(MORNING))


def test_a_time_that_is_now_is_waited_for_until_tomorrow() -> None:
    until = {"time": "10:00", "zone": BERLIN}
    assert goes_on(until, at(MORNING)).at_ms == at(MORNING) + DAY_MS


UNKNOWN: list[Any] = [None, "soon", True, [1], {"a": 1}, "2024-02-30", 1e300, float("-inf"), ""]


@pytest.mark.parametrize("value", UNKNOWN)
@pytest.mark.parametrize("more", [{}, {"time": "09:00"}])
def test_an_unknown_date_leads_to_else_or_out(value: Any, more: Any) -> None:
    until = {"field": "due"} | more
    outcome = goes_on(until, at(MORNING), trigger={"due": value})
    assert (outcome.node, outcome.reason) == ("w", "w: trigger.due is no date")
    assert outcome.at_ms == at(MORNING)
    assert goes_on(until, at(MORNING), trigger={"due": value}, **ELSE).node == "else"


def test_a_date_too_far_away_leads_to_else_or_out() -> None:
    now_ms = at(MORNING)
    for value, node in ((now_ms + WAIT_MS_MAX, "then"), (now_ms + WAIT_MS_MAX + 1, "else")):
        assert goes_on({"field": "due"}, now_ms, trigger={"due": value}, **ELSE).node == node
    outcome = goes_on({"until": "9999-12-31"}, now_ms)
    assert outcome.reason == "w: 9999-12-31 is more than 400d away"
    late = {"until": "9999-12-31", "offset": "9d", "weekdays": ["mon"]}
    assert goes_on(late, now_ms).reason == "w: past the year 9999 is more than 400d away"


@thorough
@given(
    some.one_of(
        some.dates().map(date.isoformat),
        some.datetimes().map(datetime.isoformat),
        some.integers(),
        some.floats(),
        some.text(max_size=20),
        some.none(),
    ),
    some.sampled_from(
        [{}, {"time": "23:59"}, {"weekdays": ["sun"]}, {"between": ["22:00", "6:00"]}]
    ),
    some.sampled_from(["400d", "-400d", "1ms", "-23h"]),
    some.sampled_from(["Pacific/Apia", "America/Sao_Paulo", "UTC"]),
)
def test_whatever_a_date_says_the_visit_goes_on_or_out(
    value: Any, more: dict[str, Any], offset: str, zone: str
) -> None:
    if "time" in more:
        offset = offset.replace("1ms", "0d").replace("23h", "1d")
    until = {"field": "due", "zone": zone, "offset": offset} | more
    situation = begin(until, at(MORNING))
    decided = situation.event("hi", {"due": value}) + situation.run_out()
    outcome = only_outcome(decided)
    assert at(MORNING) <= outcome.at_ms <= at(MORNING) + WAIT_MS_MAX
    assert situation.contact().visits == []


DUE = {"attribute": "due", "offset": "-1d", "time": "09:00", "zone": BERLIN}


def waiting(due: str, **fields: Any) -> Situation:
    situation = begin(DUE, at(MORNING), contact={"due": due}, **fields)
    assert situation.event() == []
    return situation


def test_a_wait_follows_an_attribute_that_moves_its_date() -> None:
    for moved, expected in (
        ("2024-11-05", "2024-11-04T09:00+01:00"),
        ("2024-10-26", "2024-10-25T09:00+02:00"),
    ):
        situation = waiting("2024-11-01")
        assert situation.event("identify", {"attributes": {"due": moved}}) == []
        assert only_outcome(situation.run_out()).at_ms == at(expected)


@pytest.mark.parametrize(
    ("due", "reason"), [("2024-10-20", ""), (None, "w: contact.due is no date")]
)
def test_a_date_that_moves_to_the_past_or_is_taken_away_ends_the_wait_at_once(
    due: Any, reason: str
) -> None:
    situation = waiting("2024-11-01")
    outcome = only_outcome(situation.event("identify", {"attributes": {"due": due}}))
    assert (outcome.reason, outcome.at_ms) == (reason, at(MORNING))
    situation = waiting("2024-11-01", **ELSE)
    outcome = only_outcome(situation.event("identify", {"attributes": {"due": due}}))
    assert outcome.node == "else"


def test_an_identify_that_moves_nothing_changes_nothing() -> None:
    situation = waiting("2024-11-01")
    situation.event("identify", {"attributes": {"name": "Ada"}}, after_ms=HOUR_MS)
    (visit,) = situation.contact().visits
    assert visit.due_at_ms == at("2024-10-31T09:00+01:00")


def test_a_date_that_moved_unheard_is_seen_when_the_wait_would_end() -> None:
    situation = waiting("2024-11-01")
    contact = next(iter(situation.partition._hot.values()))
    contact.attributes = {"due": "2024-11-05"}
    assert only_outcome(situation.run_out()).at_ms == at("2024-11-04T09:00+01:00")


def test_a_date_that_moved_unheard_too_far_away_ends_the_wait_when_it_would_end() -> None:
    situation = waiting("2024-11-01")
    contact = next(iter(situation.partition._hot.values()))
    contact.attributes = {"due": "2030-01-01"}
    outcome = only_outcome(situation.run_out())
    assert outcome.reason == "w: 2029-12-31 is more than 400d away"
    assert outcome.at_ms == at("2024-10-31T09:00+01:00")


def test_the_time_a_wait_was_for_is_over_though_its_date_is_gone_by_then() -> None:
    situation = waiting("2024-11-01", **ELSE)
    contact = next(iter(situation.partition._hot.values()))
    contact.attributes = {}
    outcome = only_outcome(situation.run_out())
    assert (outcome.node, outcome.at_ms) == ("then", at("2024-10-31T09:00+01:00"))


def test_a_newer_version_leaves_the_moment_as_it_was() -> None:
    until = {"time": "09:00", "zone": BERLIN}
    situation = begin(until, at(MORNING))
    situation.event()
    nodes = [{"id": "w", "wait": until | {"time": "12:00"}}, mail()]
    situation.publish(journey(nodes=nodes))
    assert only_outcome(situation.run_out()).at_ms == at("2024-10-24T09:00+02:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3d", 3 * DAY_MS),
        ("-3d", -3 * DAY_MS),
        (" -2h ", -2 * HOUR_MS),
        ("+90m", 90 * MINUTE_MS),
        ("0d", 0),
        ("--3d", None),
        ("-", None),
        ("", None),
        ("-1.5h", None),
        ("3", None),
    ],
)
def test_an_offset_is_a_span_with_or_without_a_sign(text: str, expected: int | None) -> None:
    assert offset_ms(text) == expected
