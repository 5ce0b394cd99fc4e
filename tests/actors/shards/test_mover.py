"""Partitions move between two shards that serve, and all is as if they had not."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest

from actors.clock import EventClock
from actors.links.link import (
    Accept,
    Accepted,
    Done,
    Handed,
    LinkClient,
    OpenPartition,
    Pull,
    RunOut,
)
from actors.map import ON_ITS_WAY
from actors.shards.mover import MoveError
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.store.port import SnapshotHead, StoreFullError, StoreLostError
from engine.contacts.identity import partition_of
from engine.input import Receipt, Verdict
from tests.actors.memory_store import MemoryLog
from tests.actors.shards.slots import HOUR, NOON, SOURCE, event, two_slots
from tests.publications import MAIL, journey, source_of

CONTACTS = [f"c-{number}" for number in range(40)]


async def test_a_contact_goes_on_where_its_partition_moves_to(tmp_path: Path) -> None:
    async with two_slots(tmp_path) as slots:
        partition = partition_of("c-1")
        old = slots.owners[partition]
        new = 1 - old
        assert await slots.send(event("e-1")) == [Verdict.APPLIED]
        before = slots.state("c-1")
        await slots.give(partition, new)
        assert slots.owners[partition] == new
        assert slots.state("c-1") == before
        assert await slots.send(event("e-1")) == [Verdict.REPEAT]
        reply = await slots.clients[old].ask(Accept(0, [event("e-2")]))
        assert isinstance(reply, Accepted)
        assert list(reply.verdicts) == [Verdict.MOVED]
        assert [(each.partition, each.slot) for each in reply.moves] == [(partition, new)]
        assert await slots.send(event("late", at_ms=NOON + 2 * HOUR)) == [Verdict.APPLIED]
        assert len(await slots.pulled(new)) == 1
        assert await slots.pulled(old) == []
        counted = [await slots.status(slot) for slot in (old, new)]
        assert [each["events_applied"] for each in counted] == [0, 2]
        assert [each["events_repeated"] for each in counted] == [0, 1]


async def test_a_message_that_a_courier_has_is_handed_over_by_the_new_owner_until_its_receipt_comes(
    tmp_path: Path,
) -> None:
    async with two_slots(tmp_path) as slots:
        partition = partition_of("c-1")
        old = slots.owners[partition]
        await slots.send(event("e-1"))
        await slots.send(event("e-2", at_ms=NOON + 2 * HOUR))
        handed = await slots.pulled(old)
        assert len(handed) == 1
        await slots.give(partition, 1 - old)
        receipt = Receipt("c-1", handed[0], delivered=True)
        assert await slots.settled(old, receipt) == [0]
        assert await slots.pulled(1 - old) == handed
        assert await slots.settled(1 - old, receipt) == []
        assert (await slots.status(1 - old))["outbox"] == 0


async def test_a_partition_stays_where_its_last_snapshot_cannot_be_written(tmp_path: Path) -> None:
    async with two_slots(tmp_path) as slots:
        partition = partition_of("c-1")
        old = slots.owners[partition]
        await slots.send(event("e-1"))
        await slots.send(event("e-2", at_ms=NOON + 2 * HOUR))
        sent: list[asyncio.Future[Any]] = []
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def refuse(_: SnapshotHead) -> None:
            loop.call_soon_threadsafe(begun.set)
            future = asyncio.run_coroutine_threadsafe(send_amid(), loop)
            assert future.result(5) == [Verdict.MOVED]
            raise StoreFullError("no space")

        async def send_amid() -> list[int]:
            reply = await slots.clients[old].ask(Accept(0, [event("e-3")], 7))
            assert isinstance(reply, Accepted)
            assert [each.slot for each in reply.moves] == [ON_ITS_WAY]
            return list(reply.verdicts)

        slots.snapshots.before_write = refuse
        with pytest.raises(MoveError, match=f"partition {partition} stays: no space"):
            await slots.give(partition, 1 - old)
        assert not sent
        assert slots.owners[partition] == old
        # Of the attempt in which one was not taken, none is: it would overtake.
        assert await slots.send(event("e-4"), attempt=7) == [Verdict.MOVED]
        assert await slots.send(event("e-3"), event("e-4"), attempt=8) == [Verdict.APPLIED] * 2
        assert len(await slots.pulled(old)) == 1


async def test_a_move_of_which_the_store_told_nobody_is_carried_out_by_the_next_start(
    tmp_path: Path,
) -> None:
    async with two_slots(tmp_path) as slots:
        partition = partition_of("c-1")
        old = slots.owners[partition]
        new = 1 - old
        await slots.send(event("e-1"))
        before = slots.state("c-1")
        slots.deaf.add(new)
        await slots.give(partition, new)
        assert await slots.send(event("e-2"), slot=new) == [Verdict.MOVED]
        await slots.stop(new)
        await slots.start(new)
        assert slots.state("c-1") == before
        assert await slots.send(event("e-2", at_ms=NOON + 1)) == [Verdict.APPLIED]
        after = slots.state("c-1")
        for slot in (new, old):
            await slots.stop(slot)
            await slots.start(slot)
        assert slots.state("c-1") == after


async def test_the_store_is_asked_again_where_nobody_knows_whether_it_was_given(
    tmp_path: Path,
) -> None:
    async with two_slots(tmp_path) as slots:
        partition = partition_of("c-1")
        old = slots.owners[partition]
        tries: list[int] = []

        def lose(number: int) -> None:
            tries.append(number)
            if len(tries) < 3:
                raise StoreLostError("no answer")

        slots.ownership[old].before_give = lose
        await slots.give(partition, 1 - old)
        assert tries == [partition] * 3
        assert await slots.send(event("e-1")) == [Verdict.APPLIED]


async def test_only_the_owner_that_the_store_names_opens_a_partition(tmp_path: Path) -> None:
    async with two_slots(tmp_path) as slots:
        partition = partition_of("c-1")
        other = 1 - slots.owners[partition]
        mover = slots.services[other].mover
        assert mover is not None
        with pytest.raises(MoveError, match=f"is slot {1 - other}'s, not {other}'s"):
            await mover.open(partition)


@pytest.mark.parametrize("newer", ["giver", "taker"])
async def test_a_partition_that_moves_amid_a_publish_ends_with_what_is_newer(
    tmp_path: Path, newer: str
) -> None:
    later = source_of(journey("two", nodes=[MAIL]))
    async with two_slots(tmp_path) as slots:
        partition = partition_of("c-1")
        old = slots.owners[partition]
        new = 1 - old
        await slots.publish(old if newer == "giver" else new, later, 2)
        await slots.give(partition, new)
        shard = slots.services[new].shard
        assert shard.partitions[partition].published == later
        for _ in range(2):
            await slots.publish(new, later, 2)
            assert {each.published for each in shard.partitions.values()} == {later}
            await slots.stop(new)
            await slots.start(new)
            shard = slots.services[new].shard


async def test_a_new_slot_begins_with_the_publication_of_what_comes_to_it(tmp_path: Path) -> None:
    async with two_slots(tmp_path) as slots:
        await slots.give_all(1, 0)
        await slots.stop(1)
        slots.logs[1] = MemoryLog()
        await slots.start(1)
        partition = partition_of("c-1")
        await slots.give(partition, 1)
        assert slots.services[1].shard.published == SOURCE
        assert await slots.send(event("e-1")) == [Verdict.APPLIED]
        await slots.stop(1)
        await slots.start(1)
        assert slots.services[1].shard.published == SOURCE
        assert await slots.send(event("e-1")) == [Verdict.REPEAT]


async def test_a_new_slot_hands_over_the_templates_of_what_comes_to_it(tmp_path: Path) -> None:
    async with two_slots(tmp_path) as slots:
        partition = partition_of("c-1")
        await slots.give_all(1, 0)
        await slots.stop(1)
        slots.logs[1] = MemoryLog()
        await slots.start(1)
        await slots.give(partition, 1)
        await slots.send(event("e-1"))
        await slots.send(event("e-2", at_ms=NOON + 2 * HOUR))
        handed = await slots.clients[1].ask(Pull(0, "email", 100, 30))
        assert isinstance(handed, Handed)
        assert [each.template for each in handed.deliveries] == ["hello"]
        assert list(handed.templates) == ["hello.en"]


async def test_the_log_is_kept_from_where_it_tells_of_a_partition_that_came(tmp_path: Path) -> None:
    async with two_slots(tmp_path) as slots:
        partition = partition_of("c-1")
        new = 1 - slots.owners[partition]
        mine = next(each for each in CONTACTS if slots.owners[partition_of(each)] == new)
        await slots.send(event("e-1", contact=mine))
        service = slots.services[new]
        snapshotter = service._snapshotter
        assert snapshotter is not None
        for count in (1, 2):
            await slots.send(event(f"e-1{count}", contact=mine))
            assert await snapshotter.drain() == ""
        came_at = service.shard.position
        await slots.give(partition, new)
        for count in (1, 2):
            await slots.send(event(f"e-2{count}", contact=mine))
            assert await snapshotter.drain() == ""
            expected = came_at if count == 1 else came_at + 2
            assert snapshotter.needed_position == expected


async def test_a_service_without_a_cluster_has_no_map(tmp_path: Path) -> None:
    service = ShardService(Shard(0, 1, EventClock()), MemoryLog())
    await service.start(str(tmp_path / "s.sock"))
    client = await LinkClient.connect(str(tmp_path / "s.sock"))
    with pytest.raises(Exception, match="partitions do not move"):
        await client.ask(OpenPartition(0, 0, 0))
    client.close()
    await service.stop()


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_moves_and_starts_again_states_and_messages_are_those_of_one_shard(
    tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    alone = Shard(0, 1, EventClock())
    alone.publish(SOURCE, 0, 1)
    async with two_slots(tmp_path) as slots:
        now_ms = NOON
        for number in range(150):
            now_ms += random.choice([0, 1_000, 60_000, HOUR])
            contact = random.choice(CONTACTS)
            what = random.random()
            if what < 0.7:
                id = f"e-{number if what < 0.6 else random.randrange(number + 1)}"
                one = event(id, contact, now_ms)
                verdict = alone.apply_event(one, 0)
                assert await slots.send(one) == [verdict]
            elif what < 0.92:
                partition = partition_of(contact)
                await slots.give(partition, 1 - slots.owners[partition])
            elif what < 0.96:
                slot = random.randrange(2)
                await slots.stop(slot)
                await slots.start(slot)
            else:
                snapshotter = slots.services[random.randrange(2)]._snapshotter
                assert snapshotter is not None
                assert await snapshotter.drain() == ""
                snapshotter._hurry.clear()
        for client in slots.clients.values():
            assert isinstance(await client.ask(RunOut(0, now_ms + 2 * HOUR)), Done)
        while alone.advance(now_ms + 2 * HOUR, 0):
            pass
        for contact in CONTACTS:
            mine = alone.partitions[partition_of(contact)].contact_bytes(contact)
            assert slots.state(contact) == mine
        frame = alone.cut()
        assert frame is not None
        expected = {each.key for each in frame.outcomes}
        told = {each.key for log in slots.logs for one in log.frames() for each in one.outcomes}
        assert told == expected
        counted = [await slots.status(slot) for slot in (0, 1)]
        for name, count in alone.total.counts().items():
            assert sum(each[name] for each in counted) == count
