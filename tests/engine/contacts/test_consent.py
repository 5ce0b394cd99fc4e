"""Consent: how strong it is, how it is given and withdrawn, and what it holds back."""

from typing import Any

import pytest

from engine.decision import Outcome
from engine.limits import ATTRIBUTES_MAX, CONSENTS_KEPT_MAX
from tests.engine.situation import (
    NOON_MS,
    Situation,
    mail,
    only_delivery,
    only_outcome,
    outcomes,
)
from tests.publications import journey

MARKETING = journey(nodes=[mail(purpose="marketing")])


@pytest.mark.parametrize("needed", ["opt_in", "double_opt_in"])
@pytest.mark.parametrize("given", ["", "opt_out", "opt_in", "double_opt_in"])
def test_marketing_needs_the_consent_of_the_settings(needed: str, given: str) -> None:
    situation = Situation(MARKETING, consent={"email": needed})
    if given:
        situation.consent(given)
    outcome = only_outcome(situation.event())
    if given in (needed, "double_opt_in"):
        assert (outcome.outcome, outcome.reason) == ("sent", "")
    else:
        assert outcome.outcome == "no_consent"
        assert outcome.reason == f"email: {given or 'none'}, needed {needed}"


def test_without_a_setting_marketing_needs_an_opt_in() -> None:
    situation = Situation(MARKETING)
    assert only_outcome(situation.event()).reason == "email: none, needed opt_in"
    situation.consent("opt_in")
    assert only_outcome(situation.event()).outcome == "sent"


def test_what_must_be_said_needs_none() -> None:
    situation = Situation(journey(nodes=[mail(purpose="transactional")]))
    situation.consent("opt_out")
    assert only_outcome(situation.event()).outcome == "sent"


def test_consent_on_one_channel_is_none_on_another() -> None:
    situation = Situation(MARKETING)
    situation.consent("double_opt_in", "sms")
    assert only_outcome(situation.event()).outcome == "no_consent"


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        ("consent", {"email": "opt_in", "sms": "opt_out"}, {"email": "opt_in", "sms": "opt_out"}),
        ("consent", {"consent": {"email": "opt_in"}}, {"email": "opt_in"}),
        ("identify", {"consent": {"email": "opt_in"}}, {"email": "opt_in"}),
        ("identify", {"email": "opt_in"}, {}),
        ("consent", {"email": "perhaps", "sms": 1, "push": None}, {}),
        ("consent", {"consent": ["email"]}, {}),
        ("hi", {"consent": {"email": "opt_in"}}, {}),
    ],
)
def test_consent_is_what_such_an_event_says(
    name: str, payload: dict[str, Any], expected: dict[str, str]
) -> None:
    situation = Situation()
    situation.event(name, payload)
    consents = situation.contact().consents
    assert {channel: consent.level for channel, consent in consents.items()} == expected


def test_consent_is_kept_with_its_proof() -> None:
    situation = Situation()
    situation.event("consent", {"email": "double_opt_in"}, id="click-7", after_ms=5)
    proof = situation.contact().consents["email"]
    assert (proof.level, proof.at_ms, proof.event_id) == ("double_opt_in", NOON_MS + 5, "click-7")


def test_the_last_word_counts() -> None:
    situation = Situation(MARKETING)
    for level in ("opt_in", "opt_out"):
        situation.consent(level)
    assert only_outcome(situation.event()).reason == "email: opt_out, needed opt_in"


def test_a_journey_may_decide_on_consent_and_says_why_not() -> None:
    ask = {"id": "ask", "if": {"consent": "email", "is": "double_opt_in"}}
    situation = Situation(journey(nodes=[ask, mail()]))
    situation.consent("opt_in")
    outcome = only_outcome(situation.event())
    assert (outcome.outcome, outcome.node, outcome.channel) == ("no_consent", "ask", "")
    assert outcome.reason == "email: opt_in, needed double_opt_in"
    situation.consent("double_opt_in")
    assert only_outcome(situation.event()).outcome == "sent"


def withdrawn(level: str, needed: str = "opt_in", channel: str = "email") -> list[Any]:
    """Decide a message, let consent become `level`, and hand over."""
    situation = Situation(MARKETING, consent={"email": needed})
    situation.consent("double_opt_in")
    key = only_outcome(situation.event()).key
    situation.consent(level, channel)
    situation.now_ms += 1
    return situation.handover(key)


def test_consent_withdrawn_before_the_handover_stops_the_message() -> None:
    (outcome,) = withdrawn("opt_out")
    assert isinstance(outcome, Outcome)
    assert (outcome.outcome, outcome.reason) == ("no_consent", "email: opt_out")


def test_consent_that_still_suffices_stops_nothing() -> None:
    only_delivery(withdrawn("opt_in"))
    assert outcomes(withdrawn("opt_in", needed="double_opt_in")) == [("hello", "no_consent")]


def test_consent_withdrawn_on_another_channel_stops_nothing() -> None:
    only_delivery(withdrawn("opt_out", channel="sms"))


def test_consent_withdrawn_stops_no_transactional_message() -> None:
    situation = Situation(journey())
    situation.consent("opt_in")
    key = only_outcome(situation.event()).key
    situation.consent("opt_out")
    situation.now_ms += 1
    only_delivery(situation.handover(key))


def test_channels_beyond_the_bound_are_not_kept_and_known_ones_still_change() -> None:
    situation = Situation()
    for i in range(CONSENTS_KEPT_MAX + 3):
        situation.consent("opt_in", f"c-{i}")
    situation.consent("opt_out", "c-0")
    consents = situation.contact().consents
    assert len(consents) == CONSENTS_KEPT_MAX
    assert consents["c-0"].level == "opt_out"


def test_attributes_are_set_changed_and_removed() -> None:
    situation = Situation()
    situation.event("identify", {"attributes": {"a": 1, "b": {"c": 2}, "d": 3}})
    situation.event("identify", {"attributes": {"a": 2, "d": None, "e": None}})
    assert situation.contact().attributes == {"a": 2, "b": {"c": 2}}


def test_attributes_are_bounded_and_known_ones_still_change() -> None:
    situation = Situation()
    for i in range(ATTRIBUTES_MAX + 3):
        situation.event("identify", {"attributes": {f"a-{i}": i}})
    situation.event("identify", {"attributes": {"a-0": "new"}})
    attributes = situation.contact().attributes
    assert len(attributes) == ATTRIBUTES_MAX
    assert attributes["a-0"] == "new"


def test_an_attribute_counts_for_the_very_next_event() -> None:
    when = {"attribute": "vip", "equals": True}
    situation = Situation(journey(entry={"event": "hi", "when": when}))
    assert situation.event() == []
    situation.event("identify", {"attributes": {"vip": True}})
    assert outcomes(situation.event()) == [("hello", "sent")]
