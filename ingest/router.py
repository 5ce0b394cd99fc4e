"""Router: which lane an event takes."""

from collections.abc import Callable, Iterable

from actors.link import LinkEvent
from actors.map import shard_of
from engine.identity import partition_of
from engine.limits import PARTITIONS
from ingest.admission import Admission
from ingest.exchange import Exchange
from ingest.lane import Lane


class Router:
    """Spreads the events of requests over the lanes, as far as admission allows."""

    def __init__(self, lanes: list[Lane], admission: Admission) -> None:
        assert 1 <= len(lanes) <= PARTITIONS
        self._admission = admission
        self._lanes = lanes
        self._lane_of = [lanes[shard_of(i, len(lanes))] for i in range(PARTITIONS)]

    def route(self, exchange: Exchange, events: list[LinkEvent]) -> int:
        """Send all events on their way, in order, or none of them.

        Returns 0, or the seconds after which the sender may try again. The exchange's `events`
        and `left` are set here; its countdown ends in its `settle`.
        """
        admission = self._admission
        count = len(events)
        lane_of = self._lane_of
        if count == 1:
            event = events[0]
            lane = lane_of[event.partition]
            if lane.waiting >= lane.free_below or admission.events >= admission.events_max:
                wait_s = self._wait_s({lane: 1}, 1, exchange.began_s)
                if wait_s:
                    return wait_s
            exchange.events = exchange.left = 1
            admission.events += 1
            lane.put(exchange, event)
            return 0
        counts: dict[Lane, int] = {}
        for event in events:
            lane = lane_of[event.partition]
            counts[lane] = counts.get(lane, 0) + 1
        wait_s = self._wait_s(counts, count, exchange.began_s)
        if wait_s:
            return wait_s
        exchange.events = exchange.left = count
        admission.events += count
        for event in events:
            lane_of[event.partition].put(exchange, event)
        return 0

    def refuse_early(self, keys: Callable[[], Iterable[str]], now_s: float) -> int:
        """Return when to try again if a contact of these `keys` has no room on its lane, or 0.

        Asked while the gateway is crowded. `keys` is called only if some lane is full, not all.
        """
        waits_s = {lane: lane.wait_s(1, now_s) for lane in self._lanes}
        least_s = self._admission.wait_s(1) or min(waits_s.values())
        if least_s:
            self._admission.shut_lanes(least_s)
            return least_s
        if not any(waits_s.values()):
            self._admission.crowded = False
            return 0
        lane_of = self._lane_of
        return next((w for key in keys() if (w := waits_s[lane_of[partition_of(key)]])), 0)

    def _wait_s(self, counts: dict[Lane, int], count: int, now_s: float) -> int:
        """Return 0 if so many events may come in on these lanes, else when to try again."""
        wait_s = self._admission.wait_s(count)
        if wait_s == 0:
            wait_s = max(lane.wait_s(n, now_s) for lane, n in counts.items())
        if wait_s:
            self._admission.crowded = True
        return wait_s
