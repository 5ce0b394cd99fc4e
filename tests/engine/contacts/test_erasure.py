"""Erasing a contact: nothing of it stays or comes back, and nobody else notices."""

from random import Random
from typing import Any

import pytest

from engine.contacts.erasure import digest_of
from engine.decision import Outcome
from engine.input import Erase, Verdict
from engine.limits import FAR_MS, TOMBSTONES_MAX
from engine.partition import Partition
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    mail,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey

KEEP_OUT_MS = 30 * DAY_MS
AN_HOUR = journey(nodes=[wait("1h"), mail()])


def erase(situation: Situation, contact: str = "c-1", keep_out_ms: int = KEEP_OUT_MS) -> None:
    assert situation.fold(Erase(digest_of(contact), keep_out_ms)) == []
    assert situation.verdict == Verdict.APPLIED


def kept(partition: Partition) -> dict[str, Any]:
    """Return everything a partition keeps, in a form that can be compared."""
    return {
        "contacts": {key: partition.contact_bytes(key) for key in partition.contact_keys()},
        "calendar": sorted(partition._calendar),
        "now": partition.now_ms,
        "tombstones": partition.tombstones,
        "sessions": partition.sessions_ended,
    }


@pytest.mark.parametrize("held", ["hot", "idle"])
def test_an_erased_contact_is_gone_whether_hot_or_idle(held: str) -> None:
    situation = Situation(AN_HOUR)
    situation.event("identify", {"attributes": {"email": "ada@shop.example"}})
    situation.event(contact="c-2")
    if held == "idle":
        situation.partition.cool()
    erase(situation)
    assert situation.partition.contact("c-1") is None
    assert situation.partition.contact_keys() == ["c-2"]
    assert list(situation.partition.tombstones) == [digest_of("c-1")]
    assert "c-1" not in repr(situation.partition.tombstones)


def test_timers_of_an_erased_contact_never_go_off_and_do_not_bring_it_back() -> None:
    situation = Situation(AN_HOUR)
    situation.event()
    situation.event(contact="c-2", after_ms=MINUTE_MS)
    erase(situation)
    assert outcomes(situation.pass_time(2 * HOUR_MS)) == [("hello", "sent")]
    assert situation.run_out() == []
    assert situation.partition.contact_keys() == ["c-2"]
    assert situation.partition.next_due_at_ms == FAR_MS


def test_late_events_are_kept_out_and_change_nothing_until_the_time_is_over() -> None:
    situation = Situation(journey())
    erase(situation)
    before = kept(situation.partition)
    assert situation.event(after_ms=KEEP_OUT_MS - 1) == []
    assert situation.verdict == Verdict.ERASED
    assert kept(situation.partition) == before, "not even the clock moved"
    assert situation.partition.keeps_out("c-1", situation.now_ms)
    assert not situation.partition.keeps_out("c-2", situation.now_ms)
    assert only_outcome(situation.event(after_ms=1)).contact == "c-1"
    assert situation.verdict == Verdict.APPLIED


def test_a_tombstone_expires_by_the_partitions_clock_which_never_goes_back() -> None:
    situation = Situation(journey())
    erase(situation, keep_out_ms=HOUR_MS)
    situation.event(contact="c-2", after_ms=HOUR_MS)
    situation.now_ms = NOON_MS
    assert not situation.partition.keeps_out("c-1", NOON_MS)
    situation.event()
    assert situation.verdict == Verdict.APPLIED


def test_others_go_on_as_if_nothing_had_happened() -> None:
    situation = Situation(journey())
    erase(situation)
    assert outcomes(situation.event(contact="c-2")) == [("hello", "sent")]


def test_keeping_out_for_no_time_leaves_no_tombstone() -> None:
    situation = Situation(journey())
    situation.event(id="a")
    erase(situation, keep_out_ms=0)
    assert situation.partition.tombstones == {}
    assert outcomes(situation.event(id="a")) == [("hello", "sent")], "not even its ids are known"


def test_a_contact_nobody_knows_can_be_kept_out_as_well() -> None:
    situation = Situation(journey())
    erase(situation, "c-7")
    situation.event(contact="c-7")
    assert situation.verdict == Verdict.ERASED
    assert situation.partition.contact_count == 0


def test_what_comes_for_its_messages_does_nothing_and_makes_no_contact() -> None:
    situation = Situation(journey())
    first = only_outcome(situation.event())
    second = only_outcome(situation.event())
    situation.handover(second.key)
    erase(situation)
    assert situation.handover(first.key) == []
    assert situation.verdict == Verdict.ERASED
    assert situation.receipt(second.key, delivered=False, reason="no such address") == []
    assert situation.verdict == Verdict.ERASED
    assert situation.partition.contact_count == 0


def test_a_receipt_after_the_tombstone_is_gone_makes_no_contact_either() -> None:
    situation = Situation(journey())
    key = only_outcome(situation.event()).key
    erase(situation, keep_out_ms=0)
    assert situation.receipt(key, delivered=True) == []
    assert situation.verdict == Verdict.ERASED
    assert situation.partition.contact_count == 0


def test_erasing_again_begins_the_time_anew() -> None:
    situation = Situation(journey())
    erase(situation)
    erase(situation, "c-2")
    situation.now_ms += DAY_MS
    erase(situation)
    tombstones = situation.partition.tombstones
    assert tombstones[digest_of("c-1")] == NOON_MS + DAY_MS + KEEP_OUT_MS
    assert list(tombstones) == [digest_of("c-2"), digest_of("c-1")], "it is the latest now"


def test_expired_tombstones_go_with_the_next_erasure() -> None:
    situation = Situation(journey())
    erase(situation, "c-1", HOUR_MS)
    erase(situation, "c-2", DAY_MS)
    situation.now_ms += HOUR_MS
    erase(situation, "c-3")
    assert list(situation.partition.tombstones) == [digest_of("c-2"), digest_of("c-3")]
    assert situation.partition.tombstones_dropped == 0


def test_past_the_bound_the_oldest_tombstone_goes_and_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert TOMBSTONES_MAX >= 1000
    monkeypatch.setattr("engine.contacts.erasure.TOMBSTONES_MAX", 3)
    situation = Situation(journey())
    for number in range(5):
        erase(situation, f"c-{number}")
    assert list(situation.partition.tombstones) == [digest_of(f"c-{n}") for n in (2, 3, 4)]
    assert situation.partition.tombstones_dropped == 2


def test_others_are_as_if_the_erased_contact_had_never_been() -> None:
    """Two partitions see the same; one of them never sees the contact that the other erases."""
    chance = Random(7)
    with_it, without = Situation(AN_HOUR, journey("now")), Situation(AN_HOUR, journey("now"))
    for i in range(300):
        contact = f"c-{chance.randrange(5)}"
        after_ms = chance.choice([0, MINUTE_MS, HOUR_MS // 2])
        with_it.event(contact=contact, id=f"e-{i}", after_ms=after_ms)
        with_it.pass_time(0)
        if contact == "c-1":
            without.now_ms += after_ms
        else:
            decided = without.event(contact=contact, id=f"e-{i}", after_ms=after_ms)
            assert all(isinstance(each, Outcome) and each.contact != "c-1" for each in decided)
        without.pass_time(0)
    erase(with_it)
    erase(without)
    mine, theirs = kept(with_it.partition), kept(without.partition)
    mine.pop("sessions")
    theirs.pop("sessions")
    assert mine == theirs
