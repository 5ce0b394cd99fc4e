"""A partition: one clock, each input once, timers in slices, and one fault harms one input."""

from typing import Any

import pytest

from engine.decision import Fault, Outcome
from engine.fold import entrance
from engine.input import Advance, Event, Handover, Receipt, Verdict
from engine.limits import (
    FAR_MS,
    TIMERS_PER_ADVANCE_MAX,
)
from engine.partition import Partition
from tests.engine.situation import (
    DAY_MS,
    GAP_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    mail,
    only_delivery,
    only_fault,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey

AN_HOUR = journey(nodes=[wait("1h"), mail()])


def test_now_never_goes_back() -> None:
    situation = Situation(journey())
    situation.event(after_ms=HOUR_MS)
    assert only_outcome(situation.event(after_ms=-HOUR_MS)).at_ms == NOON_MS + HOUR_MS
    assert situation.partition.now_ms == NOON_MS + HOUR_MS


def test_run_out_time_is_not_taken_back_either() -> None:
    situation = Situation(AN_HOUR)
    situation.event()
    situation.run_out()
    assert situation.partition.now_ms == NOON_MS + HOUR_MS
    situation.event("ho", after_ms=MINUTE_MS)
    session = situation.contact().session
    assert session is not None
    assert session.started_at_ms == NOON_MS + HOUR_MS


def test_an_advance_alone_moves_no_clock_beyond_the_last_timer() -> None:
    situation = Situation(AN_HOUR)
    situation.event()
    situation.partition.fold(Advance(NOON_MS + 10 * DAY_MS), NOON_MS)
    assert situation.partition.now_ms == NOON_MS + HOUR_MS


def test_the_calendar_follows_a_session_that_goes_on() -> None:
    situation = Situation(journey(entry={"event": "session_end"}))
    situation.event("ho")
    for _ in range(5):
        assert situation.event("ho", after_ms=GAP_MS - 1) == []
    made = situation.run_out()
    assert only_outcome(made).at_ms == NOON_MS + 5 * (GAP_MS - 1) + GAP_MS


def test_the_calendar_knows_a_wait_shorter_than_the_session() -> None:
    situation = Situation(journey(nodes=[wait("5m"), mail()]))
    situation.event("ho")
    situation.event("hi", after_ms=MINUTE_MS)
    assert situation.partition.next_due_at_ms <= NOON_MS + 6 * MINUTE_MS
    assert outcomes(situation.pass_time(5 * MINUTE_MS)) == [("hello", "sent")]
    situation.run_out()
    assert situation.contact().session is None


def test_the_calendar_is_empty_when_nothing_waits() -> None:
    situation = Situation(AN_HOUR)
    assert situation.partition.next_due_at_ms == FAR_MS
    situation.event()
    assert situation.partition.next_due_at_ms <= NOON_MS + GAP_MS
    situation.run_out()
    assert situation.partition.next_due_at_ms == FAR_MS


def test_timers_of_many_contacts_come_in_slices_in_order_of_their_moment() -> None:
    situation = Situation(journey(nodes=[wait("10m"), mail()]))
    count = 2 * TIMERS_PER_ADVANCE_MAX + 10
    contacts = [f"c-{i * 37 % count}" for i in range(count)]
    for contact in contacts:
        situation.event(contact=contact, after_ms=1)
    slices = []
    situation.now_ms += 20 * MINUTE_MS
    while situation.partition.next_due_at_ms <= situation.now_ms:
        slices.append([each for each in situation.pass_time(0) if isinstance(each, Outcome)])
    assert max(map(len, slices)) <= TIMERS_PER_ADVANCE_MAX
    made = [each for part in slices for each in part]
    assert [each.contact for each in made] == contacts
    assert [each.at_ms for each in made] == sorted(each.at_ms for each in made)


def test_contacts_beyond_the_hot_ones_are_bytes_and_lose_nothing() -> None:
    situation = Situation(AN_HOUR)
    situation.partition = Partition(0, situation.decisions, hot_max=2)
    situation.publish(AN_HOUR)
    for i in range(10):
        situation.event(contact=f"c-{i}")
    assert situation.partition.contact_count == 10
    assert situation.partition.contact_keys() == [f"c-{i}" for i in range(10)]
    assert len(situation.run_out()) == 10


def test_what_is_returned_of_a_contact_is_a_copy() -> None:
    situation = Situation()
    situation.event("identify", {"attributes": {"a": 1}})
    situation.contact().attributes["a"] = 2
    assert situation.contact().attributes == {"a": 1}
    assert situation.partition.contact("c-9") is None
    assert situation.partition.contact_bytes("c-9") is None


def raises(*_: Any) -> None:
    raise ZeroDivisionError("poison")


def state(situation: Situation) -> list[Any]:
    """Return what a fault must leave as it was: visits, entries, messages, caps."""
    contact = situation.contact()
    return [contact.visits, contact.entered, contact.messages, contact.pending]


BUSY = (
    journey("waits", nodes=[wait("3h"), mail()], exit_on=["bye"]),
    journey("sends", priority=9, entry={"event": "bye"}, caps=[{"messages": 2, "per": "1d"}]),
    journey("third", entry={"event": "bye"}, nodes=[wait("4h"), mail()]),
)


def busy() -> Situation:
    situation = Situation(*BUSY)
    situation.event("hi")
    return situation


@pytest.mark.parametrize(
    "where",
    ["engine.nodes.send.Send.enter", "engine.fold.arrival.enter", "engine.fold.entrance.advance"],
)
def test_a_poisoned_event_moves_no_visit_and_is_listed(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    situation, control = busy(), busy()
    before = state(situation)

    with monkeypatch.context() as patch:
        patch.setattr(where, raises)
        fault = only_fault(situation.event("bye", id="bad"))
    assert situation.verdict == Verdict.FAILED
    assert fault == Fault("c-1", "bad", "ZeroDivisionError: poison")
    assert state(situation) == before
    made = situation.event("bye", id="good", after_ms=1)
    assert made == control.event("bye", id="good", after_ms=1)
    assert outcomes(made) == [("waits", "exited"), ("sends", "sent")]


def test_a_fault_after_half_the_way_takes_back_what_was_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exit and the first message were decided already when the second entry raises."""
    situation = busy()
    before = state(situation)
    enter = entrance.enter

    def raises_for_third(moment: Any, program: Any, *rest: Any) -> None:
        if program.journey == "third":
            raise ZeroDivisionError("poison")
        enter(moment, program, *rest)

    with monkeypatch.context() as patch:
        patch.setattr("engine.fold.arrival.enter", raises_for_third)
        only_fault(situation.event("bye", id="bad"))
    assert state(situation) == before


@pytest.mark.parametrize("kind", ["handover", "receipt"])
def test_a_poisoned_handover_or_receipt_leaves_the_message_as_it_was(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    situation = Situation(journey(exit_on=["bye"]))
    key = only_outcome(situation.event()).key
    situation.event("bye")
    situation.now_ms += 1
    before = state(situation)
    input = Handover("c-1", key, situation.now_ms)
    receipt = Receipt("c-1", key, delivered=False, reason="x")

    with monkeypatch.context() as patch:
        patch.setattr("engine.nodes.outbox._outcome", raises)
        fault = only_fault(situation.fold(input if kind == "handover" else receipt))
    assert (fault.what, situation.verdict) == (key, Verdict.FAILED)
    assert state(situation) == before
    assert outcomes(situation.fold(input)) == [("hello", "exited")]


def test_a_poisoned_timer_is_dropped_and_its_visit_ends_as_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    situation = Situation(AN_HOUR, journey("other", entry={"event": "ho"}, nodes=[wait("2h")]))
    situation.event("ho")
    situation.event("hi")
    situation.pass_time(GAP_MS)
    visit = next(each.id for each in situation.contact().visits if each.journey == "hello")

    with monkeypatch.context() as patch:
        patch.setattr("engine.nodes.send.Send.enter", raises)
        ended, fault = situation.pass_time(HOUR_MS)
    assert isinstance(ended, Outcome)
    assert (ended.outcome, ended.reason) == ("failed", "ZeroDivisionError: poison")
    assert isinstance(fault, Fault)
    assert fault.what == f"visit {visit} of journey hello at node wait"
    assert [each.journey for each in situation.contact().visits] == ["other"]
    assert situation.contact().messages == []
    assert outcomes(situation.run_out()) == [("other", "declined")]
    assert situation.partition.next_due_at_ms == FAR_MS


def test_a_poisoned_end_of_a_session_is_dropped_and_visits_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    situation = Situation(AN_HOUR, journey("end", entry={"event": "session_end"}))
    situation.event("hi")

    with monkeypatch.context() as patch:
        patch.setattr("engine.fold.arrival.enter", raises)
        fault = only_fault(situation.pass_time(GAP_MS))
    assert fault.what == f"end of the session begun at {NOON_MS}"
    assert situation.contact().session is None
    assert outcomes(situation.run_out()) == [("hello", "sent")]


def test_a_poisoned_timer_does_not_take_the_event_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    situation = Situation(AN_HOUR)
    situation.event("hi")

    with monkeypatch.context() as patch:
        patch.setattr("engine.nodes.send.Send.enter", raises)
        made = situation.event("ho", after_ms=HOUR_MS)
    assert situation.verdict == Verdict.APPLIED
    assert [type(each) for each in made] == [Outcome, Fault]
    assert "ho" in situation.contact().history


def test_a_session_opened_by_a_poisoned_event_ends_at_its_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    situation = Situation(journey(), journey("end", entry={"event": "session_end"}))

    with monkeypatch.context() as patch:
        patch.setattr("engine.nodes.send.Send.enter", raises)
        only_fault(situation.event("hi"))
    assert only_outcome(situation.run_out()).at_ms == NOON_MS + GAP_MS


def test_a_session_that_a_poisoned_event_prolonged_does_not_end_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    situation = Situation(journey(), journey("end", entry={"event": "session_end"}))
    situation.event("ho")

    with monkeypatch.context() as patch:
        patch.setattr("engine.nodes.send.Send.enter", raises)
        only_fault(situation.event("hi", after_ms=20 * MINUTE_MS))
    assert situation.pass_time(GAP_MS - 1) == []
    assert only_outcome(situation.pass_time(1)).at_ms == NOON_MS + 20 * MINUTE_MS + GAP_MS


def test_a_failed_event_again_is_a_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    situation = Situation(journey())

    with monkeypatch.context() as patch:
        patch.setattr("engine.nodes.send.Send.enter", raises)
        situation.event(id="bad")
    assert situation.event(id="bad") == []
    assert situation.verdict == Verdict.REPEAT


def test_a_fault_of_one_contact_is_no_matter_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    situation = Situation(journey())
    key = only_outcome(situation.event(contact="c-1")).key

    with monkeypatch.context() as patch:
        patch.setattr("engine.nodes.send.Send.enter", raises)
        only_fault(situation.event(contact="c-2"))
    only_delivery(situation.handover(key))
    assert len(situation.event(contact="c-2")) == 1


def test_an_event_of_long_ago_is_taken_as_it_comes() -> None:
    situation = Situation(journey())
    situation.fold(Event("a", "c-1", "hi", 0, {}))
    assert situation.verdict == Verdict.APPLIED
