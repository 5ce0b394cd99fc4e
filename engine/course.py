"""Course: counts over time, by the minute, the hour and the day, in bounded space.

What is long ago is kept more coarsely: when, is told by the moments of what is counted alone, so
that the same counts give the same course wherever they are added up.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from engine.limits import (
    COURSE_BYTES_MAX,
    COURSE_DAYS_MS,
    COURSE_HOURS_MS,
    COURSE_MINUTES_MS,
    NUMBERS_SERIES_MAX,
)

MINUTE_MS: Final = 60_000
SPANS_MS: Final = (MINUTE_MS, 3_600_000, 86_400_000)
"""A minute, an hour, a day (UTC)."""
REACH_MS: Final = (COURSE_MINUTES_MS, COURSE_HOURS_MS, COURSE_DAYS_MS)
"""How far each reaches back from the latest count, at least; before it, the next takes over."""
HOURS: Final = 1
DAYS: Final = 2

Counts = dict[int, int]
"""By the number of a series."""

assert NUMBERS_SERIES_MAX < MINUTE_MS, "a minute and a series make one key"

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[int]).decode


class SavedCourse(Struct, array_like=True, gc=False):
    """A course as it lies in a snapshot."""

    now_ms: int
    begins_ms: list[int]
    packed: list[dict[int, bytes]]
    """Of minutes, hours and days: by beginning, their counts."""


class Course:
    """Counts of numbered series over time, packed: 2 to 4 bytes a number instead of 100.

    Packing waits until there is much to pack, or somebody asks.
    """

    __slots__ = ("_begins_ms", "_bytes", "_now_ms", "_packed", "recent")

    def __init__(self, saved: SavedCourse | None = None) -> None:
        self._now_ms = 0
        """The minute of the latest count that is packed."""
        self._begins_ms = [0, 0, 0]
        """From when on there are minutes, hours, days; they begin with a whole one of the next."""
        self._packed: list[dict[int, bytes]] = [{}, {}, {}]
        if saved is not None:
            self._now_ms = saved.now_ms
            self._begins_ms = saved.begins_ms[:]
            self._packed = [dict(each) for each in saved.packed]
        self._bytes = sum(len(data) for each in self._packed for data in each.values())
        self.recent: Counts = {}
        """What is not packed yet, each by its minute plus the number of its series: who counts
        adds to it, and calls `pack` past COURSE_RECENT_MAX."""

    def pack(self) -> None:
        """Pack what is recent. What is longer ago than the days reach is not kept."""
        counted, self.recent = self.recent, {}
        latest_ms = max(counted, default=0)
        if latest_ms >= self._now_ms + MINUTE_MS:
            self._now_ms = latest_ms - latest_ms % MINUTE_MS
            self._roll_up()
        found: dict[tuple[int, int], Counts] = {}
        for key, count in counted.items():
            series = key % MINUTE_MS
            part = self._part_of(key - series)
            if part is not None:
                counts = found.setdefault(part, {})
                counts[series] = counts.get(series, 0) + count
        for (fineness, at_ms), counts in found.items():
            self._merge(fineness, at_ms, counts)
        while self._bytes > COURSE_BYTES_MAX and self._shorten():
            pass

    def save(self) -> SavedCourse:
        """Return it as it is now; what comes later is not in it."""
        self.pack()
        packed = [dict(each) for each in self._packed]
        return SavedCourse(self._now_ms, self._begins_ms[:], packed)

    def parts(self, since_ms: int) -> Iterator[tuple[int, int, Counts]]:
        """Yield all that ended after a moment: its beginning, its span and its counts."""
        self.pack()
        for span_ms, packed in zip(SPANS_MS, self._packed, strict=True):
            for at_ms, data in packed.items():
                if at_ms + span_ms > since_ms:
                    yield at_ms, span_ms, _unpacked(data)

    def _part_of(self, minute_ms: int) -> tuple[int, int] | None:
        """Return in what a minute is kept: which of SPANS_MS, and its beginning."""
        for fineness, begins_ms in enumerate(self._begins_ms):
            if minute_ms >= begins_ms:
                return fineness, minute_ms - minute_ms % SPANS_MS[fineness]
        return None

    def _roll_up(self) -> None:
        """Keep by the hour, and then by the day, what is so long ago now; and then no more."""
        for fineness, reach_ms in enumerate(REACH_MS):
            coarser_ms = SPANS_MS[min(fineness + 1, DAYS)]
            begins_ms = self._now_ms - reach_ms
            begins_ms -= begins_ms % coarser_ms
            if begins_ms > self._begins_ms[fineness]:
                self._begin(fineness, begins_ms)

    def _begin(self, fineness: int, begins_ms: int) -> None:
        """Let minutes, hours or days begin at that moment; what is before goes to the coarser."""
        self._begins_ms[fineness] = begins_ms
        packed = self._packed[fineness]
        for at_ms in [each for each in packed if each < begins_ms]:
            data = packed.pop(at_ms)
            self._bytes -= len(data)
            if fineness < DAYS:
                coarser_ms = at_ms - at_ms % SPANS_MS[fineness + 1]
                self._merge(fineness + 1, coarser_ms, _unpacked(data))

    def _merge(self, fineness: int, at_ms: int, counts: Counts) -> None:
        """Add counts to what is kept of a minute, an hour or a day."""
        before = self._packed[fineness].pop(at_ms, b"")
        self._bytes -= len(before)
        if before:
            for series, count in _unpacked(before).items():
                counts[series] = counts.get(series, 0) + count
        flat = [number for pair in sorted(counts.items()) if pair[1] for number in pair]
        if flat:
            data = self._packed[fineness][at_ms] = _encode(flat)
            self._bytes += len(data)

    def _shorten(self) -> bool:
        """Keep the hours of the longest ago day by the day only, or else no more of that day."""
        for fineness in (HOURS, DAYS):
            if len(self._packed[fineness]) > 1:
                first_ms = min(self._packed[fineness])
                self._begin(fineness, first_ms - first_ms % SPANS_MS[DAYS] + SPANS_MS[DAYS])
                return True
        return False


def _unpacked(data: bytes) -> Counts:
    flat = _decode(data)
    return dict(zip(flat[::2], flat[1::2], strict=True))
