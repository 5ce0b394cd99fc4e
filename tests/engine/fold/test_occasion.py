"""Schedules and dates: when they let a contact enter, though nothing comes in."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.compile.publication import compile_publication
from engine.decision import Outcome
from engine.input import Advance
from engine.language.journey import Publication
from engine.limits import FAR_MS
from tests.engine.situation import DAY_MS, HOUR_MS, Situation, decide, mail, wait
from tests.publications import journey

ALL = {"segment": "all", "when": {"attribute": "gone", "exists": False}}
GOLD = {"segment": "gold", "when": {"attribute": "tier", "equals": "gold"}}
SEGMENTS = [ALL, GOLD]
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def at_ms(text: str, zone: str = "UTC") -> int:
    """Return the moment at which clocks of a zone show this, the first time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000)


def schedule(cron: str, zone: str = "settings", segment: str = "all", **fields: Any) -> Any:
    entry = {"schedule": cron, "segment": segment, "zone": zone} | fields
    return journey(entry=entry)


def date(attribute: str = "born", **fields: Any) -> Any:
    return journey(entry={"date": attribute} | fields)


def begin(*journeys: dict[str, Any], at: str, **settings: Any) -> Situation:
    """Let a contact appear at this moment, in UTC, with these journeys in force."""
    situation = Situation(*journeys, segments=SEGMENTS, **settings)
    situation.now_ms = at_ms(at)
    situation.event("identify", {"attributes": {"known": True}})
    return situation


def describe(situation: Situation, **attributes: Any) -> list[Any]:
    return situation.event("identify", {"attributes": attributes})


def sent_until(situation: Situation, until: str) -> list[int]:
    """Return when messages were sent, as time passes in one go to this moment, in UTC."""
    situation.now_ms = at_ms(until)
    decided = situation.fold(Advance(situation.now_ms))
    assert all(isinstance(each, Outcome) and each.outcome == "sent" for each in decided), decided
    return [each.at_ms for each in decided if isinstance(each, Outcome)]


def moments(zone: str, *texts: str) -> list[int]:
    return [at_ms(each, zone) for each in texts]


def test_a_schedule_lets_a_contact_enter_each_time() -> None:
    situation = begin(schedule("0 9 * * mon"), at="2026-04-01T12:00")
    expected = moments("UTC", "2026-04-06T09:00", "2026-04-13T09:00", "2026-04-20T09:00")
    assert sent_until(situation, "2026-04-20T09:00") == expected


def test_each_time_has_a_message_of_its_own() -> None:
    situation = begin(schedule("0 9 * * *"), at="2026-04-01T12:00")
    situation.now_ms += 3 * DAY_MS
    decided = situation.fold(Advance(situation.now_ms))
    assert len({each.key for each in decided if isinstance(each, Outcome)}) == 3


@pytest.mark.parametrize(
    ("zone", "lives_in", "expected"),
    [
        ("settings", "America/New_York", "Europe/Berlin"),
        ("contact", "America/New_York", "America/New_York"),
        ("contact", "Nowhere/At_All", "Europe/Berlin"),
        ("Asia/Tokyo", "America/New_York", "Asia/Tokyo"),
    ],
)
def test_a_schedule_is_that_of_its_zone(zone: str, lives_in: str, expected: str) -> None:
    situation = begin(schedule("0 9 2 4 *", zone), at="2026-04-01T12:00", time_zone="Europe/Berlin")
    describe(situation, time_zone=lives_in)
    assert sent_until(situation, "2026-05-01T00:00") == moments(expected, "2026-04-02T09:00")


def test_a_time_that_clocks_skip_does_not_come_that_day() -> None:
    situation = begin(schedule("30 2 * * *", "Europe/Berlin"), at="2026-03-28T12:00")
    assert sent_until(situation, "2026-03-30T12:00") == moments("Europe/Berlin", "2026-03-30T02:30")


def test_a_time_that_comes_twice_comes_twice() -> None:
    situation = begin(schedule("30 2 25 10 *", "Europe/Berlin"), at="2026-10-24T12:00")
    first = at_ms("2026-10-25T02:30", "Europe/Berlin")
    assert sent_until(situation, "2026-10-26T00:00") == [first, first + HOUR_MS]


def test_only_who_is_in_the_segment_then_enters() -> None:
    situation = begin(schedule("0 9 * * *", segment="gold"), at="2026-04-01T12:00")
    assert sent_until(situation, "2026-04-02T10:00") == []
    describe(situation, tier="gold")
    assert sent_until(situation, "2026-04-03T10:00") == moments("UTC", "2026-04-03T09:00")
    describe(situation, tier="tin")
    assert sent_until(situation, "2026-04-09T10:00") == []


