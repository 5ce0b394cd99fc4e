"""Metrics: what the gateway counts, and how Prometheus reads it."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ingest.memory import MemoryWatch

ACK_S_BUCKETS: Final = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
)  # fmt: skip
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9_]")


class Counters:
    """Plain numbers that the hot path adds to; only a scrape makes metrics of them."""

    __slots__ = ("accepted", "ack_buckets", "ack_s_sum", "failed", "rejected", "repeated", "status")

    def __init__(self) -> None:
        self.accepted = 0
        self.repeated = 0
        self.rejected = 0
        self.failed = 0
        self.status: dict[int, int] = {}
        self.ack_buckets = [0] * (len(ACK_S_BUCKETS) + 1)
        self.ack_s_sum = 0.0

    def acknowledged(self, span_s: float) -> None:
        """Count the time from a request's last byte to its answer."""
        self.ack_buckets[bisect_left(ACK_S_BUCKETS, span_s)] += 1
        self.ack_s_sum += span_s

    def families(self) -> Iterator[Metric]:
        """Yield the counters as metrics."""
        events = CounterMetricFamily(
            "anlass_gateway_events",
            "Events by what became of them; failed ones are accepted, too",
            labels=["outcome"],
        )
        for outcome in ("accepted", "repeated", "rejected", "failed"):
            events.add_metric([outcome], getattr(self, outcome))
        yield events
        requests = CounterMetricFamily(
            "anlass_gateway_requests", "Requests by status of the answer", labels=["status"]
        )
        for status, count in sorted(self.status.items()):
            requests.add_metric([str(status)], count)
        yield requests
        total = 0
        buckets = []
        for bound, count in zip([*map(str, ACK_S_BUCKETS), "+Inf"], self.ack_buckets, strict=True):
            total += count
            buckets.append((bound, total))
        yield HistogramMetricFamily(
            "anlass_gateway_ack_seconds",
            "Time from a request of events received to its answer, all of them durable",
            buckets=buckets,
            sum_value=self.ack_s_sum,
        )


class GatewayState:
    """What a scrape shows beside the counters: the moment's queues, and how the shards are."""

    def __init__(
        self,
        events_in_flight: int,
        connections: int,
        lanes: list[tuple[int, bool, float]],
        shards: dict[int, dict[str, Any] | None],
        memory: MemoryWatch,
    ) -> None:
        self.events_in_flight = events_in_flight
        self.connections = connections
        self.lanes = lanes
        """Of each lane: events waiting, whether its shard is reachable, events a second it can."""
        self.shards = shards
        """Of each shard: its status, None where it did not say."""
        self.memory = memory

    def families(self) -> Iterator[Metric]:
        """Yield the state as metrics."""
        yield GaugeMetricFamily(
            "anlass_gateway_events_in_flight",
            "Events taken in and not answered yet",
            self.events_in_flight,
        )
        yield GaugeMetricFamily("anlass_gateway_connections", "Open connections", self.connections)
        waiting = GaugeMetricFamily(
            "anlass_gateway_lane_events", "Events waiting on a shard's lane", labels=["shard"]
        )
        reachable = GaugeMetricFamily(
            "anlass_gateway_shard_reachable", "1 if the shard can be reached", labels=["shard"]
        )
        pace = GaugeMetricFamily(
            "anlass_gateway_lane_events_per_second",
            "Events a second that the shard can answer, as last seen",
            labels=["shard"],
        )
        for shard, (events, up, events_per_s) in enumerate(self.lanes):
            waiting.add_metric([str(shard)], events)
            reachable.add_metric([str(shard)], up)
            pace.add_metric([str(shard)], events_per_s)
        yield waiting
        yield reachable
        yield pace
        yield GaugeMetricFamily(
            "anlass_memory_used_bytes",
            "Resident memory of gateway and shards, as last looked at",
            self.memory.used_bytes,
        )
        yield GaugeMetricFamily(
            "anlass_memory_max_bytes",
            "The watermark: above it events are refused with 429",
            self.memory.max_bytes,
        )
        yield from _shard_families(self.shards)


class _Scrape(Collector):
    def __init__(self, counters: Counters, state: GatewayState) -> None:
        self._sources = (counters, state)

    def collect(self) -> Iterable[Metric]:
        for source in self._sources:
            yield from source.families()


def exposition(counters: Counters, state: GatewayState) -> bytes:
    """Return all metrics as Prometheus text."""
    registry = CollectorRegistry()
    registry.register(_Scrape(counters, state))
    return generate_latest(registry)


def _shard_families(shards: dict[int, dict[str, Any] | None]) -> Iterator[Metric]:
    """Yield each number of the shards' statuses; what is no number is for other readers."""
    families: dict[str, GaugeMetricFamily] = {}
    for shard, status in shards.items():
        for field, value in (status or {}).items():
            if not isinstance(value, int | float):
                continue
            name = f"anlass_shard_{_NO_NAME.sub('_', field)}"
            if name not in families:
                help_text = f"The shard's own `{field}`"
                families[name] = GaugeMetricFamily(name, help_text, labels=["shard"])
            families[name].add_metric([str(shard)], value)
    yield from families.values()
