"""A partition that moves amid a publish never goes back to what it had before, nor do templates."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from actors.clock import EventClock
from actors.frame import OpenedRecord, PublishRecord
from actors.links.link import Handed, Pull, RefusedError
from actors.shards.mover import MoveError
from actors.shards.pulls import SUPERSEDED
from actors.shards.recovery import load_head
from actors.shards.shard import Shard
from actors.store.port import SnapshotHead, StoreFullError
from engine.contacts.identity import partition_of
from engine.input import Verdict
from engine.language.journey import Publication
from tests.actors.shards.slots import HOUR, NOON, SOURCE, Slots, event, two_slots
from tests.publications import journey, source_of

PARTITION = partition_of("c-1")


def edition(number: int) -> bytes:
    """Return the publication SOURCE with another template, which says its number."""
    publication = msgspec.json.decode(SOURCE, type=Publication)
    text = f"---\nsubject: Hello\n---\nEdition {number}\n"
    changed = msgspec.structs.replace(publication, templates={"hello.en": text})
    return msgspec.json.encode(changed, order="sorted")


EDITIONS = [SOURCE, SOURCE, *map(edition, range(2, 40))]
"""By serial; the slots begin with 1."""


def numbers_in(slots: Slots, slot: int) -> set[int]:
    """Return the serials of what is in force in a slot: for decisions, and for templates."""
    shard = slots.services[slot].shard
    found = {EDITIONS.index(each.published) for each in shard.partitions.values()}
    return {*(max(each, 1) for each in found), max(EDITIONS.index(shard.published), 1)}


async def restarted(slots: Slots, slot: int) -> None:
    await slots.stop(slot)
    await slots.start(slot)
    assert slots.services[slot].shard.differences == 0


async def texts_of(slots: Slots, slot: int) -> str:
    """Let a message of c-1 be due, and return the templates that are handed over with it."""
    at_ms = NOON
    for hours in (0, 2, 4):
        at_ms = max(at_ms, slots.services[slot].shard.now_ms()) + hours * HOUR
        one = event(f"e-{at_ms}-{hours}", at_ms=at_ms)
        assert await slots.send(one) == [Verdict.APPLIED]
    reply = await slots.clients[slot].ask(Pull(0, "email", 100, 30))
    assert isinstance(reply, Handed)
    assert reply.deliveries
    return " ".join(reply.templates.values())


@pytest.mark.parametrize("snapshots", [False, True], ids=["from its log", "from snapshots"])
async def test_messages_are_rendered_by_what_their_partition_has_seen(
    tmp_path: Path, *, snapshots: bool
) -> None:
    async with two_slots(tmp_path) as slots:
        old = slots.owners[PARTITION]
        new = 1 - old
        snapshotter = slots.services[new]._snapshotter
        assert snapshotter is not None
        if snapshots:
            assert await snapshotter.drain() == ""
        await slots.publish(old, EDITIONS[2], 2)
        await slots.give(PARTITION, new)
        assert numbers_in(slots, new) == {2}
        assert "Edition 2" in await texts_of(slots, new)
        position = slots.services[new].shard.position
        await slots.publish(new, EDITIONS[2], 2)
        assert slots.services[new].shard.position == position, "it is in force already"
        await slots.timers_applied(new)
        before, position = slots.state("c-1"), slots.services[new].shard.position
        for _ in range(2):
            await restarted(slots, new)
            assert numbers_in(slots, new) == {2}
            assert slots.state("c-1") == before
            assert slots.services[new].shard.position == position, "nothing is left to do"
        assert slots.services[new].shard.serial == 2
        assert slots.services[new].shard.serials == {}


def test_timers_that_a_publish_planned_are_not_planned_anew_by_the_move() -> None:
    """The slot that a partition comes to puts its publication in force for all others alone."""
    yearly = source_of(journey("yearly", entry={"date": "birthday", "every": "year"}))
    giver, taker = (Shard(slot, 0, EventClock(), [PARTITION - slot]) for slot in (0, 1))
    taker.publish(SOURCE, NOON, 1)
    giver.apply_event(event("e-1"), NOON)
    giver.publish(yearly, NOON, 2)
    assert giver.partitions[PARTITION].waking_at_ms > 0
    while giver.advance(None, NOON):
        pass
    for each in (giver, taker):
        each.cut()
    head, rows = giver.snapshot(PARTITION)
    told = [(row.key, row.armed_at_ms, row.state) for each in rows for row in each]
    load_head(taker, head, told)
    due_at_ms = giver.partitions[PARTITION].next_due_at_ms
    taker.open(PARTITION, NOON)
    frame = taker.cut()
    assert frame is not None
    assert [type(each) for each in frame.records] == [PublishRecord, OpenedRecord]
    assert taker.partitions[PARTITION].next_due_at_ms == due_at_ms > NOON
    assert taker.partitions[PARTITION - 1].published == yearly


async def test_a_late_publisher_takes_nothing_back(tmp_path: Path) -> None:
    async with two_slots(tmp_path) as slots:
        old = slots.owners[PARTITION]
        new = 1 - old
        await slots.publish(old, EDITIONS[2], 2)
        await slots.publish(old, EDITIONS[3], 3)
        await slots.give(PARTITION, new)
        with pytest.raises(RefusedError, match=SUPERSEDED):
            await slots.publish(new, EDITIONS[2], 2)
        assert numbers_in(slots, new) == {3}
        await slots.publish(new, EDITIONS[4], 0)  # By who does not number them.
        assert numbers_in(slots, new) == {4}


@pytest.mark.parametrize("stays", [True, False], ids=["stays", "leaves"])
async def test_what_is_published_while_a_partition_is_on_its_way_reaches_it(
    tmp_path: Path, *, stays: bool
) -> None:
    async with two_slots(tmp_path) as slots:
        old = slots.owners[PARTITION]
        new = 1 - old
        await slots.send(event("e-1"))
        loop = asyncio.get_running_loop()

        def amid(_: SnapshotHead) -> None:
            for serial in (2, 3):
                publishing = slots.publish(old, EDITIONS[serial], serial)
                asyncio.run_coroutine_threadsafe(publishing, loop).result(5)
            if stays:
                raise StoreFullError("no space")

        slots.snapshots.before_write = amid
        if stays:
            with pytest.raises(MoveError):
                await slots.give(PARTITION, new)
        else:
            await slots.give(PARTITION, new)
        slots.snapshots.before_write = lambda _: None
        assert slots.owners[PARTITION] == (old if stays else new)
        assert numbers_in(slots, old) == {3}
        assert numbers_in(slots, new) == {1}
        await slots.publish(new, EDITIONS[3], 3)
        here = slots.owners[PARTITION]
        assert numbers_in(slots, new) == {3}
        assert "Edition 3" in await texts_of(slots, here)
        before = slots.state("c-1")
        await restarted(slots, here)
        assert slots.state("c-1") == before
        assert numbers_in(slots, here) == {3}


async def test_a_slot_that_began_with_an_older_one_has_all_alike_after_a_start(
    tmp_path: Path,
) -> None:
    """One partition was open there when its process died, another on its way with a newer one."""
    async with two_slots(tmp_path) as slots:
        await slots.add(2)
        mine = slots.owners.index(0)
        other = slots.owners.index(1)
        await slots.give(mine, 2)
        await slots.publish(1, EDITIONS[2], 2)
        slots.deaf.add(2)
        await slots.give(other, 2)
        assert numbers_in(slots, 2) == {1}
        for _ in range(2):
            await restarted(slots, 2)
            assert set(slots.services[2].shard.partitions) == {mine, other}
            assert numbers_in(slots, 2) == {2}
            assert slots.services[2].shard.serials == {}


@contextlib.asynccontextmanager
async def three_small_slots(folder: Path) -> AsyncIterator[Slots]:
    """Have three slots with partitions 0 to 5 between them: the others are nobody's."""
    slots = Slots(folder)
    slots.owners[:] = [*(0, 0, 0, 1, 1, 1), *[9] * 250]
    await slots.start(0)
    await slots.start(1)
    await slots.add(2)
    for slot in (0, 1):
        await slots.publish(slot, SOURCE, 1)
    try:
        yield slots
    finally:
        for slot in range(3):
            await slots.stop(slot)
        await asyncio.sleep(0.01)  # The transports end in the loop's next turns.


