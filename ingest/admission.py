"""Admission: how much may be under way at once, and how long a refused sender should wait."""

from ingest.limits import RETRY_AFTER_S_MAX


class Admission:
    """Counters of what is under way, and the bounds on them. Arithmetic only.

    A request larger than a bound is admitted where nothing else is under way: otherwise it could
    never be.
    """

    __slots__ = (
        "_events_per_s",
        "body_bytes",
        "body_bytes_max",
        "events",
        "events_max",
        "lane_events_max",
    )

    def __init__(self, events_max: int, lane_events_max: int, body_bytes_max: int) -> None:
        assert min(events_max, lane_events_max, body_bytes_max) > 0
        self.events_max = events_max
        self.lane_events_max = lane_events_max
        self.body_bytes_max = body_bytes_max
        self.events = 0
        self.body_bytes = 0
        """Of bodies received or arriving, until their requests are answered."""
        self._events_per_s = 0.0

    def wait_s(self, count: int) -> int:
        """Return 0 if `count` more events may come in, else seconds after which to try again."""
        if self.events + count <= self.events_max or self.events == 0:
            return 0
        return self.seconds_for(self.events + count - self.events_max)

    def lane_wait_s(self, waiting: int, count: int) -> int:
        """Return the same for a lane on which `waiting` events are not answered yet."""
        if waiting + count <= self.lane_events_max or waiting == 0:
            return 0
        return self.seconds_for(waiting + count - self.lane_events_max)

    def seconds_for(self, count: int) -> int:
        """Return the seconds in which `count` events get answered, at the pace of late."""
        if self._events_per_s < 1:
            return 1 if self._events_per_s == 0 else RETRY_AFTER_S_MAX
        return min(1 + int(count / self._events_per_s), RETRY_AFTER_S_MAX)

    def observe(self, answered: int, span_s: float) -> None:
        """Learn the pace: `answered` events in the last `span_s` seconds."""
        if span_s > 0:
            self._events_per_s = 0.5 * self._events_per_s + 0.5 * answered / span_s
