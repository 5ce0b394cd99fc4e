"""A gateway that gets more than its shards can hold: it refuses, and goes on."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from engine.contacts.identity import partition_of
from ingest.limits import LANE_EVENTS_MIN
from tests.ingest.raw_http import Sender, event, get, post, until
from tests.ingest.serving import Serving, serving

LEFT = [c for c in (f"c-{i}" for i in range(99)) if partition_of(c) < 128]
RIGHT = [c for c in (f"c-{i}" for i in range(99)) if partition_of(c) >= 128]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let lanes take few events whatever the pace: 8, so that tests need not send thousands."""
    monkeypatch.setattr("ingest.lane.LANE_EVENTS_MIN", 8)
    return 8


async def fill(served: Serving, sender: Sender, contact: str, count: int) -> None:
    """Let so many events of a contact wait on its shard, which holds them."""
    shard = served.shards[partition_of(contact) * len(served.shards) // 256]
    shard.hold = True
    sender.write(post([event(contact)] * count))
    await until(lambda: shard.held)


def slow(served: Serving) -> None:
    """Let the lanes believe that their shards answer one event a second."""
    for lane in served.gateway._lanes:
        lane.pace.events_per_s = 1.0


def count_reads(served: Serving, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Keep the bodies that the gateway reads from now on."""
    read: list[bytes] = []
    really = served.gateway._reader.read

    def counted(body: bytes, *, lines: bool) -> Any:
        read.append(body)
        return really(body, lines=lines)

    monkeypatch.setattr(served.gateway._reader, "read", counted)
    return read


async def test_a_flooded_shard_refuses_and_leaves_the_other_ones_events_in(
    tmp_path: Path, small: int
) -> None:
    async with serving(tmp_path, shards=2) as served, served.sender() as flood:
        slow(served)
        await fill(served, flood, LEFT[0], small)
        async with served.sender() as sender:
            for i in range(50):
                refused = await sender.ask(post(event(LEFT[i % 9])))
                assert refused.status == 429
                assert 1 <= int(refused.headers["retry-after"]) <= 30
                assert "connection" not in refused.headers  # It stays open: see the next line.
                assert (await sender.ask(post(event(RIGHT[i % 9])))).status == 202
        assert len(served.shards[1].events) == 50


async def test_batches_that_wait_on_a_shard_that_stands_still_use_up_nothing_of_the_others(
    tmp_path: Path,
) -> None:
    """They would, if an event counted until the whole request is answered."""
    async with serving(tmp_path, shards=2, events_in_flight_max=40) as served:
        served.shard.hold = True
        senders = [served.sender() for _ in range(4)]
        for sender in senders:
            await sender.__aenter__()
            sender.write(post([event(LEFT[0]), *[event(RIGHT[0])] * 9]))
        await until(lambda: len(served.shards[1].events) == 36)
        await until(lambda: served.gateway.admission.events == 4)
        async with served.sender() as other:
            for _ in range(20):
                assert (await other.ask(post(event(RIGHT[1])))).status == 202
        served.shard.release()
        for sender in senders:
            assert (await sender.answer()).json["accepted"] == 10
            await sender.__aexit__()
        assert served.gateway.admission.events == 0


async def test_a_batch_for_a_full_shard_is_refused_whole_and_nothing_of_it_is_taken(
    tmp_path: Path, small: int
) -> None:
    async with serving(tmp_path, shards=2) as served, served.sender() as flood:
        slow(served)
        await fill(served, flood, LEFT[0], small)
        async with served.sender() as sender:
            assert (await sender.ask(post([event(LEFT[1]), event(RIGHT[1])]))).status == 429
        assert served.shards[1].events == []
        assert served.gateway.admission.events == small


async def test_events_of_others_on_a_flooded_shard_go_in_the_order_of_their_coming(
    tmp_path: Path,
) -> None:
    """A neighbour that came after a flood's thousand and before the next is served in between."""
    async with serving(tmp_path) as served, served.sender() as flood, served.sender() as again:
        served.shard.hold = True
        await fill(served, flood, "loud", 1000)
        async with served.sender() as neighbour:
            neighbour.write(post(event("quiet")))
            await until(lambda: served.gateway.admission.events == 1001)
            again.write(post([event("loud")] * 1000))
            await until(lambda: served.gateway.admission.events == 2001)
            served.shard.release()
            assert (await neighbour.answer()).status == 202
            await flood.answer()
            await again.answer()
        assert [each.contact for each in served.shard.events].index("quiet") == 1000


async def test_where_no_shard_has_room_bodies_are_not_even_read(
    tmp_path: Path, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as served, served.sender() as flood, served.sender() as sender:
        slow(served)
        await fill(served, flood, "c-1", small)
        assert (await sender.ask(post(event()))).status == 429
        read = count_reads(served, monkeypatch)
        # A sweep lets the lanes decide again, so one of them may be read.
        refused, shut = [], 0
        for _ in range(20):
            refused.append((await sender.ask(post(event()))).status)
            shut += served.gateway.admission.shut is not None
        assert refused.count(429) >= 19
        assert len(read) <= 1
        assert shut >= 19  # They were refused by their heads.
        monkeypatch.undo()
        assert (await sender.ask(get("/healthz"))).status == 200
        served.shard.release()
        assert (await flood.answer()).status == 202
        assert (await sender.ask(post(event()))).status == 202


async def test_memory_above_its_watermark_refuses_until_a_good_part_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.gateway.WATCH_S", 0.01)
    async with serving(tmp_path, shards=2, memory_max=10 << 30) as served:
        admission = served.gateway.admission
        async with served.sender() as sender:
            served.shards[1].status["memory_bytes"] = 11 << 30
            await until(lambda: admission.shut)
            answer = await sender.ask(post(event()))
            assert answer.status == 429
            assert "memory" in answer.json["error"]
            assert answer.headers["retry-after"] == "5"
            metrics = (await sender.ask(get("/metrics"))).body
            assert b"anlass_memory_max_bytes 1.073741824e+10" in metrics
            served.shards[1].status["memory_bytes"] = (10 << 30) - (100 << 20)
            await asyncio.sleep(0.05)
            assert (await sender.ask(post(event()))).status == 429
            served.shards[1].status["memory_bytes"] = 1 << 30
            await until(lambda: admission.shut is None)
            assert (await sender.ask(post(event()))).status == 202


async def test_the_gateways_own_memory_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.gateway.WATCH_S", 0.01)
    async with serving(tmp_path, memory_max=1 << 20) as served, served.sender() as sender:
        await until(lambda: served.gateway.admission.shut)
        assert "memory" in (await sender.ask(post(event()))).json["error"]


async def test_tiny_requests_behind_one_that_waits_are_bounded(tmp_path: Path) -> None:
    async with serving(tmp_path, body_bytes_max=20_000) as served:
        served.shard.hold = True
        async with served.sender() as sender:
            sender.write(post(event()) + get("/healthz") * 100)
            await until(lambda: served.shard.held)
            served.shard.release()
            answers = [(await sender.answer()).status]
            while answers[-1] != 429:
                answers.append((await sender.answer()).status)
            assert answers[:1] == [202]
            assert 30 <= answers.count(200) < 40
            assert await sender.end() == b""
        await until(lambda: served.gateway.admission.body_bytes == 0)
        async with served.sender() as sender:
            sender.write(get("/healthz") * 100)  # Nothing waits, so nothing has to be held.
            assert [(await sender.answer()).status for _ in range(100)] == [200] * 100


async def test_scrapes_at_once_ask_the_shards_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as served:
        asked: list[float] = []
        lane = served.gateway._lanes[0]
        ask = lane.status

        async def counted(timeout_s: float) -> dict[str, Any] | None:
            asked.append(timeout_s)
            await asyncio.sleep(0.05)
            return await ask(timeout_s)

        monkeypatch.setattr(lane, "status", counted)

        async def scrape() -> int:
            async with served.sender() as sender:
                return (await sender.ask(get("/metrics"))).status

        assert await asyncio.gather(*(scrape() for _ in range(20))) == [200] * 20
        assert len(asked) == 1


async def test_what_is_refused_costs_its_connection_nothing_else(
    tmp_path: Path, small: int
) -> None:
    """Every 202 is with the shard once, every 429 not at all: over one connection, in turns."""
    async with serving(tmp_path) as served, served.sender() as flood, served.sender() as sender:
        sent: dict[int, list[str]] = {202: [], 429: []}
        for turn in range(6):
            slow(served)
            await fill(served, flood, "flood", small)
            refused = await sender.ask(post(event(id=f"{turn}-full")))
            sent[refused.status].append(f"{turn}-full")
            served.shard.release()
            await flood.answer()
            taken = await sender.ask(post(event(id=f"{turn}-free")))
            sent[taken.status].append(f"{turn}-free")
        assert len(sent[429]) == len(sent[202]) == 6
        assert [e.id for e in served.shard.events if e.contact != "flood"] == sent[202]


def test_the_least_that_a_lane_takes_is_what_may_be_in_flight() -> None:
    assert LANE_EVENTS_MIN == 1024


async def test_where_one_shard_is_full_a_batch_is_read_only_if_nothing_of_it_goes_there(
    tmp_path: Path, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, shards=2) as served, served.sender() as flood:
        slow(served)
        await fill(served, flood, LEFT[0], small)
        async with served.sender() as sender:
            mixed = [event(RIGHT[0]), event(RIGHT[1]), event(LEFT[1])]
            assert (await sender.ask(post(mixed))).status == 429
            read = count_reads(served, monkeypatch)
            lines = "\n".join(map(json.dumps, mixed))
            for _ in range(5):
                assert (await sender.ask(post(mixed))).status == 429
                ndjson = post(lines, "Content-Type: application/x-ndjson")
                assert (await sender.ask(ndjson)).status == 429
                assert (await sender.ask(post(mixed[2]))).status == 429
            assert read == []
            for _ in range(5):
                assert (await sender.ask(post(mixed[:2]))).status == 202
            assert len(read) == 5
            wrong = await sender.ask(post('[{"contact": 1}]'))
            assert wrong.status == 400  # What cannot be read is told, full or not.
            served.shard.release()
            await flood.answer()
            assert (await sender.ask(post(mixed))).json["accepted"] == 3
            assert not served.gateway.admission.crowded
