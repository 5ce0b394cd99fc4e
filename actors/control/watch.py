"""Watch: sees to it that some Controller answers. Each machine of a cluster has one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

WATCH_S: Final = 0.25
SILENT_S: Final = 3.0
"""A Controller that says nothing for so long is replaced by another one: Ray notices far later."""

START_S_MIN: Final = 6.0
START_S_MAX: Final = 60.0
"""What a new one may take to speak for the first time; after one that never did, twice as long. A
process starts in 2 seconds, and far slower beside others that start: with no more patience than for
one that spoke before, 52 were started in 5 minutes on a busy machine, and none came to speak."""

log = structlog.get_logger()


class Watch:
    """Asks the Controller how it is, again and again, and has it replaced where it is silent."""

    def __init__(
        self,
        current: Callable[[], Awaitable[int]],
        ask: Callable[[int], Awaitable[object]],
        replace: Callable[[int], Awaitable[object]],
        read_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`current` says the number of the Controller that is to act; all three may fail.

        `ask` has it made where it is not there, and returns when it has answered; `replace` makes
        the next number the current one, unless another machine has done so.
        """
        self._current = current
        self._ask = ask
        self._replace = replace
        self._read_s = read_s
        self._number = -1
        self._spoken = False
        self._heard_s = 0.0
        self._patience_s = START_S_MIN

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(WATCH_S)

    async def look(self) -> None:
        """Ask once."""
        try:
            number = await self._current()
            if number != self._number:
                self._number, self._spoken, self._heard_s = number, False, self._read_s()
            async with asyncio.timeout(SILENT_S):
                await self._ask(number)
            self._spoken, self._heard_s, self._patience_s = True, self._read_s(), START_S_MIN
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at again
            log.warning("the controller does not answer", why=str(error) or "too late")
        silent_s = self._read_s() - self._heard_s
        if self._number >= 0 and silent_s > (SILENT_S if self._spoken else self._patience_s):
            await self._have_another()

    async def _have_another(self) -> None:
        if not self._spoken:
            self._patience_s = min(2 * self._patience_s, START_S_MAX)
        try:
            await self._replace(self._number)
        except Exception as error:  # noqa: BLE001 - the store is away: it is tried again
            log.warning("the controller cannot be replaced yet", why=str(error))
