"""The Controller as an actor of Ray, which starts it again where its process ends."""

import asyncio
import logging
import os
from typing import Any

import msgspec
import ray
import structlog

from actors.control.controller import Controller, ReplacedError
from actors.control.crew import RayCrew
from actors.control.orders import decode_beat, encode
from actors.settings import ClusterSettings, be_as_nice_as_a_driver
from actors.store.redis_map import RedisMap
from actors.store.redis_server import RedisServer

log = structlog.get_logger()


class ControllerActor:
    """Beats come in, orders go out. Made by `controller_options`."""

    def __init__(self, name: str, settings: bytes) -> None:
        logging.getLogger("ray").setLevel(logging.ERROR)
        self._name = name
        self._settings = msgspec.json.decode(settings, type=ClusterSettings)
        self._controller: Controller | None = None
        self._task: asyncio.Task[None] | None = None
        self._refusal = ""

    async def beat(self, beat: bytes) -> bytes:
        """Take a Beat and return Orders. Raises where another Controller has begun."""
        controller = self._begun()
        if self._refusal:
            raise RuntimeError(self._refusal)
        return encode(controller.beat(decode_beat(beat)))

    async def status(self) -> bytes:
        """Return what it knows of each shard, as JSON; also to have it begin."""
        return msgspec.json.encode(self._begun().status())

    def _begun(self) -> Controller:
        """Begin, with the first call: Ray makes it again without telling anyone."""
        if self._controller is None:
            be_as_nice_as_a_driver()
            told = RedisMap(RedisServer(self._settings.redis))
            session = ray.get_runtime_context().get_session_name()
            crew = RayCrew(self._settings, self._wake)
            controller = self._controller = Controller(told, crew, session)
            self._task = asyncio.ensure_future(self._run(controller))
        return self._controller

    def _wake(self) -> None:
        if self._controller is not None:
            self._controller.wake()

    async def _run(self, controller: Controller) -> None:
        try:
            await controller.run()
            log.info("all shards have ended, and so does the controller")
        except ReplacedError:
            log.warning("another controller acts from now on")
        except Exception:
            log.exception("the controller is at fault, and begins again")
            os._exit(70)
        self._refusal = "this controller acts no more"
        if not controller.outlawed:
            await asyncio.to_thread(self._end)

    def _end(self) -> None:
        namespace = self._settings.namespace
        ray.kill(ray.get_actor(self._name, namespace=namespace), no_restart=True)


def controller_options(name: str, namespace: str) -> dict[str, Any]:
    """Return how Ray is to keep it: apart from who made it, and for ever."""
    return {
        "name": name,
        "namespace": namespace,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": 0,
        "max_restarts": -1,
        "max_task_retries": 0,
        "max_concurrency": 200,
        "enable_task_events": False,
    }
