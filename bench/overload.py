"""Overload: three times what the system can hold; and one contact that is far too loud."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import httpx
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from bench.client import Load, Tally, request_of
from bench.running import cpu_s
from engine.contacts.identity import partition_of
from engine.limits import EVENT_IDS_BURST_MAX, PARTITIONS
from ingest.memory import rss_bytes

EVENT: Final = (
    '{"contact":"%s","name":"product_view",'
    '"payload":{"product_id":"sku-%d","price":12.5,"category":"shoes","currency":"EUR"}}'
)
BATCH: Final = 100
CONTACTS: Final = 500
FILLING_EVENTS: Final = CONTACTS * 2 * EVENT_IDS_BURST_MAX
"""Until all that is kept of each contact is full (a history, and two times the ids of a burst):
memory that grows from there on is not the contacts'."""

FILLING_S_MAX: Final = 120.0
BEST_CONNECTIONS: Final = 32
OVERLOAD_CONNECTIONS: Final = 1_024
"""Enough for an open loop: refused requests come back at once, accepted ones within a second."""

PAUSE_S: Final = 0.002
"""This client sends at once what is due in so long: it shares its cores with what it measures."""

FACTOR: Final = 3
TURNS: Final = 8
QUIET_PER_S: Final = 2_000
QUIET_CONNECTIONS: Final = 64
LOUD_PER_S: Final = 10_000
LOUD_CONNECTIONS: Final = 64


@dataclass
class Phase:
    """What was sent in the turns of one kind, and what it took."""

    pids: list[int]
    """Of the gateway and of the shards."""
    evades: bool = False
    """Whether it opens a new connection in place of each one that is refused."""
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    due_s: float = 0.0
    client_cpu_s: float = 0.0
    system_cpu_s: float = 0.0
    turns_per_s: list[float] = field(default_factory=list)
    """Requests accepted in a second, turn by turn."""

    def run(
        self, url: str, requests: list[bytes], connections: int, seconds: float, rate: float = 0
    ) -> None:
        """Send for one turn more; see Load.run."""

        async def turn() -> None:
            load = Load(requests, self.tally, evades=self.evades)
            await load.connect(url, connections)
            began_s, client_s, system_s = time.perf_counter(), time.process_time(), self._system_s()
            taken = self.tally.status[202]
            await load.run(seconds, rate, PAUSE_S)
            self.due_s += seconds
            turn_s = time.perf_counter() - began_s
            self.seconds += turn_s
            self.turns_per_s.append((self.tally.status[202] - taken) / turn_s)
            self.client_cpu_s += time.process_time() - client_s
            self.system_cpu_s += self._system_s() - system_s

        uvloop.run(turn())

    @property
    def accepted(self) -> int:
        """Events answered with 202."""
        return self.tally.status[202] * BATCH

    @property
    def accepted_per_s(self) -> float:
        """The same in a second."""
        return self.accepted / self.seconds

    @property
    def sent(self) -> int:
        """Events sent: no connection was free for the others that were due."""
        return sum(self.tally.status.values()) * BATCH

    @property
    def due_per_s(self) -> float:
        """Events due in a second, sent or not, while they were: `seconds` are until all answers."""
        return (self.sent + self.tally.unsent * BATCH) / self.due_s

    @property
    def cores_left(self) -> float:
        """What this client, on the same machine, left of its cores."""
        return (os.cpu_count() or 1) - self.client_cpu_s / self.seconds

    @property
    def event_us(self) -> float:
        """What an accepted event cost gateway and shards, with all that was refused beside it."""
        return self.system_cpu_s / self.accepted * 1e6

    def _system_s(self) -> float:
        return sum(cpu_s(pid) for pid in self.pids)