def test_only_for_whom_the_condition_holds_enters() -> None:
    adult = {"attribute": "age", "at_least": 18}
    situation = begin(schedule("0 9 * * *", segment="gold", when=adult), at="2026-04-01T12:00")
    describe(situation, tier="gold", age=17)
    assert sent_until(situation, "2026-04-02T10:00") == []
    describe(situation, age=18)
    assert sent_until(situation, "2026-04-03T10:00") == moments("UTC", "2026-04-03T09:00")


def test_who_is_inside_does_not_enter_again() -> None:
    daily = schedule("0 9 * * *") | {"nodes": [wait("36h"), mail()]}
    situation = begin(daily, at="2026-04-01T12:00")
    expected = moments("UTC", "2026-04-03T21:00", "2026-04-05T21:00")
    assert sent_until(situation, "2026-04-06T00:00") == expected


def test_idle_contacts_there_before_a_publish_are_planned_for() -> None:
    situation = Situation(journey())
    for key in ("c-1", "c-2"):
        situation.event("identify", {"attributes": {"born": "1990-05-04"}}, contact=key)
    situation.partition.cool()
    situation.now_ms = at_ms("2026-04-01T12:00")
    situation.publish(date(every="year", zone="settings"), segments=SEGMENTS)
    assert sent_until(situation, "2026-05-05T00:00") == moments("UTC", "2026-05-04T09:00") * 2


@pytest.mark.parametrize("published", ["2026-04-02T09:00", "2026-04-02T10:00"])
def test_a_publish_that_keeps_a_schedule_loses_no_time_of_it(published: str) -> None:
    daily = schedule("0 9 * * *")
    situation = begin(daily, at="2026-04-01T12:00")
    situation.now_ms = at_ms(published)  # Nobody has told the partition of 09:00 yet.
    situation.publish(daily | {"title": "Other"}, segments=SEGMENTS)
    assert sent_until(situation, "2026-04-02T11:00") == moments("UTC", "2026-04-02T09:00")


def test_a_publish_that_says_another_time_plans_anew() -> None:
    situation = begin(schedule("0 9 * * *"), at="2026-04-01T12:00")
    situation.publish(schedule("0 21 * * *"), segments=SEGMENTS)
    assert sent_until(situation, "2026-04-02T12:00") == moments("UTC", "2026-04-01T21:00")


def test_a_publish_that_moves_the_settings_zone_plans_anew() -> None:
    situation = begin(schedule("0 9 * * *"), at="2026-04-01T12:00")
    situation.publish(schedule("0 9 * * *"), segments=SEGMENTS, time_zone="Asia/Tokyo")
    assert sent_until(situation, "2026-04-02T12:00") == moments("Asia/Tokyo", "2026-04-02T09:00")


def test_a_journey_taken_away_is_entered_no_more() -> None:
    situation = begin(schedule("0 9 * * *"), at="2026-04-01T12:00")
    situation.publish(journey(), segments=SEGMENTS)
    assert sent_until(situation, "2026-05-01T00:00") == []
    assert situation.partition.next_due_at_ms == FAR_MS


# Dates


@pytest.mark.parametrize(
    ("fields", "born", "expected"),
    [
        ({}, "2026-04-10", ["2026-04-10T09:00"]),
        ({"time": "18:30"}, "2026-04-10", ["2026-04-10T18:30"]),
        ({"offset": "-3d"}, "2026-04-10", ["2026-04-07T09:00"]),
        ({"offset": "2w"}, "2026-04-10", ["2026-04-24T09:00"]),
        ({}, "2026-04-10T23:00:00Z", ["2026-04-11T09:00"]),  # A moment: its day in Berlin.
        ({}, "2026-03-31", []),
        ({"every": "year"}, "1990-04-10", ["2026-04-10T09:00", "2027-04-10T09:00"]),
        ({"every": "year"}, "1990-03-31", ["2027-03-31T09:00"]),
        ({"every": "year"}, "1992-02-29", ["2027-02-28T09:00"]),
        ({"every": "year", "offset": "-3d"}, "1990-01-02", ["2026-12-30T09:00"]),
        ({"every": "year", "offset": "1d"}, "1990-12-31", ["2027-01-01T09:00"]),
        ({}, "tomorrow", []),
        ({}, [2026], []),
        ({}, True, []),
        ({"every": "year"}, 20260410.5, ["2026-08-23T09:00", "2027-08-23T09:00"]),
    ],
)
def test_a_date_lets_a_contact_enter(
    fields: dict[str, Any], born: object, expected: list[str]
) -> None:
    """Seconds since 1970 are moments as well: 20260410 is a day in August."""
    situation = begin(date(**fields), at="2026-04-01T12:00", time_zone="Europe/Berlin")
    describe(situation, born=born)
    assert sent_until(situation, "2027-09-01T00:00") == moments("Europe/Berlin", *expected)


