"""What a shard pays to see names and fields of events; collected by `make bench` only."""

import asyncio
from collections import Counter
from itertools import count

import pytest
from msgspec import json
from pytest_benchmark.fixture import BenchmarkFixture

from actors.clock import EventClock
from actors.frame import Frame
from actors.links.link import LinkEvent
from actors.shards.shard import Shard
from actors.shards.sightings import ShardSightings
from bench.bench_engine import VIEW
from engine.contacts.identity import partition_of
from engine.seen.lookout import Lookout

NAMES = [f"name-{letter}" for letter in "abcdefgh"]
FRAME_EVENTS = 128


def frame_of(size: int) -> Frame:
    """Return a frame of so many events of eight names."""
    shard = Shard(0, 1, EventClock())
    payload = json.encode(VIEW)
    for number in range(size):
        contact = f"c-{number}"
        name = NAMES[number % len(NAMES)]
        event = LinkEvent(partition_of(contact), contact, "e", name, number, payload)
        shard.apply_event(event, 0)
    frame = shard.cut()
    assert frame is not None
    return frame


@pytest.mark.benchmark(group="sightings")
def bench_look(benchmark: BenchmarkFixture) -> None:
    """Look into one ordinary payload, decoded."""
    lookout, contacts = Lookout(), count()
    lookout.count(Counter(NAMES), 0)
    benchmark(lambda: lookout.look(NAMES[0], f"c-{next(contacts)}", VIEW))


@pytest.mark.benchmark(group="sightings")
@pytest.mark.parametrize("size", [1, FRAME_EVENTS])
def bench_take(benchmark: BenchmarkFixture, size: int) -> None:
    """Count a frame of so many events by name, and look into one now and then."""

    async def measure() -> None:
        sightings, frame = ShardSightings(None, 1e9), frame_of(size)

        def take() -> None:
            sightings.turn(0)  # It does what waits, and makes room for more.
            sightings.take(frame)

        benchmark(take)

    asyncio.run(measure())
