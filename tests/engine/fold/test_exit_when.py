"""Conditions that end visits whenever they come to hold, and what stops with them."""

from typing import Any

import pytest

from engine.decision import EXITED, SENT, Outcome
from engine.fold.watch import EXIT_HELD
from engine.input import Event, Handover, Publish, Receipt
from engine.limits import FAR_MS
from engine.partition import Partition
from engine.trace import EndNote, ExitNote, Trace
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    decide,
    mail,
    only_delivery,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey, source_of

VIP = {"segment": "vip", "list": True}
GOLD = {"segment": "gold", "when": {"attribute": "tier", "equals": "gold"}}
BUYER = {"segment": "buyer", "when": {"happened": "purchase", "within": "30d"}}
LAPSED = {"segment": "lapsed", "when": {"not": {"segment": "buyer"}}}
DEAR = {"segment": "dear", "when": {"any": [{"segment": "vip"}, {"segment": "gold"}]}}
SEGMENTS = [VIP, GOLD, BUYER, LAPSED, DEAR]


def segments(*journeys: dict[str, Any]) -> Situation:
    return Situation(*journeys, segments=SEGMENTS)


def asks(segment: str) -> Situation:
    return segments(journey(nodes=[decide({"segment": segment}), mail()]))


def be(situation: Situation, tier: str | None, **at: Any) -> list[Any]:
    return situation.event("identify", {"attributes": {"tier": tier}}, **at)


def put(situation: Situation, name: str = "vip", **at: Any) -> list[Any]:
    return situation.event("identify", {"lists": {name: True}}, **at)


def take_off(situation: Situation, name: str = "vip") -> list[Any]:
    return situation.event("identify", {"lists": {name: False}})


# Conditions that end visits


def leaves_when(condition: dict[str, Any], **fields: Any) -> Situation:
    nodes = fields.pop("nodes", [wait("1d"), mail()])
    return segments(journey(nodes=nodes, exit_on=[{"when": condition}], **fields))


def test_a_condition_that_comes_to_hold_ends_a_visit_amid_its_wait() -> None:
    situation = leaves_when({"segment": "gold"})
    assert situation.event() == []
    assert be(situation, "tin") == []
    outcome = only_outcome(be(situation, "gold", after_ms=HOUR_MS))
    assert (outcome.outcome, outcome.at_ms) == (EXITED, NOON_MS + HOUR_MS)
    assert outcome.reason == "its condition to leave came to hold"
    assert situation.run_out() == []


@pytest.mark.parametrize(
    "kinds",
    [
        [{"attribute": "tier", "equals": "gold"}, {"field": "price", "more_than": 99}],
        [{"field": "price", "more_than": 99}, {"attribute": "tier", "equals": "gold"}],
    ],
)
def test_a_change_of_the_contact_is_noticed_whatever_else_a_condition_reads(
    kinds: list[dict[str, Any]],
) -> None:
    situation = leaves_when({"any": kinds})
    assert situation.event("hi", {"price": 5}) == []
    assert only_outcome(be(situation, "gold")).outcome == EXITED


def test_a_condition_that_time_brings_to_hold_ends_a_visit() -> None:
    situation = leaves_when({"segment": "lapsed"}, nodes=[wait("40d"), mail()])
    situation.event("purchase")
    situation.event(after_ms=HOUR_MS)
    assert situation.pass_time(30 * DAY_MS - HOUR_MS - 1) == []
    outcome = only_outcome(situation.pass_time(1))
    assert (outcome.outcome, outcome.at_ms) == (EXITED, NOON_MS + 30 * DAY_MS)


def test_a_condition_that_comes_to_hold_as_the_wait_is_over_ends_the_visit_first() -> None:
    situation = leaves_when({"segment": "lapsed"}, nodes=[wait("30d"), mail()], priority=99)
    situation.event("purchase")
    situation.event()
    assert only_outcome(situation.pass_time(30 * DAY_MS)).outcome == EXITED


def test_who_ought_to_leave_already_does_not_enter() -> None:
    situation = leaves_when({"segment": "gold"}, nodes=[mail()], reentry="once")
    be(situation, "gold")
    outcome = only_outcome(situation.event())
    assert (outcome.outcome, outcome.reason) == (EXITED, "its condition to leave holds already")
    be(situation, "tin")
    assert outcomes(situation.event()) == [("hello", "sent")]


CHEAP_AND_GOLD = {"all": [{"segment": "gold"}, {"field": "price", "less_than": 5}]}


@pytest.mark.parametrize("prices", [{"a": 4, "b": 5}, {"b": 5, "a": 4}])
def test_a_condition_of_the_trigger_is_that_of_each_visit(prices: dict[str, int]) -> None:
    situation = leaves_when(CHEAP_AND_GOLD, reentry={"key": "order"})
    for order, price in prices.items():
        situation.event("hi", {"order": order, "price": price})
    be(situation, "gold")
    assert [visit.key for visit in situation.contact().visits] == ["b"]


