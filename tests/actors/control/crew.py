"""A cluster without Ray: shards as tasks of one loop, over a real Redis; some die, or hang."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from actors.control.charter import Charter, new_roster
from actors.control.controller import Controller, ReplacedError
from actors.control.orders import Beat, Orders
from actors.control.roster import Roster
from actors.control.shard_process import ShardProcess
from actors.control.tenure import Tenure
from actors.links.credentials import Credentials
from actors.links.link import (
    Accept,
    Accepted,
    LinkClient,
    LinkEvent,
    OpenPartition,
    PublishNow,
)
from actors.map import ClusterMap
from actors.settings import ClusterSettings, RedisSettings
from actors.store.redis_map import RedisMap
from actors.store.redis_server import RedisServer
from engine.contacts.identity import partition_of
from engine.input import Verdict
from tests.publications import journey, source_of

SOURCE = source_of(journey(entry={"event": "tick"}))


class Body:
    """One shard's process, as far as a test needs one."""

    def __init__(self, ground: "Ground", name: str) -> None:
        self.name = name
        self.ended = asyncio.Event()
        self.code: int | None = None
        """With which it ended by itself."""
        self.deaf = False
        """Whether it reaches no Controller."""
        self.tells = True
        """Whether it can tell others that a partition is theirs."""
        self._ground = ground
        self._host = f"host of {name}" if ground.credentials else "here"
        self._loop = asyncio.get_running_loop()
        self.process = ShardProcess(name, self._beat, self._tenure, self._open, self._end)
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self.process.run()
        self.ended.set()

    async def _beat(self, beat: Beat) -> Orders:
        if self.deaf:
            await asyncio.sleep(3600)
        controller = self._ground.controller
        assert controller is not None
        return controller.beat(beat)

    def _tenure(self, slot: int) -> Tenure:
        ground = self._ground
        socket = ground.folder / f"{self.name}-{slot}.sock"
        told = RedisMap(RedisServer(ground.settings.redis))
        return Tenure(slot, ground.settings, told, socket, self._tell, lambda _: self._end(70))

    async def _open(self, tenure: Tenure) -> None:
        keys = self._ground.credentials
        await tenure.open(None, self._host, "127.0.0.1" if keys else "", keys)

    async def _tell(self, slot: int, partition: int) -> None:
        if not self.tells:
            raise OSError("it cannot be told")
        address = self.process.map.sites[slot].address(self._host)
        client = await LinkClient.connect(address, self._ground.credentials)
        with contextlib.closing(client):
            await client.ask(OpenPartition(0, slot, partition))

    def _end(self, code: int) -> None:
        """From any thread, as os._exit is."""
        self.code = code
        self._loop.call_soon_threadsafe(self.die)

    def die(self) -> None:
        """Be there no more, as far as others can see; what it was stays, as a zombie's memory."""
        self.task.cancel()
        for tenure in self.process.tenures.values():
            if tenure.service is not None:
                tenure.service.door.close()
                tenure.service.door.close_links()
        self.ended.set()


