"""Turns: what takes long is done in threads, a few at a time, while the loop answers others."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final, TypeVar

from console.control.faults import refused

AT_ONCE_MAX: Final = 4
WAITING_MAX: Final = 32

Answer = TypeVar("Answer")


class Turns:
    """Threads for requests. What was given up by who asked still ends, and holds its place."""

    def __init__(self, at_once: int = AT_ONCE_MAX, waiting: int = WAITING_MAX) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="control")
        self._max = at_once + waiting
        self._there = 0

    async def take(self, work: Callable[[], Answer], limit_s: float) -> Answer:
        """Return what `work` does. Raises what it does, and RefusedError: full, or too slow."""
        if self._there >= self._max:
            text = "as many requests as may wait do; try again in a moment"
            raise refused(HTTPStatus.SERVICE_UNAVAILABLE, text)
        self._there += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._left)
        try:
            return await asyncio.wait_for(asyncio.shield(future), limit_s)
        except TimeoutError:
            text = f"not done within {limit_s:.0f} s, and goes on; ask later what came of it"
            raise refused(HTTPStatus.GATEWAY_TIMEOUT, text) from None

    def close(self) -> None:
        """Take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _left(self, future: "asyncio.Future[Answer]") -> None:
        self._there -= 1
        if not future.cancelled():
            future.exception()  # Who asked may be gone: then nobody else looks at it.
