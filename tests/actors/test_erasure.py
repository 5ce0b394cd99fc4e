"""Frames without an erased contact: refolded from nothing, all others are exactly as they were."""

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from actors.clock import EventClock
from actors.erasure import erase_earlier_from_frame, erase_from_frame
from actors.frame import (
    ErasedRecord,
    EraseRecord,
    EventRecord,
    Frame,
    decode_frame,
    encode_frame,
)
from actors.links.link import LinkEvent
from actors.shards.outbox import Outbox
from actors.shards.recovery import Recovery
from actors.shards.shard import Shard
from actors.store.erased import Erasure
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.decision import SENT, Outcome
from engine.input import Receipt, Verdict
from engine.limits import DAY_MS
from engine.numbers import without as numbers_without
from tests.actors.memory_store import MemoryLog, MemorySnapshots
from tests.publications import MAIL, journey, source_of

NOON_MS = 1_700_000_000_000
MINUTE_MS = 60_000
SECRET = "ada@shop.example"
ERASED = "ada-lovelace"
JOURNEYS = source_of(
    journey(caps=[{"messages": 3, "per": "1h"}]),
    journey("later", nodes=[{"id": "w", "wait": "20m"}, MAIL]),
    journey("left", entry={"event": "session_end"}, nodes=[MAIL]),
    session_gap="10m",
)


def crowd(size: int) -> list[str]:
    """Return contacts of one partition, so that they share its clock and calendar."""
    wanted, found, number = partition_of(ERASED), [ERASED], 0
    while len(found) < size:
        if partition_of(f"c-{number}") == wanted:
            found.append(f"c-{number}")
        number += 1
    return found


CROWD = crowd(4)
HOME = partition_of(ERASED)


class Story:
    """A shard to which random things happen, and the frames that tell of them."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.shard = Shard(0, 1, EventClock())
        self.frames: list[bytes] = []
        self.outbox = Outbox()
        self.handed: list[Outcome] = []
        self.now_ms = NOON_MS
        self.number = 0
        self.shard.publish(JOURNEYS, NOON_MS)

    def cut(self) -> None:
        frame = self.shard.cut()
        if frame is not None:
            for outcome in frame.outcomes:
                self.outbox.put(outcome)
            self.frames.append(encode_frame(frame))
        self.shard.deliveries.clear()

    def happen(self, count: int) -> None:
        for _ in range(count):
            self.chance.choices([self.act, self.hand_over, self.settle, self.cut], [6, 2, 1, 2])[
                0
            ]()
        self.cut()

    def act(self) -> None:
        self.now_ms += self.chance.choice([0, 1, MINUTE_MS, 11 * MINUTE_MS])
        self.number += 1
        contact = self.chance.choice(CROWD)
        name = self.chance.choice(["hi", "product_view", "identify", "purchase"])
        payload: dict[str, Any] = {"product_id": f"p-{contact}"}
        if name == "identify":
            payload = {"attributes": {"email": SECRET if contact == ERASED else "x@y.example"}}
        data = b"{" if self.chance.random() < 0.05 else msgspec.json.encode(payload)
        event = LinkEvent(HOME, contact, f"e-{self.number}", name, self.now_ms, data)
        self.shard.apply_event(event, self.now_ms)
        self.shard.advance(None, self.now_ms)

    def hand_over(self) -> None:
        for outcome in self.outbox.take("email", 2):
            if self.shard.hand_over(HOME, outcome, self.now_ms):
                self.handed.append(outcome)

    def settle(self) -> None:
        if self.handed:
            outcome = self.handed.pop(self.chance.randrange(len(self.handed)))
            receipt = Receipt(outcome.contact, outcome.key, self.chance.random() < 0.5, "why")
            self.shard.settle(HOME, receipt, self.now_ms)
            self.outbox.settle(None, outcome.key)

    def snapshot(self) -> MemorySnapshots:
        self.cut()
        snapshots = MemorySnapshots()
        snapshots.write(*self.shard.snapshot(HOME))
        return snapshots

    def erase(self, contact: str, keep_out_ms: int = DAY_MS) -> dict[str, int]:
        """Erase a contact; return what rewrites the frames."""
        position = self.shard.next_position
        self.shard.erase(HOME, digest_of(contact), keep_out_ms, self.now_ms)
        self.cut()
        return {digest_of(contact): position}


def refolded(
    frames: list[bytes],
    snapshots: MemorySnapshots | None = None,
    erased: dict[str, int] | None = None,
) -> tuple[Shard, Outbox]:
    shard, outbox, log = Shard(0, 1, EventClock()), Outbox(), MemoryLog()
    log.kept = frames
    noted = [
        Erasure(digest=digest, partition=HOME, position=position, keep_out_ms=0)
        for digest, position in (erased or {}).items()
    ]
    Recovery(shard, outbox, noted).run(log, snapshots)
    return shard, outbox


def state_of(shard: Shard) -> dict[str, Any]:
    partition = shard.partitions[HOME]
    return {
        "contacts": {key: partition.contact_bytes(key) for key in partition.contact_keys()},
        "calendar": sorted(partition._calendar),
        "now": partition.now_ms,
        "tombstones": partition.tombstones,
        "published": partition.published,
        "position": shard.position,
        "verdicts": shard.tallies[HOME].counts(),
        "total": shard.total.counts(),
        "pseq": partition.pseq,
        "waiting": partition.numbers.waiting(),
    }


def rewrite(frames: list[bytes], erased: dict[str, int]) -> list[bytes]:
    return [encode_frame(erase_from_frame(decode_frame(frame), erased)) for frame in frames]


@given(seed=some.integers(0, 2**32), before=some.integers(0, 60), after=some.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_refolded_from_nothing_all_others_are_as_they_were_and_it_never_was(
    seed: int, before: int, after: int
) -> None:
    story = Story(seed)
    story.happen(before)
    erased = story.erase(ERASED)
    story.happen(after)
    rewritten = rewrite(story.frames, erased)
    shard, outbox = refolded(rewritten)
    assert state_of(shard) == state_of(story.shard)
    assert shard.differences == 0
    assert ERASED not in shard.partitions[HOME].contact_keys()
    assert outbox.depth == len(unsettled_of(story.shard))
    held = b"".join([*rewritten, *filter(None, state_of(shard)["contacts"].values())])
    assert ERASED.encode() not in held
    assert SECRET.encode() not in held
    assert rewrite(rewritten, erased) == rewritten, "to do it again changes nothing"
    elsewhere = {digest_of(ERASED): (HOME, pseq_of_erasure(story))}
    assert [
        encode_frame(erase_earlier_from_frame(decode_frame(frame), elsewhere))
        for frame in story.frames
    ] == rewritten, "in another slot, the record's number says the same as its position here"


def pseq_of_erasure(story: Story) -> int:
    records = [record for frame in story.frames for record in decode_frame(frame).records]
    (found,) = [record.pseq for record in records if isinstance(record, EraseRecord)]
    return found


def unsettled_of(shard: Shard) -> list[str]:
    partition = shard.partitions[HOME]
    contacts = [partition.contact(key) for key in partition.contact_keys()]
    return [pending.key for contact in contacts if contact for pending in contact.pending]


def without(snapshots: MemorySnapshots, contact: str) -> MemorySnapshots:
    """Return snapshots as they are when the contact's row is dropped."""
    ((head, slices),) = snapshots.kept[HOME]
    rows = [row for each in slices for row in each if row.key != contact]
    erased = [row.state for each in slices for row in each if row.key == contact]
    numbers = numbers_without(head.numbers, erased, head.now_ms)
    dropped = MemorySnapshots()
    dropped.write(msgspec.structs.replace(head, rows=len(rows), numbers=numbers), [rows])
    return dropped


