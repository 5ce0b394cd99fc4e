"""Floor: the two rules of W1 in a loop written for just them, to compare the engine with.

What plain Python could do at best with such a file: nothing general, nothing kept, nothing durable.
Machines change their pace from minute to minute; the ratio of the two, run in turns, does less.
"""

import time
from heapq import heappop, heappush, heapreplace
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.limits import DAY_MS, FAR_MS
from ingest.readers import whole_lines

GAP_MS: Final = 30 * 60_000
CAP_MS: Final = DAY_MS
BROWSED: Final = 7


class Line(msgspec.Struct):
    """A line of W1, its payload decoded."""

    id: str
    contact: str
    name: str
    ts: int
    payload: dict[str, Any]


class Floor:
    """Open sessions, one timer each, and when each contact was last sent to."""

    def __init__(self) -> None:
        self.counts = {"browse_abandon": 0, "checkout_abandon": 0, "capped": 0}
        self._open: dict[str, dict[str, int]] = {}
        self._last_ms: dict[str, int] = {}
        self._timers: list[tuple[int, str]] = []
        self._sent_at_ms: dict[str, int] = {}

    def take(self, lines: list[Line]) -> None:
        """Take events in order of time."""
        sessions, last_ms, timers = self._open, self._last_ms, self._timers
        due_at_ms = timers[0][0] if timers else FAR_MS
        for line in lines:
            now_ms, contact = line.ts, line.contact
            if now_ms >= due_at_ms:
                due_at_ms = self.pass_time(now_ms)
            counts = sessions.get(contact)
            if counts is None:
                sessions[contact] = counts = {}
                heappush(timers, (now_ms + GAP_MS, contact))
                due_at_ms = min(due_at_ms, now_ms + GAP_MS)
            last_ms[contact] = now_ms
            counts[line.name] = counts.get(line.name, 0) + 1

    def pass_time(self, now_ms: int) -> int:
        """End all sessions that are over by now; return when to look again."""
        timers = self._timers
        while timers and timers[0][0] <= now_ms:
            armed_at_ms, contact = timers[0]
            due_at_ms = self._last_ms[contact] + GAP_MS
            if due_at_ms > armed_at_ms:
                heapreplace(timers, (due_at_ms, contact))
            else:
                heappop(timers)
                self._end(contact, self._open.pop(contact), due_at_ms)
        return timers[0][0] if timers else FAR_MS

    def _end(self, contact: str, counts: dict[str, int], ended_at_ms: int) -> None:
        if "purchase" in counts:
            return
        if "cart_update" in counts and "checkout_start" in counts:
            journey = "checkout_abandon"
        elif counts.get("product_view", 0) >= BROWSED:
            journey = "browse_abandon"
        else:
            return
        if ended_at_ms - self._sent_at_ms.get(contact, -CAP_MS) < CAP_MS:
            journey = "capped"
        else:
            self._sent_at_ms[contact] = ended_at_ms
        self.counts[journey] += 1


def floor_w1(path: Path) -> tuple[float, dict[str, int]]:
    """Run the loop over the file; return events a second, reading included, and its counts."""
    decode = msgspec.json.Decoder(Line).decode_lines
    floor, events = Floor(), 0
    began = time.perf_counter()
    with path.open("rb") as stream:
        for data in whole_lines(stream):
            lines = decode(data)
            events += len(lines)
            floor.take(lines)
    floor.pass_time(FAR_MS)
    return events / (time.perf_counter() - began), floor.counts
