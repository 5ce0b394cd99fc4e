"""Metrics: what gateways count, and how Prometheus reads it."""

import re
from collections.abc import Iterable, Iterator, Mapping
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
from ingest.report import ACK_S_BUCKETS, Counters, GatewayReport

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STALLED: Final = "stalled"
ERROR: Final = "_error"
"""Of a shard's status, texts that are empty where all is well."""

_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9_]")


class Scrape(Collector):
    """What one request for metrics is answered with."""

    def __init__(
        self,
        reports: Mapping[int, GatewayReport],
        shards: dict[int, dict[str, Any] | None],
        memory: MemoryWatch,
        *,
        shared: bool,
    ) -> None:
        """Take the gateways' reports by number; `shards` are None where one did not say.

        Where gateways share a port, each has its series: were they summed, one that starts anew
        would look like a sum that does.
        """
        self._label = ["gateway"] if shared else []
        self._reports = [
            ([str(number)] if shared else [], report) for number, report in sorted(reports.items())
        ]
        self._shards = shards
        self._memory = memory

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics."""
        yield from self._counters()
        yield from self._gateways()
        yield GaugeMetricFamily(
            "anlass_memory_used_bytes",
            "Resident memory of gateways and shards, as last looked at",
            self._memory.used_bytes,
        )
        yield GaugeMetricFamily(
            "anlass_memory_max_bytes",
            "The watermark: above it events are refused with 429",
            self._memory.max_bytes,
        )
        yield from _shard_families(self._shards)

    def _counters(self) -> Iterator[Metric]:
        events = CounterMetricFamily(
            "anlass_gateway_events",
            "Events by what became of them; failed ones are accepted, too",
            labels=["outcome", *self._label],
        )
        requests = CounterMetricFamily(
            "anlass_gateway_requests",
            "Requests by status of the answer",
            labels=["status", *self._label],
        )
        acks = HistogramMetricFamily(
            "anlass_gateway_ack_seconds",
            "Time from a request of events received to its answer, all of them durable",
            labels=self._label,
        )
        for label, report in self._reports:
            counters = report.counters
            for outcome in ("accepted", "repeated", "rejected", "failed"):
                events.add_metric([outcome, *label], getattr(counters, outcome))
            for status, count in sorted(counters.status.items()):
                requests.add_metric([str(status), *label], count)
            acks.add_metric(label, _buckets(counters), counters.ack_s_sum)
        yield from (events, requests, acks)

    def _gateways(self) -> Iterator[Metric]:
        in_flight = GaugeMetricFamily(
            "anlass_gateway_events_in_flight",
            "Events taken in and not answered yet",
            labels=self._label,
        )
        connections = GaugeMetricFamily(
            "anlass_gateway_connections", "Open connections", labels=self._label
        )
        lanes = ["shard", *self._label]
        waiting = GaugeMetricFamily(
            "anlass_gateway_lane_events", "Events waiting on a shard's lane", labels=lanes
        )
        reachable = GaugeMetricFamily(
            "anlass_gateway_shard_reachable", "1 if the shard can be reached", labels=lanes
        )
        pace = GaugeMetricFamily(
            "anlass_gateway_lane_events_per_second",
            "Events a second that the shard can answer, as last seen",
            labels=lanes,
        )
        for label, report in self._reports:
            in_flight.add_metric(label, report.events_in_flight)
            connections.add_metric(label, report.connections)
            for lane in report.lanes:
                shard = lane.shard
                waiting.add_metric([str(shard), *label], lane.waiting)
                reachable.add_metric([str(shard), *label], lane.reachable)
                pace.add_metric([str(shard), *label], lane.events_per_s)
        yield from (in_flight, connections, waiting, reachable, pace)


def exposition(scrape: Scrape) -> bytes:
    """Return all metrics as Prometheus text."""
    registry = CollectorRegistry()
    registry.register(scrape)
    return generate_latest(registry)


def _buckets(counters: Counters) -> list[tuple[str, float]]:
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip([*map(str, ACK_S_BUCKETS), "+Inf"], counters.ack_buckets, strict=True):
        total += count
        buckets.append((bound, total))
    return buckets


def _shard_families(shards: dict[int, dict[str, Any] | None]) -> Iterator[Metric]:
    """Yield each number of the shards' statuses, and of each trouble whether it is there.

    What else is no number is for other readers.
    """
    families: dict[str, GaugeMetricFamily] = {}
    for shard, status in shards.items():
        for field, value in (status or {}).items():
            if field == STALLED or field.endswith(ERROR):
                value = bool(value)  # noqa: PLW2901 - the text says what it is: see `anlass status`
            if not isinstance(value, int | float):
                continue
            name = f"anlass_shard_{_NO_NAME.sub('_', field)}"
            if name not in families:
                help_text = f"The shard's own `{field}`"
                families[name] = GaugeMetricFamily(name, help_text, labels=["shard"])
            families[name].add_metric([str(shard)], value)
    yield from families.values()
