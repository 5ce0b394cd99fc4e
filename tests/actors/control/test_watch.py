"""The watch over the Controller: a silent one is replaced, a new one gets the time to start."""

import asyncio
from itertools import pairwise

import pytest

from actors.control import watch as watch_module
from actors.control.watch import SILENT_S, START_S_MAX, START_S_MIN, WATCH_S, Watch


class Cluster:
    """Controllers by number, a clock, and the one that is to act: it answers if it is `well`."""

    def __init__(self) -> None:
        self.current = 0
        self.well = True
        self.store_is_there = True
        self.replaced: list[int] = []
        self.now_s = 100.0
        self.watch = Watch(self._say_current, self._ask, self._replace, lambda: self.now_s)

    async def look_for(self, seconds: float) -> None:
        for _ in range(int(seconds / WATCH_S)):
            await self.watch.look()
            self.now_s += WATCH_S

    async def until_replaced(self) -> float:
        """Look until one more is replaced; return how long that took."""
        count, began_s = len(self.replaced), self.now_s
        while len(self.replaced) == count:
            await self.look_for(WATCH_S)
            assert self.now_s - began_s < 1_000
        return self.now_s - began_s

    async def _say_current(self) -> int:
        if not self.store_is_there:
            raise OSError("no route to the store")
        return self.current

    async def _ask(self, number: int) -> None:
        assert number == self.current
        if not self.well:
            raise TimeoutError

    async def _replace(self, number: int) -> None:
        if not self.store_is_there:
            raise OSError("no route to the store")
        self.replaced.append(number)
        self.current += number == self.current


async def test_one_that_answers_stays() -> None:
    cluster = Cluster()
    await cluster.look_for(100)
    assert cluster.replaced == []


async def test_one_that_falls_silent_is_replaced_soon() -> None:
    cluster = Cluster()
    await cluster.look_for(10)
    cluster.well = False
    assert SILENT_S <= await cluster.until_replaced() <= SILENT_S + 3 * WATCH_S
    assert cluster.replaced == [0]


async def test_new_ones_get_ever_more_time_to_speak_for_the_first_time() -> None:
    cluster = Cluster()
    cluster.well = False
    waits_s = [await cluster.until_replaced() for _ in range(6)]
    assert cluster.replaced == [0, 1, 2, 3, 4, 5]
    assert waits_s[0] > START_S_MIN
    assert all(1.8 * a < b < 2.2 * a for a, b in pairwise(waits_s[:4]))
    assert waits_s[4] == pytest.approx(START_S_MAX, abs=1)
    cluster.well = True
    await cluster.look_for(1)
    cluster.well = False
    assert await cluster.until_replaced() < SILENT_S + 1, "it spoke, and fell silent"


async def test_one_that_another_machine_has_replaced_is_not_replaced_again() -> None:
    cluster = Cluster()
    await cluster.look_for(10)
    cluster.well = False
    await cluster.look_for(SILENT_S - 1)
    cluster.current = 1
    await cluster.look_for(SILENT_S)
    assert cluster.replaced == []


async def test_a_store_that_is_away_does_not_end_the_watch() -> None:
    cluster = Cluster()
    await cluster.look_for(10)
    cluster.store_is_there = False
    await cluster.look_for(60)
    assert cluster.replaced == []
    cluster.store_is_there = True
    await cluster.look_for(10)
    assert cluster.replaced == []


async def test_one_that_hangs_counts_as_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "SILENT_S", 0.01)
    cluster = Cluster()
    await cluster.look_for(1)

    async def hang(_: int) -> None:
        await asyncio.Event().wait()

    cluster.watch._ask = hang
    await cluster.look_for(1)
    assert cluster.replaced == [0]


async def test_one_that_spoke_leaves_its_follower_the_time_of_a_first_one() -> None:
    cluster = Cluster()
    cluster.well = False
    for _ in range(3):
        await cluster.until_replaced()
    cluster.well = True
    await cluster.look_for(1)
    cluster.well = False
    await cluster.until_replaced()
    assert START_S_MIN <= await cluster.until_replaced() < START_S_MIN + 1


async def test_where_nobody_knows_which_one_is_to_act_none_is_replaced() -> None:
    cluster = Cluster()

    async def away() -> int:
        raise OSError("no route to the store")

    cluster.watch._current = away
    await cluster.look_for(2 * START_S_MAX)
    assert cluster.replaced == []


async def test_it_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "WATCH_S", 0)
    cluster, looks = Cluster(), asyncio.Semaphore(0)

    async def asked(_: int) -> None:
        looks.release()

    cluster.watch._ask = asked
    watching = asyncio.create_task(cluster.watch.run())
    async with asyncio.timeout(30):
        for _ in range(3):
            await looks.acquire()
    watching.cancel()
