"""A shard on its link, log and files as of a running system, without Ray, on a thread's own loop.

The control API of it is served as an ASGI application in this process.
"""

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import uvicorn

from actors.clock import CLOCKS
from actors.links.link import Accept, LinkClient, LinkEvent, PublishNow
from actors.processes import RUNTIME_PREFIX
from actors.running import note_running
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.key import store_key
from actors.store.manifest import open_store, shard_folder
from console.control.app import app_of
from console.control.settings import SCOPES, ControlKey
from console.control.system import System
from engine.contacts.identity import partition_of
from tests.publications import source_of

NOON_MS = 1_700_000_000_000
HERE = "http://127.0.0.1"
ANNA = ControlKey(name="anna", key="a-key-of-anna-that-is-long", scopes=[*SCOPES])

Answer = TypeVar("Answer")


class Served:
    """A store, its one shard, and the API over both."""

    def __init__(self, data: Path, keys: list[ControlKey] | None = None) -> None:
        open_store(data, 1, "events", encrypted=True)
        self.data = data
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runtime = tempfile.TemporaryDirectory(prefix=RUNTIME_PREFIX)
        self.socket = str(Path(self._runtime.name) / "shard.sock")
        self._service = self.wait(self._serve())
        note_running(data, "http://127.0.0.1:8080", [self.socket], self._runtime.name)
        self._count = 0
        self._server: uvicorn.Server | None = None
        self.system = System(data)
        self.app, self.api = app_of(self.system, keys or [])
        transport = httpx.ASGITransport(self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url=HERE)

    async def _serve(self) -> ShardService:
        key, folder = store_key(self.data, None), shard_folder(self.data, 0)
        shard = Shard(0, 1, CLOCKS["events"]())
        log, snapshots = open_slot(folder, key, 1 << 60, shard.now_ms)
        files = SlotFiles(folder, log=log, snapshots=snapshots, key=key)
        service = ShardService(shard, log, snapshots=snapshots, files=files)
        await service.start(self.socket)
        return service

    def wait(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Do something on the shard's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def ask(self, request: Any) -> Any:
        """Ask the shard."""

        async def asked() -> Any:
            client = await LinkClient.connect(self.socket)
            try:
                return await client.ask(request)
            finally:
                client.close()

        return self.wait(asked())

    def put_in_force(self, *journeys: dict[str, Any]) -> None:
        """Publish as before there were versions."""
        self.ask(PublishNow(0, source_of(*journeys)))

    def event(self, contact: str, name: str = "hi", at_ms: int = NOON_MS, **payload: Any) -> str:
        """Let a contact do something; return the event's id."""
        self._count += 1
        id, data = f"e-{self._count}", msgspec.json.encode(payload)
        self.ask(Accept(0, [LinkEvent(partition_of(contact), contact, id, name, at_ms, data)]))
        return id

    def answer(self, method: str, path: str, **said: Any) -> httpx.Response:
        """Ask the API."""
        return self.wait(self.client.request(method, path, **said))

    def listen(self) -> str:
        """Serve the API on a port, too; return its URL."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(self.app, log_config=None, lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._serving = asyncio.run_coroutine_threadsafe(self._server.serve([listener]), self._loop)
        while not self._server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def asks(self, method: str, path: str, *, status: int = 200, **said: Any) -> Any:
        """Ask the API, and return what it answers, which has this status."""
        answer = self.answer(method, path, **said)
        assert answer.status_code == status, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    def close(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._serving.result(30)
        self.api.close()
        self.wait(self._service.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._runtime.cleanup()


@contextmanager
def served(data: Path, keys: list[ControlKey] | None = None) -> Iterator[Served]:
    found = Served(data, keys)
    try:
        yield found
    finally:
        found.close()
