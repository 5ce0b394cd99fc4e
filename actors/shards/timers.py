"""Timers that are due in a shard: applied in slices, with rests in which events have their turn."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from actors.shards.shard import Shard

REST_RATIO: Final = 1.0
"""Timers rest for as long as a slice of them took: gateway and commits need the cores, too. A burst
takes longer for that, and answers wait less meanwhile (`python -m bench timers` shows both)."""


class Timers:
    """When the timers of a shard are to be applied; `wake` is called when that may be so."""

    def __init__(
        self, shard: Shard, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]
    ) -> None:
        self.due = False
        """Whether some were due when it was last looked, and not all of them are applied."""
        self._resting = False
        self._looked_at = (-1, 0)
        """The shard's next position and its moves, when it was last looked."""
        self._due_at_ms = 0
        """When a timer is due, by then."""
        self._shard = shard
        self._loop = loop
        self._wake = wake

    @property
    def ready(self) -> bool:
        """Whether a slice of them is to be applied now."""
        return self.due and not self._resting

    def look(self) -> None:
        """Look whether some are due: through all partitions only where one may have changed.

        With 256 of them, 100 times a second, that took a fortieth of a core, also of idle shards.
        """
        if self.due:
            return
        shard = self._shard
        now = (shard.next_position, shard.moves)
        if now != self._looked_at:
            self._looked_at, self._due_at_ms = now, shard.due_at_ms()
        if self._due_at_ms <= shard.clock.read():
            self.due = True
            self._wake()

    def apply(self, read_ms: int) -> None:
        """Apply a slice of them, and rest then."""
        began_s = time.perf_counter()
        self.due = self._shard.advance(None, read_ms)
        if self.due:
            self._resting = True
            took_s = time.perf_counter() - began_s
            self._loop.call_later(took_s * REST_RATIO, self._rested)

    def _rested(self) -> None:
        self._resting = False
        self._wake()
