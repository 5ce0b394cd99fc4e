"""Frame: events on their way to a shard, with the exchanges that wait for them."""

from actors.links.link import LinkEvent
from engine.input import Verdict
from ingest.exchange import Exchange
from ingest.limits import EVENT_HEAD_BYTES

Carried = tuple[Exchange, LinkEvent]
"""An event, and the exchange that waits for it."""


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

    def settle(self, verdicts: bytes) -> list[Carried]:
        """Count each event down, but for those that were not taken as they moved: return these.

        A repeat of what went twice may be our own first try, and is not counted as one; nor where
        the first try went to the last owner of its partition.
        """
        moved: list[Carried] = []
        if any(verdicts):
            if Verdict.MOVED in verdicts:
                moved = self._leave_out_moved(verdicts)
                verdicts = verdicts.replace(bytes([Verdict.MOVED]), b"")
            for exchange, verdict in zip(self.exchanges, verdicts, strict=True):
                if verdict == Verdict.FAILED:
                    exchange.failed += 1
                elif verdict == Verdict.REPEAT and not (self.resent or exchange.resent):
                    exchange.repeated += 1
                elif verdict == Verdict.ERASED:
                    exchange.erased += 1
        for exchange in self.exchanges:
            exchange.left -= 1
            if exchange.left == 0:
                exchange.settle()
        return moved

    def carries(self, partition: int) -> bool:
        """Say whether an event of this partition is in it."""
        return any(event.partition == partition for event in self.events)

    def _leave_out_moved(self, verdicts: bytes) -> list[Carried]:
        pairs = list(zip(self.exchanges, self.events, strict=True))
        moved = [pairs[i] for i, each in enumerate(verdicts) if each == Verdict.MOVED]
        taken = [pairs[i] for i, each in enumerate(verdicts) if each != Verdict.MOVED]
        for exchange, _ in moved:
            exchange.resent = exchange.resent or self.resent
        self.exchanges = [exchange for exchange, _ in taken]
        self.events = [event for _, event in taken]
        return moved