@pytest.mark.parametrize("nodes", [[mail()], [mail(), wait("1d"), mail("second")]])
@pytest.mark.parametrize("prices", [{"a": 4, "b": 5, "c": 3}, {"b": 5, "c": 3, "a": 4}])
def test_a_condition_stops_the_messages_of_the_visits_that_it_ends(
    prices: dict[str, int], nodes: list[dict[str, Any]]
) -> None:
    situation = leaves_when(CHEAP_AND_GOLD, nodes=nodes, reentry={"key": "order"})
    keys = {}
    for order, price in prices.items():
        keys[order] = only_outcome(situation.event("hi", {"order": order, "price": price})).key
    be(situation, "gold", after_ms=1)
    situation.now_ms += 1
    for order in ("a", "c"):
        outcome = only_outcome(situation.handover(keys[order]))
        assert (outcome.outcome, outcome.reason) == (EXITED, EXIT_HELD)
    assert only_delivery(situation.handover(keys["b"])).key == keys["b"]


def test_a_condition_of_the_visit_stops_its_messages_too() -> None:
    situation = leaves_when(
        {"visit": "age_ms", "at_least": HOUR_MS}, nodes=[mail(), wait("2h"), mail("second")]
    )
    key = only_outcome(situation.event()).key
    assert situation.pass_time(HOUR_MS) == []
    assert situation.contact().visits == []
    situation.now_ms += 1
    outcome = only_outcome(situation.handover(key))
    assert (outcome.outcome, outcome.reason) == (EXITED, EXIT_HELD)


def test_messages_of_a_journey_that_is_gone_are_passed_by() -> None:
    gone, leaves = journey("gone"), journey(exit_on=[{"when": {"segment": "gold"}}])
    situation = segments(gone | {"entry": {"event": "ho"}}, leaves)
    first = only_outcome(situation.event("ho")).key
    situation.publish(leaves, segments=SEGMENTS)
    second = only_outcome(situation.event()).key
    be(situation, "gold", after_ms=1)
    situation.now_ms += 1
    assert only_outcome(situation.handover(second)).outcome == EXITED
    assert only_delivery(situation.handover(first)).key == first


@pytest.mark.parametrize("ended", [True, False])
def test_a_condition_stops_messages_that_no_courier_has(*, ended: bool) -> None:
    nodes = [mail()] if ended else [mail(), wait("1d"), mail("second")]
    situation = leaves_when({"segment": "gold"}, nodes=nodes)
    sent = only_outcome(situation.event())
    assert sent.outcome == SENT
    be(situation, "gold", after_ms=1)
    situation.now_ms += 1
    outcome = only_outcome(situation.handover(sent.key))
    assert (outcome.key, outcome.outcome) == (sent.key, EXITED)
    assert situation.contact().visits == []


def test_a_condition_stops_no_message_that_a_courier_has() -> None:
    situation = leaves_when({"segment": "gold"}, nodes=[mail()])
    sent = only_outcome(situation.event())
    situation.handover(sent.key)
    be(situation, "gold", after_ms=1)
    assert situation.contact().pending[0].stopped_at_ms == FAR_MS


def test_a_publish_with_a_condition_to_leave_ends_visits_for_whom_it_holds() -> None:
    inside = journey(nodes=[wait("1d"), mail()])
    situation = Situation(inside)
    be(situation, "gold")
    situation.event()
    be(situation, "tin", contact="c-2")
    situation.event(contact="c-2", after_ms=HOUR_MS)
    situation.publish(inside | {"exit_on": [{"when": {"segment": "gold"}}]}, segments=SEGMENTS)
    outcome = only_outcome(situation.pass_time(MINUTE_MS))
    assert (outcome.contact, outcome.outcome) == ("c-1", EXITED)
    assert outcome.at_ms == NOON_MS + HOUR_MS


def test_a_receipt_lets_conditions_be_looked_at_again() -> None:
    """What was sent to a contact is part of what conditions may ask."""
    situation = leaves_when({"segment": "gold"}, nodes=[mail(), wait("1d"), mail("second")])
    sent = only_outcome(situation.event())
    contact = situation.partition._hot["c-1"]
    contact.attributes["tier"] = "gold"
    situation.fold(Receipt("c-1", sent.key, delivered=True))
    assert situation.contact().visits == []


def test_a_condition_of_the_visit_stops_its_messages() -> None:
    condition = {"all": [{"segment": "gold"}, {"visit": "messages", "at_least": 1}]}
    situation = leaves_when(condition, nodes=[mail(), wait("1d"), mail("second")])
    sent = only_outcome(situation.event())
    be(situation, "gold", after_ms=1)
    situation.now_ms += 1
    assert only_outcome(situation.handover(sent.key)).outcome == EXITED


def test_what_was_sent_ends_a_visit_and_its_receipt_is_named_as_the_cause() -> None:
    nodes = [mail(), wait("1d"), mail("second")]
    ends = [{"when": {"message": "delivered"}}]
    trace = Trace()
    partition = Partition(0, trace)
    partition.fold(Publish(source_of(journey(nodes=nodes, exit_on=ends))), NOON_MS)
    partition.fold(Event("e-1", "c-1", "hi", None, {}), NOON_MS)
    (key,) = [each.key for each in trace if isinstance(each, Outcome)]
    partition.fold(Handover("c-1", key, NOON_MS), NOON_MS)
    trace.clear()
    partition.fold(Receipt("c-1", key, delivered=True), NOON_MS + 1)
    assert [each.cause for each in trace if isinstance(each, EndNote)] == [f"Receipt {key}"]
    assert [each.event_id for each in trace if isinstance(each, ExitNote)] == [f"Receipt {key}"]
