"""A shard comes back from snapshots and log just as if it had never stopped."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from actors.errors import LogCorruptError, OperatorError
from actors.frame import decode_frame, encode_frame
from actors.shards.capture import ROWS_PER_SLICE
from engine.contacts.contact import decode_contact
from engine.contacts.identity import partition_of
from tests.actors.shards.life import CONTACTS, PARTITIONS, Life, picture_of
from tests.engine.machines.shop import JOURNEYS
from tests.engine.situation import DAY_MS, MINUTE_MS, NOON_MS, mail, wait
from tests.publications import journey, source_of

names = some.sampled_from(
    ["product_view", "product_view", "cart_update", "purchase", "identify", "consent"]
)
doings = some.lists(
    some.one_of(
        some.tuples(some.just("event"), some.sampled_from(CONTACTS), names),
        some.tuples(some.just("event"), some.sampled_from(CONTACTS), names),
        some.tuples(some.just("pass_minutes"), some.sampled_from([1, 5, 10, 20, 60])),
        some.tuples(some.just("hand_over"), some.integers(1, 3)),
        some.tuples(some.just("settle"), some.booleans()),
        some.tuples(some.just("snapshot"), some.sampled_from(PARTITIONS)),
        some.tuples(some.just("snapshot"), some.sampled_from(PARTITIONS)),
        some.tuples(some.just("publish_first"), some.integers(1, len(JOURNEYS))),
        some.tuples(some.just("commit")),
        some.tuples(some.just("restart")),
    ),
    min_size=10,
    max_size=70,
)


@pytest.fixture(autouse=True, scope="module")
def few_timers_at_once() -> Iterator[None]:
    """Let an Advance meet its bound, with seven contacts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.partition.TIMERS_PER_ADVANCE_MAX", 2)
        yield


def live(life: Life, done: list[tuple[Any, ...]], *, restarting: bool) -> Life:
    """Begin with consent for all, then do all this."""
    life.publish(*JOURNEYS)
    for contact in CONTACTS:
        life.event(contact, "consent", {"email": "double_opt_in"})
    for what, *arguments in done:
        if what == "event":
            contact, name = arguments
            life.event(contact, name, {"email": "opt_in"} if name == "consent" else {"price": 5})
        elif what == "settle":
            life.settle_last(delivered=arguments[0])
        elif what != "restart":
            getattr(life, what)(*arguments)
        elif restarting:
            life.commit()
            life = life.again()
    life.commit()
    return life


@settings(derandomize=True, max_examples=150, deadline=None)
@given(done=doings)
def test_a_shard_that_comes_back_is_as_if_it_had_never_stopped(
    done: list[tuple[Any, ...]],
) -> None:
    stayed = live(Life(), done, restarting=False)
    back = stayed.again()
    assert picture_of(back) == picture_of(stayed)
    assert back.shard.differences == 0
    for life in (back, stayed):
        life.run_to(life.now_ms + 30 * DAY_MS)
    assert picture_of(back) == picture_of(stayed)


@settings(derandomize=True, max_examples=75, deadline=None)
@given(done=doings)
def test_what_came_back_and_went_on_comes_back_again(done: list[tuple[Any, ...]]) -> None:
    """Snapshots of a recovered shard on top of snapshots: couriers are lost in between."""
    life = live(Life(), done, restarting=True)
    assert picture_of(life.again()) == picture_of(life)
    assert life.again().shard.differences == 0


def test_an_advance_applies_the_same_timers_on_top_of_a_snapshot() -> None:
    """The live calendar has entries that no longer hold; a snapshot does not bring them back."""
    life = Life()
    number = partition_of(CONTACTS[0])
    contacts = [key for key in (f"k-{i}" for i in range(9_999)) if partition_of(key) == number][:3]
    short = journey("short", entry={"event": "go"}, nodes=[wait("20m"), mail()])
    life.publish(journey("long", nodes=[wait("40m"), mail()]), short)
    for contact in contacts:
        life.event(contact, "hi")
    life.run_to(NOON_MS + 11 * MINUTE_MS)
    for contact in contacts:  # Armed for an earlier moment, and later for the first one again.
        life.event(contact, "go")
    life.run_to(NOON_MS + 35 * MINUTE_MS)
    assert life.shard.partitions[number].next_due_at_ms == NOON_MS + 40 * MINUTE_MS
    life.commit()
    life.snapshot_all()
    life.now_ms = NOON_MS + 41 * MINUTE_MS
    life.shard.advance(None, life.now_ms)
    life.commit()
    again = life.again()
    assert again.refolded == 1
    assert picture_of(again) == picture_of(life)
    assert again.shard.differences == 0


def test_with_snapshots_of_all_nothing_is_folded_again() -> None:
    life = Life()
    life.publish(*JOURNEYS)
    for contact in CONTACTS:
        life.event(contact, "identify")
    life.commit()
    life.snapshot_all()
    again = life.again()
    assert again.refolded == 0
    assert picture_of(again) == picture_of(life)
    again.event(CONTACTS[0], "purchase")
    again.commit()
    assert again.again().refolded == 1


