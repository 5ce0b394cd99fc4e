"""Router: which lane an event takes, also while partitions move from one slot to another."""

from collections.abc import Callable, Iterable

from actors.links.link import LinkEvent
from actors.map import ON_ITS_WAY, ClusterMap, Move, Site
from engine.contacts.identity import partition_of
from ingest.admission import Admission
from ingest.detour import Detour
from ingest.exchange import Exchange
from ingest.frame import Carried
from ingest.lane import Lane


class Router:
    """Spreads the events of requests over the lanes, as far as admission allows.

    Where a partition moves, its events are held until nothing of it is on its way to the last
    owner, and the new one is known: then they go there in the order in which they came.
    """

    def __init__(
        self,
        told: ClusterMap,
        admission: Admission,
        new_lane: Callable[[str], Lane],
        host: str = "",
    ) -> None:
        """`told` has a site for each slot that owns something; `new_lane` is given its address.

        `host` is where this is: see Site.
        """
        self.lanes: dict[int, Lane] = {}
        """By slot."""
        self.detours: dict[int, Detour] = {}
        """By partition."""
        self._admission = admission
        self._new_lane = new_lane
        self._host = host
        for slot, site in told.sites.items():
            self._find_lane(slot, site)
        self._lane_of: list[Lane | Detour] = [self.lanes[slot] for slot in told.owners]
        self._owners = [(told.version, slot) for slot in told.owners]
        """Of each partition: the version of the map that said so, and the slot."""

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
        parts: dict[Lane | Detour, list[LinkEvent]] = {}
        for event in events:
            lane = lane_of[event.partition]
            if lane in parts:
                parts[lane].append(event)
            else:
                parts[lane] = [event]
        counts = {lane: len(part) for lane, part in parts.items()}
        wait_s = self._wait_s(counts, count, exchange.began_s)
        if wait_s:
            return wait_s
        exchange.events = exchange.left = count
        admission.events += count
        for lane, part in parts.items():
            lane.put_all(exchange, part)
        return 0

    def refuse_early(self, keys: Callable[[], Iterable[str]], now_s: float) -> int:
        """Return when to try again if a contact of these `keys` has no room on its lane, or 0.

        Asked while the gateway is crowded. `keys` is called only if some lane is full, not all.
        """
        lanes: list[Lane | Detour] = [*self.lanes.values(), *self.detours.values()]
        waits_s = {lane: lane.wait_s(1, now_s) for lane in lanes}
        least_s = self._admission.wait_s(1) or min(waits_s.values())
        if least_s:
            self._admission.shut_lanes(least_s)
            return least_s
        if not any(waits_s.values()):
            self._admission.crowded = False
            return 0
        lane_of = self._lane_of
        return next((w for key in keys() if (w := waits_s[lane_of[partition_of(key)]])), 0)

    def has_room(self, now_s: float) -> bool:
        """Say whether all shards take events, but those that stand still."""
        admission = self._admission
        if not admission.memory_free or admission.wait_s(1):
            return False
        return not any(lane.crowded(now_s) for lane in self.lanes.values())

    def learn(self, told: ClusterMap) -> None:
        """Learn which slots own the partitions, and where slots are served."""
        for slot, site in told.sites.items():
            self._find_lane(slot, site)
        for partition, slot in enumerate(told.owners):
            self._learn(Move(partition, slot, told.version, told.sites.get(slot)))
        known = {slot for _, slot in self._owners}  # By moves newer than this map, perhaps.
        for slot in set(self.lanes) - set(told.sites) - set(told.owners) - known:
            lane = self.lanes[slot]
            self._rerouted(lane, lane.abandon(), [])
            if lane.waiting == 0:
                self.lanes.pop(slot).close()
        self._end_detours()

    def expire(self, before_s: float) -> None:
        """Refuse what is held of requests that began before this moment."""
        for detour in self.detours.values():
            detour.expire(before_s)

    def close(self) -> None:
        """Close all lanes; what waits is answered with 503."""
        self.expire(float("inf"))
        for lane in self.lanes.values():
            lane.close()

    def _rerouted(self, lane: Lane, moved: list[Carried], moves: list[Move]) -> None:
        """Hold what a shard did not take, and learn where partitions are."""
        for exchange, event in moved:
            detour = self._detour(event.partition, lane)
            if exchange.answered:
                continue
            self._admission.events += 1
            detour.put_front([(exchange, event)])
        for move in moves:
            self._learn(move)
        self._end_detours()

    def _detour(self, partition: int, lane: Lane) -> Detour:
        """Hold a partition's events from now on; `lane` may still carry some."""
        detour = self.detours.get(partition)
        if detour is None:
            detour = Detour(partition, lane, self._admission.freed)
            self._admission.events += detour.waiting
            self.detours[partition] = self._lane_of[partition] = detour
            lane.watched = True
        return detour

    def _learn(self, move: Move) -> None:
        partition, slot = move.partition, move.slot
        version, _ = self._owners[partition]
        if slot == ON_ITS_WAY or move.version < version:
            return
        self._owners[partition] = (move.version, slot)
        lane = self._find_lane(slot, move.site)
        current = self._lane_of[partition]
        if isinstance(current, Lane) and lane is not None and lane is not current:
            current = self._detour(partition, current)
        if isinstance(current, Detour):
            current.ends = lane is not None

    def _find_lane(self, slot: int, site: Site | None) -> Lane | None:
        """Return the lane of a slot; one is made where there is none yet and it is known where."""
        lane = self.lanes.get(slot)
        if site is None:
            return lane
        address = site.address(self._host)
        if lane is None:
            lane = self.lanes[slot] = self._new_lane(address)
            lane.rerouted = self._rerouted
        else:
            lane.redirect(address)
        return lane

    def _end_detours(self) -> None:
        """Send on what is held, where it is known where to and nothing can be overtaken."""
        for partition, detour in list(self.detours.items()):
            if not detour.ends or detour.lane.carries(partition):
                continue
            lane = self.lanes[self._owners[partition][1]]
            del self.detours[partition]
            self._lane_of[partition] = lane
            for exchange, event in detour.take_all():
                lane.put(exchange, event)
        watched = {detour.lane for detour in self.detours.values()}
        for lane in self.lanes.values():
            lane.watched = lane in watched

    def _wait_s(self, counts: dict[Lane | Detour, int], count: int, now_s: float) -> int:
        """Return 0 if so many events may come in on these lanes, else when to try again."""
        wait_s = self._admission.wait_s(count)
        if wait_s == 0:
            wait_s = max(lane.wait_s(n, now_s) for lane, n in counts.items())
        if wait_s:
            self._admission.crowded = True
        return wait_s
