"""A request over several shards: each gets its part at once, in order, and one frame of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.links.link import LinkEvent
from actors.map import even_map
from ingest.admission import Admission
from ingest.detour import Detour
from ingest.exchange import Exchange
from ingest.lane import Lane
from ingest.limits import FRAME_EVENTS_MAX
from ingest.router import Router
from ingest.waiting import LaneBounds
from ingest.wire import Reader
from tests.ingest.fake_shard import FakeShard
from tests.ingest.raw_http import until

BOUNDS = LaneBounds(50_000, 64 << 20, 0.5)


@asynccontextmanager
async def routed(
    folder: Path, count: int, admission: Admission
) -> AsyncIterator[tuple[Router, list[FakeShard]]]:
    shards = [await FakeShard(folder / f"s{slot}").start() for slot in range(count)]
    told = even_map([shard.address for shard in shards])
    router = Router(told, admission, lambda address: Lane(address, BOUNDS, admission.freed))
    try:
        for lane in router.lanes.values():
            await lane.open()
        yield router, shards
    finally:
        router.close()
        for shard in shards:
            await shard.stop()


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_a_request_costs_each_shard_one_frame_and_comes_in_order(
    tmp_path: Path, count: int
) -> None:
    admission = Admission(50_000, 64 << 20)
    lines = [
        b'{"contact":"c-%d","name":"x","id":"e-%d"}' % (i % 97, i) for i in range(FRAME_EVENTS_MAX)
    ]
    events, _ = Reader("r-").read(b"\n".join(lines), lines=True)
    answers: list[tuple[int, bytes]] = []
    exchange = Exchange(b"", lambda _, status, body, headers: answers.append((status, body)))
    async with routed(tmp_path, count, admission) as (router, shards):
        assert router.route(exchange, events) == 0
        assert admission.events == len(events)
        await until(lambda: bool(answers))
        frames = [len(shard.frames) for shard in shards]
    assert answers == [(202, b'{"accepted":512,"repeated":0,"rejected":[]}')]
    assert frames == [1] * count
    owners = even_map([""] * count).owners
    for slot, shard in enumerate(shards):
        assert shard.events == [each for each in events if owners[each.partition] == slot]
    assert admission.events == 0


async def test_a_detour_holds_requests_in_order_behind_what_comes_back() -> None:
    first, second = (Exchange(b"", lambda *_: None) for _ in range(2))
    detour = Detour(0, Lane("", BOUNDS, lambda _: None), lambda _: None)
    a, b, c, d = (LinkEvent(0, "c", id, "x", None, b"{}") for id in "abcd")
    detour.put_all(first, [b, c])
    detour.put_all(second, [d])
    detour.put_front([(first, a)])
    assert detour.take_all() == [(first, a), (first, b), (first, c), (second, d)]
