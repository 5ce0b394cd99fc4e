"""Frame: events on their way to a shard, with the exchanges that wait for them."""

from actors.link import LinkEvent
from engine.input import Verdict
from ingest.exchange import Exchange
from ingest.limits import EVENT_HEAD_BYTES


class Frame:
    """Events sent to the shard in one Accept, and the exchange that each belongs to."""

    __slots__ = ("answered", "busy", "bytes", "events", "exchanges", "resent", "sent_s", "seq")

    def __init__(
        self, seq: int, events: list[LinkEvent], exchanges: list[Exchange], size: int
    ) -> None:
        self.seq = seq
        self.events = events
        self.exchanges = exchanges
        self.bytes = size
        self.resent = False
        self.sent_s = 0.0
        self.answered = 0
        """Events that the lane had answered when this was sent."""
        self.busy = False
        """Whether it left others waiting."""

    def drop_answered(self) -> None:
        """Leave out the events that nobody waits for any more."""
        live = [i for i, exchange in enumerate(self.exchanges) if not exchange.answered]
        self.events = [self.events[i] for i in live]
        self.exchanges = [self.exchanges[i] for i in live]
        self.bytes = sum(len(event.payload) + EVENT_HEAD_BYTES for event in self.events)

    def settle(self, verdicts: bytes) -> None:
        """Count each event down.

        A repeat of what went twice may be our own first try, and is not counted as one.
        """
        if any(verdicts):
            for exchange, verdict in zip(self.exchanges, verdicts, strict=True):
                if verdict == Verdict.FAILED:
                    exchange.failed += 1
                elif verdict == Verdict.REPEAT and not self.resent:
                    exchange.repeated += 1
                elif verdict == Verdict.ERASED:
                    exchange.erased += 1
        for exchange in self.exchanges:
            exchange.left -= 1
            if exchange.left == 0:
                exchange.settle()
