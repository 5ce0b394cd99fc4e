"""Passes: visits that come to a node again, and messages each with a key of its own."""

from typing import Any

import pytest

from engine.contacts.contact import Sent
from engine.contacts.identity import message_key
from engine.decision import SENT, Outcome
from engine.limits import PASSES_MAX
from tests.engine.nodes.test_await import wait_for
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    NOON_MS,
    Situation,
    decide,
    mail,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey

ASK = {"attribute": "done", "exists": True}
DIGEST = [
    mail(),
    wait("1d"),
    decide(ASK, then="out", **{"else": "mail"}),
    {"id": "out", "exit": "x"},
]


def occurrences(decided: list[Any]) -> list[str]:
    return [each.key.partition(".")[2] for each in decided if isinstance(each, Outcome)]


def test_each_pass_of_a_cycle_sends_a_message_of_its_own() -> None:
    situation = Situation(journey(nodes=DIGEST))
    decided = situation.event()
    decided += situation.pass_time(3 * DAY_MS)
    assert occurrences(decided) == [f"mail.{i}" for i in (1, 2, 3, 4)]
    assert len({each.key for each in situation.contact().pending}) == 4
    situation.event("identify", {"attributes": {"done": True}})
    assert situation.pass_time(DAY_MS) == []
    assert situation.contact().visits == []


def test_a_node_that_leads_to_itself_recurs() -> None:
    situation = Situation(journey(nodes=[wait("1h", then="wait")], exit_on=["bye"]))
    situation.event()
    situation.pass_time(3 * HOUR_MS)
    (visit,) = situation.contact().visits
    assert visit.passes == {"wait": 4}


def test_a_cycle_ends_after_so_many_passes_and_says_so() -> None:
    situation = Situation(journey(nodes=[wait("1h", then="wait")]))
    situation.event()
    outcome = only_outcome(situation.run_out())
    assert outcome.at_ms == NOON_MS + PASSES_MAX * HOUR_MS
    assert outcome.reason == f"wait: came here {PASSES_MAX} times"


def test_a_cycle_by_an_event_needs_no_other_wait() -> None:
    nodes = [wait_for("next", **{"else": "out"}), mail(then="await"), {"id": "out", "exit": "x"}]
    situation = Situation(journey(nodes=nodes))
    situation.event()
    decided = situation.event("next") + situation.event("next")
    assert occurrences(decided) == ["mail.1", "mail.2"]


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("others", [True, False])
def test_a_message_before_a_newer_version_goes_round_is_known_by_its_key(
    *, settled: bool, others: bool
) -> None:
    """On its way or delivered, and whatever other messages the contact got."""
    visits = journey(nodes=[mail(), wait("1d"), mail("end")])
    other = journey("other", entry={"event": "ho"})
    situation = Situation(visits, other)
    first = only_outcome(situation.event()).key
    if settled:
        situation.receipt(first, delivered=True)
    if others:
        situation.event("ho")
    situation.publish(journey(nodes=DIGEST), other)
    assert occurrences(situation.pass_time(DAY_MS)) == ["mail.2"]


@pytest.mark.parametrize("others", [True, False])
def test_a_node_that_sent_nothing_yet_sends_its_first_in_a_newer_version(*, others: bool) -> None:
    other = journey("other", entry={"event": "ho"})
    situation = Situation(journey(nodes=[mail("begin"), wait("1d"), mail("end")]), other)
    situation.event()
    if others:
        situation.event("ho")
    situation.publish(journey(nodes=DIGEST), other)
    assert occurrences(situation.pass_time(DAY_MS)) == ["mail.1"]


