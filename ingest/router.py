"""Router: which lane an event takes."""

from actors.link import LinkEvent
from actors.shard import shard_of
from engine.limits import PARTITIONS
from ingest.admission import Admission
from ingest.exchange import Exchange
from ingest.lane import Lane


class Router:
    """Spreads the events of requests over the lanes, as far as admission allows."""

    def __init__(self, lanes: list[Lane], admission: Admission) -> None:
        assert 1 <= len(lanes) <= PARTITIONS
        self._admission = admission
        self._lane_of = [lanes[shard_of(i, len(lanes))] for i in range(PARTITIONS)]

    def route(self, exchange: Exchange, events: list[LinkEvent]) -> int:
        """Send all events on their way, in order, or none of them.

        Returns 0, or the seconds after which the sender may try again. The exchange's `events`
        and `left` are set here; its countdown ends in its `settle`.
        """
        admission = self._admission
        count = len(events)
        wait_s = admission.wait_s(count)
        if wait_s:
            return wait_s
        lane_of = self._lane_of
        if count == 1:
            event = events[0]
            lane = lane_of[event.partition]
            wait_s = admission.lane_wait_s(lane.waiting, 1)
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
        wait_s = max(admission.lane_wait_s(lane.waiting, n) for lane, n in counts.items())
        if wait_s:
            return wait_s
        exchange.events = exchange.left = count
        admission.events += count
        for event in events:
            lane_of[event.partition].put(exchange, event)
        return 0
