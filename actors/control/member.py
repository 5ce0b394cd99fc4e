"""Member: a machine's part in a cluster: joins Ray, sees to the Controller, runs a courier."""

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import ray
import structlog
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.clock import WallClock
from actors.control.charter import Charter, new_roster, stop_shards
from actors.control.controller_actor import ControllerActor, controller_options
from actors.control.host import host_name
from actors.control.publishing import Publishing
from actors.control.roster import Roster, controller_name
from actors.control.watch import Watch
from actors.courier import Courier
from actors.errors import OperatorError
from actors.keeper import Keeper
from actors.lifeline import Lifeline, tie_to
from actors.links.credentials import Credentials
from actors.links.link import AskStatus, LinkClient, RunOut, Status
from actors.map import ClusterMap
from actors.processes import RAY_FOLDER, Processes, new_runtime
from actors.ray_servers import RayServers
from actors.running import forget_running, note_running
from actors.settings import (
    ClusterSettings,
    RoundsSettings,
    SystemSettings,
    set_ray_environment,
)
from actors.store.keyfile import KEY_FILE, find_key
from actors.store.redis_published import PublishedRedis
from actors.store.redis_server import RedisServer
from actors.store.redis_settings import check_redis_settings
from actors.store.redis_store import open_redis_store
from channels import SERVED_CHANNELS
from channels.delivery import ChannelSettings, open_channels

OBJECT_STORE_BYTES: Final = 80 << 20
"""The least Ray takes; nothing of ours goes through it."""

START_S: Final = 600.0
LOOK_S: Final = 0.05
WATCH_S: Final = 0.25
STOP_S: Final = 60.0

log = structlog.get_logger()


class RoundsActor:
    """The courier of one machine, in a process of its own."""

    async def run(self, settings: bytes) -> None:
        """Serve until the process ends."""
        told = msgspec.json.decode(settings, type=RoundsSettings)
        lifeline = asyncio.ensure_future(tie_to(told.lifeline))
        channel_settings = msgspec.json.decode(told.channels, type=ChannelSettings)
        channels = open_channels(channel_settings, Path(told.folder), WallClock().read)
        keys = told.cluster.keys
        credentials = Credentials(Path(keys)) if keys else None
        charter = Charter(told.cluster.redis)
        try:
            _, where = await asyncio.to_thread(charter.read)
            courier = Courier(where, channels, SERVED_CHANNELS, credentials, host_name())
            courier.ask_store = charter.where
            await courier.run()
        except Exception:
            log.exception("the courier stops, and starts again")
            os._exit(70)
        await lifeline


