"""Pace: how many events a second a shard answers, learned frame by frame. Arithmetic only."""

from ingest.limits import PACE_MEMORY_S


class Pace:
    """The rate of one shard, as its lane sees it.

    A frame that left others behind on its lane tells what the shard can do. Where nothing waited,
    a slow frame tells only that little was asked, so it counts only if it is faster.
    """

    __slots__ = ("answered", "events_per_s")

    def __init__(self) -> None:
        self.answered = 0
        """Events answered since the start."""
        self.events_per_s = 0.0
        """0 until the first frame is answered."""

    def observe(self, count: int, span_s: float, *, busy: bool) -> None:
        """Learn from `count` events answered in the last `span_s` seconds."""
        if span_s <= 0:
            return
        rate = count / span_s
        if self.events_per_s == 0:
            self.events_per_s = rate
        elif busy or rate > self.events_per_s:
            weight = span_s / (span_s + PACE_MEMORY_S)
            self.events_per_s += weight * (rate - self.events_per_s)
