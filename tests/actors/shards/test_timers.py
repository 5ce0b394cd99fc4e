"""Many timers at once, late ones, a clock that jumps: in slices, in order, none lost or early."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from actors.clock import WallClock
from actors.frame import AdvanceRecord, EventRecord, decode_frame
from actors.limits import SLICE_INPUTS_MAX
from actors.links.link import Accept, Accepted, LinkClient, LinkEvent, PublishNow
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.shards.timers import Timers
from engine.contacts.identity import partition_of
from engine.decision import SENT, Outcome
from engine.limits import TIMERS_PER_ADVANCE_MAX
from engine.partition import Partition
from tests.actors.memory_store import MemoryLog
from tests.actors.shards.life import CONTACTS, PARTITIONS, SHARDS, Life
from tests.engine.situation import DAY_MS, HOUR_MS, MINUTE_MS, NOON_MS, mail, wait
from tests.publications import journey, source_of

MANY = 1_500


class HandClock(WallClock):
    """The time of day, as a test sets it."""

    at_ms = NOON_MS

    def read(self) -> int:
        return self.at_ms


def contacts_here(count: int) -> list[str]:
    keys = (f"k-{number}" for number in range(count * 2 * SHARDS))
    return [key for key in keys if partition_of(key) in PARTITIONS][:count]


def events(keys: list[str], name: str, tag: str) -> Accept:
    return Accept(
        0, [LinkEvent(partition_of(key), key, f"{tag}-{key}", name, None, b"{}") for key in keys]
    )


async def test_many_timers_due_at_once_and_events_share_the_slices(tmp_path: Path) -> None:
    """Neither waits for the other: a slice has 128 events at most, and timers of 64 contacts."""
    log, clock, keys = MemoryLog(), HandClock(), contacts_here(MANY)
    service = ShardService(Shard(0, SHARDS, clock), log)
    await service.start(str(tmp_path / "s.sock"))
    client = await LinkClient.connect(str(tmp_path / "s.sock"))
    await client.ask(PublishNow(0, source_of(journey(nodes=[wait("1h"), mail()]))))
    assert isinstance(await client.ask(events(keys, "hi", "e")), Accepted)
    begun = len(log.kept)
    clock.at_ms += 2 * HOUR_MS
    others = contacts_here(2 * MANY)[MANY:]
    lots = [others[start : start + SLICE_INPUTS_MAX] for start in range(0, MANY, SLICE_INPUTS_MAX)]
    await asyncio.gather(*[client.ask(events(lot, "x", "f")) for lot in lots])
    async with asyncio.timeout(20):
        while service.outbox.depth < MANY:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    client.close()
    await service.stop()
    frames = [decode_frame(data) for data in log.kept[begun:]]
    advances = [sum(isinstance(each, AdvanceRecord) for each in f.records) for f in frames]
    served = [any(isinstance(each, EventRecord) for each in frame.records) for frame in frames]
    assert max(advances) == 1
    assert max(len(frame.outcomes) for frame in frames) <= TIMERS_PER_ADVANCE_MAX
    assert sum(advances) >= 2 * MANY // TIMERS_PER_ADVANCE_MAX, "sessions end first, then waits"
    both = sum(bool(advance) and event for advance, event in zip(advances, served, strict=True))
    assert both >= len(lots) // 2
    last_event = max(index for index, event in enumerate(served) if event)
    assert sum(advances[last_event + 1 :]) > 0, "events did not wait until all timers were done"


class CountedClock(HandClock):
    """Counts how often somebody goes through all partitions."""

    def __init__(self) -> None:
        self.looks = 0

    def due_at_ms(self, partitions: Collection[Partition]) -> int:
        self.looks += 1
        return super().due_at_ms(partitions)


async def test_partitions_are_gone_through_only_where_something_was_folded() -> None:
    """A hundred times a second, that took a fortieth of a core of a shard with nothing to do."""
    clock, woken = CountedClock(), 0

    def wake() -> None:
        nonlocal woken
        woken += 1

    shard = Shard(0, SHARDS, clock)
    timers = Timers(shard, asyncio.get_running_loop(), wake)
    shard.publish(source_of(journey(nodes=[wait("1h"), mail()])), clock.read())
    for _ in range(3):
        timers.look()
    assert (clock.looks, woken) == (1, 0)
    (key,) = contacts_here(1)
    shard.apply_event(LinkEvent(partition_of(key), key, "e", "hi", None, b"{}"), clock.read())
    for _ in range(3):
        timers.look()
    assert (clock.looks, woken) == (2, 0)
    clock.at_ms += 2 * HOUR_MS
    timers.look()
    assert (clock.looks, woken) == (2, 1), "it is known when it is due"
    while timers.due:
        timers.apply(clock.read())
        timers.look()
    assert woken == 1


async def test_a_timer_is_found_in_a_partition_that_was_away_and_came_back() -> None:
    """Nothing is folded then, and yet it is another set of partitions."""
    clock = HandClock()
    shard = Shard(0, SHARDS, clock)
    timers = Timers(shard, asyncio.get_running_loop(), lambda: None)
    shard.publish(source_of(journey(nodes=[wait("1h"), mail()])), clock.read())
    (key,) = contacts_here(1)
    shard.apply_event(LinkEvent(partition_of(key), key, "e", "hi", None, b"{}"), clock.read())
    away = shard.withdraw(partition_of(key))
    clock.at_ms += 2 * HOUR_MS
    timers.look()
    assert not timers.due
    shard.restore(*away)
    shard.withdraw(next(n for n in PARTITIONS if n != partition_of(key)))  # As many as before.
    timers.look()
    assert timers.due


async def test_timers_rest_between_their_slices_and_events_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a burst has the cores for itself, which gateway and commits need as well."""
    log, clock, keys = MemoryLog(), HandClock(), contacts_here(MANY)
    service = ShardService(Shard(0, SHARDS, clock), log)
    await service.start(str(tmp_path / "s.sock"))
    client = await LinkClient.connect(str(tmp_path / "s.sock"))
    assert isinstance(await client.ask(events(keys, "hi", "e")), Accepted)
    monkeypatch.setattr("actors.shards.timers.REST_RATIO", 1e9)
    begun = len(log.kept)
    clock.at_ms += 2 * HOUR_MS
    for number in range(10):
        await client.ask(events(contacts_here(2 * MANY)[MANY:][:9], "x", f"f-{number}"))
        await asyncio.sleep(0.01)
    client.close()
    await service.stop()
    records = [each for data in log.kept[begun:] for each in decode_frame(data).records]
    assert sum(isinstance(each, EventRecord) for each in records) == 90
    assert sum(isinstance(each, AdvanceRecord) for each in records) == 1


