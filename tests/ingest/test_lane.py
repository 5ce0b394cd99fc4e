"""A lane: two frames in flight, order kept, nothing lost with its link."""

import asyncio
from pathlib import Path
from time import monotonic

import pytest
import structlog

from actors.links.link import LinkEvent
from ingest.exchange import Exchange
from ingest.lane import Lane
from ingest.limits import FRAME_EVENTS_MAX, LANE_EVENTS_MIN, SECOND_FRAME_EVENTS_MIN
from ingest.waiting import LaneBounds
from tests.actors.links.credentials import credentials
from tests.ingest.fake_shard import FakeShard
from tests.ingest.raw_http import until


class Asked(Exchange):
    """An exchange of `count` events that keeps its answer."""

    def __init__(self, count: int = 1, began_s: float = 0.0) -> None:
        super().__init__(b"", self.keep)
        self.events = self.left = count
        self.began_s = began_s
        self.status = 0
        self.answers = 0
        self.text = b""

    def keep(self, _: Exchange, status: int, body: bytes, headers: str) -> None:
        self.status, self.text = status, body
        self.answers += 1


def event(id: str, name: str = "x", size: int = 2) -> LinkEvent:
    return LinkEvent(0, "c", id, name, None, b"x" * size)


BOUNDS = LaneBounds(50_000, 64 << 20, 0.5)


def nobody(_: int) -> None:
    pass


def put(lane: Lane, *ids: str) -> Asked:
    asked = Asked(len(ids))
    for id in ids:
        lane.put(asked, event(id))
    return asked


@pytest.fixture(params=["unix", "tcp"])
async def shard(request: pytest.FixtureRequest, tmp_path: Path):
    shard = FakeShard(tmp_path / "s")
    if request.param == "tcp":
        shard.credentials = credentials(tmp_path / "keys")
    await shard.start()
    yield shard
    await shard.stop()


@pytest.fixture
async def lane(shard: FakeShard):
    lane = Lane(shard.address, BOUNDS, nobody, shard.credentials)
    await lane.open()
    yield lane
    lane.close()
    await asyncio.sleep(0.01)


def ids(shard: FakeShard) -> list[list[str]]:
    return [[event.id for event in frame] for frame in shard.frames]


