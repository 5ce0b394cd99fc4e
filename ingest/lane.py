"""Lane: the way of events to one shard, in order, over links that may be lost."""

import asyncio
from collections import deque
from typing import Any, Final

import msgspec

from actors.link import (
    Accept,
    Accepted,
    AskStatus,
    Link,
    LinkError,
    LinkEvent,
    Refused,
    Status,
    decode_reply,
)
from engine.input import Verdict
from ingest.exchange import Exchange
from ingest.limits import (
    BUSY_FRAME_EVENTS,
    EVENT_HEAD_BYTES,
    FRAME_BYTES_MAX,
    FRAME_EVENTS_MAX,
    FRAMES_IN_FLIGHT_MAX,
    RECONNECT_S_MAX,
    RECONNECT_S_MIN,
    SECOND_FRAME_EVENTS_MIN,
)

UNREACHABLE: Final = "the shard did not answer in time; repeat the request with the same event ids"
STOPPING: Final = "the gateway stops; repeat the request with the same event ids"


class Frame:
    """Events sent to the shard in one Accept, and the exchange that each belongs to."""

    __slots__ = ("events", "exchanges", "resent", "seq")

    def __init__(self, seq: int, events: list[LinkEvent], exchanges: list[Exchange]) -> None:
        self.seq = seq
        self.events = events
        self.exchanges = exchanges
        self.resent = False


