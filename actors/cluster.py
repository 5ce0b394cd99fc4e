"""A cluster of one machine: starts Ray, shards and courier as actors, and keeps them running."""

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import ray
import structlog

from actors.clock import CLOCKS, WallClock
from actors.courier import Courier
from actors.errors import OperatorError
from actors.keeper import Keeper
from actors.lifeline import Lifeline, tie_to
from actors.links.credentials import Credentials
from actors.links.link import AskStatus, Drain, LinkClient, LinkError, PublishNow, RunOut, Status
from actors.map import even_map
from actors.processes import RAY_FOLDER, Processes, new_runtime
from actors.ray_servers import RayServers
from actors.running import forget_running, note_running, shard_name
from actors.settings import CourierSettings, ShardSettings, SystemSettings, set_ray_environment
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.slot import SNAPSHOT_FOLDER, open_slot
from actors.slot_files import SlotFiles
from actors.store.key import store_key
from actors.store.manifest import Store, open_store, shard_folder
from channels import SERVED_CHANNELS
from channels.delivery import ChannelSettings, open_channels

OBJECT_STORE_BYTES: Final = 80 << 20
"""The least Ray takes; nothing of ours goes through it."""

COLD_START_S: Final = 60.0
RECOVERY_BYTES_PER_S: Final = 1 << 20
"""A tenth of what a slow machine reads and folds: a start is given up only where none will be."""

COURIER_START_S: Final = 10.0
DRAIN_S: Final = 30.0
SWITCH_INTERVAL_S: Final = 0.000_5
"""The commit thread must get the interpreter back at once: the default is ten times that."""

log = structlog.get_logger()


class ShardActor:
    """A shard in a process of its own. Ray starts it, again and again; events never pass Ray."""

    async def run(self, settings: bytes) -> None:
        """Serve until the process ends."""
        told = msgspec.json.decode(settings, type=ShardSettings)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        lifeline = asyncio.ensure_future(tie_to(told.lifeline))
        gc.disable()  # The fold makes no cycles (a test counts); a full collection would stop it.
        shard = Shard(told.slot, told.shards, CLOCKS[told.clock]())
        folder = Path(told.folder)
        key = store_key(folder.parent, Path(told.key_file) if told.key_file else None)
        slot_log, snapshots = open_slot(folder, key, told.keep_ms, shard.now_ms)
        files = SlotFiles(folder, log=slot_log, snapshots=snapshots, key=key)
        service = ShardService(
            shard, slot_log, snapshots=snapshots, settings=told.snapshots, files=files
        )
        try:
            credentials = Credentials.open(told.keys, "shard")
            await service.start(told.socket, credentials=credentials)
        except BaseException:
            slot_log.close()  # Ray runs it again in this same process, and its lock is in the way.
            raise
        gc.freeze()
        await lifeline


class CourierActor:
    """The courier in a process of its own."""

    async def run(self, settings: bytes) -> None:
        """Serve until the process ends."""
        told = msgspec.json.decode(settings, type=CourierSettings)
        lifeline = asyncio.ensure_future(tie_to(told.lifeline))
        channel_settings = msgspec.json.decode(told.channels, type=ChannelSettings)
        channels = open_channels(channel_settings, Path(told.folder), WallClock().read)
        try:
            credentials = Credentials.open(told.keys, "courier")
            await Courier(even_map(told.sockets), channels, SERVED_CHANNELS, credentials).run()
        except Exception:
            log.exception("the courier stops, and starts again")
            os._exit(70)
        await lifeline