def test_overdue_timers_fire_in_the_order_in_which_they_were_due() -> None:
    life = Life()
    waits = [50, 20, 40, 10, 30]
    journeys = [
        journey(f"w-{span}", entry={"event": f"go-{span}"}, nodes=[wait(f"{span}m"), mail()])
        for span in waits
    ]
    life.publish(*journeys)
    for contact in contacts_here(400):
        for span in waits:
            life.event(contact, f"go-{span}")
    life.commit()
    life.snapshot_all()
    again = life.again()
    again.now_ms += DAY_MS
    fired: list[Outcome] = []
    while again.shard.advance(None, again.now_ms):
        fired += again.commit()
    assert len(fired) == 400 * len(waits)
    for number in PARTITIONS:
        due = [each.at_ms for each in fired if partition_of(each.contact) == number]
        assert due == sorted(due)
        assert {at_ms - NOON_MS for at_ms in due} == {span * MINUTE_MS for span in waits}


jumps = some.lists(
    some.tuples(
        some.sampled_from(["event", "event", "advance", "advance", "restart"]),
        some.sampled_from(CONTACTS),
        some.sampled_from([0, 1, 10, 61, -5, -90, 24 * 60, -24 * 60]),
    ),
    min_size=5,
    max_size=40,
)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(done=jumps)
def test_a_clock_that_jumps_loses_no_timer_and_makes_none_early(
    done: list[tuple[str, str, int]],
) -> None:
    life = Life()
    life.publish(journey(nodes=[wait("1h"), mail()], reentry="always"))
    entered: dict[str, list[int]] = {}
    sent: list[Outcome] = []
    latest_ms = life.now_ms
    for what, contact, minutes in [*done, ("advance", "", 40 * 24 * 60)]:
        life.now_ms += minutes * MINUTE_MS
        latest_ms = max(latest_ms, life.now_ms)
        if what == "event":
            before = visits_of(life, contact)
            life.event(contact, "hi")
            if visits_of(life, contact) - before:
                entered.setdefault(contact, []).append(life.now_ms)
        elif what == "restart":
            life = life.again()
        else:
            while life.shard.advance(None, life.now_ms):
                pass
        outcomes = life.commit()
        assert all(each.at_ms <= latest_ms for each in outcomes), "before its time on the clock"
        sent += [each for each in outcomes if each.outcome == SENT]
    assert len({each.key for each in sent}) == len(sent)
    counts = {contact: len(times) for contact, times in entered.items()}
    assert counts == {c: sum(each.contact == c for each in sent) for c in counts}


def visits_of(life: Life, contact: str) -> set[str]:
    kept = life.shard.partitions[partition_of(contact)].contact(contact)
    return set() if kept is None else {each.id for each in kept.visits}