@given(
    seed=some.integers(0, 2**32),
    before=some.integers(0, 40),
    between=some.integers(0, 40),
    frames_done=some.integers(0, 100),
    rows_done=some.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_rewriting_that_a_crash_cut_short_comes_to_the_same(
    *, seed: int, before: int, between: int, frames_done: int, rows_done: bool
) -> None:
    """Of the frames some are rewritten, of the snapshots some: the note of the erasure helps."""
    story = Story(seed)
    story.happen(before)
    snapshots = story.snapshot()
    story.happen(between)
    erased = story.erase(ERASED)
    story.happen(20)
    done = [*rewrite(story.frames[:frames_done], erased), *story.frames[frames_done:]]
    kept = without(snapshots, ERASED) if rows_done else snapshots
    for from_snapshots in (None, kept):
        shard, outbox = refolded(done, from_snapshots, erased)
        assert state_of(shard) == state_of(story.shard)
        assert shard.differences == 0
        assert outbox.depth == len(unsettled_of(story.shard))


@given(seed=some.integers(0, 2**32), before=some.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_nothing_rewritten_and_no_note_comes_to_the_same(seed: int, before: int) -> None:
    """The record of the erasure alone, which has no name but a digest, makes it be forgotten."""
    story = Story(seed)
    story.happen(before)
    snapshots = story.snapshot()
    story.happen(20)
    story.erase(ERASED)
    story.happen(20)
    for kept in (None, snapshots):
        shard, outbox = refolded(story.frames, kept)
        assert state_of(shard) == state_of(story.shard)
        assert outbox.depth == len(unsettled_of(story.shard))


@pytest.mark.parametrize("erased", range(0, 150, 10))
def test_a_burst_of_timers_is_cut_where_it_was_though_one_of_them_is_gone(erased: int) -> None:
    """Journeys change between two slices of a burst: who was in the first went by the old ones."""
    story = Story(7)
    many = crowd(150)
    for contact in many:
        event = LinkEvent(HOME, contact, "a", "hi", NOON_MS, b"{}")
        story.shard.apply_event(event, NOON_MS)
    then_ms = NOON_MS + 20 * MINUTE_MS
    nudge = LinkEvent(HOME, many[(erased + 1) % 150], "b", "nudge", then_ms, b"{}")
    story.shard.apply_event(nudge, then_ms)
    assert story.shard.advance(None, then_ms)
    story.shard.publish(source_of(journey("other"), session_gap="10m"), then_ms)
    for contact in many[:30]:
        story.shard.apply_event(LinkEvent(HOME, contact, "c", "hi", then_ms, b"{}"), then_ms)
    assert story.shard.advance(None, then_ms)
    story.cut()
    gone = story.erase(many[erased])
    shard, _ = refolded(rewrite(story.frames, gone))
    assert state_of(shard) == state_of(story.shard)
    assert shard.differences == 0


def test_a_contact_that_came_back_keeps_what_it_did_since() -> None:
    story = Story(7)
    story.happen(40)
    erased = story.erase(ERASED, keep_out_ms=0)
    story.happen(60)
    assert ERASED in story.shard.partitions[HOME].contact_keys()
    shard, _ = refolded(rewrite(story.frames, erased))
    assert state_of(shard) == state_of(story.shard)


def test_placeholders_keep_position_clock_and_verdict_and_what_was_decided_goes() -> None:
    story = Story(7)
    for number, contact in enumerate([ERASED, "c-1", ERASED]):
        event = LinkEvent(partition_of(contact), contact, f"e-{number}", "hi", NOON_MS, b"{")
        fine = LinkEvent(event.partition, contact, f"f-{number}", "hi", NOON_MS, b"{}")
        story.shard.apply_event(event, NOON_MS)
        story.shard.apply_event(fine, NOON_MS)
    frame = story.shard.cut()
    assert frame is not None
    new = erase_from_frame(frame, {digest_of(ERASED): 1000})
    assert (new.position, new.verdicts, len(new.records)) == (0, frame.verdicts, 7)
    placeholders = [ErasedRecord(NOON_MS, HOME, is_event=True, pseq=pseq) for pseq in range(1, 5)]
    assert [new.records[i] for i in (1, 2, 5, 6)] == placeholders
    assert new.records[3:5] == frame.records[3:5]
    assert told_of(frame) == {ERASED, "c-1"}
    assert told_of(new) == {"c-1"}


def told_of(frame: Frame) -> set[str]:
    return {each.contact for each in frame.outcomes} | {each.contact for each in frame.faults}


def test_a_frame_that_holds_nothing_of_it_is_not_made_anew() -> None:
    story = Story(7)
    story.happen(30)
    for data in story.frames:
        frame = decode_frame(data)
        assert erase_from_frame(frame, {digest_of("nobody"): 1000}) is frame
        assert erase_from_frame(frame, {}) is frame


def test_its_late_events_and_receipts_are_not_written() -> None:
    story = Story(7)
    story.shard.apply_event(LinkEvent(HOME, ERASED, "a", "hi", NOON_MS, b"{}"), NOON_MS)
    story.cut()
    (outcome,) = story.outbox.take("email", 10)
    assert story.shard.hand_over(HOME, outcome, NOON_MS)
    story.cut()
    story.erase(ERASED)
    late = LinkEvent(HOME, ERASED, "b", "hi", NOON_MS, b"{}")
    assert story.shard.apply_event(late, NOON_MS) == Verdict.ERASED
    story.shard.settle(HOME, Receipt(ERASED, outcome.key, delivered=True), NOON_MS)
    assert not story.shard.hand_over(HOME, outcome, NOON_MS)
    assert story.shard.cut() is None, "nothing to log"
    assert story.shard.status()["events_erased"] == 1
    last = decode_frame(story.frames[-1])
    assert [type(each) for each in last.records] == [EraseRecord]
    assert ERASED.encode() not in story.frames[-1]


@pytest.mark.parametrize("handed", ["ready", "handed"])
def test_an_outbox_forgets_the_messages_of_a_contact(handed: str) -> None:
    outbox = Outbox()
    link: Any = object()
    for number, contact in enumerate([ERASED, "c-1", ERASED]):
        key = f"v{number}.mail.1"
        outbox.put(Outcome(key, contact, "hello", "mail", "email", NOON_MS, SENT))
    if handed == "handed":
        outbox.hand(link, outbox.take("email", 10))
    outbox.forget(lambda contact: contact == ERASED)
    assert outbox.depth == 1
    outbox.lose(link)
    assert [each.contact for each in outbox.take("email", 10)] == ["c-1"]
    assert ERASED not in repr(vars(outbox))


def test_records_of_this_version_and_older_ones_are_read() -> None:
    record = EventRecord(NOON_MS, LinkEvent(3, "c", "e", "hi", None, b"{}"))
    frame = Frame(0, 1, [record, ErasedRecord(NOON_MS, 3, is_event=False)], b"\0\0", [], [])
    assert decode_frame(encode_frame(frame)) == frame
