"""A lane whose shard refuses: of no request the end goes out without its beginning."""

import asyncio
from pathlib import Path

import pytest

from ingest.lane import Lane
from tests.ingest.fake_shard import FakeShard
from tests.ingest.raw_http import until
from tests.ingest.test_lane import BOUNDS, Asked, event, ids, nobody, put


@pytest.fixture
async def shard(tmp_path: Path):
    shard = await FakeShard(tmp_path / "s").start()
    yield shard
    await shard.stop()


@pytest.fixture
async def lane(shard: FakeShard):
    lane = Lane(str(shard.path), BOUNDS, nobody)
    await lane.open()
    yield lane
    lane.close()
    await asyncio.sleep(0.01)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests of a few events take several frames."""
    monkeypatch.setattr("ingest.lane.SECOND_FRAME_EVENTS_MIN", 1)
    monkeypatch.setattr("ingest.waiting.FRAME_EVENTS_MAX", 2)


@pytest.mark.usefixtures("tiny")
async def test_what_is_behind_a_refused_frame_is_refused_and_the_rest_is_never_sent(
    lane: Lane, shard: FakeShard
) -> None:
    shard.hold = True
    before, split = put(lane, "a", "b"), put(lane, "c", "d", "e", "f", "g")
    other = put(lane, "h")
    await until(lambda: len(shard.held) == 2)
    link, accept = shard.held.pop()
    link.refuse(accept, "it is full")
    await until(lambda: split.status)
    assert (split.status, b"it is full" in split.text) == (503, True)
    again = put(lane, "c", "d", "e", "f", "g")
    await until(lambda: len(shard.held) == 2)
    shard.release()
    await until(lambda: before.status and other.status and again.status)
    assert (before.status, other.status, again.status) == (202, 202, 202)
    resent = [["c", "d"], ["e", "f"], ["g"]]
    assert ids(shard) == [["a", "b"], ["c", "d"], ["h"], *resent]
    assert shard.attempts == [0, 0, 1, 1, 1, 1]
    assert (lane.waiting, lane._waiting.bytes, lane._sent_bytes) == (0, 0, 0)


@pytest.mark.usefixtures("tiny")
async def test_a_refusal_is_that_of_the_frames_behind_it_too(lane: Lane, shard: FakeShard) -> None:
    """Whoever has its beginning there must not send its end in an attempt of its own."""
    shard.hold = True
    first, split = put(lane, "a", "b", "c"), put(lane, "d", "e", "f")
    await until(lambda: len(shard.held) == 2)
    for link, accept in shard.held[:1]:
        link.refuse(accept, "it is full")
    shard.held.clear()
    await until(lambda: first.status and split.status)
    assert (first.status, split.status) == (503, 503)
    late = put(lane, "g")
    await until(lambda: shard.held)
    shard.release()
    await until(lambda: late.status)
    assert ids(shard) == [["a", "b"], ["c", "d"], ["g"]]


@pytest.mark.usefixtures("tiny")
async def test_what_goes_again_goes_without_requests_that_are_answered(shard: FakeShard) -> None:
    """Its first frame may be lost: then the end of a refused request would come alone."""
    left: list[int] = []
    lane = Lane(str(shard.path), BOUNDS, left.append)
    await lane.open()
    shard.hold = True
    refused, other = Asked(7, began_s=1), Asked(2, began_s=9)
    for id in "abc":
        lane.put(refused, event(id))
    for id in "xy":
        lane.put(other, event(id))
    await until(lambda: len(shard.held) == 2)
    refused.refuse(503, "another shard refused")
    await shard.stop()
    shard.frames.clear()
    shard.hold = False
    await shard.start()
    await until(lambda: other.status)
    assert ids(shard) == [["x"], ["y"]]
    assert (other.status, sum(left), lane._waiting.bytes, lane._sent_bytes) == (202, 5, 0, 0)
    lane.close()
