"""Caps against a plain model: every window and period, whatever is counted, in any zone."""

from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.calendar.span import span_ms
from engine.contacts.contact import Contact
from engine.decision import Outcome
from engine.language.rules import Cap, Rules
from engine.limits import HOLD_MS_MAX
from engine.nodes.cap import frees_at_ms
from tests.engine.situation import DAY_MS, HOUR_MS, MINUTE_MS, Situation, mail
from tests.publications import journey

ZONES = ("UTC", "Europe/Berlin", "America/Santiago", "Africa/Cairo", "Asia/Kathmandu")
"""With clocks that change at night, at midnight, and not at all."""

BEGINS = tuple(
    int(datetime.fromisoformat(each).timestamp() * 1_000)
    for each in (
        "2024-03-30T20:00+00:00",
        "2024-04-05T20:00+00:00",
        "2024-04-24T20:00+00:00",
        "2024-09-06T20:00+00:00",
        "2024-10-26T12:00+00:00",
        "2024-10-30T20:00+00:00",
        "2024-12-30T20:00+00:00",
    )
)
"""Before clocks change in one of the zones, and before a year ends."""

SENDERS = {
    "a": ("email", "marketing", "pair"),
    "b": ("sms", "marketing", "pair"),
    "c": ("email", "transactional", None),
    "d": ("push", "news", None),
}
"""Journey -> channel, purpose and group of its one message; it is entered on its own name."""


class Sent(NamedTuple):
    """A message of the model."""

    at_ms: int
    journey: str


