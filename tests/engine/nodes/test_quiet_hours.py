"""Quiet hours: silent in the contact's zone, and all rules asked again when they are over."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compile.publication import compile_publication
from engine.language.journey import Publication
from tests.engine.situation import DAY_MS, HOUR_MS, MINUTE_MS, Situation, mail, only_outcome
from tests.publications import journey

NIGHT = {"email": {"from": "21:00", "to": "08:00"}}
SENDS = journey(nodes=[mail(purpose="marketing")])
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo")


def at(text: str, *journeys: dict[str, Any], zone: str = "", **fields: Any) -> Situation:
    """Return a situation at a moment, with a contact that may be mailed."""
    situation = Situation(*journeys or [SENDS], **{"quiet_hours": NIGHT} | fields)
    situation.now_ms = int(datetime.fromisoformat(text).timestamp() * 1_000)
    attributes = {"time_zone": zone} if zone else {}
    payload = {"attributes": attributes, "consent": {"email": "opt_in"}}
    situation.event("identify", payload)
    return situation


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("2024-05-01T20:59:59.999+00:00", ""),
        ("2024-05-01T21:00+00:00", "2024-05-02T08:00+00:00"),
        ("2024-05-02T03:00+00:00", "2024-05-02T08:00+00:00"),
        ("2024-05-02T07:59:59.999+00:00", "2024-05-02T08:00+00:00"),
        ("2024-05-02T08:00+00:00", ""),
    ],
)
def test_a_message_waits_until_they_are_over(text: str, until: str) -> None:
    situation = at(text)
    made = situation.event()
    if until:
        assert made == []
        made = situation.run_out()
    outcome = only_outcome(made)
    expected = datetime.fromisoformat(until or text).timestamp() * 1_000
    assert (outcome.outcome, outcome.at_ms) == ("sent", expected)


@settings(max_examples=100, deadline=None)
@given(
    minutes=st.integers(0, 60 * 24 * 365),
    zone=st.sampled_from(ZONES),
    begins=st.integers(0, 1439),
    lasts=st.integers(1, 1439),
)
def test_no_message_goes_out_while_clocks_show_them_and_none_later_than_it_must(
    minutes: int, zone: str, begins: int, lasts: int
) -> None:
    def clock(minute: int) -> str:
        return f"{minute // 60 % 24:02d}:{minute % 60:02d}"

    def silent(at_ms: int) -> bool:
        local = datetime.fromtimestamp(at_ms // 1_000, ZoneInfo(zone))
        return (local.hour * 60 + local.minute - begins) % 1440 < lasts

    hours = {"email": {"from": clock(begins), "to": clock(begins + lasts)}}
    situation = at("2024-01-01T00:00+00:00", zone=zone, quiet_hours=hours)
    outcome = only_outcome(situation.event(after_ms=minutes * MINUTE_MS) or situation.run_out())
    assert outcome.outcome == "sent"
    assert not silent(outcome.at_ms)
    for minute_ms in range(situation.now_ms, outcome.at_ms, MINUTE_MS):
        assert silent(minute_ms)


def test_they_are_the_contact_s_else_the_shop_s() -> None:
    tokyo = at("2024-05-01T12:00+00:00", zone="Asia/Tokyo", time_zone="America/New_York")
    assert tokyo.event() == []
    shop = at("2024-05-01T02:00+00:00", time_zone="America/New_York")
    assert shop.event() == []
    assert only_outcome(shop.run_out()).at_ms == shop.now_ms + 10 * HOUR_MS


@pytest.mark.parametrize(
    ("setting", "node", "outcome"),
    [
        ("delay", None, "sent"),
        ("drop", None, "quiet"),
        ("delay", "drop", "quiet"),
        ("drop", "delay", "sent"),
    ],
)
def test_a_message_waits_or_is_dropped(setting: str, node: str | None, outcome: str) -> None:
    fields = {"in_quiet_hours": node} if node else {}
    sends = journey(nodes=[mail(purpose="marketing", **fields)])
    hours = {"email": NIGHT["email"] | {"then": setting}}
    situation = at("2024-05-01T22:00+00:00", sends, quiet_hours=hours)
    made = only_outcome(situation.event() + situation.run_out())
    reason = {"quiet": "email: quiet hours, UTC", "sent": ""}[outcome]
    assert (made.outcome, made.reason) == (outcome, reason)


def test_other_channels_keep_no_such_hours() -> None:
    situation = at("2024-05-01T22:00+00:00", journey(nodes=[mail(send="push")]))
    assert only_outcome(situation.event()).outcome == "sent"


@pytest.mark.parametrize("purpose", ["transactional", "service"])
def test_what_needs_no_consent_is_not_delayed_unless_its_node_says_so(purpose: str) -> None:
    purposes = {"service": {"consent": "none"}}
    sends = journey(nodes=[mail(purpose=purpose)])
    situation = at("2024-05-01T22:00+00:00", sends, purposes=purposes)
    assert only_outcome(situation.event()).outcome == "sent"
    sends = journey(nodes=[mail(purpose=purpose, in_quiet_hours="delay")])
    situation = at("2024-05-01T22:00+00:00", sends, purposes=purposes)
    assert situation.event() == []


def test_caps_are_asked_when_they_are_over() -> None:
    caps = [{"messages": 1, "per": "24h"}]
    situation = at("2024-05-01T20:00+00:00", caps=caps)
    assert only_outcome(situation.event()).outcome == "sent"
    assert situation.event(after_ms=2 * HOUR_MS) == []
    assert only_outcome(situation.run_out()).outcome == "capped"


def test_a_cap_that_is_free_at_night_lets_a_message_wait_until_the_morning() -> None:
    sends = journey(nodes=[mail(purpose="marketing", on_cap="wait")])
    situation = at("2024-05-01T20:30+00:00", sends, caps=[{"messages": 1, "per": "25h"}])
    begin_ms = situation.now_ms
    situation.event()
    assert situation.event() == []
    assert only_outcome(situation.run_out()).at_ms == begin_ms + DAY_MS + 11 * HOUR_MS + HOUR_MS / 2


def mistakes_of(node: dict[str, Any], hours: dict[str, Any]) -> list[tuple[str, str]]:
    publication = Publication(
        journeys={"j.yaml": journey(nodes=[node])},
        settings={"quiet_hours": hours},
        templates={"hello.en": "x"},
    )
    _, mistakes = compile_publication(publication)
    return [(each.path, each.problem) for each in mistakes]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ({"from": "25:00", "to": "8"}, [
            ("$.quiet_hours.email.from", "cannot read '25:00'"),
            ("$.quiet_hours.email.to", "cannot read '8'"),
        ]),
        ({"from": "09:00", "to": "9:00"}, [("$.quiet_hours.email", "from and to are the same")]),
        ({"from": "21:00", "to": "08:00"}, []),
    ],
)  # fmt: skip
def test_hours_that_cannot_be_read_are_named(hours: Any, expected: Any) -> None:
    assert mistakes_of(mail(), {"email": hours}) == expected


def test_a_node_cannot_speak_of_hours_that_are_not_set() -> None:
    expected = ("$.nodes[0].in_quiet_hours", "the settings name no quiet hours for push")
    node = mail(send="push", in_quiet_hours="drop")
    assert mistakes_of(node, NIGHT) == [expected]
