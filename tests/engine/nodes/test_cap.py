"""Caps: so many messages in (t - span, t], counted from the decision on."""

from zoneinfo import ZoneInfo

import pytest

from engine.contacts.contact import Contact, Sent
from engine.decision import Outcome
from engine.language.rules import Cap, Rules
from engine.limits import MESSAGES_KEPT_MAX, PENDING_MAX
from engine.nodes.cap import frees_at_ms, full_cap
from engine.program import Program
from tests.engine.calendar.almanac import at
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Situation,
    mail,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey

ONE_A_DAY = {"messages": 1, "per": "24h"}
SENT, CAPPED = [("hello", "sent")], [("hello", "capped")]


@pytest.mark.parametrize(("later_ms", "expected"), [(DAY_MS - 1, CAPPED), (DAY_MS, SENT)])
def test_the_window_is_open_at_its_begin(later_ms: int, expected: list[tuple[str, str]]) -> None:
    situation = Situation(journey(caps=[ONE_A_DAY]))
    assert outcomes(situation.event()) == SENT
    assert outcomes(situation.event(after_ms=later_ms)) == expected


def test_two_at_the_same_moment_are_two() -> None:
    situation = Situation(journey(caps=[ONE_A_DAY]))
    assert [outcomes(situation.event()), outcomes(situation.event())] == [SENT, CAPPED]


def test_the_window_slides() -> None:
    situation = Situation(journey(caps=[{"messages": 2, "per": "10h"}]))
    made = [outcomes(situation.event(after_ms=4 * HOUR_MS)) for _ in range(7)]
    assert made == [SENT, SENT, CAPPED, SENT, SENT, CAPPED, SENT]


def test_what_was_held_back_counts_for_nothing() -> None:
    situation = Situation(journey(caps=[ONE_A_DAY]))
    made = [outcomes(situation.event(after_ms=13 * HOUR_MS)) for _ in range(4)]
    assert made == [SENT, CAPPED, SENT, CAPPED]


def test_a_reason_names_the_cap() -> None:
    situation = Situation(
        journey(caps=[{"messages": 1, "per": "7d", "purpose": "transactional"}]),
        caps=[{"messages": 2, "per": "24h"}],
    )
    situation.event()
    outcome = only_outcome(situation.event())
    assert outcome.reason == "journey hello: 1 transactional in 7d"
    assert (outcome.node, outcome.channel) == ("mail", "email")


def test_a_cap_of_a_journey_counts_that_journey_only() -> None:
    situation = Situation(
        journey("a", caps=[ONE_A_DAY]), journey("b", entry={"event": "ho"}, caps=[ONE_A_DAY])
    )
    assert outcomes(situation.event("hi")) == [("a", "sent")]
    assert outcomes(situation.event("ho")) == [("b", "sent")]
    assert outcomes(situation.event("hi")) == [("a", "capped")]


def test_a_cap_over_all_counts_all() -> None:
    situation = Situation(
        journey("a"), journey("b", entry={"event": "ho"}), caps=[{"messages": 2, "per": "1h"}]
    )
    made = [outcomes(situation.event(name))[0][1] for name in ("hi", "ho", "hi", "ho")]
    assert made == ["sent", "sent", "capped", "capped"]
    assert only_outcome(situation.event()).reason == "all journeys: 2 in 1h"


def test_a_cap_of_a_purpose_counts_and_holds_back_that_purpose_only() -> None:
    situation = Situation(
        journey("news", nodes=[mail(purpose="marketing")]),
        journey("bill", entry={"event": "ho"}),
        caps=[ONE_A_DAY | {"purpose": "marketing"}],
    )
    situation.consent("opt_in")
    made = [outcomes(situation.event(name))[0] for name in ("ho", "hi", "hi", "ho")]
    assert made == [("bill", "sent"), ("news", "sent"), ("news", "capped"), ("bill", "sent")]


def test_each_contact_has_caps_of_its_own() -> None:
    situation = Situation(journey(caps=[ONE_A_DAY]))
    made = [outcomes(situation.event(contact=contact)) for contact in ("c-1", "c-2", "c-1")]
    assert made == [SENT, SENT, CAPPED]


def test_one_visit_can_meet_its_own_cap() -> None:
    situation = Situation(journey(nodes=[mail("a"), wait("1h"), mail("b")], caps=[ONE_A_DAY]))
    first = only_outcome(situation.event())
    second = only_outcome(situation.pass_time(HOUR_MS))
    assert (first.node, first.outcome) == ("a", "sent")
    assert (second.node, second.outcome) == ("b", "capped")


def test_a_visit_goes_on_after_a_message_held_back() -> None:
    situation = Situation(
        journey(nodes=[mail("a"), wait("1h"), mail("b"), wait("24h", "w2"), mail("c")]),
        caps=[ONE_A_DAY],
    )
    made = [only_outcome(situation.event()), *situation.run_out()]
    assert [(each.node, each.outcome) for each in made] == [  # type: ignore[union-attr]
        ("a", "sent"),
        ("b", "capped"),
        ("c", "sent"),
    ]


def test_no_consent_is_said_before_a_cap() -> None:
    situation = Situation(journey(nodes=[mail(purpose="marketing")], caps=[ONE_A_DAY]))
    situation.consent("opt_in")
    situation.event()
    situation.consent("opt_out")
    assert only_outcome(situation.event()).outcome == "no_consent"


def test_a_message_that_failed_counts_no_more() -> None:
    situation = Situation(journey(caps=[ONE_A_DAY]))
    key = only_outcome(situation.event()).key
    situation.handover(key)
    assert outcomes(situation.event()) == CAPPED
    situation.receipt(key, delivered=False, reason="mailbox full")
    assert outcomes(situation.event()) == SENT