def test_a_date_that_is_today_comes_only_if_its_time_is_not_over() -> None:
    for now, expected in (("2026-04-10T08:59", ["2026-04-10T09:00"]), ("2026-04-10T09:00", [])):
        situation = begin(date(), at=now)
        describe(situation, born="2026-04-10")
        assert sent_until(situation, "2026-05-01T00:00") == moments("UTC", *expected)


def test_a_time_that_clocks_skip_comes_late_by_the_gap() -> None:
    """Unlike a schedule, a date comes once, come what may."""
    situation = begin(date(time="02:30", zone="Europe/Berlin"), at="2026-03-01T12:00")
    describe(situation, born="2026-03-29")
    assert sent_until(situation, "2026-04-01T00:00") == moments("Europe/Berlin", "2026-03-29T03:30")


def test_a_time_that_comes_twice_is_the_first() -> None:
    situation = begin(date(time="02:30", zone="Europe/Berlin"), at="2026-10-01T12:00")
    describe(situation, born="2026-10-25")
    assert sent_until(situation, "2026-11-01T00:00") == moments("Europe/Berlin", "2026-10-25T02:30")


def test_days_before_a_date_are_those_of_the_calendar() -> None:
    """From 09:00 to 09:00 over a change of clocks there are 71 hours."""
    situation = begin(date(offset="-3d", zone="Europe/Berlin"), at="2026-03-01T12:00")
    describe(situation, born="2026-03-31")
    assert sent_until(situation, "2026-05-01T00:00") == moments("Europe/Berlin", "2026-03-28T09:00")


def test_another_date_takes_the_place_of_the_one_before() -> None:
    situation = begin(date(), at="2026-04-01T12:00")
    describe(situation, born="2026-04-10")
    describe(situation, born="2026-04-05")
    assert sent_until(situation, "2026-04-06T00:00") == moments("UTC", "2026-04-05T09:00")
    describe(situation, born="2026-04-20")
    describe(situation, born=None)
    assert sent_until(situation, "2026-05-01T00:00") == []


def test_another_zone_of_the_contact_plans_anew() -> None:
    situation = begin(date(), at="2026-04-01T12:00")
    describe(situation, born="2026-04-10")
    describe(situation, time_zone="Asia/Tokyo")
    assert sent_until(situation, "2026-05-01T00:00") == moments("Asia/Tokyo", "2026-04-10T09:00")


@pytest.mark.parametrize("first", [[], [wait("1h")]])
def test_an_attribute_that_a_node_sets_plans_anew(first: list[Any]) -> None:
    nodes = [*first, {"id": "s", "set": {"born": {"from": "trigger.born"}}}]
    situation = begin(
        date(), journey("setter", entry={"event": "ask"}, nodes=nodes), at="2026-04-01T12:00"
    )
    situation.event("ask", {"born": "2026-04-10"})
    situation.now_ms += HOUR_MS
    situation.fold(Advance(situation.now_ms))
    assert sent_until(situation, "2026-05-01T00:00") == moments("UTC", "2026-04-10T09:00")


def test_what_is_due_at_the_moment_of_a_change_still_has_its_turn() -> None:
    sets = journey(
        "first",
        entry={"schedule": "0 9 10 4 *", "segment": "all"},
        nodes=[{"id": "s", "set": {"seen": True}}, mail()],
        priority=9,
    )
    situation = begin(date(), sets, at="2026-04-01T12:00")
    describe(situation, born="2026-04-10")
    assert sent_until(situation, "2026-04-11T00:00") == moments("UTC", "2026-04-10T09:00") * 2


def test_after_downtime_each_time_comes_in_its_order_as_of_its_moment() -> None:
    daily = schedule("0 9 * * *")
    other = date() | {"journey": "dated"}
    situation = begin(daily, other, at="2026-04-01T12:00")
    describe(situation, born="2026-04-03")
    situation.now_ms = at_ms("2026-04-04T12:00")
    decided = situation.fold(Advance(situation.now_ms))
    found = [(each.journey, each.at_ms) for each in decided if isinstance(each, Outcome)]
    assert [at for _, at in found] == moments(
        "UTC", "2026-04-02T09:00", "2026-04-03T09:00", "2026-04-03T09:00", "2026-04-04T09:00"
    )
    assert [name for name, _ in found].count("dated") == 1