@dataclass
class Overload:
    """What an overload came to."""

    best: Phase
    overloaded: Phase
    evading: Phase
    gateway_rss_mib: list[int]
    shards_rss_mib: list[int]
    """With all contacts full, and after each turn of overload. The shards' rise for some minutes
    more, until their allocators have as much as they ever need at once (docs/operations.md)."""
    accepted: int
    applied: int
    """Events answered with 202 in the whole measurement, and events that the shards applied."""

    def ratios(self, phase: Phase) -> list[float]:
        """How much of the best is left under this overload, in each turn, the least first."""
        turns = zip(phase.turns_per_s, self.best.turns_per_s, strict=True)
        return sorted(over / best for over, best in turns)

    def ratio(self, phase: Phase) -> float:
        """The same in the middle one: a machine that others use changes its pace between turns."""
        return median(self.ratios(phase))

    def ratio_of_cores_left(self, phase: Phase) -> float:
        """The same for each core that the client left to the system."""
        return self.ratio(phase) * self.best.cores_left / phase.cores_left


def shard_gauges(url: str) -> dict[str, list[float]]:
    """Scrape what the shards say of themselves, by name."""
    gauges: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics").text):
        if family.name.startswith("anlass_shard_"):
            gauges[family.name[13:]] = [sample.value for sample in family.samples]
    return gauges


def _rss_mib(pids: list[int]) -> int:
    return sum(rss_bytes(pid) or 0 for pid in pids) >> 20


def _batches() -> list[bytes]:
    return [
        request_of([EVENT % (f"o-{(i * BATCH + j) * 7919 % CONTACTS}", j) for j in range(BATCH)])
        for i in range(200)
    ]


def overload(url: str, gateway: int, seconds: float) -> Overload:
    """Measure the best in a closed loop and, in turns with it, three times as much in an open one.

    Once from senders that keep their connections, once from those that evade being held.
    In turns, because a machine that others use as well changes its pace meanwhile.
    """
    before = shard_gauges(url)
    pids = [int(pid) for pid in before["pid"]]
    requests = _batches()
    best, overloaded, filling = (Phase([gateway, *pids]) for _ in range(3))
    evading = Phase([gateway, *pids], evades=True)
    span_s = seconds / TURNS
    while filling.accepted < FILLING_EVENTS and filling.seconds < FILLING_S_MAX:
        filling.run(url, requests, BEST_CONNECTIONS, span_s)
    gateway_rss_mib, shards_rss_mib = [_rss_mib([gateway])], [_rss_mib(pids)]
    for _ in range(TURNS):
        best.run(url, requests, BEST_CONNECTIONS, span_s)
        rate = FACTOR * best.turns_per_s[-1]
        for phase in (overloaded, evading):
            phase.run(url, requests, OVERLOAD_CONNECTIONS, span_s, rate)
        gateway_rss_mib.append(_rss_mib([gateway]))
        shards_rss_mib.append(_rss_mib(pids))
    return Overload(
        best=best,
        overloaded=overloaded,
        evading=evading,
        gateway_rss_mib=gateway_rss_mib,
        shards_rss_mib=shards_rss_mib,
        accepted=sum(phase.accepted for phase in (filling, best, overloaded, evading)),
        applied=int(sum(shard_gauges(url)["events_applied"]) - sum(before["events_applied"])),
    )


def contacts_of(half: int, count: int) -> list[str]:
    """Return contacts whose partitions lie in the first or second half of all: of two shards."""
    names = (f"q-{i}" for i in range(count * 4))
    return [name for name in names if partition_of(name) * 2 // PARTITIONS == half][:count]


def neighbours(url: str, half: int, seconds: float, *, loud: bool) -> tuple[Tally, Tally]:
    """Time 2,000 events a second of ordinary contacts, on the first or second of two shards.

    Where `loud`, one contact of the first shard sends 10,000 a second meanwhile, 100 a request.
    Returns what came of the quiet ones' requests, and of the loud one's.
    """
    quiet = [request_of([EVENT % (name, i)]) for i, name in enumerate(contacts_of(half, 500))]
    flood = [request_of([EVENT % (contacts_of(0, 1)[0], i) for i in range(BATCH)])]

    async def both() -> tuple[Tally, Tally]:
        load, noise = Load(quiet), Load(flood)
        await load.connect(url, QUIET_CONNECTIONS)
        await noise.connect(url, LOUD_CONNECTIONS)
        loads = [load.run(seconds, QUIET_PER_S)]
        if loud:
            loads.append(noise.run(seconds, LOUD_PER_S / BATCH))
        await asyncio.gather(*loads)
        return load.tally, noise.tally

    return uvloop.run(both())
