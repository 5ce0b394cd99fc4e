"""Keeper: runs an actor again and again; one that is refused ever more seldom."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from actors.errors import OperatorError
from channels.channel import ChannelError

RETRY_S: Final = 0.1
"""After a process died: Ray makes a new one meanwhile, and that takes longer."""

REFUSED_S: Final = 1.0
REFUSED_S_MAX: Final = 60.0
"""After a start that was refused, twice as long each time: what is in its way is most often there
until somebody takes it away, and each try reads and folds what there is."""

log = structlog.get_logger()


class Keeper:
    """Keeps one actor running; `run` returns why it could not start, None where it died."""

    def __init__(
        self,
        name: str,
        run: Callable[[], Awaitable[BaseException | None]],
        changed: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`changed` is called when `refusal` is another one than before."""
        self.name = name
        self.refusal = ""
        """Why it could not start, the last time it tried; empty where it could."""
        self.serving = False
        """Whether it has served once: before, the start itself says what is wrong."""
        self._run = run
        self._changed = changed
        self._sleep = sleep

    async def keep(self) -> None:
        """Run it until cancelled."""
        refused_s = REFUSED_S
        while True:
            error = await self._run()
            if error is None:
                refused_s = REFUSED_S
                self._note("")
                log.warning("an actor's process died and starts again", actor=self.name)
                await self._sleep(RETRY_S)
                continue
            text = str(error) or type(error).__name__
            if not isinstance(error, OperatorError | ChannelError):
                log.error("an actor failed", actor=self.name, error=text, exc_info=error)
            elif self.serving:
                log.error("an actor cannot run", actor=self.name, error=text, retry_s=refused_s)
            self._note(text)
            await self._sleep(refused_s)
            refused_s = min(refused_s * 2, REFUSED_S_MAX)

    def _note(self, refusal: str) -> None:
        if refusal != self.refusal:
            self.refusal = refusal
            self._changed()
