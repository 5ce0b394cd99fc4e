"""ShardProcess: what a shard's process does in a cluster: beats, and carries out its orders."""

import asyncio
import contextlib
import os
import resource
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

import structlog

from actors.control.orders import BEAT_S, Beat, Give, Orders
from actors.control.tenure import Tenure
from actors.map import ClusterMap
from actors.shards.mover import MoveError
from actors.store.port import FencedError

BEAT_WAIT_S: Final = 3.0
"""After that a beat counts as lost; the next may reach another Controller."""

GIVES_AT_ONCE: Final = 2
LAG_S: Final = 0.1
"""How often its loop is looked at."""

log = structlog.get_logger()


class ShardProcess:
    """Holds the slots that the Controller wants it to. All on one event loop."""

    def __init__(
        self,
        name: str,
        beat: Callable[[Beat], Awaitable[Orders]],
        new_tenure: Callable[[int], Tenure],
        open_tenure: Callable[[Tenure], Awaitable[None]],
        end: Callable[[int], None] = os._exit,
    ) -> None:
        """`beat` may fail: then it is tried again. `end` ends the process at once."""
        self.tenures: dict[int, Tenure] = {}
        self.map = ClusterMap(-1, [], {})
        self.lag_ms = 0
        """The longest that its loop came late since the last beat."""
        self.heard_s = 0.0
        """When the last orders came, by the loop's clock."""
        self._name = name
        self._beat = beat
        self._new_tenure = new_tenure
        self._open_tenure = open_tenure
        self._end = end
        self._number = 0
        self._tasks: dict[int, asyncio.Task[None]] = {}
        """By slot, what opens or closes it."""
        self._late: dict[int, asyncio.Task[None]] = {}
        self._gives: list[Give] = []
        self._giving: dict[int, Give] = {}
        """By partition, the moves under way."""
        self._moves: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        """Set where the Controller should know at once."""
        self._leaving: asyncio.Task[None] | None = None
        self._worked_s = _worked_s()
        self._beaten_s = 0.0

    async def run(self) -> None:
        """Serve until it is told to leave, in good order."""
        loop = asyncio.get_running_loop()
        watch = asyncio.create_task(self._watch_lag())
        self._beaten_s = self.heard_s = loop.time()
        try:
            while self._leaving is None or not self._leaving.done():
                self._news.clear()
                began_s = loop.time()
                try:
                    async with asyncio.timeout(BEAT_WAIT_S):
                        orders = await self._beat(self._say())
                except Exception as error:  # noqa: BLE001 - whatever it is, the next may come through
                    log.warning("the controller does not answer", error=str(error) or "too late")
                else:
                    self.heard_s = loop.time()
                    self._obey(orders)
                pause_s = BEAT_S - (loop.time() - began_s)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), max(pause_s, 0.01))
        finally:
            watch.cancel()

    def status(self) -> dict[str, Any]:
        """Return what `anlass status` says of the process."""
        heard_s = asyncio.get_running_loop().time() - self.heard_s
        return {"heard_ms": int(heard_s * 1000), "lag_ms": self.lag_ms, "nice": os.nice(0)}

    def _say(self) -> Beat:
        now_s, worked_s = asyncio.get_running_loop().time(), _worked_s()
        busy = (worked_s - self._worked_s) / max(now_s - self._beaten_s, 0.001)
        self._beaten_s, self._worked_s = now_s, worked_s
        beat = Beat(
            name=self._name,
            number=self._number,
            map_version=self.map.version,
            held={slot: tenure.held for slot, tenure in self.tenures.items()},
            busy=round(busy, 3),
            lag_ms=self.lag_ms,
        )
        self.lag_ms = 0
        return beat

    def _obey(self, orders: Orders) -> None:
        if orders.gone:
            log.error("others hold its slots by now: the shard ends", shard=self._name)
            self._end(0)
            return
        if self._leaving is not None:
            return
        self._number = orders.number
        if orders.map is not None and orders.map.version > self.map.version:
            self.map = orders.map
        for slot in orders.hold:
            if slot not in self.tenures:
                tenure = self.tenures[slot] = self._new_tenure(slot)
                self._begin(slot, self._open(tenure))
        self._gives = [give for give in orders.give if give.partition not in self._giving]
        for tenure in list(self.tenures.values()):
            self._look_after(tenure, orders.hold)
        self._give_more()
        if orders.leave and not self._giving:
            self._leaving = asyncio.ensure_future(self._leave())
            self._leaving.add_done_callback(lambda _: self._news.set())

    def _look_after(self, tenure: Tenure, hold: list[int]) -> None:
        """Close a slot that it is not to hold any more; open what has come to one it holds."""
        slot = tenure.slot
        tenure.wanted = slot in hold
        if tenure.mover is not None:
            tenure.mover.map = self.map
        if slot in self._tasks or any(give.slot == slot for give in self._giving.values()):
            return  # It is being opened or closed, or has to finish first.
        if not tenure.wanted:
            self._begin(slot, self._close(tenure))
        elif slot not in self._late and (numbers := tenure.late(self.map.owners)):
            self._late[slot] = asyncio.ensure_future(tenure.open_late(numbers))
            self._late[slot].add_done_callback(partial(self._opened_late, slot))

    def _begin(self, slot: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks[slot] = task

        def done(_: Any) -> None:
            if self._tasks.get(slot) is task:
                del self._tasks[slot]
            self._news.set()
            self._check(task)

        task.add_done_callback(done)

    async def _open(self, tenure: Tenure) -> None:
        await self._open_tenure(tenure)
        if tenure.service is not None:
            tenure.service.more_status = self.status
        if tenure.mover is not None:
            tenure.mover.map = self.map

    async def _close(self, tenure: Tenure) -> None:
        await tenure.close()
        del self.tenures[tenure.slot]

    def _opened_late(self, slot: int, task: "asyncio.Task[None]") -> None:
        del self._late[slot]
        self._check(task)

    def _give_more(self) -> None:
        while self._gives and len(self._giving) < GIVES_AT_ONCE:
            give = self._gives.pop(0)
            self._giving[give.partition] = give
            task = asyncio.ensure_future(self._give(give))
            self._moves.add(task)
            task.add_done_callback(partial(self._given, give))

    async def _give(self, give: Give) -> None:
        tenure = self.tenures.get(give.slot)
        if tenure is None or tenure.mover is None:
            return
        try:
            await tenure.mover.give(give.partition, give.to_slot)
        except MoveError as error:
            log.warning("a partition does not move yet", partition=give.partition, why=str(error))
            await asyncio.sleep(BEAT_S)

    def _given(self, give: Give, task: "asyncio.Task[None]") -> None:
        del self._giving[give.partition]
        self._moves.discard(task)
        self._check(task)
        self._give_more()
        if not self._giving:
            self._news.set()  # It is ready for more.

    def _check(self, task: "asyncio.Task[None]") -> None:
        """End the process where something failed that it has no care for."""
        if task.cancelled() or task.exception() is None:
            return
        error = task.exception()
        if isinstance(error, FencedError):
            log.error("another owns the slot by now: the shard ends", error=str(error))
        else:
            log.error("the shard is at fault, and stops", exc_info=error)
        self._end(70)

    async def _leave(self) -> None:
        for tenure in self.tenures.values():
            tenure.wanted = False
        await asyncio.gather(*self._tasks.values(), *self._late.values(), return_exceptions=True)
        tenures = list(self.tenures.values())
        await asyncio.gather(*(tenure.drain() for tenure in tenures))
        await asyncio.gather(*(tenure.close() for tenure in tenures))
        self.tenures.clear()

    async def _watch_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            await asyncio.sleep(LAG_S)
            late_ms = int((loop.time() - began_s - LAG_S) * 1000)
            self.lag_ms = max(self.lag_ms, late_ms)


def _worked_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
