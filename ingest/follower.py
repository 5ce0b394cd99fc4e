"""Follower: keeps the router's map up to date, by asking shards, where pushes do not reach it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from actors.errors import OperatorError
from actors.map import ClusterMap
from ingest.lane import Lane
from ingest.router import Router

ASK_S: Final = 0.25
"""While a partition is on its way, or a shard cannot be reached, or owes an answer for long."""

STOOD_S: Final = 0.5
"""A shard that owes an answer for so long may hang, and another one may have its slot."""

ASK_SELDOM_S: Final = 5.0
"""Else: a slot that nobody sends to may be served elsewhere by now."""


class Follower:
    """Asks one shard after another where the partitions are."""

    def __init__(
        self,
        router: Router,
        timeout_s: float,
        ask_store: Callable[[], Awaitable[ClusterMap]] | None = None,
    ) -> None:
        """`ask_store` is for when no shard can be asked. It may raise OperatorError."""
        self._router = router
        self._ask_store = ask_store
        self._timeout_s = timeout_s
        self._task: asyncio.Task[None] | None = None
        self._turn = 0

    def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        asked_s = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(ASK_S)
            well = not self._router.detours and len(self._well()) == len(self._router.lanes)
            if well and loop.time() - asked_s < ASK_SELDOM_S:
                continue
            asked_s = loop.time()
            await self._ask()

    async def _ask(self) -> None:
        """Ask the next shard that answers."""
        well = self._well()
        if not well:
            if self._ask_store is not None:
                with contextlib.suppress(OperatorError):
                    self._router.learn(await self._ask_store())
            return
        self._turn += 1
        told = await well[self._turn % len(well)].map(self._timeout_s)
        if told is not None and told.owners:
            self._router.learn(told)

    def _well(self) -> list[Lane]:
        """Return the lanes whose shards answer, as far as is known."""
        now_s = monotonic()
        lanes = [lane for _, lane in sorted(self._router.lanes.items())]
        return [lane for lane in lanes if lane.reachable and lane.stood_s(now_s) < STOOD_S]