def test_a_message_delivered_still_counts() -> None:
    situation = Situation(journey(caps=[ONE_A_DAY]))
    key = only_outcome(situation.event()).key
    situation.handover(key)
    situation.receipt(key, delivered=True)
    assert outcomes(situation.event()) == CAPPED


def test_a_message_stopped_before_the_handover_counts_no_more() -> None:
    situation = Situation(journey(caps=[ONE_A_DAY], exit_on=["bye"]))
    key = only_outcome(situation.event()).key
    situation.event("bye")
    situation.now_ms += 1
    assert outcomes(situation.handover(key)) == [("hello", "exited")]
    assert outcomes(situation.event()) == SENT


def test_the_largest_cap_is_counted_in_full() -> None:
    situation = Situation(journey(caps=[{"messages": 100, "per": "1d"}]))
    made = [outcomes(situation.event(after_ms=1))[0][1] for _ in range(150)]
    assert made == ["sent"] * 100 + ["capped"] * 50


def test_messages_kept_are_bounded() -> None:
    situation = Situation(journey())
    for _ in range(MESSAGES_KEPT_MAX + 10):
        (sent,) = situation.event(after_ms=1)
        assert isinstance(sent, Outcome)
        situation.receipt(sent.key, delivered=True)
    assert len(situation.contact().messages) == MESSAGES_KEPT_MAX


def test_messages_that_nobody_settles_are_bounded_and_what_is_held_back_says_so() -> None:
    situation = Situation(journey())
    made = [situation.event(after_ms=1)[0] for _ in range(PENDING_MAX + 1)]
    last = made[-1]
    assert isinstance(last, Outcome)
    assert (last.outcome, last.reason) == ("capped", "outbox: 100 messages are not settled yet")
    assert len(situation.contact().pending) == PENDING_MAX


def test_many_messages_of_others_do_not_make_a_cap_forget() -> None:
    """A journey's own cap holds however much the contact got from other journeys meanwhile."""
    situation = Situation(
        journey("rare", caps=[{"messages": 1, "per": "30d"}]),
        journey("often", entry={"event": "ho"}),
    )
    assert outcomes(situation.event()) == [("rare", "sent")]
    for _ in range(MESSAGES_KEPT_MAX):
        situation.event("ho", after_ms=1)
    assert outcomes(situation.event()) == [("rare", "capped")]


PERIODS = [
    ("day", "Europe/Berlin", "2024-03-30T12:00+01:00", "2024-03-31T00:00+01:00"),
    ("day", "Europe/Berlin", "2024-03-31T00:00+01:00", "2024-04-01T00:00+02:00"),
    ("week", "Europe/Berlin", "2024-06-05T12:00+02:00", "2024-06-10T00:00+02:00"),
    ("week", "Europe/Berlin", "2024-06-10T00:30+02:00", "2024-06-17T00:00+02:00"),
    ("week", "Europe/Berlin", "2024-06-09T23:59+02:00", "2024-06-10T00:00+02:00"),
    ("month", "Europe/Berlin", "2024-01-31T12:00+01:00", "2024-02-01T00:00+01:00"),
    ("month", "Europe/Berlin", "2024-06-01T00:30+02:00", "2024-07-01T00:00+02:00"),
    ("month", "Europe/Berlin", "2024-12-31T23:59+01:00", "2025-01-01T00:00+01:00"),
]


@pytest.mark.parametrize(("period", "zone", "moment", "ends"), PERIODS)
@pytest.mark.parametrize("own", [True, False])
def test_a_cap_of_a_period_is_full_until_the_next_one_of_the_zone(
    period: str, zone: str, moment: str, ends: str, *, own: bool
) -> None:
    """Of the contact's own zone, or that of the settings."""
    rules, contact = Rules(), Contact("c-1")
    rules.zone = ZoneInfo("UTC" if own else zone)
    contact.attributes = {"time_zone": zone} if own else {}
    cap = Cap(1, 33 * DAY_MS, "")
    cap.period = period
    rules.caps.append(cap)
    at_ms, ends_ms = at(moment), at(ends)
    contact.messages.append(Sent(at_ms, "a", "mail", "email", "", "m-1"))
    assert frees_at_ms(cap, rules, contact, at_ms) == ends_ms
    program = Program("b", 0)
    for later_ms, expected in ((at_ms, cap), (ends_ms - 1, cap), (ends_ms, None)):
        later = Sent(later_ms, "b", "mail", "email", "", "m-2")
        assert full_cap(rules, program, later, contact) is expected


def test_a_day_that_clocks_went_back_to_ends_as_they_show_the_next_again() -> None:
    """In St. John's they showed 7 November for a minute, and went back to the 6th."""
    rules, contact, cap = Rules(), Contact("c-1"), Cap(1, 2 * DAY_MS, "")
    rules.zone, cap.period = ZoneInfo("America/St_Johns"), "day"
    now_ms, expected = at("2010-11-06T23:30-03:30"), at("2010-11-07T00:00-03:30")
    assert frees_at_ms(cap, rules, contact, now_ms) == expected


def test_a_sliding_cap_is_free_when_the_message_leaves_that_made_it_full() -> None:
    rules, contact, cap = Rules(), Contact("c-1"), Cap(2, HOUR_MS, "")
    for minute in (0, 10, 20):
        sent = Sent(minute * MINUTE_MS, "a", "mail", "email", "", f"m-{minute}")
        contact.messages.append(sent)
    assert frees_at_ms(cap, rules, contact, 30 * MINUTE_MS) == 70 * MINUTE_MS
