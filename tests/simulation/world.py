"""World: shards, gateways, a courier and senders of one seed; what breaks; and how it ends well."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

from actors.courier import Courier
from actors.errors import OperatorError
from actors.frame import HandoverRecord, decode_frame
from actors.links.link import (
    AskStatus,
    Drain,
    EraseContact,
    LinkClient,
    LinkError,
    PublishNow,
    Status,
)
from actors.map import even_map
from actors.settings import SnapshotSettings
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.log import FileLog, Sizes
from actors.store.snapshots import SnapshotFiles
from channels.delivery import Channels
from engine.contacts.identity import partition_of
from ingest.gateway import Gateway
from ingest.settings import GatewaySettings
from tests.actors.store.power import NoLock, PowerDisk
from tests.simulation import stage
from tests.simulation.disk import ProcessDisk
from tests.simulation.harm import Harm
from tests.simulation.ledger import LedgerClient
from tests.simulation.loop import KilledError, Process, Scheduler
from tests.simulation.network import Network
from tests.simulation.post import Post
from tests.simulation.shop import contacts, happenings, publication

SIZES = Sizes(segment=2048, first=512, spare=0)
HOUR_MS = 3_600_000
KEEP_MS = 90 * 24 * HOUR_MS
TURNS_MAX = 150_000
TRUSTS_STATUS = False
"""Whether the operator takes for durable what a shard says is published: only to break it."""


class Seat:
    """A process that is started again whenever it ends, as Ray does."""

    def __init__(
        self, world: "World", name: str, serve: Callable[["Seat"], Coroutine[Any, Any, None]]
    ) -> None:
        self.name = name
        self._world = world
        self._serve = serve
        self.starts = 0
        self.process: Process = world.network.process(f"{name}")
        self.start()

    def start(self) -> None:
        """Start it."""
        self.starts += 1
        if self.starts > 1:
            self.process = self._world.network.process(self.name)
        self.process.died = self.died
        self._world.scheduler.note(self.name, f"starts ({self.starts})")
        process = self.process
        process.call_soon(lambda: process.create_task(self._run(process)))

    def crash(self, why: str) -> None:
        """Kill it."""
        if self.process.alive:
            self._world.scheduler.note(self.name, f"is killed: {why}")
            self._world.scheduler.kill(self.process)

    def died(self) -> None:
        """Start it again, after a while."""
        world = self._world
        world.network.kill(self.process)
        world.driver.call_later(0.02 + 0.3 * world.random.random(), self.start)

    async def _run(self, process: Process) -> None:
        try:
            await self._serve(self)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if not process.ending:
                self._world.scheduler.fault(self.name, f"cannot go on: {error!r}")
                raise


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.random = random = Random(seed * 7 + 1)
        self.network = Network(scheduler)
        self.driver = self.network.process("world")
        self.clock = stage.SimulatedClock(scheduler, random.choice((1, 60, 600, 2000)))
        self.disk = PowerDisk()
        self.post = Post(scheduler, self._links)
        self.shards = random.choice((1, 1, 2))
        self.gateways = random.choice((1, 1, 2))
        self.key = bytes(32) if random.random() < 0.1 else None
        self.healed = False
        self.published = 0
        self.told_published: set[tuple[int, bytes]] = set()
        """Shard and publication, of those that an operator takes for durable."""
        self.erased: set[str] = set()
        self.erasing = 0
        """Erasures asked for and not answered."""
        self.services: dict[int, ShardService] = {}
        self.disks: dict[int, ProcessDisk] = {}
        self.sockets = [f"/simulated/shard-{slot}" for slot in range(self.shards)]
        self.folders = [Path(f"/data/shard-{slot}") for slot in range(self.shards)]
        self.contacts = contacts(random, self.shards, stage.PARTITIONS, random.randint(1, 5))
        self.network.slowness = random.choice((0.0, 0.01, 0.05))
        self.network.splitting = random.choice((0.0, 0.1, 0.5))
        self.snapshot_settings = SnapshotSettings(
            log_bytes=random.choice((200, 1500, 1 << 20)), interval_s=random.choice((0.1, 1.0))
        )
        self.ends_unknowing = random.choice((0.0, 0.0, 0.02))
        stage.SimulatedCommitter.durable = self._durable
        self.shard_seats = [
            Seat(self, f"shard-{slot}", self._serving(slot)) for slot in range(self.shards)
        ]
        self.gateway_seats = [
            Seat(self, f"gateway-{number}", self._gating(number)) for number in range(self.gateways)
        ]
        self.courier_seat = Seat(self, "courier", self._serve_courier)
        self.senders = [self._sender(number) for number in range(random.choice((1, 2, 3)))]
        self.span_s = random.choice((0.5, 1.0, 2.0))
        """How long things go wrong."""

    # Processes.

    def _serving(self, slot: int) -> Callable[[Seat], Coroutine[Any, Any, None]]:
        async def serve(seat: Seat) -> None:
            process = seat.process
            disk = self.disks[slot] = ProcessDisk(self.disk, process, self.scheduler.random)
            log, snapshots = await self._opened(slot, disk)
            service = ShardService(
                Shard(slot, self.shards, self.clock),
                log,
                self._failed,
                snapshots=snapshots,
                settings=self.snapshot_settings,
                files=SlotFiles(
                    self.folders[slot], log=log, snapshots=snapshots, key=self.key, disk=disk
                ),
            )
            await service.start(self.sockets[slot])
            self.services[slot] = service

        return serve

    async def _opened(self, slot: int, disk: ProcessDisk) -> tuple[FileLog, SnapshotFiles]:
        """Open log and snapshots; a full disk is the operator's to mend, and it is tried again."""
        while True:
            try:
                return open_slot(
                    self.folders[slot],
                    self.key,
                    KEEP_MS,
                    self.clock.read,
                    disk=disk,
                    lock=NoLock(),
                    sizes=SIZES,
                )
            except (OperatorError, OSError) as error:
                if self.disk.space is None:
                    raise
                self.scheduler.note(f"shard-{slot}", f"cannot start: {error}")
                await asyncio.sleep(0.1)

    def _durable(self, process: Process, frames: list[bytes]) -> None:
        """Note what is durable, and sometimes let the process end before it knows."""
        for frame in frames:
            for record in decode_frame(frame).records:
                if isinstance(record, HandoverRecord):
                    self.post.handovers[record.key] += 1
        if not self.healed and self.random.random() < self.ends_unknowing:
            self.scheduler.note(process.name, "dies with a commit that nobody knows of")
            self.scheduler.kill(process)
            raise KilledError

    def _failed(self, error: Exception) -> None:
        self.scheduler.fault("committer", f"failed: {error!r}")
        raise KilledError

    def _gating(self, number: int) -> Callable[[Seat], Coroutine[Any, Any, None]]:
        async def serve(seat: Seat) -> None:
            settings = GatewaySettings(port=number, deadline_s=1.0)
            await Gateway(settings, even_map(self.sockets)).start()

        return serve

    async def _serve_courier(self, seat: Seat) -> None:
        await Courier(even_map(self.sockets), Channels(self.post, {}), ["email"]).run()

    def _sender(self, number: int) -> LedgerClient:
        random = self.random
        name = f"sender-{number}"
        process = self.network.process(name)
        events = happenings(random, self.contacts, name, random.randint(4, 25))
        addresses = [f"127.0.0.1:{gateway}" for gateway in range(self.gateways)]
        return LedgerClient(process, addresses, events, self.clock.read, random)

    # The course of things.

    def run(self) -> None:
        """Let it all happen; what went wrong is in the scheduler's faults."""
        scheduler = self.scheduler
        self.driver.call_soon(lambda: self.driver.create_task(self.publish(first=True)))
        Harm(self).plan()
        if not scheduler.run_until(self._all_sent, TURNS_MAX):
            self._stuck("not all events were acknowledged")
        for _ in range(4):
            self.clock.offset_ms += HOUR_MS
            if not scheduler.run_until(self._quiet, TURNS_MAX):
                self._stuck("it does not come to rest")

    def _stuck(self, what: str) -> None:
        if not self.scheduler.faults:
            depths = [service.outbox.depth for service in self.services.values()]
            self.scheduler.fault("world", f"{what}; outbox {depths}")

    def _all_sent(self) -> bool:
        sent = all(sender.done for sender in self.senders)
        return self.healed and sent and not self.erasing

    def _quiet(self) -> bool:
        if len(self.services) < self.shards or self.scheduler.turns % 16:
            return False
        for slot, service in self.services.items():
            if not self.shard_seats[slot].process.alive or service.outbox.depth:
                return False
            if service._inbox or service._uncommitted or service._timers.due:
                return False
            if service.shard.timers_due(self.clock.read()):
                return False
        return True

    async def drain(self, slot: int) -> None:
        """Stop a shard in good order: it is drained, and then ended."""
        try:
            client = await LinkClient.connect(self.sockets[slot])
            await client.ask(Drain(0))
            self.scheduler.note("world", f"shard-{slot} is drained")
        except (OSError, LinkError) as error:
            self.scheduler.note("world", f"shard-{slot} cannot be drained: {error}")
        self.shard_seats[slot].crash("it was drained")

    async def erase(self, contact: str) -> None:
        """Erase a contact, as often as it takes until that is answered; it is kept out for good."""
        self.erased.add(contact)
        slot = partition_of(contact) * self.shards // stage.PARTITIONS
        while True:
            try:
                client = await LinkClient.connect(self.sockets[slot])
            except OSError:
                await asyncio.sleep(0.05)
                continue
            try:
                await client.ask(EraseContact(0, contact, KEEP_MS))
            except LinkError as error:
                self.scheduler.note("world", f"{contact} is not erased yet: {error}")
                await asyncio.sleep(0.05)
            else:
                self.scheduler.note("world", f"{contact} is erased")
                self.erasing -= 1
                return
            finally:
                client.close()

    async def publish(self, *, first: bool = False) -> None:
        """Put a publication in force in every shard, as `anlass run` does; then senders begin."""
        source = publication(self.published)
        for slot, socket in enumerate(self.sockets):
            while True:
                try:
                    client = await LinkClient.connect(socket)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                try:
                    reply = await client.ask(AskStatus(0))
                    assert isinstance(reply, Status)
                    if reply.status["published"] != source or not TRUSTS_STATUS:
                        await client.ask(PublishNow(0, source))
                    self.told_published.add((slot, source))
                    break
                except LinkError:
                    await asyncio.sleep(0.05)
                finally:
                    client.close()
        if first:
            for sender in self.senders:
                sender.pace_s = self.random.choice((0.0, 0.01, 0.1))
                process = sender.process
                process.call_soon(lambda p=process, s=sender: p.create_task(s.send_all()))

    async def publish_twice(self) -> None:
        """Publish and go away at once, as if it took too long; then publish the same again."""
        source = publication(self.published)
        for socket in self.sockets:
            try:
                client = await LinkClient.connect(socket)
            except OSError:
                continue
            client.ask(PublishNow(0, source)).cancel()
            await asyncio.sleep(0.002)
            client.close()
        await self.publish()

    def _links(self, contact: str) -> int:
        """Return how many links the courier has had to a contact's shard, one at a time.

        Only over another one may a key come again: the outcome of its try was lost with the link.
        """
        slot = partition_of(contact) * self.shards // stage.PARTITIONS
        return self.network.connections[f"courier>shard-{slot}"]