async def test_a_log_of_before_slots_took_over_what_came_is_levelled_by_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_slots(tmp_path) as slots:
        old = slots.owners[PARTITION]
        new = 1 - old
        snapshotter = slots.services[new]._snapshotter
        assert snapshotter is not None
        assert await snapshotter.drain() == ""
        await slots.publish(old, EDITIONS[2], 2)
        monkeypatch.setattr(Shard, "publish", lambda *_: None)
        await slots.give(PARTITION, new)
        monkeypatch.undo()
        assert numbers_in(slots, new) == {1, 2}
        await restarted(slots, new)
        assert numbers_in(slots, new) == {2}


@pytest.mark.parametrize("seed", range(16))
async def test_whatever_moves_and_is_published_nothing_goes_back(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    contacts = [f"c-{n}" for n in range(999) if partition_of(f"c-{n}") < 6]
    async with three_small_slots(tmp_path) as slots:
        seen = dict.fromkeys(range(6), 1)
        latest = 1
        for number in range(60):
            what, slot = random.random(), random.randrange(3)
            if what < 0.35:
                latest += random.random() < 0.6
                serial = max(1, latest - random.randrange(2))
                with contextlib.suppress(RefusedError):
                    await slots.publish(slot, EDITIONS[serial], serial)
            elif what < 0.8:
                partition = random.randrange(6)
                if slots.owners[partition] != slot:
                    await slots.give(partition, slot)
            elif what < 0.9:
                await restarted(slots, slot)
            else:
                one = event(f"e-{number}", random.choice(contacts), NOON + number)
                assert await slots.send(one) == [Verdict.APPLIED]
            for here in range(3):
                numbers = list(slots.services[here].shard.partitions)
                for each in numbers:
                    (in_force,) = numbers_in(slots, here)
                    assert in_force >= seen[each]
                    seen[each] = in_force
        for slot in range(3):
            await slots.publish(slot, EDITIONS[latest + 1], latest + 1)
            assert numbers_in(slots, slot) == {latest + 1}
