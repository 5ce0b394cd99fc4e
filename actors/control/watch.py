"""Watch: sees to it that a Controller answers, and has another one where it does not."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from actors.control.charter import Charter
from actors.control.roster import Roster, controller_name
from actors.errors import OperatorError

WATCH_S: Final = 0.25
SILENT_S: Final = 3.0
"""A Controller that spoke, and says nothing for so long, is replaced: Ray notices far later."""

BEGIN_S: Final = 15.0
"""What a new one may take until it speaks. A process starts slowly where much else does: to
replace it would only start one more."""

log = structlog.get_logger()


class Watch:
    """One member's. Several may watch: a Controller is replaced once, whoever notices first."""

    def __init__(
        self,
        charter: Charter,
        ask: Callable[[str], Awaitable[None]],
        end: Callable[[str], None],
        *,
        silent_s: float = SILENT_S,
        begin_s: float = BEGIN_S,
    ) -> None:
        """`ask` makes a Controller of this name if there is none, and waits for a word of it.

        `end` kills one that was replaced, in a thread.
        """
        self._charter = charter
        self._ask = ask
        self._end = end
        self._silent_s = silent_s
        self._begin_s = begin_s
        self._number = -1
        self._spoke = False
        """Whether the one of this number ever did."""
        self._heard_s = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at again
                log.warning("the controller does not answer", why=str(error) or "too late")
            limit_s = self._silent_s if self._spoke else self._begin_s
            if self._number >= 0 and self._now_s() - self._heard_s > limit_s:
                await self._replace()
            await asyncio.sleep(WATCH_S)

    async def _look(self) -> None:
        roster = await asyncio.to_thread(self._charter.change, _as_it_is)
        if roster.controller != self._number:
            self._number, self._spoke, self._heard_s = roster.controller, False, self._now_s()
        async with asyncio.timeout(self._silent_s):
            await self._ask(controller_name(self._number))
        self._spoke, self._heard_s = True, self._now_s()

    async def _replace(self) -> None:
        silent = self._number

        def replace(roster: Roster) -> None:
            if roster.controller == silent:
                roster.controller += 1

        try:
            await asyncio.to_thread(self._charter.change, replace)
        except OperatorError as error:
            log.warning("the controller is not replaced yet", why=str(error))
            return
        log.warning("the controller is replaced: it says nothing", controller=silent)
        asyncio.get_running_loop().run_in_executor(None, self._end, controller_name(silent))

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


def _as_it_is(roster: Roster) -> None:
    """Change nothing."""
