"""Gateways: several on one port of a host, each a process of its own, kept running."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import structlog

from actors.errors import OperatorError
from actors.keeper import Keeper
from ingest.gateway_process import SERVES, GatewayStart
from ingest.listening import bind, cannot_listen, try_alone
from ingest.settings import GatewaySettings

GATEWAYS_MAX: Final = 64
STOP_S: Final = 5.0
"""How much longer than a request may take it may take a gateway to end."""

log = structlog.get_logger()


class Gateways:
    """Shares a port by SO_REUSEPORT: the kernel spreads connections over all that listen."""

    def __init__(self, settings: GatewaySettings, count: int, note: Callable[[int], None]) -> None:
        """`note` is told the pid of each process, also of those that take a dead one's place."""
        self._settings = settings
        self._count = count
        self._note = note
        self._held: list[socket.socket] = []
        self._keepers: dict[Keeper, asyncio.Task[None]] = {}
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._serving: set[int] = set()
        self._changed = asyncio.Event()
        self.port = 0
        """Valid once bound."""

    async def bind(self) -> None:
        """Take the address; connections are refused until `start`. Raises OSError."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            self.port = settings.port
            for family, name in sorted({(family, name[:2]) for family, _, _, _, name in found}):
                self._held.append(_hold(family, str(name[0]), self.port))
                self.port = self._held[0].getsockname()[1]
        except OSError as error:
            self._let_go()
            raise cannot_listen(settings.host, settings.port, error) from None

    async def start(self, start: GatewayStart) -> None:
        """Start all, and return when each serves; what `start` says of one is set here.

        Raises OperatorError where one cannot.
        """
        settings = msgspec.structs.replace(self._settings, port=self.port)
        for number in range(self._count):
            own = msgspec.structs.replace(start, settings=settings, number=number)
            keeper = Keeper(f"gateway-{number}", partial(self._run, own), self._changed.set)
            self._keepers[keeper] = asyncio.create_task(keeper.keep())
        while len(self._serving) < self._count:
            await self._changed.wait()
            self._changed.clear()
            for keeper in self._keepers:
                if keeper.refusal:
                    raise OperatorError(f"{keeper.name}: {keeper.refusal}")
        for keeper in self._keepers:
            keeper.serving = True

    async def stop(self) -> None:
        """Let all answer what is in flight, at the same time, and end."""
        for task in self._keepers.values():
            task.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        limit_s = self._settings.deadline_s + STOP_S
        await asyncio.gather(*[_ended(each, limit_s) for each in self._processes.values()])
        self._let_go()

    async def _run(self, start: GatewayStart) -> BaseException | None:
        """Run one until it ends; return why it could not start, None where it died."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ingest.gateway_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._processes[start.number] = process
        self._note(process.pid)
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # It died at once; then it says nothing.
            process.stdin.write(msgspec.json.encode(start))
            await process.stdin.drain()
            process.stdin.close()
        said = (await process.stdout.readline()).decode().strip()
        if said == SERVES:
            self._serving.add(start.number)
            self._changed.set()
        await process.wait()
        self._serving.discard(start.number)
        if said == SERVES:
            return None
        return OperatorError(said or f"it ended with {process.returncode} before it served")

    def _let_go(self) -> None:
        for held in self._held:
            held.close()
        self._held.clear()


def _hold(family: int, host: str, port: int) -> socket.socket:
    """Take a port for processes that will share it. Raises OSError where others listen there.

    Another system that shares its port, too, would not be in the way of ours: the kernel would
    spread connections over both. So it is tried alone before.
    """
    port = try_alone(family, host, port)
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bind(held, host, port)
    except OSError:
        held.close()
        raise
    return held  # It does not listen, so no connection comes to it.


async def _ended(process: asyncio.subprocess.Process, limit_s: float) -> None:
    try:
        await asyncio.wait_for(process.wait(), limit_s)
    except TimeoutError:
        log.warning("a gateway does not end, and is killed", pid=process.pid)
        process.kill()
        await process.wait()