class Cluster:
    """A running system: Ray, its shards and its courier. One a process."""

    def __init__(self, settings: SystemSettings, shards: int | None) -> None:
        self._processes = Processes(settings.data)
        self._processes.hold()
        try:
            left = self._processes.end_leftovers()
            if left:
                log.warning("ended processes that an earlier start had left", processes=left)
            self.store: Store = open_store(
                settings.data,
                shards,
                settings.clock,
                encrypted=settings.encrypted,
                key_file=settings.key_file,
            )
        except BaseException:
            self._processes.release()
            raise
        self._settings = settings
        self.ray = RayServers()
        self.runtime = new_runtime()
        self._processes.note([os.getpid()], self.runtime)
        self._lifeline = Lifeline(self.lifeline)
        self._keepers: dict[Keeper, asyncio.Task[None]] = {}
        self._started = False
        self._url = ""
        self._gateways: list[str] = []
        self._keys = str(settings.keys.absolute()) if settings.keys else ""
        self.credentials: Credentials | None = None
        """None are asked for within one machine."""
        self.sockets = [
            str(self.runtime / f"shard-{slot}.sock") for slot in range(self.store.shards)
        ]

    @property
    def lifeline(self) -> str:
        """Who is tied to it ends with this process."""
        return str(self.runtime / "life.sock")

    def note_process(self, pid: int) -> None:
        """Write down a process that a start after a kill -9 must end. Raises OperatorError."""
        self._processes.note([pid])

    @property
    def _ray_folder(self) -> Path:
        return self.runtime / RAY_FOLDER

    def start_ray(self) -> None:
        """Start Ray for this system alone (3 seconds).

        Its sessions lie in our own folder, and go with it: in /tmp/ray they would stay for ever.
        """
        set_ray_environment()
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            num_cpus=self.store.shards + 1,
            object_store_memory=OBJECT_STORE_BYTES,
            namespace="anlass",
            _temp_dir=str(self._ray_folder),
            _node_ip_address="127.0.0.1",
        )

    async def start_actors(self, channels: bytes) -> None:
        """Start shards and courier; return when every shard has recovered and serves.

        `channels` is the JSON of ChannelSettings.
        """
        await self._lifeline.open()
        data, key_file = self._settings.data, self._settings.key_file
        limits_s = [start_limit_s(shard_folder(data, slot)) for slot in range(self.store.shards)]
        for slot, socket in enumerate(self.sockets):
            shard = ShardSettings(
                slot=slot,
                shards=self.store.shards,
                clock=self.store.clock,
                folder=str(shard_folder(data, slot)),
                socket=socket,
                lifeline=self.lifeline,
                key_file=str(key_file.absolute()) if key_file else "",
                keep_ms=self._settings.keep_ms,
                snapshots=self._settings.snapshots,
                keys=self._keys,
            )
            self._keep(ShardActor, shard_name(slot), msgspec.json.encode(shard))
        courier = CourierSettings(
            sockets=self.sockets,
            lifeline=self.lifeline,
            folder=str(data),
            channels=channels,
            keys=self._keys,
        )
        self._keep(CourierActor, "courier", msgspec.json.encode(courier))
        await asyncio.gather(
            *[self._answers(*each) for each in zip(self.sockets, limits_s, strict=True)]
        )
        statuses = await self._with_courier()
        self._started = True
        for keeper in self._keepers:
            keeper.serving = True
        self._processes.note([status["pid"] for status in statuses])

    def announce(self, url: str, gateways: list[str]) -> None:
        """Write down that the system serves at `url`, so that commands find it.

        `gateways` are the sockets on which several of them say how they are.
        """
        self._url, self._gateways = url, gateways
        self._note_running()

    def _note_running(self) -> None:
        refusals = {each.name: each.refusal for each in self._keepers if each.refusal}
        data, runtime = self._settings.data, str(self.runtime)
        more = {"refusals": refusals, "gateways": self._gateways, "keys": self._keys}
        note_running(data, self._url, self.sockets, runtime, **more)

    def _note_refusals(self) -> None:
        """Let `anlass status` say why an actor cannot start, as it cannot say it itself."""
        if not self._url:
            return  # It starts or stops: nobody looks there.
        try:
            self._note_running()
        except OperatorError as error:  # A full disk is in the way of the actor, too.
            log.warning("`anlass status` does not say why an actor cannot start", error=str(error))

    async def publish(self, source: bytes) -> bool:
        """Put a publication in force where another one is; return whether that was anywhere.

        Each shard is asked: what it says is published may not be durable yet, its Done is.
        """
        changed = False
        for socket in self.sockets:
            async with _client(socket) as client:
                reply = await client.ask(AskStatus(0))
                assert isinstance(reply, Status)
                changed = changed or reply.status["published"] != source
                await client.ask(PublishNow(0, source))
        return changed

    async def run_out(self, until_ms: int) -> None:
        """Let simulated time run on to `until_ms` (clock `events` only)."""

        async def run_out_shard(socket: str) -> None:
            async with _client(socket) as client:
                await client.ask(RunOut(0, until_ms))

        await asyncio.gather(*[run_out_shard(socket) for socket in self.sockets])

    async def status(self) -> list[dict[str, Any]]:
        """Ask every shard how it is."""

        async def ask(socket: str) -> dict[str, Any]:
            async with _client(socket) as client:
                reply = await client.ask(AskStatus(0))
                assert isinstance(reply, Status)
                return reply.status

        return list(await asyncio.gather(*[ask(socket) for socket in self.sockets]))

    async def stop(self) -> None:
        """Drain the shards, then end all processes.

        What was answered is durable: a shard that is not ready in time has more to fold when it
        starts again, and that is all.
        """
        self._url = ""
        forget_running(self._settings.data)
        if self._started:
            await asyncio.gather(*[self._drain(socket) for socket in self.sockets])
        for task in self._keepers.values():
            task.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        await self._lifeline.close()
        ray.shutdown()
        if self._started:
            shutil.rmtree(self.runtime, ignore_errors=True)
            self._processes.forget()
        else:  # What its processes said may tell why; the next start takes it away.
            self._processes.release()

    async def _drain(self, socket: str) -> None:
        try:
            async with asyncio.timeout(DRAIN_S), _client(socket) as client:
                await client.ask(Drain(0))
        except (OSError, LinkError, TimeoutError) as error:
            why = str(error) or f"it took longer than {DRAIN_S:.0f} s"
            log.warning("a shard stops without snapshots", socket=socket, error=why)

    async def _with_courier(self) -> list[dict[str, Any]]:
        """Wait until the courier serves every shard; go on without it after a while."""
        end = asyncio.get_running_loop().time() + COURIER_START_S
        while True:
            statuses = await self.status()
            self._raise_refusal()
            if all(status["couriers"] for status in statuses):
                return statuses
            if asyncio.get_running_loop().time() > end:
                log.warning("the courier does not serve yet; messages wait for it")
                return statuses
            await asyncio.sleep(0.02)

    def _keep(self, kind: type, name: str, settings: bytes) -> None:
        keeper = Keeper(name, self._runner(kind, name, settings), self._note_refusals)
        self._keepers[keeper] = asyncio.create_task(keeper.keep())

    def _runner(
        self, kind: type, name: str, settings: bytes
    ) -> Callable[[], Awaitable[BaseException | None]]:
        """Make an actor; return what runs it. When its process dies, Ray makes a new one.

        Retries of calls are off: a retried call could come out of order (Ray's own words).
        """
        actor: Any = (
            ray.remote(kind)
            .options(
                name=name,
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=8,
                enable_task_events=False,
            )
            .remote()
        )

        async def run() -> BaseException | None:
            try:
                await asyncio.wrap_future(actor.run.remote(settings).future())
            except ray.exceptions.RayTaskError as error:
                return error.cause or error
            except ray.exceptions.RayActorError:
                pass
            return None

        return run

    def _raise_refusal(self) -> None:
        for keeper in self._keepers:
            if keeper.refusal:
                raise OperatorError(keeper.refusal)

    async def _answers(self, socket: str, limit_s: float) -> None:
        end = asyncio.get_running_loop().time() + limit_s
        while True:
            with contextlib.suppress(OSError, LinkError):
                async with _client(socket) as client:
                    await client.ask(AskStatus(0))
                    return
            self._raise_refusal()
            if asyncio.get_running_loop().time() > end:
                text = f"a shard does not answer at {socket} after {limit_s:.0f} s"
                raise OperatorError(
                    f"{text}; see its log in {self._ray_folder}/session_latest/logs"
                )
            await asyncio.sleep(0.02)


def start_limit_s(folder: Path) -> float:
    """Return how long a shard may take until it serves: more where it has more to recover from."""
    files = [*folder.glob("log-*.seg"), *(folder / SNAPSHOT_FOLDER).glob("*.snap")]
    return COLD_START_S + sum(file.stat().st_size for file in files) / RECOVERY_BYTES_PER_S


@contextlib.asynccontextmanager
async def _client(socket: str) -> AsyncIterator[LinkClient]:
    client = await LinkClient.connect(socket)
    try:
        yield client
    finally:
        client.close()
