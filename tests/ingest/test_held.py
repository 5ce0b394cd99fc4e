"""Who was told to come back later is not read before its turn; nobody else notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from engine.contacts.identity import partition_of
from tests.ingest.raw_http import Sender, event, get, post, until
from tests.ingest.serving import Serving, serving

LEFT, RIGHT = (
    next(c for c in (f"c-{i}" for i in range(99)) if partition_of(c) // 128 == half)
    for half in (0, 1)
)
ROOM = 8
"""Events that a lane takes here; see `full`."""

LONG_S = 60.0


@pytest.fixture(autouse=True)
def _long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lanes take few events, and nobody be held for so short a time that it could be missed."""
    monkeypatch.setattr("ingest.lane.LANE_EVENTS_MIN", ROOM)
    monkeypatch.setattr("ingest.held.HELD_S", LONG_S)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let them go on one at a time, so that their order can be seen."""
    monkeypatch.setattr("ingest.held.HELD_AT_ONCE", 1)


@asynccontextmanager
async def full(
    folder: Path, shards: int = 1, contact: str = LEFT, **settings: Any
) -> AsyncIterator[tuple[Serving, Sender]]:
    """Serve with a first shard that has no room, and is slow rather than stands still."""
    settings = {"queue_delay_s": float(ROOM), **settings}
    async with serving(folder, shards, **settings) as served, served.sender() as flood:
        for lane in served.gateway._lanes:
            lane.pace.events_per_s = 1.0
        served.shard.hold = True
        flood.write(post([event(contact)] * ROOM))
        await until(lambda: served.shard.held)
        yield served, flood


def refused(served: Serving) -> int:
    return served.gateway._counters.status.get(429, 0)


def ids(served: Serving) -> list[str]:
    """Of the events that came to the first shard, but for the flood's."""
    return [each.id for each in served.shard.events][ROOM:]


async def test_a_refused_sender_is_not_read_until_there_is_room_and_then_taken(
    tmp_path: Path,
) -> None:
    async with full(tmp_path) as (served, flood), served.sender() as loud:
        assert (await loud.ask(post(event(LEFT, id="a")))).status == 429
        loud.write(post(event(LEFT, id="b")) + post(event(LEFT, id="c")))
        assert await loud.silent(0.1)
        assert (refused(served), served.gateway.admission.body_bytes) == (1, len_of_flood())
        async with served.sender() as other:  # It is the connection that waits, not the gateway.
            assert (await other.ask(get("/healthz"))).status == 200
            assert (await other.ask(post(event(LEFT)))).status == 429
            assert b"anlass_gateway_connections_held 2.0" in await metrics(served)
        served.shard.release()
        assert (await flood.answer()).status == 202
        assert [(await loud.answer()).status for _ in range(2)] == [202, 202]
        assert ids(served) == ["b", "c"]
        await until(lambda: not served.gateway.admission.turns)
        for _ in range(3):
            assert (await loud.ask(post(event(LEFT)))).status == 202


def len_of_flood() -> int:
    return len(post([event(LEFT)] * ROOM).partition(b"\r\n\r\n")[2])


async def metrics(served: Serving) -> bytes:
    async with served.sender() as sender:
        return (await sender.ask(get("/metrics"))).body


async def test_without_room_it_is_read_again_after_a_time_and_told_so_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.held.HELD_S", 0.1)
    async with full(tmp_path) as (served, _), served.sender() as loud:
        began_s = monotonic()
        loud.write(post(event(LEFT)))
        for turn in range(4):
            answer = await loud.ask(post(event(LEFT)))
            assert answer.status == 429
            assert int(answer.headers["retry-after"]) >= 1
            assert monotonic() - began_s >= turn * 0.1


async def test_who_is_told_to_come_back_is_told_when_its_turn_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with full(tmp_path) as (served, _), served.sender() as first, served.sender() as second:
        assert (await first.ask(post(event(LEFT)))).headers["retry-after"] == "1"
        later_s = monotonic() + 7.5
        monkeypatch.setattr("ingest.held.monotonic", lambda: later_s)
        assert (await second.ask(post(event(LEFT)))).headers["retry-after"] == "8"


@pytest.mark.usefixtures("one_by_one")
async def test_they_go_on_in_the_order_in_which_they_were_refused(tmp_path: Path) -> None:
    async with full(tmp_path) as (served, flood):
        senders = [served.sender() for _ in range(6)]
        for i, sender in enumerate(senders):
            await sender.__aenter__()
            assert (await sender.ask(post(event(LEFT)))).status == 429
            sender.write(post(event(LEFT, id=f"e-{i}")))
        await asyncio.sleep(0.05)
        assert ids(served) == []
        served.shard.release()
        assert (await flood.answer()).status == 202
        for sender in senders:
            assert (await sender.answer()).status == 202
            await sender.__aexit__()
        assert ids(served) == [f"e-{i}" for i in range(6)]


