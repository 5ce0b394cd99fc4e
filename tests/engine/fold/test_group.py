"""Groups of journeys: one of them in each session or day, and then only a higher one."""

from typing import Any

import pytest

from engine.compile.publication import compile_publication
from engine.contacts.contact import Entered
from engine.decision import EXITED, GROUPED, LATE, SENT, Outcome
from engine.language.journey import Publication
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    only_outcome,
    outcomes,
)
from tests.publications import journey


def mistake_of(**fields: Any) -> tuple[str, str]:
    publication = Publication(
        journeys={"j.yaml": journey(**fields)}, templates={"hello.en": ""}, settings={}
    )
    (mistake,) = compile_publication(publication)[1]
    return mistake.path, mistake.problem


# Groups


def grouped(name: str, priority: int = 0, event: str = "hi", **fields: Any) -> dict[str, Any]:
    return journey(name, entry={"event": event}, group="offers", priority=priority, **fields)


def per(period: str, *journeys: dict[str, Any], **settings: Any) -> Situation:
    return Situation(*journeys, groups={"offers": {"per": period}}, **settings)


@pytest.mark.parametrize("period", ["session", "day"])
def test_of_a_group_the_one_of_higher_priority_is_entered(period: str) -> None:
    situation = per(
        period, grouped("low", 1), grouped("high", 2), grouped("also", 1), journey("free")
    )
    decided = situation.event()
    assert outcomes(decided) == [
        ("high", SENT), ("also", GROUPED), ("low", GROUPED), ("free", SENT),
    ]  # fmt: skip
    reason = decided[1].reason if isinstance(decided[1], Outcome) else ""
    assert reason == f"offers: one of priority 2 came first in this {period}"


@pytest.mark.parametrize("period", ["session", "day"])
def test_later_only_one_of_a_higher_priority_is_entered(period: str) -> None:
    events = [grouped("one", 1, "a"), grouped("two", 2, "b"), grouped("same", 2, "c")]
    situation = per(period, *events)
    found = [outcomes(situation.event(name, after_ms=1)) for name in "abcab"]
    assert found == [
        [("one", SENT)], [("two", SENT)], [("same", GROUPED)], [("one", GROUPED)],
        [("two", GROUPED)],
    ]  # fmt: skip


def test_a_session_has_its_own_turn() -> None:
    situation = per("session", grouped("one"))
    assert outcomes(situation.event()) == [("one", SENT)]
    assert outcomes(situation.event(after_ms=20 * MINUTE_MS)) == [("one", GROUPED)]
    assert outcomes(situation.event(after_ms=30 * MINUTE_MS)) == [("one", SENT)]


def test_the_end_of_a_session_is_part_of_it() -> None:
    situation = per("session", grouped("one"), grouped("end", event="session_end"))
    situation.event()
    assert outcomes(situation.pass_time(HOUR_MS)) == [("end", GROUPED)]
    situation.event("other")
    assert outcomes(situation.pass_time(HOUR_MS)) == [("end", SENT)]
    assert outcomes(situation.event()) == [("one", SENT)]


@pytest.mark.parametrize(
    ("zone", "expected"), [("UTC", [SENT, GROUPED, SENT]), ("Asia/Tokyo", [SENT, SENT, GROUPED])]
)
def test_a_day_is_that_of_the_contacts_zone(zone: str, expected: list[str]) -> None:
    """At noon of UTC, Tokyo's midnight is 3 hours away."""
    situation = per("day", grouped("one"))
    situation.now_ms = NOON_MS - NOON_MS % DAY_MS + DAY_MS + 12 * HOUR_MS
    situation.event("identify", {"attributes": {"time_zone": zone}})
    found = [
        only_outcome(situation.event(after_ms=after)).outcome
        for after in (0, 3 * HOUR_MS, 9 * HOUR_MS)
    ]
    assert found == expected


def test_the_day_of_a_group_begins_at_midnight_exactly() -> None:
    situation = per("day", grouped("one"))
    situation.now_ms = NOON_MS - NOON_MS % DAY_MS + DAY_MS - 2
    assert outcomes(situation.event()) == [("one", SENT)]
    assert outcomes(situation.event(after_ms=1)) == [("one", GROUPED)]
    assert outcomes(situation.event(after_ms=1)) == [("one", SENT)]


def test_outside_of_sessions_a_group_by_session_has_one_turn_a_day() -> None:
    back_end = grouped("one", event="back")
    situation = per("session", back_end, no_session=["back"])
    situation.now_ms = NOON_MS - NOON_MS % DAY_MS + DAY_MS
    assert outcomes(situation.event("back")) == [("one", SENT)]
    outcome = only_outcome(situation.event("back", after_ms=HOUR_MS))
    assert outcome.reason == "offers: one of priority 0 came first in this day"
    assert outcomes(situation.event("back", after_ms=DAY_MS)) == [("one", SENT)]


def test_who_is_late_takes_nobodys_turn() -> None:
    situation = per("day", grouped("one", 2), grouped("two", 1, "ho"))
    assert outcomes(situation.event(at_ms=NOON_MS - DAY_MS)) == [("one", LATE)]
    assert outcomes(situation.event("ho")) == [("two", SENT)]


def test_who_ought_to_leave_already_takes_nobodys_turn() -> None:
    leaves = {"attribute": "tier", "equals": "gold"}
    situation = per("day", grouped("one", 2, exit_on=[{"when": leaves}]), grouped("two", 1))
    situation.event("identify", {"attributes": {"tier": "gold"}})
    assert outcomes(situation.event()) == [("one", EXITED), ("two", SENT)]


def test_groups_that_are_gone_are_forgotten() -> None:
    situation = per("day", grouped("one"))
    situation.event()
    situation.publish(journey("two", group="news"), groups={"news": {"per": "day"}})
    situation.event()
    assert situation.contact().groups == {"news": Entered(NOON_MS, 0, NOON_MS)}


def test_a_group_there_is_not_is_refused() -> None:
    assert mistake_of(group="offers") == ("$.group", "there is no group 'offers'")
