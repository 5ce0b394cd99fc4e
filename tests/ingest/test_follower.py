"""The follower: whom it asks where partitions are, and when."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.map import ClusterMap, even_map
from ingest import follower as follower_module
from ingest.follower import STOOD_S, Follower
from ingest.router import Router

MAP = even_map(["a", "b"])


class Lane:
    """A lane to a shard that says where partitions are, as long as it is well."""

    def __init__(self) -> None:
        self.reachable = True
        self.stood = 0.0
        self.asked = 0

    def stood_s(self, _now_s: float) -> float:
        return self.stood

    async def map(self, _timeout_s: float) -> ClusterMap:
        self.asked += 1
        return MAP


class Followed:
    """Two lanes and a store, and a follower that asks seldom where all is well: never here."""

    def __init__(self) -> None:
        self.lanes = {0: Lane(), 1: Lane()}
        self.learned: list[ClusterMap] = []
        self.detours: dict[int, object] = {}
        router = SimpleNamespace(lanes=self.lanes, detours=self.detours, learn=self.learned.append)
        self.asked_store = 0
        self.follower = Follower(cast(Router, router), 1.0, self._ask_store)

    async def settle(self) -> None:
        """Let it look many times."""
        await asyncio.sleep(0.05)

    async def until_learned(self) -> None:
        count = len(self.learned)
        async with asyncio.timeout(10):
            while len(self.learned) < count + 4:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.001)

    async def _ask_store(self) -> ClusterMap:
        self.asked_store += 1
        return MAP


@pytest.fixture
async def followed(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(follower_module, "ASK_S", 0.001)
    monkeypatch.setattr(follower_module, "ASK_SELDOM_S", 3_600.0)
    found = Followed()
    found.follower.start()
    async with asyncio.timeout(10):
        while not found.learned:  # noqa: ASYNC110 - the first time it asks at once
            await asyncio.sleep(0.001)
    yield found
    found.follower.stop()


async def test_while_all_is_well_it_asks_seldom(followed: Followed) -> None:
    await followed.settle()
    assert len(followed.learned) == 1


@pytest.mark.parametrize("slot", [0, 1])
async def test_where_a_shard_owes_an_answer_for_long_it_asks_the_other(
    followed: Followed, slot: int
) -> None:
    asked = followed.lanes[slot].asked
    followed.lanes[slot].stood = STOOD_S
    await followed.until_learned()
    assert followed.lanes[slot].asked == asked
    assert followed.asked_store == 0


async def test_where_no_shard_answers_it_asks_the_store(followed: Followed) -> None:
    followed.lanes[0].stood = STOOD_S
    followed.lanes[1].reachable = False
    await followed.until_learned()
    assert followed.asked_store
    assert followed.lanes[0].asked + followed.lanes[1].asked == 1


async def test_while_a_partition_is_on_its_way_it_asks_one_after_the_other(
    followed: Followed,
) -> None:
    followed.detours[7] = object()
    await followed.until_learned()
    assert all(lane.asked for lane in followed.lanes.values())