async def test_events_of_one_turn_of_the_loop_share_a_frame(lane: Lane, shard: FakeShard) -> None:
    asked = [put(lane, "a"), put(lane, "b", "c")]
    await until(lambda: all(each.status for each in asked))
    assert ids(shard) == [["a", "b", "c"]]
    assert [each.status for each in asked] == [202, 202]
    assert lane.waiting == 0


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second frame go out with a single event, so that small tests have two in flight."""
    monkeypatch.setattr("ingest.lane.SECOND_FRAME_EVENTS_MIN", 1)


async def test_beside_a_frame_in_flight_only_a_well_filled_one_goes_out(
    lane: Lane, shard: FakeShard
) -> None:
    shard.hold = True
    put(lane, "first")
    await until(lambda: shard.frames)
    put(lane, *map(str, range(SECOND_FRAME_EVENTS_MIN - 1)))
    await asyncio.sleep(0.02)
    assert len(shard.frames) == 1
    put(lane, "last")
    await until(lambda: len(shard.frames) == 2)
    assert len(ids(shard)[1]) == SECOND_FRAME_EVENTS_MIN
    shard.answer_next()
    shard.answer_next()


@pytest.mark.usefixtures("eager")
async def test_two_frames_are_in_flight_and_the_rest_collects(lane: Lane, shard: FakeShard) -> None:
    shard.hold = True
    for i in range(6):
        put(lane, str(i))
        await asyncio.sleep(0.005)
    assert ids(shard) == [["0"], ["1"]]
    assert lane.waiting == 6
    shard.answer_next()
    await until(lambda: len(shard.frames) == 3)
    assert ids(shard)[2] == ["2", "3", "4", "5"]


async def test_a_frame_is_bounded_in_events_and_in_bytes(lane: Lane, shard: FakeShard) -> None:
    many = put(lane, *map(str, range(FRAME_EVENTS_MAX * 2 + 1)))
    await until(lambda: many.status)
    assert [len(frame) for frame in shard.frames] == [FRAME_EVENTS_MAX, FRAME_EVENTS_MAX, 1]
    shard.frames.clear()
    heavy = Asked(50)
    for i in range(50):
        lane.put(heavy, event(f"h{i}", size=32 << 10))
    await until(lambda: heavy.status)
    assert [len(frame) for frame in shard.frames] == [31, 19]
    assert [each.id for each in shard.events] == [f"h{i}" for i in range(50)]
    assert lane._waiting.bytes == 0


async def test_verdicts_are_counted_for_the_exchange_they_belong_to(
    lane: Lane, shard: FakeShard
) -> None:
    first = put(lane, "a")
    await until(lambda: first.status)
    asked = Asked(3)
    for each in (event("a"), event("b", "poison"), event("c")):
        lane.put(asked, each)
    other = put(lane, "d")
    await until(lambda: asked.status and other.status)
    assert asked.text == b'{"accepted":2,"repeated":1,"rejected":[],"failed":1}'
    assert other.text == b'{"accepted":1,"repeated":0,"rejected":[]}'


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("applied", [False, True])
async def test_frames_without_answer_go_again_in_order_before_anything_new(
    lane: Lane, shard: FakeShard, *, applied: bool
) -> None:
    shard.hold = True
    asked = [put(lane, "a")]
    await until(lambda: len(shard.held) == 1)
    asked.append(put(lane, "b"))
    await until(lambda: len(shard.held) == 2)
    asked.append(put(lane, "c"))
    if applied:
        shard.apply_unanswered()
    await shard.stop()
    assert not lane.reachable
    asked.append(put(lane, "d"))
    shard.frames.clear()
    shard.hold = False
    await shard.start()
    await until(lambda: all(each.status for each in asked))
    assert ids(shard) == [["a"], ["b"], ["c", "d"]]
    # A repeat of what was sent twice was our own first try: the sender sent it once.
    assert {each.text for each in asked} == {b'{"accepted":1,"repeated":0,"rejected":[]}'}


async def test_a_shard_that_comes_late_gets_what_waited(tmp_path: Path) -> None:
    lane = Lane(str(tmp_path / "s"), BOUNDS, nobody)
    await lane.open()
    asked = put(lane, "a")
    await asyncio.sleep(0.02)
    shard = await FakeShard(tmp_path / "s").start()
    await until(lambda: asked.status == 202)
    lane.close()
    await shard.stop()


@pytest.mark.usefixtures("eager")
async def test_what_began_before_the_deadline_is_refused_and_only_unsent_events_are_dropped(
    lane: Lane, shard: FakeShard
) -> None:
    shard.hold = True
    sent, unsent, late = Asked(began_s=1), Asked(began_s=2), Asked(began_s=9)
    lane.put(sent, event("sent"))
    await until(lambda: len(shard.held) == 1)
    lane.put(Asked(began_s=9), event("second"))
    await until(lambda: len(shard.held) == 2)
    lane.put(unsent, event("unsent"))
    lane.put(late, event("late"))
    lane.expire(before_s=5)
    assert (sent.status, unsent.status, late.status) == (503, 503, 0)
    assert b"same event ids" in sent.text
    shard.hold = False
    await until(lambda: late.status == 202)  # The link was not trusted, and another was made.
    assert [each.id for each in shard.events] == ["sent", "second", "second", "late"]
    assert lane.waiting == 0


async def test_who_was_refused_is_not_answered_again_when_its_frame_is(
    lane: Lane, shard: FakeShard
) -> None:
    shard.hold = True
    old, young = Asked(began_s=1), Asked(began_s=9)
    lane.put(old, event("old"))
    lane.put(young, event("young"))
    await until(lambda: shard.held)
    lane.expire(before_s=5)
    shard.hold = False
    await until(lambda: young.status == 202)
    assert (old.status, old.answers) == (503, 1)


async def test_a_refusal_of_the_shard_reaches_the_sender(lane: Lane, shard: FakeShard) -> None:
    shard.refuse = "it moves"
    asked = put(lane, "a")
    await until(lambda: asked.status)
    assert (asked.status, b"it moves" in asked.text) == (503, True)
    assert lane.waiting == 0


async def test_closing_refuses_what_waits(lane: Lane, shard: FakeShard) -> None:
    shard.hold = True
    sent = put(lane, "a")
    await until(lambda: shard.held)
    unsent = put(lane, "b")
    lane.close()
    assert (sent.status, unsent.status) == (503, 503)


async def test_the_shards_status_comes_over_the_same_link(lane: Lane, shard: FakeShard) -> None:
    assert await lane.status(1.0) == shard.status
    shard.deaf = True
    assert await lane.status(0.01) is None
    assert not lane._questions._asked
    asking = asyncio.create_task(lane.status(5.0))
    await asyncio.sleep(0.005)
    await shard.stop()
    assert await asking is None
    assert await lane.status(1.0) is None


def asked_at(lane: Lane, count: int, now_s: float = 0.0) -> int:
    return lane.wait_s(count, now_s or lane._moved_s)


async def test_what_waits_is_bounded_by_the_shards_pace(lane: Lane, shard: FakeShard) -> None:
    shard.hold = True
    lane.pace.observe(10_000, 1.0, busy=True)  # Half of it may wait: 5,000.
    put(lane, *map(str, range(4_999)))
    assert asked_at(lane, 1) == 0
    assert asked_at(lane, 9_000) == 0  # What waits before it decides, not its own size.
    put(lane, "last")
    assert asked_at(lane, 1) == 1
    put(lane, *map(str, range(20_000)))
    assert asked_at(lane, 1) == 3  # 20,000 too many, at 10,000 a second.


async def test_however_slow_a_shard_two_full_frames_may_wait(lane: Lane, shard: FakeShard) -> None:
    shard.hold = True
    lane.pace.observe(1, 1.0, busy=True)
    put(lane, *map(str, range(LANE_EVENTS_MIN - 1)))
    assert asked_at(lane, 1) == asked_at(lane, 1, now_s=lane._moved_s + 99) == 0
    put(lane, "last")
    assert asked_at(lane, 1) == 1


async def test_a_shard_that_stands_still_is_not_judged_by_its_former_pace(
    lane: Lane, shard: FakeShard
) -> None:
    lane.pace.observe(1_000_000, 1.0, busy=True)
    shard.hold = True
    put(lane, *map(str, range(LANE_EVENTS_MIN)))
    await until(lambda: len(shard.held) == 2)
    assert asked_at(lane, 1, now_s=lane._moved_s + 0.4) == 0
    assert asked_at(lane, 1, now_s=lane._moved_s + 0.6) == 1
    assert asked_at(lane, 1, now_s=lane._moved_s + 7.0) == 8
    moved_s = lane._moved_s
    shard.answer_next()
    await until(lambda: len(shard.held) == 1)
    await until(lambda: lane._moved_s > moved_s)
    put(lane, *map(str, range(LANE_EVENTS_MIN)))
    assert asked_at(lane, 1) == 0  # It moves again.


async def test_a_shard_that_is_away_counts_as_standing_still(tmp_path: Path) -> None:
    lane = Lane(str(tmp_path / "s"), BOUNDS, nobody)
    await lane.open()
    put(lane, *map(str, range(LANE_EVENTS_MIN)))
    lane.pace.observe(1_000_000, 1.0, busy=True)
    assert asked_at(lane, 1, now_s=lane._moved_s + 0.6) == 1
    lane.close()


async def test_after_a_pause_the_first_frame_is_given_its_time(
    lane: Lane, shard: FakeShard
) -> None:
    lane.pace.observe(1_000_000, 1.0, busy=True)
    lane._moved_s -= 3600
    shard.hold = True
    put(lane, *map(str, range(LANE_EVENTS_MIN)))
    assert lane.wait_s(1, monotonic()) == 0  # Nothing is sent yet.
    await until(lambda: shard.held)
    assert lane.wait_s(1, monotonic()) == 0


async def test_the_bytes_that_wait_are_bounded(shard: FakeShard) -> None:
    lane = Lane(shard.address, LaneBounds(50_000, 1 << 20, 0.5), nobody, shard.credentials)
    await lane.open()
    shard.hold = True
    assert lane.free_below == (1 << 20) // ((32 << 10) + 128)  # However heavy: they fit.
    heavy = Asked(40)
    for i in range(40):
        lane.put(heavy, event(f"h{i}", size=32 << 10))
    assert asked_at(lane, 1) == 1
    await until(lambda: shard.held)
    assert asked_at(lane, 1) == 1  # On their way or not: they are held.
    shard.release()
    await until(lambda: heavy.status)
    assert (lane._waiting.bytes, lane._sent_bytes) == (0, 0)
    lane.close()


async def test_the_pace_is_learned_from_answers(lane: Lane, shard: FakeShard) -> None:
    assert lane.pace.events_per_s == 0
    many = put(lane, *map(str, range(FRAME_EVENTS_MAX * 3)))
    await until(lambda: many.status)
    assert lane.pace.events_per_s > 1
    assert lane.pace.answered == FRAME_EVENTS_MAX * 3


@pytest.mark.usefixtures("eager")
async def test_every_event_that_leaves_a_lane_is_given_back_once(shard: FakeShard) -> None:
    left: list[int] = []
    lane = Lane(shard.address, BOUNDS, left.append, shard.credentials)
    await lane.open()
    first = put(lane, "a", "b")
    await until(lambda: first.status)
    assert left == [2]  # Answered.
    shard.hold = True
    for i in range(2):
        lane.put(Asked(began_s=1), event(str(i)))
        await until(lambda i=i: len(shard.held) == i + 1)
    lane.put(Asked(began_s=1), event("unsent"))
    lane.expire(before_s=5)
    assert left == [2, 1]  # Dropped unsent; the two that were sent nobody waits for any more.
    await until(lambda: sum(left) == 5)
    put(lane, "c", "d", "e")
    lane.close()
    assert sum(left) == 8
    assert lane.waiting == 0


async def test_a_shard_that_trusts_us_not_is_tried_again_and_named_once(tmp_path: Path) -> None:
    shard = FakeShard(tmp_path / "s")
    shard.credentials = credentials(tmp_path / "ours")
    await shard.start()
    lane = Lane(shard.address, BOUNDS, nobody, credentials(tmp_path / "theirs"))
    tried = 0
    connect = lane._connect

    async def count() -> bool:
        nonlocal tried
        tried += 1
        return await connect()

    lane._connect = count  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as logs:
        await lane.open()
        await until(lambda: tried >= 4)
    here = [line["why"] for line in logs if "cannot be made" in line["event"]]
    assert len(here) == 1
    assert "another authority" in here[0]
    assert not lane.reachable
    lane.close()
    await asyncio.sleep(0.1)  # What it was trying ends, on both sides.
    await shard.stop()


@pytest.mark.usefixtures("eager")
async def test_who_waits_for_what_is_given_up_is_carried_on(lane: Lane, shard: FakeShard) -> None:
    shard.hold = True
    old, one, two = Asked(began_s=1), Asked(began_s=9), Asked(began_s=9)
    for frame, each in enumerate([[old, one], [two]], 1):
        for asked in each:
            lane.put(asked, event(str(asked.began_s)))
        await until(lambda frame=frame: len(shard.held) == frame)
    lane.expire(before_s=5)
    assert [asked for asked, _ in lane.abandon()] == [one, two]
    assert (one.resent, two.resent, lane.waiting) == (True, True, 0)
