"""The engine's parts, one group a question; collected by `make bench` only."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from actors.folder import read_folder
from bench.decision import EXAMPLES
from engine.contacts.contact import decode_contact, encode_contact
from engine.decision import Decision
from engine.input import Event, Publish
from engine.partition import Partition

VIEW = {"product_id": "sku-1", "price": 12.5, "category": "shoes", "currency": "EUR"}
MINUTE_MS = 60_000


def partition_with(views: int) -> Partition:
    """Return a partition with one contact who viewed so many products."""
    decisions: list[Decision] = []
    partition = Partition(0, decisions)
    partition.fold(Publish(read_folder(EXAMPLES).source), 0)
    for number in range(views):
        now_ms = number * MINUTE_MS
        partition.fold(Event(f"e-{number}", "c", "product_view", now_ms, VIEW), now_ms)
    return partition


@pytest.mark.parametrize("views", [5, 30])
@pytest.mark.benchmark(group="contact")
def bench_thaw(benchmark: BenchmarkFixture, views: int) -> None:
    """Bytes to contact."""
    data = partition_with(views).contact_bytes("c")
    benchmark(decode_contact, data)


@pytest.mark.parametrize("views", [5, 30])
@pytest.mark.benchmark(group="contact")
def bench_freeze(benchmark: BenchmarkFixture, views: int) -> None:
    """Contact to bytes."""
    contact = partition_with(views).contact("c")
    benchmark(encode_contact, contact)


@pytest.mark.benchmark(group="fold")
def bench_product_view(benchmark: BenchmarkFixture) -> None:
    """An event that no journey wants: dedupe, session, history."""
    benchmark.pedantic(fold_next(partition_with(5), "product_view"), rounds=20, iterations=500)


@pytest.mark.benchmark(group="fold")
def bench_session_end(benchmark: BenchmarkFixture) -> None:
    """An event that ends a session before it opens the next one."""
    fold = fold_next(partition_with(5), "product_view", gap_ms=31 * MINUTE_MS)
    benchmark.pedantic(fold, rounds=20, iterations=500)


@pytest.mark.benchmark(group="decode")
def bench_decode_payload(benchmark: BenchmarkFixture) -> None:
    """JSON of an ordinary payload to a dict."""
    benchmark(msgspec.json.decode, msgspec.json.encode(VIEW))


def fold_next(partition: Partition, name: str, gap_ms: int = 1) -> Callable[[], Any]:
    """Return a call that folds one more event of the contact."""
    state = {"now_ms": 10**9, "number": 0}

    def fold() -> int:
        state["now_ms"] += gap_ms
        state["number"] += 1
        id = f"n-{state['number']}"
        return partition.fold(Event(id, "c", name, state["now_ms"], VIEW), state["now_ms"])

    return fold