def test_a_fault_at_one_time_leaves_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    situation = begin(schedule("0 9 * * *"), at="2026-04-01T12:00")

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr("engine.nodes.send.Send.enter", fail)
        situation.now_ms = at_ms("2026-04-02T12:00")
        (fault,) = situation.fold(Advance(situation.now_ms))
    assert "occasion hello/" in str(fault)
    assert sent_until(situation, "2026-04-03T12:00") == moments("UTC", "2026-04-03T09:00")


def test_two_entries_of_one_time_both_count() -> None:
    entries = [
        {"schedule": "0 9 * * *", "segment": "all", "when": {"attribute": "x", "equals": 1}},
        {"schedule": "0 9 * * *", "segment": "gold"},
    ]
    situation = begin(journey(entry=entries), at="2026-04-01T12:00")
    describe(situation, x=1)
    assert sent_until(situation, "2026-04-02T12:00") == moments("UTC", "2026-04-02T09:00")


def test_without_occasions_an_identify_costs_nothing_more() -> None:
    gold = decide({"attribute": "tier", "equals": "gold"})
    programs = Situation(journey(nodes=[gold, mail()])).partition.programs
    route = programs.routes["identify"]
    assert not any([route.asked, route.describes, programs.timed, programs.version])


@pytest.mark.parametrize(
    ("entry", "path", "says"),
    [
        ({"schedule": "0 9 * *", "segment": "all"}, "$.entry.schedule", "no schedule"),
        ({"schedule": "0 9 31 2 *", "segment": "all"}, "$.entry.schedule", "never comes"),
        ({"schedule": "61 9 * * *", "segment": "all"}, "$.entry.schedule", "no minute"),
        ({"schedule": "0 9 * * *"}, "$.entry", "'segment' is missing"),
        ({"schedule": "0 9 * * *", "segment": "old"}, "$.entry.segment", "no segment 'old'"),
        (
            {"schedule": "0 9 * * *", "segment": "all", "zone": "Berlin"},
            "$.entry.zone",
            "no time zone 'Berlin'",
        ),
        ({"date": "born", "zone": "Berlin"}, "$.entry.zone", "no time zone 'Berlin'"),
        ({"date": "born", "time": "9 am"}, "$.entry.time", "no time of day"),
        ({"date": "born", "offset": "-36h"}, "$.entry.offset", "cannot read '-36h'"),
        ({"date": "born", "offset": "soon"}, "$.entry.offset", "cannot read 'soon'"),
        ({"date": "born", "offset": "-401d"}, "$.entry.offset", "out of range"),
        ({"date": "born.on"}, "$.entry.date", "no attribute"),
        ({"date": ""}, "$.entry.date", "no attribute"),
        ({"date": "born", "every": "month"}, "$.entry.every", "month"),
    ],
)
def test_an_occasion_that_means_nothing_is_refused(
    entry: dict[str, str], path: str, says: str
) -> None:
    publication = Publication(
        journeys={"j.yaml": journey(entry=entry)},
        segments={"segments/all.yaml": ALL},
        templates={"hello.en": ""},
    )
    (mistake,) = compile_publication(publication)[1]
    assert mistake.path == path
    assert says in mistake.problem


def test_a_reentry_key_asks_for_an_event() -> None:
    keyed = date() | {"reentry": {"key": "order"}}
    publication = Publication(journeys={"j.yaml": keyed}, templates={"hello.en": ""})
    (mistake,) = compile_publication(publication)[1]
    assert mistake.path == "$.reentry.key"


def test_planning_anew_leaves_what_else_the_contact_has_a_timer_for() -> None:
    away = {"segment": "away", "when": {"not": {"happened": "purchase", "within": "2d"}}}
    situation = Situation(
        date(), journey("back", entry={"enters": "away"}), segments=[*SEGMENTS, away]
    )
    situation.now_ms = at_ms("2026-04-01T12:00")
    situation.event("purchase")
    describe(situation, born="2026-05-01")
    assert sent_until(situation, "2026-04-20T00:00") == moments("UTC", "2026-04-03T12:00")


@pytest.mark.parametrize("higher", ["a", "b"])
def test_of_two_due_at_once_the_journey_with_the_higher_priority_goes_first(higher: str) -> None:
    entry = {"schedule": "0 9 * * *", "segment": "all", "zone": "UTC"}
    journeys = [journey(name, entry=entry, priority=int(name == higher)) for name in ("a", "b")]
    situation = begin(*journeys, at="2026-03-02T08:00")
    decided = situation.fold(Advance(at_ms("2026-03-02T09:00")))
    names = [each.journey for each in decided if isinstance(each, Outcome)]
    assert names == [higher, "b" if higher == "a" else "a"]
