"""Consent by purpose: its own if it was said, else the channel's; a withdrawn one beats all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compile.publication import compile_publication
from engine.contacts.consent import STRENGTH
from engine.language.journey import Publication
from engine.limits import CONSENTS_KEPT_MAX
from tests.engine.situation import Situation, mail, only_delivery, only_outcome, outcomes
from tests.publications import journey

PURPOSES = {"news": {}, "advice": {"consent": "double_opt_in"}, "service": {"consent": "none"}}
LEVELS = [None, "opt_out", "opt_in", "double_opt_in"]


def situation_of(**journeys: str) -> Situation:
    """Return a situation with a journey for each: its name -> its purpose."""
    sends = [
        journey(name, entry={"event": name}, nodes=[mail(purpose=purpose)])
        for name, purpose in journeys.items()
    ]
    return Situation(*sends, purposes=PURPOSES)


NEEDED = {"marketing": "opt_in", "news": "opt_in", "advice": "double_opt_in", "service": ""}


@pytest.mark.parametrize("purpose", NEEDED)
@pytest.mark.parametrize("own", LEVELS)
@pytest.mark.parametrize("channel", LEVELS)
def test_the_own_consent_counts_else_the_channel_s(
    channel: str | None, own: str | None, purpose: str
) -> None:
    situation = situation_of(hello=purpose)
    if channel is not None:
        situation.event("consent", {"email": channel})
    if own is not None:
        situation.event("consent", {"email": {purpose: own}})
    said = own or channel  # For marketing the two are one, and the last word counts.
    if channel == "opt_out" and purpose != "marketing":
        said = "opt_out"
    needed = NEEDED[purpose]
    suffices = not needed or (said is not None and STRENGTH[said] >= STRENGTH[needed])
    outcome = only_outcome(situation.event("hello"))
    assert outcome.outcome == ("sent" if suffices else "no_consent")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "email: none, needed double_opt_in"),
        ({"email": "opt_in"}, "email: opt_in, needed double_opt_in"),
        ({"email": {"advice": "opt_in"}}, "email.advice: opt_in, needed double_opt_in"),
        (
            {"email": {"advice": "double_opt_in", "marketing": "opt_out"}},
            "email: opt_out, needed double_opt_in",
        ),
    ],
)
def test_a_reason_says_which_consent_counted(said: dict[str, Any], reason: str) -> None:
    situation = situation_of(hello="advice")
    if said:
        situation.event("consent", said)
    assert only_outcome(situation.event("hello")).reason == reason


def test_purposes_are_kept_each_with_its_proof() -> None:
    situation = Situation()
    said = {"email": {"marketing": "opt_in", "news": "opt_out"}, "sms": "opt_in"}
    situation.event("identify", {"consent": said}, id="click-1")
    consents = situation.contact().consents
    assert {key: each.level for key, each in consents.items()} == {
        "email": "opt_in",
        "email.news": "opt_out",
        "sms": "opt_in",
    }
    assert {each.event_id for each in consents.values()} == {"click-1"}


@pytest.mark.parametrize(
    ("said", "stopped"),
    [
        ({"email": {"news": "opt_out"}}, {"n"}),
        ({"email": {"advice": "opt_in"}}, {"a"}),
        ({"email": "opt_out"}, {"m", "n", "a"}),
        ({"email": {"marketing": "opt_out"}}, {"m", "n", "a"}),
        ({"email": "opt_in"}, {"a"}),
        ({"sms": "opt_out"}, set()),
        ({"sms": {"news": "opt_out"}}, set()),
    ],
)
def test_a_withdrawal_stops_the_messages_of_its_purpose(said: Any, stopped: set[str]) -> None:
    purposes = {"m": "marketing", "n": "news", "a": "advice", "s": "service"}
    situation = situation_of(**purposes)
    situation.consent("double_opt_in")
    keys = {name: only_outcome(situation.event(name)).key for name in purposes}
    situation.event("consent", said)
    situation.now_ms += 1
    for name, key in keys.items():
        made = situation.handover(key)
        if name in stopped:
            assert outcomes(made) == [(name, "no_consent")]
        else:
            only_delivery(made)


def test_an_own_consent_outlasts_a_weaker_word_on_the_channel() -> None:
    situation = situation_of(hello="advice")
    situation.event("consent", {"email": {"advice": "double_opt_in"}})
    key = only_outcome(situation.event("hello")).key
    situation.event("consent", {"email": "opt_in"})
    situation.now_ms += 1
    only_delivery(situation.handover(key))


def test_a_withdrawal_that_finds_no_room_counts_for_the_whole_channel() -> None:
    situation = situation_of(hello="news")
    situation.consent("opt_in")
    for i in range(CONSENTS_KEPT_MAX):
        situation.event("consent", {"email": {f"p-{i}": "opt_in"}})
    assert len(situation.contact().consents) == CONSENTS_KEPT_MAX
    key = only_outcome(situation.event("hello")).key
    situation.event("consent", {"email": {"news": "opt_out"}})
    situation.now_ms += 1
    assert outcomes(situation.handover(key)) == [("hello", "no_consent")]
    assert only_outcome(situation.event("hello")).reason == "email: opt_out, needed opt_in"


def test_a_journey_may_decide_on_the_consent_for_a_purpose() -> None:
    ask = {"id": "ask", "if": {"consent": "email", "is": "opt_in", "purpose": "news"}}
    situation = Situation(journey(nodes=[ask, mail()]))
    situation.event("consent", {"email": {"marketing": "opt_in", "news": "opt_out"}})
    assert only_outcome(situation.event()).reason == "email.news: opt_out, needed opt_in"
    situation.event("consent", {"email": {"news": "opt_in"}})
    assert only_outcome(situation.event()).outcome == "sent"


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([*STRENGTH, "x"]),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3) | st.lists(inner),
)


@given(said=odd)
def test_what_is_no_consent_is_left_out(said: Any) -> None:
    situation = Situation()
    situation.event("consent", {"consent": said})
    assert {each.level for each in situation.contact().consents.values()} <= set(STRENGTH)


@pytest.mark.parametrize("name", ["marketing", "transactional", "News"])
def test_a_purpose_needs_a_name_of_its_own(name: str) -> None:
    publication = Publication(journeys={}, settings={"purposes": {name: {}}})
    _, (mistake,) = compile_publication(publication)
    assert mistake.path == f"$.purposes.{name}"
