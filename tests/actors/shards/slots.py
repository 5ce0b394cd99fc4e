"""Two slots over one store in memory, each served as by a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from actors.clock import EventClock
from actors.links.link import (
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
    Settle,
    Status,
)
from actors.map import ClusterMap, Site, even_map
from actors.settings import SnapshotSettings
from actors.shards.mover import Moving
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from engine.contacts.identity import partition_of
from engine.input import Receipt
from tests.actors.memory_store import MemoryLog, MemoryOwnership, MemorySnapshots
from tests.publications import MAIL, journey, source_of

NOON = 1_700_000_000_000
HOUR = 3_600_000
SOURCE = source_of(
    journey("one", nodes=[{"id": "w", "wait": "1h"}, MAIL], reentry={"again": "always"})
)
SELDOM = SnapshotSettings(interval_s=3_600.0, log_bytes=1 << 30)


class Slots:
    """Two slots over one store in memory, each served by a process of its own, as it were."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owners = even_map(["a", "b"]).owners
        self.versions: list[int] = []
        self.snapshots = MemorySnapshots()
        self.logs = [MemoryLog(), MemoryLog()]
        self.ownership = [MemoryOwnership(slot, self.owners, self.versions) for slot in (0, 1)]
        self.services: dict[int, ShardService] = {}
        self.clients: dict[int, LinkClient] = {}
        self.deaf: set[int] = set()
        """Slots that are not told when a partition comes to them."""
        self.moved_to: dict[int, str] = {}
        """The socket of a slot that is served elsewhere than at first."""

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
        socket = self._socket(slot)
        await service.start(socket)
        self.services[slot] = service
        self.tell_all()
        await self.reconnect(slot)

    async def reconnect(self, slot: int) -> None:
        """Connect to a slot, again after its links were lost."""
        self.clients[slot] = await LinkClient.connect(self._socket(slot))
        await self.status(slot)  # Its end of the link is there.

    @property
    def map(self) -> ClusterMap:
        """As the Controller would tell it."""
        sites = {slot: Site("here", self._socket(slot)) for slot in self.services}
        return ClusterMap(len(self.versions), list(self.owners), sites)

    def tell_all(self) -> None:
        """Tell all slots the map, as the Controller would."""
        for service in self.services.values():
            assert service.mover is not None
            service.mover.map = self.map

    async def stop(self, slot: int) -> None:
        self.clients[slot].close()
        await self.services[slot].stop()

    async def add(self, slot: int) -> None:
        """Serve a slot that owns nothing yet."""
        self.logs.append(MemoryLog())
        self.ownership.append(MemoryOwnership(slot, self.owners, self.versions))
        await self.start(slot)

    async def open(self, slot: int, partition: int) -> None:
        """Let a slot open what the map says is its own."""
        mover = self.services[slot].mover
        assert mover is not None
        await mover.open(partition)

    async def give(self, partition: int, to_slot: int) -> None:
        mover = self.services[self.owners[partition]].mover
        assert mover is not None
        await mover.give(partition, to_slot)
        self.tell_all()

    async def send(
        self, *events: LinkEvent, slot: int | None = None, attempt: int = 0
    ) -> list[int]:
        slot = self.owners[events[0].partition] if slot is None else slot
        reply = await self.clients[slot].ask(Accept(0, list(events), attempt))
        assert isinstance(reply, Accepted)
        return list(reply.verdicts)

    async def publish(self, slot: int, source: bytes, serial: int) -> None:
        assert isinstance(await self.clients[slot].ask(PublishNow(0, source, serial)), Done)

    async def give_all(self, slot: int, to_slot: int) -> None:
        for number in [number for number, owner in enumerate(self.owners) if owner == slot]:
            await self.give(number, to_slot)

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

    async def timers_applied(self, slot: int) -> None:
        """Wait until no timer is due: the shard applies them beside what it is asked."""
        shard = self.services[slot].shard
        while any(each.next_due_at_ms <= shard.now_ms() for each in shard.partitions.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def state(self, contact: str) -> bytes | None:
        partition = partition_of(contact)
        shard = self.services[self.owners[partition]].shard
        return shard.partitions[partition].contact_bytes(contact)

    def _socket(self, slot: int) -> str:
        return str(self.folder / f"{self.moved_to.get(slot, slot)}.sock")

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
        for slot in list(slots.services):
            await slots.stop(slot)
        await asyncio.sleep(0.01)  # The transports end in the loop's next turns.


def event(id: str, contact: str = "c-1", at_ms: int = NOON, name: str = "hi") -> LinkEvent:
    return LinkEvent(partition_of(contact), contact, id, name, at_ms, b"{}")
