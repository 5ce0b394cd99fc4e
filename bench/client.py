"""Client: many connections on one loop, cheap enough to offer more than a system can hold."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

HEAD: Final = "POST /v1/events HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n"
SIZE: Final = re.compile(rb"Content-Length: (\d+)")
RETRY: Final = re.compile(rb"Retry-After: (\d+)")
FAILED: Final = re.compile(rb'"failed":(\d+)')


def request_of(events: list[str]) -> bytes:
    """Return the bytes of a POST of these events, each a JSON object."""
    body = ("[" + ",".join(events) + "]").encode() if len(events) > 1 else events[0].encode()
    return (HEAD % len(body)).encode() + body


class Tally:
    """What came of requests."""

    def __init__(self) -> None:
        self.status: Counter[int] = Counter()
        self.latencies_ms: list[float] = []
        """Of those accepted, from when each was due."""
        self.without_retry_after = 0
        self.closed = 0
        self.unsent = 0
        """Due, and no connection was free for them."""
        self.failed = 0

    def quantile_ms(self, ratio: float) -> float:
        """Return the latency that this ratio of accepted requests kept; 0 if there are none."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(len(ordered) * ratio), len(ordered) - 1)] if ordered else 0.0


class Connection(asyncio.Protocol):
    """One connection with one request at a time; `idle` is called when it is answered."""

    def __init__(self, tally: Tally, idle: Callable[["Connection"], None]) -> None:
        self._tally = tally
        self._idle = idle
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._due_s = 0.0
        self.busy = False
        self.refused = False
        """Whether its last answer was 429."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        self._tally.closed += self.busy

    def send(self, request: bytes, due_s: float) -> None:
        """Send a request that was due at `due_s`."""
        assert self._transport is not None, "the gateway ended a connection that it should keep"
        self.busy = True
        self._due_s = due_s
        self._transport.write(request)

    def close(self) -> None:
        """Close it."""
        self.busy = False
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        size = SIZE.search(self._buffer)
        assert size is not None, self._buffer
        if len(self._buffer) < head + 4 + int(size[1]):
            return
        answer, self._buffer = self._buffer, b""
        status, tally = int(answer[9:12]), self._tally
        tally.status[status] += 1
        if status == 202:
            tally.latencies_ms.append((time.perf_counter() - self._due_s) * 1000)
            failed = FAILED.search(answer)
            tally.failed += int(failed[1]) if failed else 0
        elif status == 429:
            tally.without_retry_after += RETRY.search(answer) is None
        self.busy = False
        self.refused = status == 429
        self._idle(self)


class Load:
    """Requests over a fixed number of connections, in a closed or an open loop."""

    def __init__(
        self, requests: list[bytes], tally: Tally | None = None, *, evades: bool = False
    ) -> None:
        """A load that `evades` opens a new connection in place of each one refused."""
        self._requests = requests
        self._evades = evades
        self._opening: set[asyncio.Task[None]] = set()
        self._host, self._port = "", 80
        self._next = 0
        self._everyone: set[Connection] = set()
        self._free: list[Connection] = []
        self._ended = False
        self._closed_loop = False
        self.tally = tally or Tally()

    async def connect(self, url: str, connections: int) -> None:
        """Open so many connections; a thousand take a while, which is not the load's."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        for _ in range(connections):
            await self._open()

    async def _open(self) -> None:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self.tally, self._answered), self._host, self._port
        )
        self._everyone.add(connection)
        if not self._closed_loop:
            self._free.append(connection)

    async def run(self, seconds: float, rate: float = 0, pause_s: float = 0) -> Tally:
        """Send for so long over the open connections, wait for all answers, and close them.

        `rate` is in requests a second, whatever the answers are; 0 sends on each connection as
        soon as the one before is answered. What is due within `pause_s` is sent together: a wait
        for less than a millisecond is a loop that turns, and takes the core from the system.
        """
        everyone = self._everyone
        began = time.perf_counter()
        if rate:
            await self._pace(began, seconds, rate, pause_s)
        else:
            self._closed_loop = True
            self._free.clear()
            for connection in everyone:
                self._send(connection, began)
            await asyncio.sleep(seconds)
        self._ended = True
        while any(connection.busy for connection in everyone):  # noqa: ASYNC110 - many, rarely
            await asyncio.sleep(0.01)
        await asyncio.gather(*self._opening)
        for connection in everyone:
            connection.close()
        return self.tally

    async def _pace(self, began: float, seconds: float, rate: float, pause_s: float) -> None:
        for turn in range(int(rate * seconds)):
            due_s = began + turn / rate
            now_s = time.perf_counter()
            if due_s > now_s:
                await asyncio.sleep(max(due_s - now_s, pause_s))
            elif turn % 16 == 0:
                await asyncio.sleep(0)  # Late: yet answers have to be read.
            if self._free:
                self._send(self._free.pop(), due_s)
            else:
                self.tally.unsent += 1

    def _answered(self, connection: Connection) -> None:
        if self._evades and connection.refused and not self._ended:
            connection.close()
            self._everyone.discard(connection)
            task = asyncio.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
            return
        if not self._closed_loop:
            self._free.append(connection)
        elif not self._ended:
            self._send(connection, time.perf_counter())

    def _send(self, connection: Connection, due_s: float) -> None:
        connection.send(self._requests[self._next % len(self._requests)], due_s)
        self._next += 1