async def test_what_came_with_the_refused_request_waits_as_well_whole_or_not(
    tmp_path: Path,
) -> None:
    async with (
        full(tmp_path, receive_s=0.3, idle_s=0.3) as (served, _),
        served.sender() as loud,
        served.sender() as half,
    ):
        later = post(event(LEFT, id="half"))
        loud.write(post(event(LEFT)) + post(event(LEFT, id="whole")))
        half.write(post(event(LEFT)) + later[:-5])
        assert (await loud.answer()).status == (await half.answer()).status == 429
        half.write(later[-5:])
        assert await loud.silent(0.5)  # Nor does anybody time out who is not read.
        assert await half.silent(0.05)
        served.shard.release()
        assert (await loud.answer()).status == 202
        assert (await half.answer()).status == 429  # By its head, which was read before.
        assert (await half.ask(later)).status == 202
        assert ids(served) == ["whole", "half"]


async def test_who_was_just_served_comes_after_those_who_wait(tmp_path: Path) -> None:
    async with full(tmp_path, shards=2) as (served, flood), served.sender() as other:
        assert (await other.ask(post(event(RIGHT, id="a")))).status == 202
        async with served.sender() as waiting:
            assert (await waiting.ask(post(event(LEFT)))).status == 429
            assert (await other.ask(post(event(RIGHT, id="b")))).status == 202
            other.write(post(event(RIGHT, id="c")))
            assert await other.silent(0.1)
            served.shard.release()
            assert (await flood.answer()).status == (await other.answer()).status == 202
        assert [each.id for each in served.shards[1].events] == ["a", "b", "c"]


async def test_beside_a_shard_that_stands_still_nobody_is_held(tmp_path: Path) -> None:
    async with full(tmp_path, shards=2) as (served, _), served.sender() as early:
        assert (await early.ask(post(event(LEFT)))).status == 429
        early.write(post(event(RIGHT)))
        assert await early.silent()
        for lane in served.gateway._lanes:
            lane._moved_s -= 2 * ROOM  # Since when it owes an answer.
        assert (await early.answer()).status == 202
        async with served.sender() as sender:
            for _ in range(20):
                assert (await sender.ask(post(event(LEFT)))).status == 429
                assert (await sender.ask(post(event(RIGHT)))).status == 202


@pytest.mark.parametrize("bound", [{"events_in_flight_max": ROOM // 2}, {"memory_max": 1 << 20}])
async def test_bounds_of_the_whole_gateway_hold_senders_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: dict[str, int]
) -> None:
    monkeypatch.setattr("ingest.gateway.WATCH_S", 0.01)
    async with serving(tmp_path, **bound) as served, served.sender() as flood:
        served.shard.hold = True
        flood.write(post([event(LEFT)] * (ROOM // 2)))
        await until(lambda: not served.gateway._router.has_room(monotonic()))
        async with served.sender() as loud:
            assert (await loud.ask(post(event(LEFT)))).status == 429
            loud.write(post(event(LEFT)))
            assert await loud.silent()


async def test_questions_after_health_are_read_at_once_while_others_wait(tmp_path: Path) -> None:
    async with full(tmp_path) as (served, _), served.sender() as waiting:
        assert (await waiting.ask(post(event(LEFT)))).status == 429
        async with served.sender() as asking:
            for _ in range(5):
                assert (await asking.ask(get("/healthz"))).status == 200


async def test_no_more_are_held_than_half_of_the_places(tmp_path: Path) -> None:
    async with full(tmp_path, connections_max=4) as (served, _):
        senders = [served.sender() for _ in range(3)]
        for sender in senders:
            await sender.__aenter__()
            assert (await sender.ask(post(event(LEFT)))).status == 429
        for sender in senders:
            sender.write(post(event(LEFT)))
        assert (await senders[2].answer()).status == 429
        assert await senders[0].silent()
        for sender in senders:
            await sender.__aexit__()


async def test_stopping_ends_who_is_held_and_answers_what_came_whole(tmp_path: Path) -> None:
    async with (
        full(tmp_path) as (served, flood),
        served.sender() as idle,
        served.sender() as whole,
    ):
        assert (await idle.ask(post(event(LEFT)))).status == 429
        whole.write(post(event(LEFT)) + post(event(LEFT, id="whole")))
        assert (await whole.answer()).status == 429
        stopping = asyncio.create_task(served.gateway.stop())
        assert await idle.end() == b""
        answer = await whole.answer()
        assert (answer.status, answer.headers["connection"]) == (429, "close")
        served.shard.release()
        assert (await flood.answer()).status == 202
        await stopping
