"""Gateway: listens for events over HTTP and brings them to the shards that own their contacts."""

import asyncio
import contextlib
import secrets
from time import monotonic
from typing import Final

from ingest.admission import Admission
from ingest.exchange import Exchange, encode
from ingest.keyring import Keyring
from ingest.lane import Lane
from ingest.limits import LINGER_S
from ingest.metrics import CONTENT_TYPE, Counters, GatewayState, exposition
from ingest.protocol import HttpConnection
from ingest.router import Router
from ingest.settings import GatewaySettings
from ingest.wire import BodyError, Reader

EVENTS: Final = b"/v1/events"
HEALTH: Final = b"/healthz"
METRICS: Final = b"/metrics"
METHODS: Final = {EVENTS: (b"POST",), HEALTH: (b"GET", b"HEAD"), METRICS: (b"GET", b"HEAD")}
MEDIA_TYPES: Final = (b"application/json", b"application/x-ndjson", b"application/ndjson")
STATUS_S: Final = 1.0
"""How long a scrape waits for the shards."""

_Refusal = tuple[int, str, str]


class Gateway:
    """Serves HTTP on one port; `sockets` are the Unix sockets of the shards, in their order.

    It is the desk at which all connections ask (see ingest.protocol.Desk).
    """

    def __init__(self, settings: GatewaySettings, sockets: list[str]) -> None:
        self._settings = settings
        self._keyring = Keyring(settings.keys)
        self._counters = Counters()
        self._lanes = [Lane(path) for path in sockets]
        self.admission = Admission(
            settings.events_in_flight_max, settings.lane_events_max, settings.body_bytes_max
        )
        self._router = Router(self._lanes, self.admission)
        # Two gateways, or two boots of one, must not give the same id; 24 characters stay short.
        self._reader = Reader(f"{secrets.token_hex(5)}-")
        self._connections: set[HttpConnection] = set()
        self._scrapes: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self.swept_s = monotonic()
        self._answered = 0
        self.draining = False
        self._progress = asyncio.Event()

    @property
    def port(self) -> int:
        """The port it listens on; valid once started."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def bind(self) -> None:
        """Take the address; connections are refused until `start`. Raises OSError."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: HttpConnection(self),
                settings.host,
                settings.port,
                backlog=1024,
                reuse_address=True,
                start_serving=False,
            )
        except OSError as error:
            raise OSError(
                f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}; "
                "stop what listens there, or choose another port"
            ) from None

    async def start(self) -> None:
        """Listen. Shards that cannot be reached yet are tried again until they can.

        Raises OSError where the address cannot be had.
        """
        if self._server is None:
            await self.bind()
        assert self._server is not None
        await self._server.start_serving()
        await asyncio.gather(*(lane.open() for lane in self._lanes))
        self.swept_s = monotonic()
        self._sweep()

    async def stop(self) -> None:
        """Take no new connections, answer what is in flight, then close everything."""
        if self._server is None:
            return
        self.draining = True
        self._server.close()
        for connection in list(self._connections):
            connection.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.deadline_s):
                while any(connection.busy for connection in self._connections):
                    self._progress.clear()
                    await self._progress.wait()
        for lane in self._lanes:
            lane.close()
        for connection in list(self._connections):
            connection.abort()
        for scrape in self._scrapes:
            scrape.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.sleep(0)  # The transports end in the loop's next turn.

    # The desk.

    def joined(self, connection: HttpConnection) -> None:
        """Note a new connection."""
        self._connections.add(connection)
        if self.draining:
            connection.abort()
        elif len(self._connections) > self._settings.connections_max:
            connection.turn_away()

    def left(self, connection: HttpConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    def refusal(self, path: bytes, method: bytes, headers: dict[bytes, bytes]) -> _Refusal | None:
        """Say why a request of this head is not served: status, error, header lines."""
        methods = METHODS.get(path)
        if methods is None:
            return 404, "nothing is here; events go to /v1/events", ""
        if method not in methods:
            allow = b", ".join(methods).decode()
            return 405, f"use {allow} here", f"Allow: {allow}\r\n"
        if path != EVENTS or not headers:
            return self._key_refusal(headers) if path == EVENTS else None
        content_type = headers.get(b"content-type")
        if content_type is not None and content_type != MEDIA_TYPES[0]:
            media_type = content_type.partition(b";")[0].strip().lower()
            if media_type not in MEDIA_TYPES:
                return 415, "send application/json or application/x-ndjson", ""
        if headers.get(b"content-encoding", b"identity") != b"identity":
            return 415, "send the body as it is, without Content-Encoding", ""
        return self._key_refusal(headers)

    def serve(self, exchange: Exchange) -> None:
        """Serve a whole request; its `answer` may be called at once or later."""
        if exchange.path == EVENTS:
            self._take(exchange)
        elif exchange.path == HEALTH:
            self._tell_health(exchange)
        else:
            task = asyncio.get_running_loop().create_task(self._tell_metrics(exchange))
            self._scrapes.add(task)
            task.add_done_callback(self._scrapes.discard)

    def answered(self, exchange: Exchange, status: int) -> None:
        """Count an answer; what it held is free again."""
        self._progress.set()
        counters = self._counters
        counters.status[status] = counters.status.get(status, 0) + 1
        self.admission.body_bytes -= exchange.body_bytes
        counters.rejected += len(exchange.rejected)
        if exchange.events == 0:
            return
        self.admission.events -= exchange.events
        self._answered += exchange.events
        counters.acknowledged(monotonic() - exchange.began_s)
        if status == 202:
            counters.accepted += exchange.events - exchange.repeated
            counters.repeated += exchange.repeated
            counters.failed += exchange.failed

    # The rest.

    def _take(self, exchange: Exchange) -> None:
        """Take the events of a request in, or say why not; the lanes answer when all are safe."""
        exchange.began_s = monotonic()
        try:
            events, rejected = self._reader.read(exchange.body, lines=exchange.lines)
        except BodyError as error:
            exchange.refuse(error.status, str(error))
            return
        exchange.body = b""
        exchange.rejected = rejected
        if not events:
            exchange.settle()
            return
        wait_s = self._router.route(exchange, events)
        if wait_s:
            exchange.rejected = []
            error_text = f"the gateway is full; repeat all events in {wait_s} s"
            exchange.refuse(429, error_text, f"Retry-After: {wait_s}\r\n")

    def _key_refusal(self, headers: dict[bytes, bytes]) -> _Refusal | None:
        if self._keyring.empty:
            return None
        key = headers.get(b"x-write-key", b"")
        if not key:
            scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer":
                key = b""
        if not key and self._settings.on_loopback:
            return None
        if key and self._keyring.admits(key.strip()):
            return None
        error = "show a write key: `Authorization: Bearer KEY` or `X-Write-Key: KEY`"
        return 401, error, "WWW-Authenticate: Bearer\r\n"

    def _tell_health(self, exchange: Exchange) -> None:
        shards = [{"shard": i, "reachable": lane.reachable} for i, lane in enumerate(self._lanes)]
        well = all(lane.reachable for lane in self._lanes)
        status = "ok" if well else "not every shard can be reached"
        exchange.answer(200 if well else 503, encode({"status": status, "shards": shards}))

    async def _tell_metrics(self, exchange: Exchange) -> None:
        shards = await asyncio.gather(*(lane.status(STATUS_S) for lane in self._lanes))
        state = GatewayState(
            self.admission.events,
            len(self._connections),
            [(lane.waiting, lane.reachable) for lane in self._lanes],
            shards,
        )
        text = exposition(self._counters, state)
        exchange.answer(200, text, f"Content-Type: {CONTENT_TYPE}\r\n")

    def _sweep(self) -> None:
        """Once a while end what takes too long; a timer for each request would cost far more."""
        settings = self._settings
        now_s = monotonic()
        self.admission.observe(self._answered, now_s - self.swept_s)
        self._answered, self.swept_s = 0, now_s
        for lane in self._lanes:
            lane.expire(now_s - settings.deadline_s)
        for connection in list(self._connections):
            if connection.lingering:
                limit_s = LINGER_S
            elif connection.busy:
                continue
            else:
                limit_s = settings.receive_s if connection.receiving else settings.idle_s
            if now_s - connection.changed_s > limit_s:
                connection.time_out()
        pause_s = min(1.0, settings.deadline_s / 4, settings.receive_s / 4, settings.idle_s / 4)
        self._sweeper = asyncio.get_running_loop().call_later(pause_s, self._sweep)
