"""Waiting: the events of a lane that are not sent yet, in order, and how many there may be."""

from msgspec import Struct

from actors.links.link import LinkEvent
from ingest.exchange import Exchange
from ingest.frame import Carried, Frame
from ingest.limits import EVENT_HEAD_BYTES, FRAME_BYTES_MAX, FRAME_EVENTS_MAX


class LaneBounds(Struct, frozen=True):
    """How much may wait on one lane."""

    events_max: int
    bytes_max: int
    delay_s: float
    """What waits is refused where it would wait longer than this, at the shard's pace."""


class Waiting:
    """Events, and beside each the exchange that waits for it."""

    __slots__ = ("bytes", "events", "exchanges")

    def __init__(self) -> None:
        self.events: list[LinkEvent] = []
        self.exchanges: list[Exchange] = []
        self.bytes = 0

    def put(self, exchange: Exchange, event: LinkEvent) -> None:
        """Let one more event wait."""
        self.events.append(event)
        self.exchanges.append(exchange)
        self.bytes += len(event.payload) + EVENT_HEAD_BYTES

    def put_all(self, exchange: Exchange, events: list[LinkEvent]) -> None:
        """Let more of one request wait."""
        self.events += events
        self.exchanges += [exchange] * len(events)
        self.bytes += sum([len(each.payload) for each in events]) + len(events) * EVENT_HEAD_BYTES

    def cut(self, seq: int) -> Frame:
        """Take the events of the next frame off."""
        events, exchanges = self.events, self.exchanges
        size = self.bytes
        if len(events) <= FRAME_EVENTS_MAX and size <= FRAME_BYTES_MAX:
            self.events, self.exchanges, self.bytes = [], [], 0
            return Frame(seq, events, exchanges, size)
        size = 0
        count = 0
        for event in events[:FRAME_EVENTS_MAX]:
            weight = len(event.payload) + EVENT_HEAD_BYTES
            if size + weight > FRAME_BYTES_MAX:
                break
            size += weight
            count += 1
        frame = Frame(seq, events[:count], exchanges[:count], size)
        # Not `self.events = events[count:]`: that would touch each of the events that stay, with
        # 20,000 of them 0.2 us more for each one that leaves.
        del events[:count], exchanges[:count]
        self.bytes -= size
        return frame

    def take_all(self) -> list[Carried]:
        """Take all off."""
        pairs = list(zip(self.exchanges, self.events, strict=True))
        self.events, self.exchanges, self.bytes = [], [], 0
        return pairs

    def take_out(self, partition: int) -> list[Carried]:
        """Take the events of a partition off."""
        pairs = self.take_all()
        taken = []
        for exchange, event in pairs:
            if event.partition == partition:
                taken.append((exchange, event))
            else:
                self.put(exchange, event)
        return taken

    def drop_answered(self) -> int:
        """Drop the events that nobody waits for any more; return how many."""
        if not any(exchange.answered for exchange in self.exchanges):
            return 0
        pairs = self.take_all()
        for exchange, event in pairs:
            if not exchange.answered:
                self.put(exchange, event)
        return len(pairs) - len(self.events)