class Lane:
    """Carries events to one shard: at most two frames in flight, the others collect meanwhile.

    So an idle lane sends at once, a busy one in large frames, and nobody waits for a frame to
    fill. After a loss the frames without an answer go again, first and in order; the shard knows
    events it had already taken by their ids.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._link: Link | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._retry_s = 0.0
        self._closing = False
        self._seq = 0
        self._events: list[LinkEvent] = []
        self._exchanges: list[Exchange] = []
        self._bytes = 0
        self._flight: deque[Frame] = deque()
        self._sent = 0
        self._flushing = False
        self._last_events = 0
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}

    @property
    def reachable(self) -> bool:
        """Whether the shard can be reached, as far as is known."""
        return self._link is not None

    @property
    def waiting(self) -> int:
        """Events put in and not answered yet."""
        return len(self._events) + self._sent

    async def open(self) -> None:
        """Connect; where no shard listens yet, keep trying in the background."""
        if not await self._connect():
            self._connecting = asyncio.create_task(self._reconnect())

    def close(self) -> None:
        """Close the link; what waits is answered with 503."""
        self._closing = True
        if self._connecting is not None:
            self._connecting.cancel()
        for exchange in [e for frame in self._flight for e in frame.exchanges] + self._exchanges:
            exchange.refuse(503, STOPPING)
        self._flight.clear()
        self._sent = 0
        self._events, self._exchanges, self._bytes = [], [], 0
        if self._link is not None:
            self._link.close()

    def put(self, exchange: Exchange, event: LinkEvent) -> None:
        """Take one event along; `exchange` counts it down when it is durable."""
        self._events.append(event)
        self._exchanges.append(exchange)
        self._bytes += len(event.payload) + EVENT_HEAD_BYTES
        if not self._flushing:
            self._schedule()

    def expire(self, before_s: float) -> None:
        """Refuse what began before this moment and has no answer; its unsent events are dropped.

        A link that left a frame unanswered that long is not trusted any more.
        """
        for frame in self._flight:
            if frame.exchanges[0].began_s < before_s:
                _refuse_begun_before(before_s, frame.exchanges)
                if self._link is not None:
                    self._link.close()
        if self._exchanges and self._exchanges[0].began_s < before_s:
            _refuse_begun_before(before_s, self._exchanges)
            live = [i for i, exchange in enumerate(self._exchanges) if not exchange.answered]
            self._events = [self._events[i] for i in live]
            self._exchanges = [self._exchanges[i] for i in live]
            self._bytes = sum(len(event.payload) + EVENT_HEAD_BYTES for event in self._events)

    async def status(self, timeout_s: float) -> dict[str, Any] | None:
        """Ask the shard how it is; None where it cannot be reached in time."""
        if self._link is None:
            return None
        self._seq += 1
        seq = self._seq
        self._asked[seq] = asyncio.get_running_loop().create_future()
        self._link.send(AskStatus(seq))
        try:
            return await asyncio.wait_for(self._asked[seq], timeout_s)
        except (TimeoutError, LinkError):
            return None
        finally:
            self._asked.pop(seq, None)

    def _schedule(self) -> None:
        """Send soon: in the loop's next turn, so that other events of this one come along.

        Where frames are well filled already, one turn later still: more come along, and under
        such load that costs nobody time.
        """
        if self._has_room():
            self._flushing = True
            soon = self._flush if self._last_events < BUSY_FRAME_EVENTS else self._flush_next_turn
            asyncio.get_running_loop().call_soon(soon)

    def _flush_next_turn(self) -> None:
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        while self._events and self._link is not None and self._has_room():
            frame = self._cut()
            self._flight.append(frame)
            self._last_events = len(frame.events)
            self._sent += len(frame.events)
            self._link.send(Accept(frame.seq, frame.events))

    def _has_room(self) -> bool:
        """Say whether what waits may go out: at once where no frame is in flight.

        Beside another one only once it is worth a frame: 64 senders with one event each were
        served a third faster so, as a frame costs a shard more than the events in it.
        """
        if self._link is None:
            return False
        in_flight = len(self._flight)
        return in_flight == 0 or (
            in_flight < FRAMES_IN_FLIGHT_MAX and len(self._events) >= SECOND_FRAME_EVENTS_MIN
        )

    def _cut(self) -> Frame:
        """Take the next frame's events off the queue."""
        self._seq += 1
        events, exchanges = self._events, self._exchanges
        if len(events) <= FRAME_EVENTS_MAX and self._bytes <= FRAME_BYTES_MAX:
            self._events, self._exchanges, self._bytes = [], [], 0
            return Frame(self._seq, events, exchanges)
        size = 0
        count = 0
        for event in events[:FRAME_EVENTS_MAX]:
            weight = len(event.payload) + EVENT_HEAD_BYTES
            if size + weight > FRAME_BYTES_MAX:
                break
            size += weight
            count += 1
        self._events, self._exchanges = events[count:], exchanges[count:]
        self._bytes -= size
        return Frame(self._seq, events[:count], exchanges[:count])

    def _take_off(self, frame: Frame) -> None:
        self._flight.remove(frame)
        self._sent -= len(frame.events)

    def _received(self, link: Link, data: bytes) -> None:
        try:
            reply = decode_reply(data)
        except msgspec.MsgspecError:
            link.close()
            return
        if isinstance(reply, Status):
            future = self._asked.get(reply.seq)
            if future is not None and not future.done():
                future.set_result(reply.status)
            return
        frame = next((each for each in self._flight if each.seq == reply.seq), None)
        if frame is None:
            return
        if isinstance(reply, Accepted) and len(reply.verdicts) == len(frame.events):
            self._take_off(frame)
            _settle(frame, reply.verdicts)
        elif isinstance(reply, Refused):
            self._take_off(frame)
            for exchange in frame.exchanges:
                exchange.refuse(503, f"the shard refused: {reply.error}; try again later")
        else:
            link.close()
            return
        self._retry_s = 0.0
        if self._events and not self._flushing:
            self._schedule()

    def _lost(self, link: Link) -> None:
        if link is not self._link:
            return
        self._link = None
        for future in self._asked.values():
            if not future.done():
                future.set_exception(LinkError("the shard's link was lost"))
        if not self._closing:
            self._connecting = asyncio.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        """Try until connected; the pauses grow until a frame is answered again."""
        while True:
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(max(2 * self._retry_s, RECONNECT_S_MIN), RECONNECT_S_MAX)
            if await self._connect():
                return

    async def _connect(self) -> bool:
        loop = asyncio.get_running_loop()
        try:
            _, link = await loop.create_unix_connection(
                lambda: Link(self._received, self._lost), self._path
            )
        except OSError:
            return False
        if not link.open:
            return False
        self._link = link
        for frame in list(self._flight):
            if all(exchange.answered for exchange in frame.exchanges):
                self._take_off(frame)  # Nobody waits any more: their senders repeat.
            else:
                frame.resent = True
                link.send(Accept(frame.seq, frame.events))
        self._flush()
        return True


def _settle(frame: Frame, verdicts: bytes) -> None:
    """Count each event down; a repeat of what went twice may be our own first try: it counts."""
    if any(verdicts):
        for exchange, verdict in zip(frame.exchanges, verdicts, strict=True):
            if verdict == Verdict.FAILED:
                exchange.failed += 1
            elif verdict == Verdict.REPEAT and not frame.resent:
                exchange.repeated += 1
            elif verdict == Verdict.ERASED:
                exchange.erased += 1
    for exchange in frame.exchanges:
        exchange.left -= 1
        if exchange.left == 0:
            exchange.settle()


def _refuse_begun_before(before_s: float, exchanges: list[Exchange]) -> None:
    for exchange in exchanges:
        if exchange.began_s < before_s:
            exchange.refuse(503, UNREACHABLE)
