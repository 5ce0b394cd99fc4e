"""Lane: the way of events to one shard, in order, over links that may be lost."""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import msgspec

from actors.links.address import connect, note_refusal
from actors.links.credentials import Credentials
from actors.links.link import (
    Accept,
    Accepted,
    AskMap,
    AskStatus,
    Link,
    LinkEvent,
    MapIs,
    Moves,
    Refused,
    Status,
    decode_reply,
)
from actors.map import ClusterMap, Move
from ingest.admission import seconds_for
from ingest.exchange import Exchange, refuse_begun_before
from ingest.frame import Carried, Frame
from ingest.limits import (
    BUSY_FRAME_EVENTS,
    EVENT_HEAD_BYTES,
    FRAMES_IN_FLIGHT_MAX,
    LANE_EVENTS_MIN,
    PAYLOAD_BYTES_MAX,
    RECONNECT_S_MAX,
    RECONNECT_S_MIN,
    RETRY_AFTER_S_MAX,
    SECOND_FRAME_EVENTS_MIN,
)
from ingest.pace import Pace
from ingest.questions import Questions
from ingest.waiting import LaneBounds, Waiting

STOPPING: Final = "the gateway stops; repeat the request with the same event ids"


class Lane:
    """Carries events to one shard: at most two frames in flight, the others collect meanwhile.

    So an idle lane sends at once, a busy one in large frames, and nobody waits for a frame to
    fill. After a loss the frames without an answer go again, first and in order; the shard knows
    events it had already taken by their ids.

    Of a request that was answered with a refusal nothing goes out any more, and what is behind a
    refused frame is refused with it (see Accept.attempt): of no request the end is applied without
    its beginning.
    """

    def __init__(
        self,
        address: str,
        bounds: LaneBounds,
        freed: Callable[[int], None],
        credentials: Credentials | None = None,
    ) -> None:
        self._address = address
        self._credentials = credentials
        self._refused_why = ""
        """Why one side of the link does not trust the other, as was logged last."""
        self._bounds = bounds
        self._freed = freed
        """Called with the number of events that have left the lane, answered or not."""
        self.rerouted: Callable[[Lane, list[Carried], list[Move]], None] = _stay
        """Called with events that the shard did not take as their partition has moved, and where
        partitions are now; with none of both where something was answered while `watched`."""
        self.watched = False
        self.pace = Pace()
        heaviest = PAYLOAD_BYTES_MAX + EVENT_HEAD_BYTES
        self.free_below = min(LANE_EVENTS_MIN, bounds.events_max, bounds.bytes_max // heaviest)
        """A single event may come in without further questions while fewer wait."""
        self._moved_s = monotonic()
        """When the shard last answered, or was given its first frame after a pause."""
        self._link: Link | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._retry_s = 0.0
        self._closing = False
        self._seq = 0
        self._attempt = 0
        """How many refusals it has learned of."""
        self._waiting = Waiting()
        self._flight: deque[Frame] = deque()
        self._sent = 0
        self._sent_bytes = 0
        self._flushing = False
        self._last_events = 0
        self._questions = Questions()

    @property
    def reachable(self) -> bool:
        """Whether the shard can be reached, as far as is known."""
        return self._link is not None

    @property
    def waiting(self) -> int:
        """Events put in and not answered yet."""
        return len(self._waiting.events) + self._sent

    def wait_s(self, count: int, now_s: float) -> int:
        """Return 0 if `count` more events may come in, else seconds after which to try again.

        What waits already must be answered within the bounds' delay, at the shard's pace; of a
        shard that answers nothing for as long, only `LANE_EVENTS_MIN` may wait. What comes in is
        not counted itself, so that a large request is not refused for ever beside small ones.
        """
        bounds, waiting = self._bounds, self.waiting
        if waiting == 0:
            return 0
        size = self._waiting.bytes + self._sent_bytes
        if waiting + count <= bounds.events_max and size <= bounds.bytes_max:
            limit = LANE_EVENTS_MIN
            if waiting < limit:
                return 0
            stood_s = self.stood_s(now_s)
            if stood_s > bounds.delay_s:
                return min(1 + int(stood_s), RETRY_AFTER_S_MAX)
            limit = max(limit, int(self.pace.events_per_s * bounds.delay_s))
            if waiting < limit:
                return 0
            return seconds_for(waiting - limit, self.pace.events_per_s)
        return seconds_for(waiting, self.pace.events_per_s)

    def stood_s(self, now_s: float) -> float:
        """Return for how long the shard has owed an answer, or could not be reached; else 0."""
        return now_s - self._moved_s if self._flight or self._link is None else 0.0

    def crowded(self, now_s: float) -> bool:
        """Say whether it is full although its shard answers: then there is room again soon."""
        return self.stood_s(now_s) <= self._bounds.delay_s and self.wait_s(1, now_s) > 0

    async def open(self) -> None:
        """Connect; where no shard listens yet, keep trying in the background."""
        if not await self._connect():
            self._connecting = asyncio.create_task(self._reconnect())

    def close(self) -> None:
        """Close the link; what waits is answered with 503."""
        self._closing = True
        if self._connecting is not None:
            self._connecting.cancel()
        flying = [each for frame in self._flight for each in frame.exchanges]
        for exchange in flying + self._waiting.exchanges:
            exchange.refuse(503, STOPPING)
        self._freed(self.waiting)
        self._flight.clear()
        self._sent = self._sent_bytes = 0
        self._waiting.take_all()
        if self._link is not None:
            self._link.close()

    def put(self, exchange: Exchange, event: LinkEvent) -> None:
        """Take one event along; `exchange` counts it down when it is durable."""
        self._waiting.put(exchange, event)
        if not self._flushing:
            self._schedule()

    def put_all(self, exchange: Exchange, events: list[LinkEvent]) -> None:
        """Take several events of one request along, which costs half of one by one."""
        self._waiting.put_all(exchange, events)
        if not self._flushing:
            self._schedule()

    def expire(self, before_s: float) -> None:
        """Refuse what began before this moment and has no answer; its unsent events are dropped.

        A link that left a frame unanswered that long is not trusted any more.
        """
        for frame in self._flight:
            if frame.exchanges[0].began_s < before_s:
                refuse_begun_before(before_s, frame.exchanges)
                if self._link is not None:
                    self._link.close()
        exchanges = self._waiting.exchanges
        if exchanges and exchanges[0].began_s < before_s:
            refuse_begun_before(before_s, exchanges)
            self._drop_answered()

    async def status(self, timeout_s: float) -> dict[str, Any] | None:
        """Ask the shard how it is; None where it cannot be reached in time."""
        reply = await self._questions.ask(self._link, AskStatus(0), timeout_s)
        return reply.status if isinstance(reply, Status) else None

    async def map(self, timeout_s: float) -> ClusterMap | None:
        """Ask the shard where partitions are; None where it cannot be reached in time."""
        reply = await self._questions.ask(self._link, AskMap(0), timeout_s)
        return reply.map if isinstance(reply, MapIs) else None

    def redirect(self, address: str) -> None:
        """Go on where the slot is served now; what has no answer goes there first."""
        if address == self._address or self._closing:
            return
        self._address, self._retry_s = address, 0.0
        if self._link is not None:
            self._link.close()
        elif self._connecting is not None:
            self._connecting.cancel()
            self._connecting = asyncio.create_task(self._reconnect())

    def carries(self, partition: int) -> bool:
        """Say whether events of this partition are on their way to the shard."""
        return any(frame.carries(partition) for frame in self._flight)

    def take_out(self, partition: int) -> list[Carried]:
        """Take the events of a partition out of what waits to be sent, and return them."""
        taken = self._waiting.take_out(partition)
        if taken:
            self._freed(len(taken))
        return taken

    def abandon(self) -> list[Carried]:
        """Give up what was sent and has no answer, and return what somebody waits for still.

        For a slot that is no more: nobody can answer, nor apply it there any longer.
        """
        carried = []
        for frame in list(self._flight):
            self._take_off(frame)
            for exchange, event in zip(frame.exchanges, frame.events, strict=True):
                exchange.resent = True
                if not exchange.answered:
                    carried.append((exchange, event))
        return carried

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
        while self._waiting.events and self._link is not None and self._has_room():
            self._seq += 1
            frame = self._waiting.cut(self._seq)
            frame.busy = bool(self._waiting.events)
            if not self._flight:
                self._moved_s = monotonic()
            self._flight.append(frame)
            self._last_events = len(frame.events)
            self._sent += len(frame.events)
            self._sent_bytes += frame.bytes
            self._send(self._link, frame)

    def _send(self, link: Link, frame: Frame) -> None:
        frame.sent_s = monotonic()
        frame.answered = self.pace.answered
        link.send(Accept(frame.seq, frame.events, self._attempt))

    def _has_room(self) -> bool:
        """Say whether what waits may go out: at once where no frame is in flight.

        Beside another one only once it is worth a frame: 64 senders with one event each were
        served a third faster so, as a frame costs a shard more than the events in it.
        """
        if self._link is None:
            return False
        in_flight = len(self._flight)
        return in_flight == 0 or (
            in_flight < FRAMES_IN_FLIGHT_MAX
            and len(self._waiting.events) >= SECOND_FRAME_EVENTS_MIN
        )

    def _take_off(self, frame: Frame) -> None:
        self._flight.remove(frame)
        count = len(frame.events)
        self._sent -= count
        self._sent_bytes -= frame.bytes
        self._freed(count)

    def _learn(self, frame: Frame) -> None:
        """Learn the shard's pace from a frame it has answered."""
        pace, self._moved_s = self.pace, monotonic()
        pace.answered += len(frame.events)
        pace.observe(pace.answered - frame.answered, self._moved_s - frame.sent_s, busy=frame.busy)

    def _received(self, link: Link, data: bytes) -> None:
        try:
            reply = decode_reply(data)
        except msgspec.MsgspecError:
            link.close()
            return
        if isinstance(reply, Status | MapIs):
            self._questions.take(reply)
            return
        if isinstance(reply, Moves):
            self.rerouted(self, [], reply.moves)
            return
        frame = next((each for each in self._flight if each.seq == reply.seq), None)
        if frame is None:
            return
        if isinstance(reply, Accepted) and len(reply.verdicts) == len(frame.events):
            self._learn(frame)
            self._take_off(frame)
            moved = frame.settle(reply.verdicts)
            self._attempt += bool(moved)
            if moved or self.watched:
                self.rerouted(self, moved, reply.moves)
        elif isinstance(reply, Refused):
            self._refused(frame, reply.error)
        else:
            link.close()
            return
        self._retry_s = 0.0
        if self._waiting.events and not self._flushing:
            self._schedule()

    def _refused(self, frame: Frame, error: str) -> None:
        """Refuse a frame, and those behind it: the shard does so too, whose answers mean nothing.

        What of the same requests was not sent yet never is.
        """
        self._attempt += 1
        refused = [each for each in self._flight if each.seq >= frame.seq]
        for each in refused:
            self._take_off(each)
            for exchange in each.exchanges:
                exchange.refuse(503, f"the shard refused: {error}; try again later")
        self._drop_answered()

    def _drop_answered(self) -> None:
        """Drop what waits of requests answered already."""
        count = self._waiting.drop_answered()
        if count:
            self._freed(count)

    def _lost(self, link: Link) -> None:
        if link is not self._link:
            return
        self._link = None
        if not self._flight:
            self._moved_s = monotonic()
        self._questions.fail()
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
        try:
            link = await connect(
                self._address, lambda: Link(self._received, self._lost), self._credentials
            )
        except OSError as error:
            self._refused_why = note_refusal(error, self._refused_why)
            return False
        self._refused_why = ""
        if not link.open:
            return False
        self._link = link
        for frame in list(self._flight):
            self._resend(link, frame)
        self._drop_answered()
        self._flush()
        return True

    def _resend(self, link: Link, frame: Frame) -> None:
        """Send what somebody waits for; of requests answered already the senders repeat all."""
        count, size = len(frame.events), frame.bytes
        frame.drop_answered()
        count -= len(frame.events)
        self._sent -= count
        self._sent_bytes -= size - frame.bytes
        self._freed(count)
        if frame.events:
            frame.resent = True
            self._send(link, frame)
        else:
            self._flight.remove(frame)


def _stay(lane: Lane, moved: list[Carried], moves: list[Move]) -> None:
    """Where partitions never move, nothing is said of them."""
    assert not moved, lane
