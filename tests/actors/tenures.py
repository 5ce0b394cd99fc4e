"""Slots of one store in Redis, each held as by a process of its own; a test is the Controller."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from actors.control.roster import Roster, encode_roster
from actors.control.tenure import Tenure
from actors.links.link import (
    Accept,
    Accepted,
    EraseContact,
    Erased,
    LinkClient,
    LinkEvent,
    OpenPartition,
    PublishNow,
)
from actors.map import shard_of
from actors.settings import ClusterSettings, RedisSettings
from actors.shards.mover import Mover
from actors.shards.service import ShardService
from actors.store.archive import read_archive
from actors.store.redis_map import RedisMap
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from actors.store.redis_store import open_redis_store
from actors.store.redis_stream import Reader, read_entries
from actors.verify.finding import Counts, Finding
from actors.verify.redis import verify_redis
from engine.contacts.identity import partition_of
from engine.limits import DAY_MS, PARTITIONS


class Tenures:
    """Slots 0 and 1 at first, with an even share each; more come empty."""

    def __init__(self, settings: RedisSettings, folder: Path) -> None:
        self.folder = folder
        self.settings = ClusterSettings(
            redis=settings, archive=str(folder / "archive"), clock="events"
        )
        self.server = RedisServer(settings)
        self.map = RedisMap(self.server)
        self.tenures: dict[int, Tenure] = {}
        self.ended: list[Exception] = []
        """Why processes would have ended."""
        self._roster = Roster(wanted=2, next_slot=0)
        open_redis_store(self.server, 2, "events", encrypted=False, key=None)
        owners = {number: shard_of(number, 2) for number in range(PARTITIONS)}
        self.map.change(0, owners, encode_roster(self._roster))

    async def open(self, slot: int) -> None:
        """Hold a slot, in a process of its own as it were, and serve it."""
        self._roster.holders[slot] = f"shard-{slot}"
        self._roster.next_slot = max(self._roster.next_slot, slot + 1)
        self._say()
        socket = self.folder / f"{slot}.sock"
        tenure = Tenure(slot, self.settings, self.map, socket, self._tell, self.ended.append)
        await tenure.open(None, "here", "", None)
        assert tenure.held.serves, tenure.held.error
        self.tenures[slot] = tenure

    async def close(self, slot: int) -> None:
        """Let go of a slot that somebody is to hold still."""
        await self.tenures.pop(slot).close()

    async def retire(self, slot: int) -> None:
        """Let go of a slot for good."""
        await self.close(slot)
        del self._roster.holders[slot]
        self._say()

    def _say(self) -> None:
        self.map.change(self.map.version(), document=encode_roster(self._roster))

    async def _tell(self, slot: int, partition: int) -> None:
        async with self.client(slot) as client:
            await client.ask(OpenPartition(0, slot, partition))

    def service(self, slot: int) -> ShardService:
        service = self.tenures[slot].service
        assert service is not None
        return service

    def mover(self, slot: int) -> Mover:
        mover = self.tenures[slot].mover
        assert mover is not None
        return mover

    @contextlib.asynccontextmanager
    async def client(self, slot: int) -> AsyncIterator[LinkClient]:
        client = await LinkClient.connect(str(self.folder / f"{slot}.sock"))
        try:
            yield client
        finally:
            client.close()

    def owner(self, contact: str) -> int:
        return self.map.read().owners[partition_of(contact)]

    async def send(self, *events: LinkEvent) -> list[int]:
        """Send events of one contact to the slot that has it."""
        async with self.client(self.owner(events[0].contact)) as client:
            reply = await client.ask(Accept(0, list(events)))
        assert isinstance(reply, Accepted)
        return list(reply.verdicts)

    async def publish(self, slot: int, source: bytes, serial: int = 1) -> None:
        async with self.client(slot) as client:
            await client.ask(PublishNow(0, source, serial))

    async def move(self, contact: str, to_slot: int) -> None:
        await self.mover(self.owner(contact)).give(partition_of(contact), to_slot)

    async def erase(self, contact: str, keep_out_ms: int = DAY_MS) -> Erased:
        async with self.client(self.owner(contact)) as client:
            reply = await client.ask(EraseContact(0, contact, keep_out_ms))
        assert isinstance(reply, Erased)
        return reply

    async def archive(self, slot: int) -> None:
        """Let a slot's log go to its archive, with snapshots of all there is in it."""
        service = self.service(slot)
        assert service._snapshots is not None

        def write() -> None:
            for number in service.shard.partitions:
                service._snapshots.write(*service.shard.snapshot(number))  # type: ignore[union-attr]
            service.log.release(service.shard.position)

        await asyncio.to_thread(write)

    def state(self, contact: str) -> bytes | None:
        partition = self.service(self.owner(contact)).shard.partitions[partition_of(contact)]
        return partition.contact_bytes(contact)

    @property
    def erasures(self) -> bool:
        """Whether there is an erasure that is not carried out everywhere."""
        return bool(self.server.run("EXISTS", self.server.key("erasures")))

    async def until_erased(self) -> None:
        """Wait until no erasure is open anywhere."""
        async with asyncio.timeout(30):
            while self.erasures:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def held(self, *slots: int) -> bytes:
        """Return all that server and archive hold of these slots, or of all; unpacked."""
        everywhere = not slots
        held = b""
        for slot in slots or range(self._roster.next_slot):
            reader = Reader("log", None)
            for entry in read_entries(self.server, self.server.key("log", slot), 0):
                held += b"".join(reader.bodies(entry))
            held += repr(self.server.run("HGETALL", self.server.key("files", slot))).encode()
            for path in sorted((self.folder / "archive" / f"shard-{slot}").rglob("*.zst")):
                held += b"".join(read_archive(path, None))
        if everywhere:
            snapshots = RedisSnapshots(self.server, None)
            for heads in snapshots.all_heads().values():
                held += repr([(head, list(snapshots.rows(head))) for head in heads]).encode()
        return held

    def verify(self) -> list[Finding]:
        redis, archive = self.settings.redis, self.settings.archive
        found = verify_redis(redis, archive, self.folder, None, Counts())
        return [each for each in found if each.damage]


@contextlib.asynccontextmanager
async def tenures(settings: RedisSettings, source: bytes) -> AsyncIterator[Tenures]:
    """Have slots 0 and 1 served, with a publication in force."""
    with tempfile.TemporaryDirectory(prefix="slots-", ignore_cleanup_errors=True) as name:
        here = Tenures(settings, Path(name))
        try:
            for slot in (0, 1):
                await here.open(slot)
                await here.publish(slot, source)
            yield here
        finally:
            for slot in list(here.tenures):
                await here.close(slot)
            here.server.close()
            await asyncio.sleep(0.01)  # The transports end in the loop's next turns.