def label(period: str, at_ms: int, zone: str) -> tuple[int, ...]:
    """Name the calendar period that a moment is in."""
    local = datetime.fromtimestamp(at_ms // 1_000, ZoneInfo(zone))
    if period == "day":
        return (local.year, local.month, local.day)
    return tuple(local.isocalendar()[:2]) if period == "week" else (local.year, local.month)


def counted(cap: dict[str, Any], owner: str, journey: str) -> bool:
    """Say whether a cap (of the journey `owner`, or of all) counts a journey's messages."""
    channel, purpose, group = SENDERS[journey]
    if cap.get("channel", channel) != channel or cap.get("purpose", purpose) != purpose:
        return False
    if "group" in cap:
        return bool(cap["group"] == group)
    return owner in ("", journey)


def is_full(
    caps: list[tuple[str, dict[str, Any]]], sent: list[Sent], now_ms: int, journey: str, zone: str
) -> bool:
    """Say whether any cap forbids the journey one more message."""
    for owner, cap in caps:
        if owner not in ("", journey) or not counted(cap, owner, journey):
            continue
        per = cap["per"]
        span = span_ms(per)
        inside = [
            each
            for each in sent
            if counted(cap, owner, each.journey)
            and (
                now_ms - span < each.at_ms <= now_ms
                if span is not None
                else label(per, each.at_ms, zone) == label(per, now_ms, zone)
            )
        ]
        if len(inside) >= cap["messages"]:
            return True
    return False


pers = st.sampled_from(["1h", "1d", "36h", "day", "day", "week", "month"])
one_cap = st.fixed_dictionaries(
    {"messages": st.integers(1, 3), "per": pers},
    optional={
        "channel": st.sampled_from(["email", "sms"]),
        "purpose": st.sampled_from(["marketing", "transactional", "news"]),
        "group": st.just("pair"),
    },
)
own_caps = st.lists(st.fixed_dictionaries({"messages": st.integers(1, 2), "per": pers}), max_size=1)
gaps = st.sampled_from([0, MINUTE_MS, HOUR_MS, 3 * HOUR_MS, 5 * HOUR_MS, DAY_MS, 8 * DAY_MS])
happenings = st.lists(st.tuples(gaps, st.sampled_from(sorted(SENDERS))), max_size=25)


def situation_of(
    caps: list[dict[str, Any]], own: list[dict[str, Any]], zone: str, begin_ms: int, **fields: Any
) -> Situation:
    """Return a situation with all senders, whose caps are these."""
    journeys = []
    for name, (channel, purpose, group) in SENDERS.items():
        node = mail(send=channel, purpose=purpose, **fields)
        said = {"entry": {"event": name}, "nodes": [node], "reentry": "always"}
        said |= {"group": group} if group else {}
        journeys.append(journey(name, caps=own if name in "ad" else [], **said))
    situation = Situation(
        *journeys,
        caps=caps,
        purposes={"news": {"consent": "none"}},
        groups={"pair": {"per": "session"}},
        session_gap="1ms",
    )
    situation.now_ms = begin_ms
    consent = {"email": "opt_in", "sms": "opt_in"}
    situation.event("identify", {"attributes": {"time_zone": zone}, "consent": consent})
    return situation


@settings(max_examples=150, deadline=None)
@given(
    caps=st.lists(one_cap, max_size=2),
    own=own_caps,
    zone=st.sampled_from(ZONES),
    begin_ms=st.sampled_from(BEGINS),
    happened=happenings,
)
def test_caps_hold_back_what_a_plain_count_says(
    caps: list[dict[str, Any]],
    own: list[dict[str, Any]],
    zone: str,
    begin_ms: int,
    happened: list[tuple[int, str]],
) -> None:
    situation = situation_of(caps, own, zone, begin_ms)
    all_caps = [("", cap) for cap in caps] + [(name, cap) for name in "ad" for cap in own]
    sent: list[Sent] = []
    for gap_ms, name in happened:
        made = situation.event(name, after_ms=gap_ms + 2)
        (outcome,) = [each for each in made if isinstance(each, Outcome)]
        if outcome.outcome == "grouped":
            continue
        now_ms = situation.now_ms
        expected = "capped" if is_full(all_caps, sent, now_ms, name, zone) else "sent"
        assert (name, outcome.outcome) == (name, expected), outcome
        if expected == "sent":
            sent.append(Sent(now_ms, name))
            situation.receipt(outcome.key, delivered=True)


@settings(max_examples=150, deadline=None)
@given(
    caps=st.lists(one_cap, min_size=1, max_size=2),
    zone=st.sampled_from(ZONES),
    begin_ms=st.sampled_from(BEGINS),
    happened=happenings,
)
def test_a_message_that_waits_for_caps_goes_at_the_first_moment_that_is_free(
    caps: list[dict[str, Any]], zone: str, begin_ms: int, happened: list[tuple[int, str]]
) -> None:
    situation = situation_of(caps, [], zone, begin_ms, on_cap="wait")
    all_caps = [("", cap) for cap in caps]
    asked: dict[str, int] = {}
    made: list[Any] = []
    for gap_ms, name in happened:
        made += situation.event(name, after_ms=gap_ms + 2)
        asked.update({each.id: each.entered_at_ms for each in situation.contact().visits})
    made += situation.run_out()
    sent: list[Sent] = []
    for outcome in made:
        if outcome.outcome == "grouped":
            continue
        at_ms, name = outcome.at_ms, outcome.journey
        entered_at_ms = asked.get(outcome.key.partition(".")[0], at_ms)
        if outcome.outcome == "capped":
            assert is_full(all_caps, sent, entered_at_ms + HOLD_MS_MAX, name, zone), outcome
            assert outcome.reason.endswith("; that lasts longer than 32d")
            continue
        assert not is_full(all_caps, sent, at_ms, name, zone), outcome
        if entered_at_ms < at_ms:
            before = [each for each in sent if each.at_ms < at_ms]
            assert is_full(all_caps, before, at_ms - 1, name, zone), outcome
        sent.append(Sent(at_ms, name))


@pytest.mark.parametrize("zone", ZONES)
def test_the_model_tells_days_apart(zone: str) -> None:
    assert len({label("day", BEGINS[0] + i * HOUR_MS, zone) for i in range(48)}) == 3


def test_a_day_whose_end_comes_twice_ends_the_second_time() -> None:
    """In St. John's clocks went back at 00:01: after the 7th began it was the 6th once more."""
    rules = Rules()
    rules.zone = ZoneInfo("America/St_Johns")
    now_ms = int(datetime.fromisoformat("2010-11-07T03:00+00:00").timestamp() * 1_000)
    cap = Cap(1, 2 * DAY_MS, "")
    cap.period = "day"
    assert frees_at_ms(cap, rules, Contact("c-1"), now_ms) == now_ms + 30 * MINUTE_MS