class Member:
    """One `anlass run` of a cluster. Without an address it has a Ray of its own, which it ends."""

    def __init__(self, settings: SystemSettings, shards: int | None) -> None:
        """Check the store, or make it. Raises OperatorError."""
        cluster = settings.cluster
        assert cluster is not None
        self._settings = settings
        self.host = host_name()
        self.credentials = Credentials(Path(cluster.keys)) if cluster.keys else None
        self._processes = Processes(settings.data)
        self._processes.hold()
        try:
            self._processes.end_leftovers()
            self._cluster = self._open_store(cluster, shards)
        except BaseException:
            self._processes.release()
            raise
        self.joined = bool(settings.address)
        self.runtime = new_runtime()
        self._processes.note([os.getpid()], self.runtime)
        self._lifeline = Lifeline(str(self.runtime / "life.sock"))
        self._watch: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._keeper: Keeper | None = None
        self._started = False
        self.map = ClusterMap(-1, [], {})
        """As it was when all was served, the last time that was looked for."""
        self.ray = RayServers()

    def _open_store(self, cluster: ClusterSettings, shards: int | None) -> ClusterSettings:
        settings = self._settings
        server = RedisServer(cluster.redis)
        for note in check_redis_settings(server):
            log.warning(note)
        key_file = settings.key_file
        own = settings.data / KEY_FILE
        if key_file is None and own.exists():
            key_file = own
        key = find_key(settings.data, key_file)
        store = open_redis_store(
            server, shards or 2, settings.clock, encrypted=settings.encrypted, key=key
        )
        self.publications = PublishedRedis(server, key if store.encrypted else None)
        self._charter = Charter(cluster.redis)
        first = new_roster(store.shards)
        roster = self._charter.change(_as_it_is, first)
        self._shards = roster.wanted
        if shards is not None and shards != roster.wanted:
            log.warning(
                "the number of shards stays; `anlass scale` changes it",
                shards=roster.wanted,
                asked=shards,
            )
        return msgspec.structs.replace(
            cluster,
            clock=store.clock,
            keep_ms=settings.keep_ms,
            snapshots=settings.snapshots,
            key_file=str(key_file.absolute()) if key_file else "",
            namespace=f"anlass-{roster.id}",
        )

    def start_ray(self) -> None:
        """Join Ray, or start one for this system alone (3 seconds)."""
        set_ray_environment()
        common: dict[str, Any] = {
            "log_to_driver": False,
            "logging_level": logging.ERROR,
            "namespace": self._cluster.namespace,
        }
        try:
            if self.joined:
                ray.init(address=self._settings.address, **common)
                self.ray.join(_raylet_socket())
                return
            ray.init(
                address="local",
                include_dashboard=False,
                num_cpus=self._shards + 2,  # So many processes begin at once.
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(self.runtime / RAY_FOLDER),
                _node_ip_address="127.0.0.1",
                **common,
            )
        except (OSError, RuntimeError, ValueError) as error:
            text = f"Ray cannot be joined at --address {self._settings.address}"
            raise OperatorError(f"{text}: {error}") from None

    async def start_actors(self, channels: bytes) -> None:
        """See to it that all slots are served, and start a courier on this machine."""
        await self._lifeline.open()
        session = ray.get_runtime_context().get_session_name()

        def enter(roster: Roster) -> None:
            roster.enter(session)
            roster.stopping = False

        await asyncio.to_thread(self._charter.change, enter)
        watch = Watch(self._current_controller, self._ask_controller, self._replace_controller)
        self._watch = asyncio.create_task(watch.run())
        await self.look()
        self._start_courier(channels)
        self._started = True

    @property
    def lifeline(self) -> str:
        """Who is tied to it ends with this process."""
        return str(self.runtime / "life.sock")

    def note_process(self, pid: int) -> None:
        """Write down a process that a start after a kill -9 must end. Raises OperatorError."""
        self._processes.note([pid])

    @property
    def sockets(self) -> list[str]:
        """The addresses of all slots, as they were when all was served."""
        owning = set(self.map.owners)  # Others have nothing, and nothing in force.
        sites = [site for slot, site in sorted(self.map.sites.items()) if slot in owning]
        return [site.address(self.host) for site in sites]

    async def where(self) -> ClusterMap:
        """Return where slots are, as the store says. Raises OperatorError."""
        return await self._charter.where()

    def announce(self, url: str, gateways: list[str]) -> None:
        """Write down that the system serves at `url`; see Cluster.announce."""
        keys = str(self._cluster.keys)
        more = {"gateways": gateways, "keys": keys}
        note_running(self._settings.data, url, self.sockets, str(self.runtime), **more)

    async def publish(self, source: bytes) -> bool:
        """Put a publication in force where another one is; return whether that was anywhere."""
        publishing = Publishing(self._charter, self.host, self.credentials)
        return await publishing.publish(source)

    async def run_out(self, until_ms: int) -> None:
        """Let simulated time run on to `until_ms` (clock `events` only)."""
        for each in await self._sites():
            async with self._client(each) as client:
                await client.ask(RunOut(0, until_ms))

    async def status(self) -> list[dict[str, Any]]:
        """Ask every slot how it is."""
        return [await self._status(each) for each in await self._sites()]

    async def stop(self) -> None:
        """End this machine's part; where Ray is its own, all of it, drained."""
        forget_running(self._settings.data)
        for task in (self._watch, self._keeping):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._started and not self.joined and not self.ray.lost:
            await self._stop_shards()
        await self._lifeline.close()
        ray.shutdown()
        shutil.rmtree(self.runtime, ignore_errors=True)
        self._processes.forget()

    async def ended(self) -> None:
        """Return when an operator has all shards stopped."""
        await self._until(lambda roster: roster.stopping)

    async def _stop_shards(self) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await asyncio.to_thread(stop_shards, self._charter)
                await self._until(lambda roster: not roster.posts)
        except (OperatorError, TimeoutError) as error:
            log.warning("shards end without snapshots", why=str(error) or "it took too long")

    async def _until(self, holds: Callable[[Roster], bool]) -> None:
        """Look at the roster until this holds."""
        while True:
            with contextlib.suppress(OperatorError):
                roster, _ = await asyncio.to_thread(self._charter.read)
                if holds(roster):
                    return
            await asyncio.sleep(WATCH_S)

    def _make_controller(self, name: str) -> Any:
        # Here, where somebody surely is: Ray would put it on a node that was cut off just now. Not
        # soft: then Ray puts it wherever it likes. Where this node ends, the next is elsewhere.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = controller_options(name, self._cluster.namespace)
        options["scheduling_strategy"] = here
        settings = msgspec.json.encode(self._cluster)
        return ray.remote(ControllerActor).options(**options).remote(name, settings)

    async def _current_controller(self) -> int:
        return (await asyncio.to_thread(self._charter.change, _as_it_is)).controller

    async def _ask_controller(self, number: int) -> None:
        controller = await asyncio.to_thread(self._make_controller, controller_name(number))
        await asyncio.wrap_future(controller.status.remote().future())

    async def _replace_controller(self, number: int) -> None:
        def replace(roster: Roster) -> None:
            if roster.controller == number:  # Another machine may have been first.
                roster.controller += 1

        await asyncio.to_thread(self._charter.change, replace)
        end = self._end_controller
        asyncio.get_running_loop().run_in_executor(None, end, controller_name(number))

    def _end_controller(self, name: str) -> None:
        """End one that was replaced: one that never began would stay for ever."""
        with contextlib.suppress(Exception):  # It is gone, or Ray's head is away.
            ray.kill(ray.get_actor(name, namespace=self._cluster.namespace), no_restart=True)

    async def look(self) -> None:
        """Wait until each slot that owns something is served; see `map`. Raises OperatorError."""
        end = asyncio.get_running_loop().time() + START_S
        while True:
            with contextlib.suppress(OperatorError):
                _, told = await asyncio.to_thread(self._charter.read)
                if set(told.owners) <= told.sites.keys():
                    self.map = told
                    return
            if asyncio.get_running_loop().time() > end:
                text = f"not all slots are served after {START_S:.0f} s"
                raise OperatorError(f"{text}; `anlass status --redis` says what is in the way")
            await asyncio.sleep(LOOK_S)

    def _start_courier(self, channels: bytes) -> None:
        here = ray.get_runtime_context().get_node_id()
        actor: Any = (
            ray.remote(RoundsActor)
            .options(
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=8,
                enable_task_events=False,
                scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
            )
            .remote()
        )
        told = RoundsSettings(
            cluster=self._cluster,
            lifeline=str(self.runtime / "life.sock"),
            folder=str(self._settings.data.absolute()),
            channels=channels,
        )

        async def run() -> BaseException | None:
            try:
                await asyncio.wrap_future(actor.run.remote(msgspec.json.encode(told)).future())
            except ray.exceptions.RayTaskError as error:
                return error.cause or error
            except ray.exceptions.RayActorError:
                pass
            return None

        self._keeper = Keeper("courier", run)
        self._keeper.serving = True
        self._keeping = asyncio.create_task(self._keeper.keep())

    async def _sites(self) -> list[str]:
        _, told = await asyncio.to_thread(self._charter.read)
        return [site.address(self.host) for _, site in sorted(told.sites.items())]

    async def _status(self, address: str) -> dict[str, Any]:
        async with self._client(address) as client:
            reply = await client.ask(AskStatus(0))
            assert isinstance(reply, Status)
            return reply.status

    @contextlib.asynccontextmanager
    async def _client(self, address: str) -> AsyncIterator[LinkClient]:
        client = await LinkClient.connect(address, self.credentials)
        try:
            yield client
        finally:
            client.close()


def _as_it_is(roster: Roster) -> None:
    """Change nothing."""


def _raylet_socket() -> str:
    """Return where the raylet of the node serves that this process has joined."""
    here = ray.get_runtime_context().get_node_id()
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return next(str(node["RayletSocketName"]) for node in nodes if node["NodeID"] == here)
