"""What keeps an actor running: one that died comes back at once, a refused one ever more seldom."""

import asyncio
from collections.abc import Sequence

import pytest

from actors.errors import OperatorError
from actors.keeper import REFUSED_S_MAX, RETRY_S, Keeper

REFUSED = OperatorError("shard-0/log-1.seg is damaged; restore it from a copy")


class Played:
    """Plays how runs of an actor end, one after the other; then the keeper is stopped."""

    def __init__(self, ends: Sequence[BaseException | None]) -> None:
        self.slept: list[float] = []
        self.noted: list[str] = []
        self._ends = iter(ends)
        self.keeper = Keeper("shard-0", self._run, self._note, self._sleep)

    async def keep(self) -> None:
        with pytest.raises(asyncio.CancelledError):
            await self.keeper.keep()

    async def _run(self) -> BaseException | None:
        try:
            return next(self._ends)
        except StopIteration:
            raise asyncio.CancelledError from None

    def _note(self) -> None:
        self.noted.append(self.keeper.refusal)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_a_start_refused_again_and_again_is_tried_ever_more_seldom_but_always() -> None:
    played = Played([REFUSED] * 9)
    await played.keep()
    assert played.slept == [1, 2, 4, 8, 16, 32, REFUSED_S_MAX, REFUSED_S_MAX, REFUSED_S_MAX]
    assert played.noted == [str(REFUSED)], "the same reason is noted once"


async def test_one_that_died_starts_at_once_and_clears_what_refused_it() -> None:
    played = Played([REFUSED, REFUSED, None, None, ValueError(), REFUSED])
    await played.keep()
    assert played.slept == [1, 2, RETRY_S, RETRY_S, 1, 2]
    assert played.noted == [str(REFUSED), "", "ValueError", str(REFUSED)]
