"""Crew: the shards' processes as actors of Ray: started where they should be, watched, ended."""

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import ray
import structlog
from ray.exceptions import (
    ActorUnavailableError,
    ActorUnschedulableError,
    RayActorError,
    RayTaskError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.control.host import host_name
from actors.control.orders import Beat, Orders, decode_orders, encode
from actors.control.roster import controller_name, decode_roster
from actors.control.shard_process import ShardProcess
from actors.control.socket_folder import SocketFolder
from actors.control.tenure import Tenure
from actors.links.credentials import Credentials
from actors.links.link import LinkClient, OpenPartition
from actors.settings import ClusterSettings, be_as_nice_as_a_driver
from actors.store.keyfile import find_key
from actors.store.redis_map import RedisMap
from actors.store.redis_server import RedisServer

SWITCH_INTERVAL_S: Final = 0.000_5
"""The commit thread must get the interpreter back at once: the default is ten times that."""

NODES_S: Final = 1.0
UNAVAILABLE_S: Final = 1.0

log = structlog.get_logger()


class ClusterShardActor:
    """A shard of a cluster, in a process of its own. Events never pass Ray."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def run(self, name: str, settings: bytes) -> None:
        """Serve until it is told to leave. Who calls again waits for the same end."""
        if self._task is None:
            told = msgspec.json.decode(settings, type=ClusterSettings)
            self._task = asyncio.ensure_future(_serve(name, told))
        await asyncio.shield(self._task)


async def _serve(name: str, settings: ClusterSettings) -> None:
    """Be a shard, and end with the process: a husk would look as if it lived."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if (nice := be_as_nice_as_a_driver()) > 0:
        log.warning("set RAY_worker_niceness=0 where Ray is started: others come first", nice=nice)
    gc.disable()  # The fold makes no cycles (a test counts); a full collection would stop it.
    gc.freeze()
    sockets = SocketFolder()
    told = RedisMap(RedisServer(settings.redis))
    key = find_key(sockets.path, Path(settings.key_file) if settings.key_file else None)
    credentials = Credentials(Path(settings.keys)) if settings.keys else None
    host = host_name()
    tcp = node_address() if credentials is not None else ""
    voice = Voice(told, settings.namespace)

    async def tell(slot: int, partition: int) -> None:
        tenure = process.tenures.get(slot)
        if tenure is not None and tenure.mover is not None:
            await tenure.mover.open(partition)
            return
        site = process.map.sites[slot]
        client = await LinkClient.connect(site.address(host), credentials)
        with contextlib.closing(client):
            await client.ask(OpenPartition(0, slot, partition))

    def new_tenure(slot: int) -> Tenure:
        return Tenure(slot, settings, told, sockets.path / f"slot-{slot}.sock", tell)

    async def open_tenure(tenure: Tenure) -> None:
        await tenure.open(key, host, tcp, credentials)

    process = ShardProcess(name, voice.beat, new_tenure, open_tenure)
    try:
        await process.run()
    finally:
        sockets.close()
    os._exit(0)


class Voice:
    """Reaches the Controller, whichever it is now: by its name, found again when it is lost."""

    def __init__(self, told: RedisMap, namespace: str) -> None:
        self._map = told
        self._namespace = namespace
        self._controller: Any = None

    async def beat(self, beat: Beat) -> Orders:
        """Say how it is, and return the orders. Raises where nobody answers."""
        if self._controller is None:
            self._controller = await asyncio.to_thread(self._find)
        try:
            # Never asyncio.to_thread(ray.get), nor a plain await: the one is short of threads, the
            # other is said to leak.
            said = await asyncio.wrap_future(self._controller.beat.remote(encode(beat)).future())
        except BaseException:
            self._controller = None
            raise
        return decode_orders(said)

    def _find(self) -> Any:
        roster = decode_roster(self._map.read().document)
        name = controller_name(roster.controller if roster is not None else 0)
        return ray.get_actor(name, namespace=self._namespace)


class RayCrew:
    """See controller.Crew. What asks Ray does so in threads: its head may be away."""

    def __init__(self, settings: ClusterSettings, changed: Callable[[], None]) -> None:
        """`changed` is called when a process has ended."""
        self.ended: set[str] = set()
        self._settings = settings
        self._changed = changed
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._nodes: list[str] = []
        self._looks = asyncio.ensure_future(self._look_at_nodes())

    def start(self, name: str, node: str) -> None:
        """See Crew."""
        self._watches[name] = asyncio.ensure_future(self._watch(name, node))

    def find(self, name: str) -> None:
        """Watch a process that is there already; where it is not, it has ended."""
        self._watches[name] = asyncio.ensure_future(self._watch(name, None))

    def end(self, name: str) -> None:
        """See Crew."""
        watch = self._watches.pop(name, None)
        if watch is not None:
            watch.cancel()
        self.ended.discard(name)
        asyncio.get_running_loop().run_in_executor(None, self._kill, name)

    def names(self) -> set[str]:
        """See Crew."""
        return set(self._watches)

    def nodes(self) -> list[str]:
        """See Crew."""
        return self._nodes

    async def _watch(self, name: str, node: str | None) -> None:
        try:
            if node is None:
                actor = await asyncio.to_thread(self._get, name)
            else:
                actor = await asyncio.to_thread(self._make, name, node)
            while True:
                with contextlib.suppress(ActorUnavailableError):
                    call = actor.run.remote(name, msgspec.json.encode(self._settings))
                    await asyncio.wrap_future(call.future())
                    break
                await asyncio.sleep(UNAVAILABLE_S)  # It may live: its lease tells.
        except RayTaskError as error:
            log.error("a shard cannot run", shard=name, error=str(error.cause or error))  # noqa: TRY400
        except RayActorError:
            pass
        except (ActorUnschedulableError, ValueError) as error:
            log.warning("a shard is not there", shard=name, why=str(error))
        except Exception:
            log.exception("a shard cannot be started", shard=name)
        self.ended.add(name)
        self._changed()

    def _make(self, name: str, node: str) -> Any:
        """Have the actor, made now or before.

        Never restarted by Ray, and no call is tried again: it would come out of order, and as a
        process that remembers nothing under a name that holds slots.
        """
        # Not soft: then Ray puts it wherever it likes, also while the node is there.
        where = NodeAffinitySchedulingStrategy(node, soft=False)
        return (
            ray.remote(ClusterShardActor)
            .options(
                name=name,
                namespace=self._settings.namespace,
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=8,
                enable_task_events=False,
                scheduling_strategy=where,
            )
            .remote()
        )

    def _get(self, name: str) -> Any:
        return ray.get_actor(name, namespace=self._settings.namespace)

    def _kill(self, name: str) -> None:
        with contextlib.suppress(ValueError, RayActorError):
            ray.kill(self._get(name), no_restart=True)

    async def _look_at_nodes(self) -> None:
        while True:
            try:
                before, self._nodes = self._nodes, await asyncio.to_thread(alive_nodes)
                if not before:
                    self._changed()
            except Exception as error:  # noqa: BLE001 - Ray's head is away: as it was, for now
                log.warning("nobody knows which nodes are there", error=str(error))
            await asyncio.sleep(NODES_S)


def alive_nodes() -> list[str]:
    """Return the nodes where shards may be: a head that offers no CPU is none of them."""
    nodes: Any = ray.nodes
    alive = [node for node in nodes() if node["Alive"]]
    offering = [node["NodeID"] for node in alive if node["Resources"].get("CPU", 0) > 0]
    return sorted(offering or [node["NodeID"] for node in alive])


def node_address() -> str:
    """Return the address by which other machines reach this one."""
    ask: Any = ray.util.get_node_ip_address
    return str(ask())
