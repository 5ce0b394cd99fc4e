"""Upkeep: the process of the control API beside a running system, kept running by its driver.

The driver holds the socket that it listens on: while a dead one is replaced, who connects waits.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from actors.errors import OperatorError
from actors.keeper import Keeper
from console.control.settings import ControlStart

SERVES: Final = "serves"
STOP_S: Final = 15.0
WAITING_MAX: Final = 128
"""Connections that wait to be accepted."""

log = structlog.get_logger()


class ControlProcess:
    """The process, and the address that it serves."""

    def __init__(self, host: str, port: int, note: Callable[[int], None]) -> None:
        """`note` is told the pid of each process, also of one that takes a dead one's place."""
        self._host = host
        self._port = port
        self._note = note
        self._listener: socket.socket | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._changed = asyncio.Event()
        self._serves = False

    @property
    def url(self) -> str:
        """Where it listens; valid once bound."""
        assert self._listener is not None
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._listener.getsockname()[1]}"

    async def bind(self) -> None:
        """Take the address. Raises OperatorError."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(WAITING_MAX)
        except OSError as error:
            listener.close()
            text = f"--control: cannot listen on {self._host}:{self._port}: {error.strerror}"
            raise OperatorError(f"{text}; choose another port") from None
        self._listener = listener

    async def start(self, start: ControlStart) -> None:
        """Start it, and return when it serves. Raises OperatorError where it cannot."""
        assert self._listener is not None
        own = msgspec.structs.replace(start, listener=self._listener.fileno())
        keeper = Keeper("control", lambda: self._run(own), self._changed.set)
        self._keeping = asyncio.create_task(keeper.keep())
        while not self._serves:
            await self._changed.wait()
            self._changed.clear()
            if keeper.refusal:
                raise OperatorError(f"the control API: {keeper.refusal}")
        keeper.serving = True

    async def stop(self) -> None:
        """Let it answer what is in flight, and end."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                log.warning("the control API does not end, and is killed", pid=process.pid)
                process.kill()
                await process.wait()
        if self._listener is not None:
            self._listener.close()

    async def _run(self, start: ControlStart) -> BaseException | None:
        """Run it until it ends; return why it could not start, None where it died."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "console.control.process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=[start.listener],
        )
        self._process = process
        self._note(process.pid)
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # It died at once; then it says nothing.
            process.stdin.write(msgspec.json.encode(start))
            await process.stdin.drain()
            process.stdin.close()
        said = (await process.stdout.readline()).decode().strip()
        if said == SERVES:
            self._serves = True
            self._changed.set()
        await process.wait()
        if said == SERVES:
            return None
        return OperatorError(said or f"it ended with {process.returncode} before it served")