class Ground:
    """Stands in for Ray: a Crew for the Controller."""

    def __init__(
        self, folder: Path, redis: RedisSettings, credentials: Credentials | None = None
    ) -> None:
        """With `credentials`, each shard is on a host of its own, and links go by TCP."""
        self.credentials = credentials
        self.folder = folder
        self.settings = ClusterSettings(redis=redis, archive=str(folder / "archive"))
        self.charter = Charter(redis)
        self.bodies: dict[str, Body] = {}
        self.ended: set[str] = set()
        self.there = ["here"]
        """Its nodes."""
        self.controller: Controller | None = None
        self._watched: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self, name: str, node: str) -> None:
        assert name not in self.bodies, "a name is of one process, ever"
        self.bodies[name] = Body(self, name)
        self.find(name)

    def find(self, name: str) -> None:
        self._watched.add(name)
        body = self.bodies.get(name)
        if body is None or body.ended.is_set():
            self.ended.add(name)

    def end(self, name: str) -> None:
        """Forget it: whoever is to be killed and cannot be reached lives on, here always."""
        self._watched.discard(name)
        self.ended.discard(name)

    def names(self) -> set[str]:
        return set(self._watched)

    def nodes(self) -> list[str]:
        return self.there

    def kill(self, name: str) -> None:
        """End a process at once, and let the Controller know, as Ray does."""
        self.bodies[name].die()
        self.ended.add(name)

    def note_ends(self) -> None:
        self.ended |= {name for name in self._watched if self.bodies[name].ended.is_set()}

    def begin(self, session: str = "session") -> Controller:
        """Have a Controller, another one than before."""
        self.lose_controller()
        self._watched.clear()
        self.ended.clear()
        self.controller = Controller(RedisMap(RedisServer(self.settings.redis)), self, session)
        self._task = asyncio.create_task(self._control(self.controller))
        return self.controller

    def lose_controller(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _control(self, controller: Controller) -> None:
        with contextlib.suppress(ReplacedError):
            await controller.run()

    @property
    def roster(self) -> Roster:
        return self.charter.read()[0]

    @property
    def map(self) -> ClusterMap:
        return self.charter.read()[1]

    async def until(self, holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait until this holds, asked beside the loop's work."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not await asyncio.to_thread(holds):
            self.note_ends()
            for body in self.bodies.values():
                if body.task.done() and not body.task.cancelled():
                    body.task.result()
            assert loop.time() < end, f"{what}: {self.roster}"
            await asyncio.sleep(0.02)

    def settled(self, shards: int) -> bool:
        try:
            roster, told = self.charter.read()
        except Exception:  # noqa: BLE001 - not begun yet
            return False
        counts = [told.owners.count(post.home) for post in roster.posts.values()]
        return (
            len(roster.posts) == shards == len(roster.live())
            and set(told.owners) == told.sites.keys() == set(roster.holders)
            and max(counts) - min(counts) <= 1
        )

    async def send(self, contact: str, id: str, socket: str = "") -> int:
        """Send one event to the slot that owns its contact, or to this socket; its verdict."""
        event = LinkEvent(partition_of(contact), contact, id, "tick", None, b"{}")
        while True:
            told = self.map
            address = socket or told.sites[told.owners[event.partition]].address("here")
            client = await LinkClient.connect(address, self.credentials)
            with contextlib.closing(client):
                reply = await client.ask(Accept(0, [event]))
            assert isinstance(reply, Accepted)
            if reply.verdicts[0] != Verdict.MOVED:
                return reply.verdicts[0]
            await asyncio.sleep(0.02)

    async def publish(self, source: bytes = SOURCE) -> None:
        for site in self.map.sites.values():
            client = await LinkClient.connect(site.address("here"), self.credentials)
            with contextlib.closing(client):
                await client.ask(PublishNow(0, source, 1))

    def scale(self, shards: int) -> None:
        def want(roster: Roster) -> None:
            roster.wanted = shards

        self.charter.change(want)


@contextlib.asynccontextmanager
async def ground(
    redis: RedisSettings,
    shards: int,
    credentials: Credentials | None = None,
    nodes: Sequence[str] = ("here",),
) -> AsyncIterator[Ground]:
    """Have a cluster of so many shards that serve."""
    with tempfile.TemporaryDirectory(prefix="crew-", ignore_cleanup_errors=True) as name:
        here = Ground(Path(name), redis, credentials)
        here.there = list(nodes)

        def enter(roster: Roster) -> None:
            roster.enter("session")

        here.charter.change(enter, new_roster(shards))
        here.begin()
        try:
            await here.until(lambda: here.settled(shards), "they serve")
            await here.publish()
            yield here
        finally:
            here.lose_controller()
            for body in here.bodies.values():
                body.task.cancel()
                for tenure in list(body.process.tenures.values()):
                    if body.code is None:  # Else what it has folded waits for ever.
                        await tenure.close()
