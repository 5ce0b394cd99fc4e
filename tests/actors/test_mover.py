"""Partitions move between two shards that serve, and all is as if they had not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from actors.clock import EventClock
from actors.link import (
    Accept,
    Accepted,
    AskStatus,
    Done,
    Handed,
    LinkClient,
    LinkEvent,
    OpenPartition,
    PublishNow,
    Pull,
    RunOut,
    Settle,
    Status,
)
from actors.map import ON_ITS_WAY, even_map
from actors.mover import MoveError, Moving
from actors.service import ShardService
from actors.settings import SnapshotSettings
from actors.shard import Shard
from actors.store.port import SnapshotHead, StoreFullError, StoreLostError
from engine.identity import partition_of
from engine.input import Receipt, Verdict
from tests.actors.memory_store import MemoryLog, MemoryOwnership, MemorySnapshots
from tests.publications import MAIL, journey, source_of

NOON = 1_700_000_000_000
HOUR = 3_600_000
SOURCE = source_of(
    journey("one", nodes=[{"id": "w", "wait": "1h"}, MAIL], reentry={"again": "always"})
)
CONTACTS = [f"c-{number}" for number in range(40)]
SELDOM = SnapshotSettings(interval_s=3_600.0, log_bytes=1 << 30)


class Slots:
    """Two slots over one store in memory, each served by a process of its own, as it were."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owners = even_map(2).owners
        self.versions: list[int] = []
        self.snapshots = MemorySnapshots()
        self.logs = [MemoryLog(), MemoryLog()]
        self.ownership = [MemoryOwnership(slot, self.owners, self.versions) for slot in (0, 1)]
        self.services: dict[int, ShardService] = {}
        self.clients: dict[int, LinkClient] = {}
        self.deaf: set[int] = set()
        """Slots that are not told when a partition comes to them."""

    async def start(self, slot: int) -> None:
        """Serve a slot; what it knows, it knows from the store."""
        numbers = [number for number, owner in enumerate(self.owners) if owner == slot]
        service = ShardService(
            Shard(slot, 0, EventClock(), numbers),
            self.logs[slot],
            snapshots=self.snapshots,
            settings=SELDOM,
            moving=Moving(self.ownership[slot], self._tell),
        )
        socket = str(self.folder / f"{slot}.sock")
        await service.start(socket)
        self.services[slot] = service
        self.clients[slot] = await LinkClient.connect(socket)
        await self.status(slot)  # Its end of the link is there.

    async def stop(self, slot: int) -> None:
        self.clients[slot].close()
        await self.services[slot].stop()

    async def give(self, partition: int, to_slot: int) -> None:
        mover = self.services[self.owners[partition]].mover
        assert mover is not None
        await mover.give(partition, to_slot)

    async def send(
        self, *events: LinkEvent, slot: int | None = None, attempt: int = 0
    ) -> list[int]:
        slot = self.owners[events[0].partition] if slot is None else slot
        reply = await self.clients[slot].ask(Accept(0, list(events), attempt))
        assert isinstance(reply, Accepted)
        return list(reply.verdicts)

    async def publish(self, slot: int, source: bytes, serial: int) -> None:
        assert isinstance(await self.clients[slot].ask(PublishNow(0, source, serial)), Done)

    async def pulled(self, slot: int) -> list[str]:
        reply = await self.clients[slot].ask(Pull(0, "email", 100, 30))
        assert isinstance(reply, Handed)
        return [each.key for each in reply.deliveries]

    async def settled(self, slot: int, receipt: Receipt) -> list[int]:
        reply = await self.clients[slot].ask(Settle(0, [receipt]))
        assert isinstance(reply, Done)
        return reply.elsewhere

    async def status(self, slot: int) -> dict[str, Any]:
        reply = await self.clients[slot].ask(AskStatus(0))
        assert isinstance(reply, Status)
        return reply.status

    def state(self, contact: str) -> bytes | None:
        partition = partition_of(contact)
        shard = self.services[self.owners[partition]].shard
        return shard.partitions[partition].contact_bytes(contact)

    async def _tell(self, slot: int, partition: int) -> None:
        if slot in self.deaf:
            raise OSError("nobody listens")
        await self.clients[slot].ask(OpenPartition(0, slot, partition))


@asynccontextmanager
async def two_slots(folder: Path, source: bytes = SOURCE) -> AsyncIterator[Slots]:
    slots = Slots(folder)
    for slot in (0, 1):
        await slots.start(slot)
        await slots.publish(slot, source, 1)
    try:
        yield slots
    finally:
        for slot in (0, 1):
            await slots.stop(slot)
        await asyncio.sleep(0.01)  # The transports end in the loop's next turns.


def event(id: str, contact: str = "c-1", at_ms: int = NOON, name: str = "hi") -> LinkEvent:
    return LinkEvent(partition_of(contact), contact, id, name, at_ms, b"{}")


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
        mine = [number for number, owner in enumerate(slots.owners) if owner == 1]
        for number in mine:
            await slots.give(number, 0)
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