@pytest.mark.parametrize("others", [0, 100])
def test_a_message_has_a_key_of_its_own_where_a_newer_version_goes_round(others: int) -> None:
    situation = Situation(journey(nodes=[mail(), wait("1d"), mail("end")]))
    first = only_outcome(situation.event()).key
    if others:  # It was so long ago that it is forgotten.
        situation.handover(first)
        situation.receipt(first, delivered=True)
        sent = [Sent(i, "other", "a", "email", "marketing", f"k-{i}") for i in range(others)]
        next(iter(situation.partition._hot.values())).messages = sent
    situation.publish(journey(nodes=DIGEST))
    second = only_outcome(situation.pass_time(DAY_MS)).key
    assert (first, second) == (first, first[:-1] + "2")


def test_a_message_has_a_key_of_its_own_where_a_newer_version_goes_round_no_more() -> None:
    situation = Situation(journey(nodes=DIGEST))
    situation.event()
    situation.pass_time(DAY_MS)
    situation.publish(journey(nodes=[wait("1d"), mail()]))
    assert occurrences(situation.pass_time(DAY_MS)) == ["mail.3"]


@pytest.mark.parametrize("occurrence", [1, 2, 5])
def test_a_recorded_message_of_any_pass_is_upheld(occurrence: int) -> None:
    """What newer code did not decide, or only later, goes out with all that it was entered on."""
    situation = Situation(journey(nodes=[wait("1d"), *DIGEST[:1], wait("1d", "b", then="mail")]))
    situation.event("hi", {"a": 1})
    (visit,) = situation.contact().visits
    key = message_key(visit.id, "mail", occurrence)
    recorded = Outcome(key, "c-1", "hello", "mail", "email", NOON_MS, SENT)
    situation.partition.uphold(recorded)
    situation.partition.uphold(recorded)
    (pending,) = situation.contact().pending
    assert (pending.key, pending.trigger) == (key, {"a": 1})
    later = only_outcome(situation.pass_time(DAY_MS))
    assert later.key == message_key(visit.id, "mail", occurrence + 1)


OTHERS: list[dict[str, Any]] = [
    wait("3d", "here"),
    wait_for("next", id="here", **{"else": "out"}),
    mail("here"),
    decide(ASK, "here", **{"else": "out"}),
    {"id": "here", "exit": "left"},
]
KINDS_BEFORE = OTHERS[:2]


@pytest.mark.parametrize("before", KINDS_BEFORE, ids=lambda node: list(node)[1])
@pytest.mark.parametrize("after", OTHERS, ids=lambda node: list(node)[1])
def test_a_visit_stays_as_long_whatever_kind_its_node_becomes(before: Any, after: Any) -> None:
    rest = [mail("then"), {"id": "out", "exit": "x"}]
    situation = Situation(journey(nodes=[before, *rest]))
    situation.event()
    due_at_ms = situation.contact().visits[0].due_at_ms
    situation.publish(journey(nodes=[after, *(rest if "exit" not in after else [])]))
    situation.event("other")
    assert situation.contact().visits[0].due_at_ms == due_at_ms
    decided = situation.run_out()
    assert situation.contact().visits == []
    assert {each.at_ms for each in decided if isinstance(each, Outcome)} == {due_at_ms}
    expected = {
        "wait": [("then", "sent")],
        "wait_for": [("out", "declined")],
        "send": [("here", "sent"), ("then", "sent")],
        "if": [("out", "declined")],
        "exit": [("here", "declined")],
    }[list(after)[1]]
    assert [(each.node, each.outcome) for each in decided if isinstance(each, Outcome)] == expected


def test_a_wait_that_becomes_one_for_an_event_hears_it() -> None:
    situation = Situation(journey(nodes=[wait("3d", "here"), mail()]))
    situation.event()
    situation.publish(journey(nodes=[wait_for("next", id="here"), mail()]))
    assert outcomes(situation.event("next")) == [("hello", "sent")]


def test_a_wait_for_an_event_that_becomes_another_hears_none() -> None:
    situation = Situation(journey(nodes=[wait_for("next", id="here"), mail()]))
    situation.event()
    situation.publish(journey("other", entry={"event": "next"}, nodes=[wait("1h"), mail()]))
    assert situation.event("next") == []
    assert outcomes(situation.run_out()) == [("hello", "exited"), ("other", "sent")]
