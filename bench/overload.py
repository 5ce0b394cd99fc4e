"""Overload: three times what the system can hold; and one contact that is far too loud."""

import asyncio
import os
import time
from dataclasses import dataclass
from typing import Final

import httpx
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from bench.client import Load, Tally, request_of
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

FACTOR: Final = 3
TURNS: Final = 4
QUIET_PER_S: Final = 2_000
QUIET_CONNECTIONS: Final = 64
LOUD_PER_S: Final = 10_000
LOUD_CONNECTIONS: Final = 64


@dataclass
class Overload:
    """What an overload came to."""

    best_per_s: float
    goodput_per_s: float
    offered_per_s: float
    tally: Tally
    gateway_rss_mib: list[int]
    shards_rss_mib: list[int]
    """With all contacts full, and after each turn of overload."""
    accepted: int
    applied: int
    """Events answered with 202 in the whole measurement, and events that the shards applied."""

    client_cores: tuple[float, float]
    """What this client itself took, at the best and under overload: it is on the same machine."""

    @property
    def ratio(self) -> float:
        """How much of the best is left under overload."""
        return self.goodput_per_s / self.best_per_s

    @property
    def ratio_of_cores_left(self) -> float:
        """The same for each core that the client left to the system."""
        best, overload = ((os.cpu_count() or 1) - cores for cores in self.client_cores)
        return self.ratio * best / overload


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

    In turns, because a machine that others use as well changes its pace meanwhile.
    """
    before = shard_gauges(url)
    pids = [int(pid) for pid in before["pid"]]
    requests = _batches()
    best, tally, filling = Tally(), Tally(), Tally()
    span_s = seconds / TURNS
    overload_s = best_cpu_s = overload_cpu_s = 0.0
    end = time.monotonic() + FILLING_S_MAX
    while filling.status[202] * BATCH < FILLING_EVENTS and time.monotonic() < end:
        uvloop.run(Load(requests, filling).run(url, BEST_CONNECTIONS, span_s))
    gateway_rss_mib, shards_rss_mib = [_rss_mib([gateway])], [_rss_mib(pids)]
    for _ in range(TURNS):
        taken, cpu_s = best.status[202], time.process_time()
        uvloop.run(Load(requests, best).run(url, BEST_CONNECTIONS, span_s))
        best_cpu_s += time.process_time() - cpu_s
        rate = FACTOR * (best.status[202] - taken) / span_s
        began, cpu_s = time.perf_counter(), time.process_time()
        uvloop.run(Load(requests, tally).run(url, OVERLOAD_CONNECTIONS, span_s, rate))
        overload_s += time.perf_counter() - began
        overload_cpu_s += time.process_time() - cpu_s
        gateway_rss_mib.append(_rss_mib([gateway]))
        shards_rss_mib.append(_rss_mib(pids))
    return Overload(
        best_per_s=best.status[202] * BATCH / seconds,
        goodput_per_s=tally.status[202] * BATCH / overload_s,
        offered_per_s=sum(tally.status.values()) * BATCH / overload_s,
        tally=tally,
        gateway_rss_mib=gateway_rss_mib,
        shards_rss_mib=shards_rss_mib,
        accepted=(filling.status[202] + best.status[202] + tally.status[202]) * BATCH,
        applied=int(sum(shard_gauges(url)["events_applied"]) - sum(before["events_applied"])),
        client_cores=(best_cpu_s / seconds, overload_cpu_s / overload_s),
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
        loads = [Load(quiet).run(url, QUIET_CONNECTIONS, seconds, QUIET_PER_S)]
        if loud:
            loads.append(Load(flood).run(url, LOUD_CONNECTIONS, seconds, LOUD_PER_S / BATCH))
        tallies = await asyncio.gather(*loads)
        return tallies[0], tallies[1] if loud else Tally()

    return uvloop.run(both())
