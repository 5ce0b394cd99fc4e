"""Ledger: a client that sends numbered events until each is acknowledged, and notes which were."""

import asyncio
from collections.abc import Callable
from random import Random

from tests.simulation.loop import Process
from tests.simulation.shop import ShopEvent, body_of

ANSWER_WAIT_S = 1.5
PAUSE_S = 0.05
EVENTS_MAX = 10
PIPELINED_MAX = 3


class Put:
    """One event as its sender knows it."""

    __slots__ = ("acknowledged", "at_ms", "event", "first", "last", "request")

    def __init__(self, event: ShopEvent) -> None:
        self.event = event
        self.at_ms = 0
        self.first = 0
        """Number of its first try among all of this sender; 0 where there was none."""
        self.last = 0
        self.request = 0
        """Number of the request it always comes in."""
        self.acknowledged = False


class Connection(asyncio.Protocol):
    """Reads answers over HTTP, in the order of the requests."""

    def __init__(self) -> None:
        self._buffer = b""
        self.waiting: list[asyncio.Future[tuple[int, bytes]]] = []
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        for future in self.waiting:
            if not future.done():
                future.set_result((0, b""))
        self.waiting.clear()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            if self.waiting:
                future = self.waiting.pop(0)
                if not future.done():
                    future.set_result((int(head.split(b" ", 2)[1]), rest[:length]))


class LedgerClient:
    """Sends over one connection at a time, in order, several requests before the first answer."""

    def __init__(
        self,
        process: Process,
        gateways: list[str],
        events: list[ShopEvent],
        read_ms: Callable[[], int],
        random: Random,
    ) -> None:
        self.process = process
        self.puts = [Put(event) for event in events]
        self.pace_s = 0.0
        """How long it pauses between requests, on average."""
        self._gateways = gateways
        self._read_ms = read_ms
        self._random = random
        self._tries = 0
        self._requests = self._cut()
        for number, request in enumerate(self._requests):
            for put in request:
                put.request = number
        self.done = False

    async def send_all(self) -> None:
        """Send until every event is acknowledged; now and then something old once more."""
        connection: Connection | None = None
        while waiting := [request for request in self._requests if not request[0].acknowledged]:
            if connection is None or connection.transport is None:
                connection = await self._connect()
                continue
            requests = waiting[: self._random.randint(1, PIPELINED_MAX)]
            old = [request for request in self._requests if request[0].acknowledged]
            if old and self._random.random() < 0.2:
                requests.append([self._random.choice(self._random.choice(old))])
            answers = [self._send(connection, request) for request in requests]
            await asyncio.wait(answers, timeout=ANSWER_WAIT_S)
            lost = False
            for request, answer in zip(requests, answers, strict=True):
                status, text = answer.result() if answer.done() else (503, b"too late")
                self._note(request, status, text)
                lost = lost or status == 0 or not answer.done()
            if lost and connection.transport is not None:
                connection.transport.close()
                connection = None
            await asyncio.sleep(self._random.random() * 2 * self.pace_s)
        if connection is not None and connection.transport is not None:
            connection.transport.close()
        self.done = True

    async def _connect(self) -> Connection | None:
        try:
            connection: Connection
            _, connection = await self.process.create_unix_connection(
                Connection, self._random.choice(self._gateways)
            )
        except OSError:
            await asyncio.sleep(PAUSE_S)
            return None
        return connection

    def _cut(self) -> list[list[Put]]:
        """Cut the requests, for good: a sender that tries again sends the same one."""
        requests: list[list[Put]] = []
        begin = 0
        while begin < len(self.puts):
            count = self._random.randint(1, self._random.choice((1, EVENTS_MAX)))
            requests.append(self.puts[begin : begin + count])
            begin += count
        return requests

    def _send(
        self, connection: Connection, request: list[Put]
    ) -> asyncio.Future[tuple[int, bytes]]:
        answer: asyncio.Future[tuple[int, bytes]] = self.process.create_future()
        for put in request:
            self._tries += 1
            if not put.first:
                put.first = self._tries
                put.at_ms = self._read_ms() - put.event.late_ms
            if not put.acknowledged:
                put.last = self._tries
        if connection.transport is None:
            answer.set_result((0, b""))
            return answer
        body = body_of([(put.event, put.at_ms) for put in request])
        connection.waiting.append(answer)
        connection.transport.write(
            b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        return answer

    def _note(self, request: list[Put], status: int, text: bytes) -> None:
        ids = " ".join(put.event.id for put in request)
        self.process.scheduler.note(self.process.name, f"{status} for {ids}")
        if status == 202 or b"refused_erased" in text:  # Then all were of erased contacts.
            for put in request:
                put.acknowledged = True
            return
        if status not in (0, 429, 503):
            self.process.scheduler.fault(self.process.name, f"{status} for {ids}: {text!r}")
