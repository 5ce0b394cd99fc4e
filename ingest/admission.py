"""Admission: how much may be under way at once, and how long a refused sender should wait."""

from collections.abc import Callable
from typing import Final

from ingest.limits import RETRY_AFTER_S_MAX

Refusal = tuple[int, str, str]
"""What a request is refused with: status, error, header lines."""

MEMORY_RETRY_S: Final = 5


class Admission:
    """Counters of what is under way in the whole gateway, and the bounds on them.

    What waits on one shard is bounded by its lane. A request larger than a bound is admitted where
    nothing else is under way: otherwise it could never be.
    """

    __slots__ = (
        "_events_per_s",
        "_lanes_full",
        "_memory_full",
        "body_bytes",
        "body_bytes_max",
        "crowded",
        "events",
        "events_max",
        "shut",
        "turn_s",
        "turns",
    )

    def __init__(self, events_max: int, body_bytes_max: int) -> None:
        assert min(events_max, body_bytes_max) > 0
        self.events_max = events_max
        self.body_bytes_max = body_bytes_max
        self.events = 0
        """Events on all lanes. Not those of a request's other lanes that are answered already: a
        shard that stands still must not use up the others' share."""
        self.body_bytes = 0
        """Of bodies received or arriving, until their requests are answered; and of requests that
        wait behind another one of their connection."""
        self.shut: Refusal | None = None
        """What every request of events is refused with for now, before its body is looked at."""
        self.crowded = False
        """Whether a lane was full of late: then requests for it are found out before all else."""
        self.turn_s: Callable[[], int] = lambda: 0
        """In how many seconds the turn of a sender comes that is refused now: others wait, too."""
        self.turns = False
        """Whether senders take turns: some are held, and others come after them."""
        self._lanes_full: Refusal | None = None
        self._memory_full: Refusal | None = None
        self._events_per_s = 0.0

    @property
    def memory_free(self) -> bool:
        """Whether there is memory for events."""
        return self._memory_full is None

    def wait_s(self, count: int) -> int:
        """Return 0 if `count` more events may come in, else seconds after which to try again."""
        if self.events + count <= self.events_max or self.events == 0:
            return 0
        return self.seconds_for(self.events + count - self.events_max)

    def seconds_for(self, count: int) -> int:
        """Return the seconds in which `count` events get answered, at the pace of late."""
        return seconds_for(count, self._events_per_s)

    def refusal(self, wait_s: int) -> Refusal:
        """Return what a sender is told for whom there is room in `wait_s`, once it is its turn."""
        return full(max(wait_s, self.turn_s()))

    def observe(self, answered: int, span_s: float) -> None:
        """Learn the pace: `answered` events in the last `span_s` seconds."""
        if span_s > 0:
            self._events_per_s = 0.5 * self._events_per_s + 0.5 * answered / span_s

    def freed(self, count: int) -> None:
        """Note that a lane is rid of `count` events: there may be room again."""
        self.events -= count
        if self._lanes_full is not None:
            self.reopen()

    def shut_lanes(self, wait_s: int) -> None:
        """Refuse all events until a lane has room again, which takes about `wait_s` seconds."""
        self._lanes_full = self.refusal(wait_s)
        self.shut = self._memory_full or self._lanes_full

    def reopen(self) -> None:
        """Let the lanes decide again."""
        self._lanes_full = None
        self.shut = self._memory_full

    def shut_memory(self, used: int, most: int) -> None:
        """Refuse all events: `used` bytes of memory are in use, and `most` may be."""
        error = (
            f"the memory is full ({used >> 20} of {most >> 20} MiB); "
            f"repeat all events in {MEMORY_RETRY_S} s"
        )
        self._memory_full = (429, error, f"Retry-After: {MEMORY_RETRY_S}\r\n")
        self.shut = self._memory_full

    def reopen_memory(self) -> None:
        """Take events again: there is memory for them."""
        self._memory_full = None
        self.shut = self._lanes_full


def seconds_for(count: int, events_per_s: float) -> int:
    """Return the whole seconds in which `count` events get answered: a Retry-After, so bounded."""
    if events_per_s < 1:
        return 1 if events_per_s == 0 else RETRY_AFTER_S_MAX
    return min(1 + int(count / events_per_s), RETRY_AFTER_S_MAX)


def full(wait_s: int) -> Refusal:
    """Return the refusal that asks to come back in `wait_s` seconds."""
    error = f"the gateway is full; repeat all events in {wait_s} s"
    return 429, error, f"Retry-After: {wait_s}\r\n"
