"""Repeats: an event id counts once for a contact, among its last ids of a day."""

import pytest

from engine.input import Event, Verdict
from engine.limits import EVENT_IDS_BURST_MS, EVENT_IDS_MAX
from engine.partition import Partition
from ingest.limits import FRAME_EVENTS_MAX
from tests.engine.situation import DAY_MS, HOUR_MS, Situation, mail, outcomes, wait
from tests.publications import journey

AN_HOUR = journey(nodes=[wait("1h"), mail()])


def test_a_repeat_changes_nothing() -> None:
    situation = Situation(journey())
    situation.event(id="a")
    before = situation.partition.contact_bytes("c-1")
    assert situation.event("purchase", id="a", after_ms=5) == []
    assert situation.verdict == Verdict.REPEAT
    assert situation.partition.contact_bytes("c-1") == before


def test_a_repeat_is_known_from_the_first_moment_of_all() -> None:
    partition = Partition(0, [])
    event = Event("a", "c-1", "hi", 0, {})
    assert [partition.fold(event, 0) for _ in range(2)] == [Verdict.APPLIED, Verdict.REPEAT]


def test_a_repeat_lets_timers_due_by_then_apply() -> None:
    situation = Situation(AN_HOUR)
    situation.event(id="a")
    assert outcomes(situation.event(id="a", after_ms=HOUR_MS)) == [("hello", "sent")]
    assert situation.verdict == Verdict.REPEAT


def test_the_same_id_of_two_contacts_is_no_repeat() -> None:
    situation = Situation(journey())
    assert len(situation.event(id="a") + situation.event(id="a", contact="c-2")) == 2


@pytest.mark.parametrize(
    ("later_ms", "verdict"), [(DAY_MS - 1, Verdict.REPEAT), (DAY_MS, Verdict.APPLIED)]
)
def test_a_repeat_is_known_for_a_day(later_ms: int, verdict: int) -> None:
    situation = Situation()
    situation.event(id="a")
    situation.event(id="a", after_ms=later_ms)
    assert situation.verdict == verdict


def test_a_repeat_does_not_begin_the_day_anew() -> None:
    situation = Situation()
    situation.event(id="a")
    situation.event(id="a", after_ms=DAY_MS - 1)
    situation.event(id="a", after_ms=1)
    assert situation.verdict == Verdict.APPLIED


@pytest.mark.parametrize(
    ("others", "verdict"),
    [(EVENT_IDS_MAX - 1, Verdict.REPEAT), (2 * EVENT_IDS_MAX, Verdict.APPLIED)],
)
def test_a_repeat_is_known_among_the_last_ids(others: int, verdict: int) -> None:
    situation = Situation()
    situation.event(id="a")
    for i in range(others):
        situation.event(id=f"other-{i}", after_ms=60_000)
    situation.event(id="a")
    assert situation.verdict == verdict


def test_a_batch_of_one_contact_sent_again_is_known_as_a_whole() -> None:
    """A gateway's two frames in flight, lost with their link, may be all of one contact."""
    situation = Situation()
    batch = [f"b-{i}" for i in range(2 * FRAME_EVENTS_MAX)]
    for expected in (Verdict.APPLIED, Verdict.REPEAT):
        for id in batch:
            situation.event(id=id, after_ms=1)
            assert situation.verdict == expected


def test_a_burst_is_forgotten_again() -> None:
    situation = Situation()
    for i in range(1_000):
        situation.event(id=f"b-{i}")
    situation.event(after_ms=EVENT_IDS_BURST_MS)
    for i in range(2 * EVENT_IDS_MAX):
        situation.event(id=f"c-{i}")
    situation.event(after_ms=EVENT_IDS_BURST_MS)
    contact = situation.contact()
    assert len(contact.event_ids) + len(contact.older_event_ids) <= 2 * EVENT_IDS_MAX + 1


def test_an_id_used_again_after_a_day_is_known_as_the_newest() -> None:
    situation = Situation()
    situation.event(id="a")
    for i in range(EVENT_IDS_MAX - 1):
        situation.event(id=f"b-{i}")
    situation.event(id="a", after_ms=DAY_MS)
    for i in range(EVENT_IDS_MAX - 1):
        situation.event(id=f"c-{i}")
    situation.event(id="a")
    assert situation.verdict == Verdict.REPEAT


def test_long_ids_are_told_apart_and_their_repeats_known() -> None:
    situation = Situation()
    stem = "order-2025-10-07-0000000000000000000"
    verdicts = []
    for id in (stem + "1", stem + "2", stem + "1", stem[:24], stem[:24]):
        situation.event(id=id)
        verdicts.append(situation.verdict)
    assert verdicts == [0, 0, Verdict.REPEAT, 0, Verdict.REPEAT]
    assert all(len(id) <= 24 for id in situation.contact().event_ids)
