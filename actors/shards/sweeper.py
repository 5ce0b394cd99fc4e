"""Sweeper: sees to erasures that are not carried out in all slots of a store yet."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import structlog
from msgspec import Struct

from actors.slot_files import Here, Rewritten
from actors.store.erased import Erasure
from actors.store.newfile import Pause
from actors.store.redis_erasures import OpenErasure

LOOK_S: Final = 1.0
"""How often it is looked for erasures of other slots."""

SOON_S: Final = 0.2
"""And while somebody waits here until one is carried out."""

WAIT_S: Final = 20.0
"""How long somebody waits for other slots; they go on by themselves."""

Told = Callable[[Rewritten | str], None]
"""Called with what was rewritten, or with why it could not be."""

log = structlog.get_logger()


class Elsewhere(Protocol):
    """The slots of a store, for the owner of one. See actors.other_slots. All of it blocks."""

    slot: int

    def post(self, erasure: Erasure) -> None:
        """Let all slots know of an erasure of this one, which is not in a log yet."""
        ...

    def note_own(self, erasures: list[Erasure], done: Rewritten) -> None:
        """Note that this slot has carried out what it erased."""
        ...

    def look(self) -> list[OpenErasure]:
        """Return the erasures that are not carried out everywhere."""
        ...

    def carry_out(self, found: list[OpenErasure], here: Here, pause: Pause) -> list[OpenErasure]:
        """Do this slot's share of them; to do it again does no harm.

        Return all as they were then; those that are done everywhere are open no more.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Waiting(Struct):
    """Somebody who waits until an erasure is carried out everywhere."""

    told: list[Told]
    done: Rewritten
    """What was rewritten, as far as is known."""
    until_s: float


class Sweeper:
    """Looks now and then, and does this slot's share. On the loop, but for what blocks."""

    def __init__(
        self,
        elsewhere: Elsewhere,
        here: Here,
        forget: Callable[[str], None],
        run: Callable[..., Awaitable[Any]],
        pause: Pause,
    ) -> None:
        """`forget` is called with the digests of contacts that others erased.

        `run` calls a function that blocks, in the thread of all that rewrites.
        """
        self.error = ""
        """Why it cannot go on; it tries again."""
        self._elsewhere = elsewhere
        self._here = here
        self._forget = forget
        self._run = run
        self._pause = pause
        self._found: list[OpenErasure] = []
        self._waiting: dict[Erasure, Waiting] = {}
        self._news = asyncio.Event()

    @property
    def open(self) -> set[str]:
        """Digests of those that are this slot's to close, or are waited for here."""
        mine = {each.erasure.digest for each in self._found if self._here(each.erasure.partition)}
        return mine | {erasure.digest for erasure in self._waiting}

    def wait(
        self, erasures: list[Erasure], told: dict[Erasure, list[Told]], done: Rewritten
    ) -> None:
        """Tell these when erasures that this slot has carried out are so in all others."""
        until_s = asyncio.get_running_loop().time() + WAIT_S
        for each in erasures:
            before = self._waiting.get(each)
            waiting = told.get(each, []) + ([] if before is None else before.told)
            self._waiting[each] = Waiting(waiting, done, until_s)
        self._news.set()

    async def sweep(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            pause_s = SOON_S if self._waiting else LOOK_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), pause_s)
            self._news.clear()
            asked = list(self._waiting)
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is: it is said, and tried again
                why = str(error) or type(error).__name__
                if why != self.error:
                    log.warning("a contact's traces stay in other slots", error=why)
                self.error = why
                self._tell_late()
            else:
                self.error = ""
                self._tell_done(asked)

    async def _look(self) -> None:
        self._found = await self._run(self._elsewhere.look)
        if not self._found:
            return
        for each in self._found:
            if self._elsewhere.slot not in each.done:
                self._forget(each.erasure.digest)
        seen = await self._run(self._elsewhere.carry_out, self._found, self._here, self._pause)
        done = {each.erasure: _sum_of(each) for each in seen}
        for erasure, waiting in self._waiting.items():
            waiting.done = done.get(erasure, waiting.done)
        self._found = await self._run(self._elsewhere.look)

    def _tell_done(self, asked: list[Erasure]) -> None:
        """Tell who waited when the look began, and is waiting for nothing any more."""
        still = {each.erasure.digest for each in self._found}
        for erasure in asked:
            if erasure.digest not in still:
                waiting = self._waiting.pop(erasure)
                for told in waiting.told:
                    told(waiting.done)
        self._tell_late()

    def _tell_late(self) -> None:
        """Tell who has waited long enough that it goes on without them."""
        now_s = asyncio.get_running_loop().time()
        for erasure, waiting in list(self._waiting.items()):
            if now_s < waiting.until_s:
                continue
            del self._waiting[erasure]
            done = [each.done for each in self._found if each.erasure.digest == erasure.digest]
            slots = ", ".join(str(slot) for each in done for slot in sorted(each)) or "none"
            text = f"other slots have it still (those that are done: {slots})"
            for told in waiting.told:
                told(f"{text}: {self.error}" if self.error else text)


def _sum_of(found: OpenErasure) -> Rewritten:
    total = Rewritten()
    for share in found.done.values():
        total += Rewritten(share.files, share.records)
    return total
