"""Segments and exits notice when a condition comes out otherwise: by an event, receipt or time."""

from typing import Any

import msgspec
import pytest

from engine.contacts.contact import Contact
from engine.contacts.happening import pack
from engine.contacts.history import remember
from engine.decision import Outcome
from engine.input import Advance, Publish, Receipt
from engine.language.journey import Publication
from engine.limits import FAR_MS
from tests.engine.calendar.almanac import at
from tests.engine.conditions.tests_of import compiled_well, moment_at
from tests.engine.nodes.test_await import wait_for
from tests.engine.situation import (
    DAY_MS,
    GAP_MS,
    HOUR_MS,
    NOON_MS,
    Situation,
    mail,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey

IN = journey("in", entry={"enters": "seg"})
OUT = journey("out", entry={"leaves": "seg"})


def watching(condition: dict[str, Any], *journeys: dict[str, Any]) -> Situation:
    """Return a situation in which messages say that a contact enters or leaves the segment."""
    situation = Situation()
    publication = Publication(
        journeys={f"{each['journey']}.yaml": each for each in (IN, OUT, *journeys)},
        segments={"seg.yaml": {"segment": "seg", "when": condition}},
        templates={"hello.en": ""},
    )
    assert situation.fold(Publish(msgspec.json.encode(publication))) == []
    return situation


def moved(decisions: list[Any]) -> list[tuple[str, int]]:
    """Return which way the contact went, and when."""
    assert all(isinstance(each, Outcome) for each in decisions), decisions
    return [(each.journey, each.at_ms) for each in decisions if each.journey in ("in", "out")]


@pytest.mark.parametrize(
    "condition",
    [
        {"session": "active", "equals": True},
        {"session": "counts.page_view", "at_least": 1},
        {"session": "started_at_ms", "exists": True},
        {"not": {"session": "duration_ms", "exists": False}},
    ],
)
def test_a_session_begins_and_ends_a_segment_though_no_journey_asks_for_its_end(
    condition: dict[str, Any],
) -> None:
    situation = watching(condition)
    assert moved(situation.event("page_view")) == [("in", NOON_MS)]
    assert moved(situation.event("page_view", after_ms=5)) == []
    # Not at the Advance, but when the session ended.
    assert moved(situation.pass_time(HOUR_MS)) == [("out", NOON_MS + 5 + GAP_MS)]
    assert moved(situation.event("page_view", after_ms=1)) == [("in", situation.now_ms)]


@pytest.mark.parametrize("how", ["all", "any"])
def test_time_is_noticed_in_each_part_of_a_condition(how: str) -> None:
    parts = [{"happened": "seen", "within": span} for span in ("2d", "1d", "3d")]
    situation = watching({how: parts})
    assert moved(situation.event("seen")) == [("in", NOON_MS)]
    days = 1 if how == "all" else 3
    assert moved(situation.pass_time(9 * DAY_MS)) == [("out", NOON_MS + days * DAY_MS)]


def test_who_enters_and_leaves_a_segment_knows_which() -> None:
    for way in ("enters", "leaves"):
        entry = {way: "seg", "when": {"field": "segment", "equals": "seg"}}
        situation = watching({"attribute": "vip", "equals": True}, journey("it", entry=entry))
        decided = situation.event("identify", {"attributes": {"vip": True}})
        decided += situation.event("identify", {"attributes": {"vip": False}})
        assert ("it", "sent") in outcomes(decided)


@pytest.mark.parametrize("first", [None, wait("1h"), wait_for("bought", timeout="1d")])
def test_what_a_visit_does_is_noticed_however_it_came_there_and_though_it_stays(
    first: dict[str, Any] | None,
) -> None:
    nodes = [*([first] if first else []), mail(), wait("1d", "later"), mail("second")]
    situation = watching({"message": "sent", "journey": "long"}, journey("long", nodes=nodes))
    decided = situation.event()
    decided += situation.pass_time(HOUR_MS)
    decided += situation.event("bought")
    assert [each[0] for each in moved(decided)] == ["in"]
    assert len(situation.contact().visits) == 1


def test_a_publish_leaves_those_in_a_segment_who_are_in_it_since_they_were() -> None:
    situation = watching({"attribute": "vip", "equals": True})
    situation.event("identify", {"attributes": {"vip": True}})
    again = watching({"attribute": "vip", "exists": True}).partition.published
    situation.now_ms += HOUR_MS
    assert situation.fold(Publish(again)) == []
    assert moved(situation.event("page_view")) == []
    assert situation.contact().segments == {"seg": NOON_MS}


def test_what_happened_a_whole_span_ago_changes_nothing_any_more() -> None:
    test = compiled_well({"happened": "seen", "within": "1d"})
    contact = Contact("c-1")
    remember(contact, "seen", pack(NOON_MS), NOON_MS)
    for now_ms, changes in ((NOON_MS + DAY_MS - 1, NOON_MS + DAY_MS), (NOON_MS + DAY_MS, FAR_MS)):
        moment = moment_at(now_ms, contact=contact)
        assert test.changes_at_ms(moment) == changes


def test_a_span_of_the_session_is_noticed_as_time_goes_by() -> None:
    situation = watching({"session": "duration_ms", "between": [1_000, 2_000]})
    assert moved(situation.event("page_view")) == []
    assert moved(situation.pass_time(HOUR_MS)) == [
        ("in", NOON_MS + 1_000),
        ("out", NOON_MS + 2_001),
    ]


def test_the_cart_is_noticed() -> None:
    situation = watching({"cart": "total", "at_least": 50})
    item = {"product_id": "a", "price": 25, "quantity": 2}
    assert moved(situation.event("page_view")) == []
    assert moved(situation.event("cart_update", {"items": [item]})) == [("in", NOON_MS)]
    assert moved(situation.event("cart_update", {"items": []})) == [("out", NOON_MS)]


def test_a_filled_cart_is_of_its_session() -> None:
    situation = watching({"session": "cart_filled", "equals": True})
    assert moved(situation.event("cart_update", {"product_id": "a"})) == [("in", NOON_MS)]
    assert moved(situation.run_out()) == [("out", NOON_MS + GAP_MS)]


def test_a_date_comes_near_and_passes_by_time_alone() -> None:
    situation = watching({"attribute": "ends", "within_next": "2d"})
    ends = NOON_MS + 10 * DAY_MS
    assert moved(situation.event("identify", {"attributes": {"ends": ends}})) == []
    assert moved(situation.pass_time(20 * DAY_MS)) == [("in", ends - 2 * DAY_MS), ("out", ends)]


def test_a_date_that_is_moved_is_looked_at_again() -> None:
    situation = watching({"attribute": "ends", "before": "now"})
    ends = NOON_MS + 10 * DAY_MS
    assert moved(situation.event("identify", {"attributes": {"ends": ends}})) == []
    assert moved(situation.event("identify", {"attributes": {"ends": ends - DAY_MS}})) == []
    assert moved(situation.pass_time(20 * DAY_MS)) == [("in", ends - DAY_MS + 1)]


def test_the_day_is_noticed_in_the_zone_of_the_contact() -> None:
    situation = watching({"time": ["09:00", "18:00"], "weekdays": ["mon-fri"]})
    situation.now_ms = at("2024-03-01T19:00Z")
    assert moved(situation.event("identify", {"attributes": {"time_zone": "Asia/Tokyo"}})) == []
    decided = situation.fold(Advance(at("2024-03-04T12:00Z")))
    assert moved(decided) == [("in", at("2024-03-04T00:00Z")), ("out", at("2024-03-04T09:00Z"))]


def test_a_message_sent_opened_and_past_its_window_is_noticed() -> None:
    opened = {"message": "opened", "journey": "hello", "within": "3d"}
    situation = watching(opened, journey())
    key = only_outcome(situation.event()).key
    situation.now_ms += 5
    assert moved(situation.fold(Receipt("c-1", key, delivered=True, kind="opened"))) == [
        ("in", NOON_MS + 5)
    ]
    assert moved(situation.pass_time(9 * DAY_MS)) == [("out", NOON_MS + 5 + 3 * DAY_MS)]


def test_a_consent_is_noticed() -> None:
    situation = watching({"consent": "email", "is": "opt_in"})
    assert moved(situation.consent("opt_in")) == [("in", NOON_MS)]
    assert moved(situation.consent("opt_out")) == [("out", NOON_MS)]


def test_a_message_sent_after_a_wait_for_an_event_is_noticed() -> None:
    waits = journey(nodes=[wait_for("next"), mail()])
    situation = watching({"message": "sent", "journey": "hello"}, waits)
    assert moved(situation.event()) == []
    assert moved(situation.event("next")) == [("in", NOON_MS)]


def test_a_message_that_fails_is_noticed() -> None:
    situation = watching({"message": "sent", "journey": "hello"}, journey())
    decided = situation.event()
    assert moved(decided) == [("in", NOON_MS)]
    key = next(each.key for each in decided if isinstance(each, Outcome))
    assert moved(situation.receipt(key, delivered=False)) == [("out", NOON_MS)]


def test_a_message_that_is_stopped_is_noticed_where_a_courier_comes_for_it() -> None:
    situation = watching({"message": "sent", "journey": "hello"}, journey(exit_on=["stop"]))
    decided = situation.event()
    key = next(each.key for each in decided if isinstance(each, Outcome))
    situation.event("stop")
    situation.now_ms += 5
    assert moved(situation.handover(key)) == [("out", NOON_MS + 5)]


def test_an_exit_notices_the_age_of_its_visit() -> None:
    leaves = journey(
        nodes=[wait("2h"), mail()],
        exit_on=[{"when": {"visit": "age_ms", "at_least": HOUR_MS}}],
    )
    situation = Situation(leaves)
    assert situation.event() == []
    assert outcomes(situation.pass_time(HOUR_MS - 1)) == []
    assert outcomes(situation.pass_time(1)) == [("hello", "exited")]