def test_idle_contacts_come_back_without_being_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life()
    life.publish(journey(nodes=[wait("1h"), mail()]), journey("now", entry={"event": "go"}))
    for contact in CONTACTS:
        life.event(contact, "hi")
    life.event(CONTACTS[0], "go")
    life.commit()
    life.snapshot_all()
    decoded: list[bytes] = []

    def decode(data: bytes) -> Any:
        decoded.append(data)
        return decode_contact(data)

    monkeypatch.setattr("engine.partition.decode_contact", decode)
    monkeypatch.setattr("actors.shards.recovery.decode_contact", decode)
    again = life.again()
    assert len(decoded) == 1, "only the one with a message that is not settled"
    assert again.outbox.depth == 1
    again.now_ms += 61 * MINUTE_MS
    while again.shard.advance(None, again.now_ms):
        pass
    assert len(again.commit()) == len(CONTACTS), "their waits came back too"


def test_messages_come_back_in_the_order_in_which_they_were_decided() -> None:
    life = Life()
    life.publish(journey())
    for contact in reversed(CONTACTS):
        life.event(contact, "hi")
        life.now_ms += 1
    life.commit()
    life.snapshot_all()
    again = life.again()
    assert [each.contact for each in again.hand_over(99)] == CONTACTS[::-1]


def test_a_snapshot_has_its_rows_in_slices() -> None:
    life = Life()
    number = PARTITIONS[0]
    keys = [key for key in (f"k-{i}" for i in range(150_000)) if partition_of(key) == number]
    for key in keys[: 2 * ROWS_PER_SLICE + 1]:
        life.event(key, "hi")
    life.commit()
    head, rows = life.shard.snapshot(number)
    assert [len(each) for each in rows] == [ROWS_PER_SLICE, ROWS_PER_SLICE, 1]
    assert head.rows == 2 * ROWS_PER_SLICE + 1


def test_a_snapshot_does_not_change_with_what_comes_later() -> None:
    life = Life()
    life.publish(journey())
    life.event(CONTACTS[0], "hi")
    life.commit()
    number = partition_of(CONTACTS[0])
    head, rows = life.shard.snapshot(number)
    before = msgspec.msgpack.encode(head)
    life.event(CONTACTS[0], "hi")
    life.event(CONTACTS[0], "x")
    life.commit()
    ((row,),) = list(rows)
    assert row.pseq == head.pseq == 1
    assert msgspec.msgpack.encode(head) == before
    life.snapshots.write(head, [[row]])
    assert picture_of(life.again()) == picture_of(life)


def test_a_record_that_is_missing_is_named_with_its_partition() -> None:
    life = Life()
    contact = CONTACTS[0]
    for _ in range(3):
        life.event(contact, "hi")
    life.commit()
    frame = decode_frame(life.log.kept[-1])
    del frame.records[1]
    life.log.kept[-1] = encode_frame(frame)
    text = f"partition {partition_of(contact)}: input 3 follows input 1 at position 1 of the log"
    with pytest.raises(LogCorruptError, match=text):
        life.again()


def test_a_snapshot_ahead_of_the_log_is_named() -> None:
    life = Life()
    life.event(CONTACTS[0], "hi")
    life.commit()
    life.event(CONTACTS[0], "hi")
    life.commit()
    number = partition_of(CONTACTS[0])
    life.snapshot(number)
    life.log.kept.pop()
    text = f"ends at position 1, but the snapshot of partition {number} is of position 2"
    with pytest.raises(LogCorruptError, match=text):
        life.again()


def test_a_snapshot_that_lacks_rows_is_named() -> None:
    life = Life()
    life.event(CONTACTS[0], "hi")
    life.commit()
    number = partition_of(CONTACTS[0])
    life.snapshot(number)
    life.snapshots.kept[number][0][1].clear()
    with pytest.raises(LogCorruptError, match=f"partition {number} at position 1 has 0 rows"):
        life.again()


@pytest.mark.parametrize("where", ["log", "snapshot"])
def test_a_publication_that_this_version_refuses_is_named_and_stops_the_start(where: str) -> None:
    life = Life()
    life.publish(journey())
    life.commit()
    bad = source_of(journey(nodes=[mail(template="nope")]))
    if where == "log":
        frame = decode_frame(life.log.kept[-1])
        frame.records[0] = msgspec.structs.replace(frame.records[0], source=bad)
        life.log.kept[-1] = encode_frame(frame)
    else:
        head, _ = life.shard.snapshot(PARTITIONS[0])
        life.snapshots.write(msgspec.structs.replace(head, published=bad), [])
    with pytest.raises(OperatorError, match=r"refuses: hello\.yaml.*no template 'nope'.*start the"):
        life.again()
