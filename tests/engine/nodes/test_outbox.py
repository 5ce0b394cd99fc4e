"""The outbox: a message is handed over with all it needs, or stopped, and settled once."""

from typing import Any

import pytest

from engine.decision import Delivery
from tests.engine.situation import (
    HOUR_MS,
    NOON_MS,
    Situation,
    mail,
    only_delivery,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey


def one_message(**fields: Any) -> tuple[Situation, str]:
    """Return a situation in which one message is decided, and its key."""
    situation = Situation(journey(**fields))
    return situation, only_outcome(situation.event()).key


def test_a_delivery_has_all_that_a_template_may_ask_for() -> None:
    situation = Situation(journey(nodes=[wait("1h"), mail(template="hello")]))
    situation.event("identify", {"attributes": {"language": "de", "name": "Ida"}})
    situation.event("cart_update", {"items": [{"product_id": "a"}]})
    situation.event("hi", {"price": 5})
    sent = only_outcome(situation.run_out()[-1:])
    assert only_delivery(situation.handover(sent.key)) == Delivery(
        key=sent.key,
        contact="c-1",
        journey="hello",
        node="mail",
        channel="email",
        template="hello",
        language="de",
        purpose="transactional",
        at_ms=NOON_MS + HOUR_MS,
        attributes={"language": "de", "name": "Ida"},
        trigger={"price": 5},
        cart=[{"product_id": "a"}],
    )


def test_attributes_are_those_of_the_handover() -> None:
    situation, key = one_message()
    situation.event("identify", {"attributes": {"name": "Ida"}})
    assert only_delivery(situation.handover(key)).attributes == {"name": "Ida"}


@pytest.mark.parametrize("language", [5, ["de"], {"de": 1}, True])
def test_a_language_that_is_no_text_is_none(language: Any) -> None:
    situation, key = one_message()
    situation.event("identify", {"attributes": {"language": language}})
    assert only_delivery(situation.handover(key)).language == ""


def test_without_a_receipt_the_same_message_is_handed_over_again() -> None:
    situation, key = one_message()
    first = situation.handover(key)
    situation.now_ms += HOUR_MS
    assert situation.handover(key) == first


def test_what_is_settled_is_not_handed_over_again() -> None:
    situation, key = one_message()
    only_delivery(situation.handover(key))
    assert situation.receipt(key, delivered=True) == []
    assert situation.handover(key) == []
    assert situation.contact().pending == []


def test_a_failed_delivery_is_an_outcome_with_its_reason() -> None:
    situation, key = one_message()
    situation.handover(key)
    outcome = only_outcome(situation.receipt(key, delivered=False, reason="mailbox full"))
    assert (outcome.key, outcome.outcome, outcome.reason) == (key, "failed", "mailbox full")
    assert (outcome.at_ms, outcome.channel) == (NOON_MS, "email")


def test_a_receipt_again_changes_nothing() -> None:
    situation, key = one_message()
    situation.handover(key)
    situation.receipt(key, delivered=True)
    before = situation.partition.contact_bytes("c-1")
    assert situation.receipt(key, delivered=False, reason="late bounce") == []
    assert situation.partition.contact_bytes("c-1") == before


def test_what_is_asked_for_an_unknown_message_is_answered_with_nothing() -> None:
    situation, _ = one_message()
    assert situation.handover("no-such") == []
    assert situation.receipt("no-such", delivered=False) == []
    assert situation.handover("no-such", contact="c-2") == []


@pytest.mark.parametrize(("after_ms", "stopped"), [(0, False), (1, True)])
def test_an_exit_stops_the_message_for_handovers_after_it(after_ms: int, *, stopped: bool) -> None:
    situation, key = one_message(exit_on=["bye"])
    assert situation.event("bye") == []
    situation.now_ms += after_ms
    made = situation.handover(key)
    if not stopped:
        only_delivery(made)
        return
    outcome = only_outcome(made)
    assert (outcome.outcome, outcome.reason, outcome.key) == ("exited", "bye", key)
    assert situation.contact().pending == []
    assert situation.handover(key) == []


def test_in_simulated_time_what_came_after_the_decision_stops_nothing() -> None:
    situation, key = one_message(exit_on=["bye"])
    situation.event("bye", after_ms=HOUR_MS)
    situation.now_ms += HOUR_MS
    only_delivery(situation.handover(key, as_of_ms=NOON_MS))


def test_what_a_courier_has_is_beyond_recall() -> None:
    situation, key = one_message(exit_on=["bye"])
    situation.handover(key)
    situation.event("bye", after_ms=1)
    situation.now_ms += 1
    only_delivery(situation.handover(key))


def test_an_exit_of_another_journey_stops_nothing() -> None:
    situation = Situation(journey(), journey("other", entry={"event": "ho"}, exit_on=["bye"]))
    key = only_outcome(situation.event()).key
    situation.event("bye")
    situation.now_ms += 1
    only_delivery(situation.handover(key))


def test_an_exit_whose_condition_fails_stops_nothing() -> None:
    rule = {"event": "bye", "when": {"field": "price", "at_least": 5}}
    situation, key = one_message(exit_on=[rule])
    situation.event("bye", {"price": 4})
    situation.now_ms += 1
    only_delivery(situation.handover(key))
    situation, key = one_message(exit_on=[rule])
    situation.event("bye", {"price": 5})
    situation.now_ms += 1
    assert outcomes(situation.handover(key)) == [("hello", "exited")]


def test_the_first_thing_that_stopped_a_message_is_its_reason() -> None:
    situation, key = one_message(exit_on=["bye", "farewell"])
    situation.event("bye", after_ms=1)
    situation.event("farewell", after_ms=1)
    situation.now_ms += 1
    assert only_outcome(situation.handover(key)).reason == "bye"


def test_each_message_of_a_visit_is_settled_on_its_own() -> None:
    situation = Situation(journey(nodes=[mail("a"), mail("b")]))
    first, second = situation.event()
    assert isinstance(first, type(second))
    key = first.key  # type: ignore[union-attr]
    situation.handover(key)
    situation.receipt(key, delivered=True)
    assert [each.node for each in situation.contact().pending] == ["b"]
