"""Local time and weekday as conditions, in any zone; and a percentage of contacts."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.conditions.reads import Reads
from engine.contacts.contact import Contact
from engine.limits import DAY_MS, FAR_MS
from tests.engine.calendar.almanac import CHANGES, MINUTE_MS, ODD_CHANGES, at, clock
from tests.engine.conditions.tests_of import (
    assert_changes_no_earlier,
    compiled,
    compiled_well,
    moment_at,
)

NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
times = some.integers(0, 1_439)


def written(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def minute_of(text: str) -> int:
    return 60 * int(text[:2]) + int(text[3:])


def shown(at_ms: int, zone: ZoneInfo, condition: dict[str, Any]) -> bool:
    """The model: by what the standard library says that clocks show."""
    day, ms_of_day = divmod(clock(at_ms, zone), DAY_MS)
    days = condition.get("weekdays", NAMES)
    if condition["time"] is None:
        return NAMES[(day + 3) % 7] in days
    opens, closes = (DAY_MS * minute_of(each) // 1_440 for each in condition["time"])
    if opens < closes:
        return opens <= ms_of_day < closes and NAMES[(day + 3) % 7] in days
    began = day if ms_of_day >= opens else day - 1
    return (ms_of_day >= opens or ms_of_day < closes) and NAMES[(began + 3) % 7] in days


@settings(derandomize=True, max_examples=500, deadline=None)
@given(
    change=some.sampled_from([*CHANGES, *ODD_CHANGES]),
    time=some.none() | some.lists(times, min_size=2, max_size=2, unique=True),
    weekdays=some.none() | some.sets(some.sampled_from(NAMES), min_size=1),
    offset=some.integers(-1_440, 1_440),
    samples=some.lists(some.integers(0, 3 * 1_440), max_size=20),
    named=some.booleans(),
)
def test_it_holds_by_the_clocks_of_the_zone_and_says_when_it_changes(
    change: tuple[str, str],
    time: list[int] | None,
    weekdays: set[str] | None,
    offset: int,
    samples: list[int],
    *,
    named: bool,
) -> None:
    zone_name, change_at = change
    condition: dict[str, Any] = {"time": None if time is None else [written(each) for each in time]}
    if weekdays is not None or time is None:
        condition["weekdays"] = sorted(weekdays or NAMES)
    test = compiled_well(condition | ({"zone": zone_name} if named else {}))
    contact = Contact("c-1", attributes={} if named else {"time_zone": zone_name})
    now_ms = at(change_at) + offset * MINUTE_MS
    moment = moment_at(now_ms, None, contact)
    assert test.holds(moment) is shown(now_ms, ZoneInfo(zone_name), condition)
    assert_changes_no_earlier(test, moment, [now_ms + each * MINUTE_MS for each in samples])


def test_a_window_closes_and_opens_when_it_says() -> None:
    test = compiled_well({"time": ["09:00", "18:00"], "weekdays": ["mon-fri"], "zone": "UTC"})
    friday = at("2024-03-01T17:00Z")
    moment = moment_at(friday)
    assert test.holds(moment)
    moment.now_ms = test.changes_at_ms(moment)
    assert moment.now_ms == at("2024-03-01T18:00Z")
    assert not test.holds(moment)
    moment.now_ms = test.changes_at_ms(moment)
    assert moment.now_ms == at("2024-03-04T09:00Z")


def test_a_weekday_ends_early_where_clocks_go_back_over_midnight() -> None:
    test = compiled_well({"time": None, "weekdays": ["sun"], "zone": "America/St_Johns"})
    moment = moment_at(at("2010-11-07T02:30:30Z"))
    assert test.holds(moment)
    moment.now_ms = test.changes_at_ms(moment)
    assert moment.now_ms == at("2010-11-07T02:31Z")
    assert not test.holds(moment)


def test_the_zone_is_that_of_the_contact_then_of_the_settings_or_one_that_is_named() -> None:
    at_ms = at("2024-03-01T23:30Z")
    moment = moment_at(at_ms, None, Contact("c-1", attributes={"time_zone": "Asia/Tokyo"}))
    condition = {"time": None, "weekdays": ["sat"]}
    assert compiled_well(condition).holds(moment)
    assert not compiled_well(condition | {"zone": "UTC"}).holds(moment)
    moment.contact.attributes["time_zone"] = "Nowhere"
    assert not compiled_well(condition).holds(moment)
    moment.rules.zone = ZoneInfo("Europe/Berlin")
    assert compiled_well(condition).holds(moment)


@pytest.mark.parametrize(("zone", "reads_contact"), [("contact", True), ("UTC", False)])
def test_the_contacts_zone_is_an_attribute(zone: str, *, reads_contact: bool) -> None:
    reads = Reads()
    compiled_well({"time": ["09:00", "18:00"], "zone": zone}).note_reads(reads)
    assert reads.contact is reads_contact


def test_a_share_is_always_of_the_same_contacts() -> None:
    def among(share: float, salt: str = "") -> set[int]:
        test = compiled_well({"share": share, "salt": salt})
        return {i for i in range(2_000) if test.holds(moment_at(0, None, Contact(f"c-{i}")))}

    assert among(10) == among(10) < among(30)
    assert 500 < len(among(30)) < 700
    assert among(30, "other") != among(30)
    assert len(among(100)) == 2_000
    assert compiled_well({"share": 10}).changes_at_ms(moment_at(0)) == FAR_MS


@pytest.mark.parametrize(
    ("condition", "path", "problem"),
    [
        ({"time": None}, "", "any time of any day decides nothing"),
        ({"time": ["09:00"]}, ".time", "['09:00'] is not from one time to another"),
        ({"time": ["9", "10"]}, ".time", "['9', '10'] is not from one time to another"),
        ({"time": ["09:00", "09:00"]}, ".time", "nothing is from 09:00 to before 09:00"),
        ({"time": None, "weekdays": []}, ".weekdays", "[] are no weekdays"),
        ({"time": None, "weekdays": ["day"]}, ".weekdays", "['day'] are no weekdays"),
        ({"time": ["09:00", "10:00"], "zone": "CEST"}, ".zone", "there is no time zone 'CEST'"),
        ({"share": 0}, ".share", "0 is out of range"),
        ({"share": 101}, ".share", "101 is out of range"),
    ],
)
def test_what_means_no_time_or_nobody_is_refused(
    condition: dict[str, Any], path: str, problem: str
) -> None:
    _, mistakes = compiled(condition)
    assert [(each.path, each.problem) for each in mistakes] == [(f"$.entry.when{path}", problem)]
    assert mistakes[0].fix
