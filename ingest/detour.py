"""Detour: the events of a partition that moves, held in order until it is known where to."""

from collections.abc import Callable
from typing import Final

from actors.links.link import LinkEvent
from ingest.exchange import UNREACHABLE, Exchange
from ingest.frame import Carried
from ingest.lane import Lane
from ingest.limits import DETOUR_EVENTS_MAX

WAIT_S: Final = 1


class Detour:
    """Takes the place of a lane for one partition, while nobody knows which lane that is.

    `front` is what the last owner did not take, as its frames come back in order; `behind` is what
    was not sent there yet, and what came since.
    """

    free_below = DETOUR_EVENTS_MAX

    def __init__(self, partition: int, lane: Lane, freed: Callable[[int], None]) -> None:
        """`lane` may still carry some of its events."""
        self.partition = partition
        self.lane = lane
        self.ends = False
        """Whether it is known which lane takes its place."""
        self._freed = freed
        self._front: list[Carried] = []
        self._behind: list[Carried] = lane.take_out(partition)

    @property
    def waiting(self) -> int:
        """Events held."""
        return len(self._front) + len(self._behind)

    def wait_s(self, count: int, now_s: float) -> int:
        """Return 0 if `count` more events may come in, else seconds after which to try again."""
        waiting = self.waiting
        return 0 if waiting == 0 or waiting + count <= self.free_below else WAIT_S

    def put(self, exchange: Exchange, event: LinkEvent) -> None:
        """Hold one more event."""
        self._behind.append((exchange, event))

    def put_all(self, exchange: Exchange, events: list[LinkEvent]) -> None:
        """Hold more events of one request."""
        self._behind += [(exchange, event) for event in events]

    def put_front(self, moved: list[Carried]) -> None:
        """Hold what comes back from the last owner."""
        self._front += moved

    def take_all(self) -> list[Carried]:
        """Take out, in order, what somebody still waits for; the rest is dropped."""
        live = [pair for pair in self._front + self._behind if self._is_live(pair)]
        self._front, self._behind = [], []
        return live

    def expire(self, before_s: float) -> None:
        """Refuse what began before this moment, and drop it."""
        for exchange, _ in self._front + self._behind:
            if exchange.began_s < before_s:
                exchange.refuse(503, UNREACHABLE)
        self._front = [pair for pair in self._front if self._is_live(pair)]
        self._behind = [pair for pair in self._behind if self._is_live(pair)]

    def _is_live(self, pair: Carried) -> bool:
        if pair[0].answered:
            self._freed(1)
        return not pair[0].answered
