"""Gateway: listens for events over HTTP and brings them to the shards that own their contacts."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final

import structlog

from actors.links.credentials import Credentials
from actors.map import ClusterMap
from ingest.admission import Admission, Refusal, full
from ingest.exchange import Exchange, encode
from ingest.files import connections_that_fit
from ingest.follower import Follower
from ingest.heads import KnownHeads
from ingest.keyring import Keyring
from ingest.lane import Lane
from ingest.limits import LINGER_S, TURNED_AWAY_MAX
from ingest.listening import cannot_listen
from ingest.memory import MemoryWatch, memory_max_bytes, rss_bytes, shard_rss_bytes
from ingest.metrics import CONTENT_TYPE, Scrape, exposition
from ingest.protocol import HttpConnection
from ingest.report import Counters, GatewayReport, LaneReport, Siblings
from ingest.router import Router
from ingest.settings import GatewaySettings
from ingest.stalls import Stalls
from ingest.waiting import LaneBounds
from ingest.wire import BodyError, Reader, keys_of

EVENTS: Final = b"/v1/events"
HEALTH: Final = b"/healthz"
METRICS: Final = b"/metrics"
METHODS: Final = {EVENTS: (b"POST",), HEALTH: (b"GET", b"HEAD"), METRICS: (b"GET", b"HEAD")}
MEDIA_TYPES: Final = (b"application/json", b"application/x-ndjson", b"application/ndjson")
STATUS_S: Final = 1.0
"""How long a scrape waits for the shards."""

WATCH_S: Final = 1.0
"""How often the memory is looked at."""


log = structlog.get_logger()


class Gateway:
    """Serves HTTP on one port; `told` says where the shards are, `host` where this is.

    It is the desk at which all connections ask (see ingest.protocol.Desk).
    """

    def __init__(
        self,
        settings: GatewaySettings,
        told: ClusterMap,
        credentials: Credentials | None = None,
        host: str = "",
        siblings: Siblings | None = None,
        ask_store: Callable[[], Awaitable[ClusterMap]] | None = None,
    ) -> None:
        """`siblings` are the gateways that share its port, where it has some.

        `ask_store` says where slots are where no shard can be asked.
        """
        self._settings = settings
        self._keyring = Keyring(settings.keys)
        self._counters = Counters()
        self.admission = Admission(settings.events_in_flight_max, settings.body_bytes_max)
        bounds = LaneBounds(
            settings.lane_events_max, settings.lane_bytes_max, settings.queue_delay_s
        )
        self._opening: set[asyncio.Task[None]] = set()
        self._started = False

        def new_lane(address: str) -> Lane:
            lane = Lane(address, bounds, self.admission.freed, credentials)
            if self._started:
                self._open(lane)
            return lane

        self._router = Router(told, self.admission, new_lane, host)
        self._follower = Follower(self._router, STATUS_S, ask_store)
        self._moving = bool(host)
        """Whether this is a cluster, where partitions move."""
        # Two gateways, or two boots of one, must not give the same id; 24 characters stay short.
        self._reader = Reader(f"{secrets.token_hex(5)}-")
        self._connections: set[HttpConnection] = set()
        self._connections_max = settings.connections_max
        self._scrapes: set[asyncio.Task[None]] = set()
        self._statuses: asyncio.Task[dict[int, dict[str, Any] | None]] | None = None
        self._siblings = siblings or Siblings()
        self._memory = MemoryWatch(memory_max_bytes(settings.memory_max))
        self._stalls = Stalls()
        self._watch: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self.heads = KnownHeads()
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

    @property
    def _lanes(self) -> list[Lane]:
        """In the order of their slots."""
        return [lane for _, lane in sorted(self._router.lanes.items())]

    def _open(self, lane: Lane) -> None:
        task = asyncio.create_task(lane.open())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def bind(self) -> None:
        """Take the address; connections are refused until `start`. Raises OSError."""
        settings = self._settings
        self._connections_max = connections_that_fit(settings.connections_max)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: HttpConnection(self),
                settings.host,
                settings.port,
                backlog=1024,
                reuse_address=True,
                reuse_port=bool(self._siblings.others),
                start_serving=False,
            )
        except OSError as error:
            raise cannot_listen(settings.host, settings.port, error) from None

    async def start(self) -> None:
        """Listen. Shards that cannot be reached yet are tried again until they can.

        Raises OSError where the address cannot be had.
        """
        if self._server is None:
            await self.bind()
        assert self._server is not None
        await self._siblings.open(self.report)
        await self._server.start_serving()
        self._started = True
        await asyncio.gather(*(lane.open() for lane in self._lanes))
        if self._moving:
            self._follower.start()
        self.swept_s = monotonic()
        self._sweep()
        self._watch = asyncio.create_task(self._watch_memory())
        self._watch.add_done_callback(self._watched)

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
        self._follower.stop()
        self._router.close()
        for connection in list(self._connections):
            connection.abort()
        self._siblings.close()
        for task in (*self._scrapes, self._statuses, self._watch):
            if task is not None:
                task.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.sleep(0)  # The transports end in the loop's next turn.

    # The desk.

    def joined(self, connection: HttpConnection) -> None:
        """Note a new connection."""
        self._connections.add(connection)
        if self.draining or len(self._connections) > self._connections_max + TURNED_AWAY_MAX:
            connection.abort()
        elif len(self._connections) > self._connections_max:
            connection.turn_away()

    def left(self, connection: HttpConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    def refusal(self, path: bytes, method: bytes, headers: dict[bytes, bytes]) -> Refusal | None:
        """Say why a request of this head is not served: status, error, header lines."""
        methods = METHODS.get(path)
        if methods is None:
            return 404, "nothing is here; events go to /v1/events", ""
        if method not in methods:
            allow = b", ".join(methods).decode()
            return 405, f"use {allow} here", f"Allow: {allow}\r\n"
        if path != EVENTS:
            return None
        if not headers:
            return self._key_refusal(headers) or self.admission.shut
        content_type = headers.get(b"content-type")
        if content_type is not None and content_type != MEDIA_TYPES[0]:
            media_type = content_type.partition(b";")[0].strip().lower()
            if media_type not in MEDIA_TYPES:
                return 415, "send application/json or application/x-ndjson", ""
        if headers.get(b"content-encoding", b"identity") != b"identity":
            return 415, "send the body as it is, without Content-Encoding", ""
        return self._key_refusal(headers) or self.admission.shut

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
        counters.rejected += len(exchange.rejected) + exchange.erased
        if exchange.events == 0:
            return
        counters.acknowledged(monotonic() - exchange.began_s)
        if status == 202:
            counters.accepted += exchange.events - exchange.repeated - exchange.erased
            counters.repeated += exchange.repeated
            counters.failed += exchange.failed

    # The rest.

    def report(self) -> GatewayReport:
        """Say how it is."""
        return GatewayReport(
            pid=os.getpid(),
            memory_bytes=rss_bytes() or 0,
            connections=len(self._connections),
            events_in_flight=self.admission.events,
            lanes=[
                LaneReport(slot, lane.waiting, lane.reachable, lane.pace.events_per_s)
                for slot, lane in sorted(self._router.lanes.items())
            ],
            counters=self._counters,
        )

    def _take(self, exchange: Exchange) -> None:
        """Take the events of a request in, or say why not; the lanes answer when all are safe."""
        exchange.began_s = monotonic()
        if self.admission.crowded:
            wait_s = self._router.refuse_early(
                lambda: keys_of(exchange.body, lines=exchange.lines), exchange.began_s
            )
            if wait_s:
                exchange.refuse(*full(wait_s))
                return
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
            exchange.refuse(*full(wait_s))

    def _key_refusal(self, headers: dict[bytes, bytes]) -> Refusal | None:
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
        lanes = sorted(self._router.lanes.items())
        shards = [{"shard": slot, "reachable": lane.reachable} for slot, lane in lanes]
        well = all(lane.reachable for lane in self._lanes)
        status = "ok" if well else "not every shard can be reached"
        exchange.answer(200 if well else 503, encode({"status": status, "shards": shards}))

    async def _tell_metrics(self, exchange: Exchange) -> None:
        shards, others = await asyncio.gather(self._ask_shards(), self._siblings.ask())
        reports = {number: report for number, report in others.items() if report is not None}
        reports[self._siblings.own] = self.report()
        text = exposition(Scrape(reports, shards, self._memory, shared=bool(others)))
        exchange.answer(200, text, f"Content-Type: {CONTENT_TYPE}\r\n")

    async def _ask_shards(self) -> dict[int, dict[str, Any] | None]:
        """Ask all shards how they are, by slot; who asks meanwhile gets the same answer."""
        if self._statuses is None or self._statuses.done():

            async def ask() -> dict[int, dict[str, Any] | None]:
                lanes = sorted(self._router.lanes.items())
                said = await asyncio.gather(*(lane.status(STATUS_S) for _, lane in lanes))
                return {slot: each for (slot, _), each in zip(lanes, said, strict=True)}

            self._statuses = asyncio.create_task(ask())
        return await asyncio.shield(self._statuses)

    async def _watch_memory(self) -> None:
        """Refuse events while gateway and shards use more than the watermark."""
        while True:
            await asyncio.sleep(WATCH_S)
            statuses = await self._ask_shards()
            self._stalls.note(statuses)
            used: dict[Any, int | None] = {
                slot: shard_rss_bytes(status) for slot, status in statuses.items()
            }
            own_bytes = rss_bytes() or 0
            if self._siblings.others:
                own_bytes += rss_bytes(os.getppid()) or 0  # `anlass run`, which is no gateway then.
                for number, report in (await self._siblings.ask()).items():
                    used[f"gateway-{number}"] = None if report is None else report.memory_bytes
            memory, was_full = self._memory, self._memory.full
            if memory.note(own_bytes, used):
                self.admission.shut_memory(memory.used_bytes, memory.max_bytes)
            elif was_full:
                self.admission.reopen_memory()
            if memory.full != was_full:
                log.warning(
                    "the memory is full: events are refused" if memory.full else "memory is free",
                    used_bytes=memory.used_bytes,
                    memory_max=memory.max_bytes,
                )

    def _watched(self, watch: asyncio.Task[None]) -> None:
        """End the process if the watch ended by a fault: unseen, the memory would fill."""
        if not watch.cancelled():
            _end_process("memory", watch.exception())

    def _sweep(self) -> None:
        """Sweep, and again; a fault ends the process: nothing would ever time out any more."""
        try:
            pause_s = self._sweep_once()
        except Exception as error:  # noqa: BLE001 - logged there
            _end_process("sweep", error)
            return
        self._sweeper = asyncio.get_running_loop().call_later(pause_s, self._sweep)

    def _sweep_once(self) -> float:
        """Once a while end what takes too long; a timer for each request would cost far more.

        Returns after how many seconds it is time again.
        """
        settings = self._settings
        now_s = monotonic()
        answered = sum(lane.pace.answered for lane in self._lanes)
        self.admission.observe(answered - self._answered, now_s - self.swept_s)
        self.admission.reopen()  # No lane may have moved: then the next request shuts it again.
        self._answered, self.swept_s = answered, now_s
        for lane in self._lanes:
            lane.expire(now_s - settings.deadline_s)
        self._router.expire(now_s - settings.deadline_s)
        for connection in list(self._connections):
            if connection.lingering:
                limit_s = LINGER_S
            elif connection.busy:
                continue
            else:
                limit_s = settings.receive_s if connection.receiving else settings.idle_s
            if now_s - connection.changed_s > limit_s:
                connection.time_out()
        return min(1.0, settings.deadline_s / 4, settings.receive_s / 4, settings.idle_s / 4)


def _end_process(what: str, error: BaseException | None) -> None:
    log.error("the gateway is at fault, and its process ends", at=what, exc_info=error)
    os._exit(70)
