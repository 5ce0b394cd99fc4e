"""Course: counts over time, by the minute, the hour and the day, in bounded space.

What is long ago is kept more coarsely: when, is told by the moments of what is counted alone, so
that the same counts give the same course wherever they are added up.
"""

from collections.abc import Hashable, Iterator
from itertools import accumulate
from typing import Final, TypeVar
from zlib import compress, decompress

import msgspec
from msgspec import Struct

from engine.limits import (
    COURSE_BYTES_MAX,
    COURSE_DAYS_MIN,
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
ZLIB_LEVEL: Final = 6

Of = TypeVar("Of", bound=Hashable)
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
    """Counts of numbered series over time, packed: a byte or two a number instead of 100.

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
        found = [
            (fineness, at_ms, data)
            for fineness, packed in enumerate(self._packed)
            for at_ms, data in packed.items()
            if at_ms + SPANS_MS[fineness] > since_ms
        ]
        for fineness, at_ms, data in found:
            yield at_ms, SPANS_MS[fineness], _unpacked(fineness, data)

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
        found: dict[int, Counts] = {}
        for at_ms in [each for each in packed if each < begins_ms]:
            data = packed.pop(at_ms)
            self._bytes -= len(data)
            if fineness < DAYS:
                coarser_ms = at_ms - at_ms % SPANS_MS[fineness + 1]
                add_counts(found.setdefault(coarser_ms, {}), _unpacked(fineness, data))
        for at_ms, counts in found.items():
            self._merge(fineness + 1, at_ms, counts)

    def _merge(self, fineness: int, at_ms: int, counts: Counts) -> None:
        """Add counts to what is kept of a minute, an hour or a day."""
        before = self._packed[fineness].pop(at_ms, b"")
        self._bytes -= len(before)
        if before:
            add_counts(counts, _unpacked(fineness, before))
        data = _pack(fineness, counts)
        if data:
            self._packed[fineness][at_ms] = data
            self._bytes += len(data)

    def _shorten(self) -> bool:
        """Keep no more of the longest ago day, or where few are left, its hours as a day."""
        hours, days = self._packed[HOURS], self._packed[DAYS]
        fineness = DAYS if len(days) > COURSE_DAYS_MIN or len(hours) <= 1 else HOURS
        packed = self._packed[fineness]
        if len(packed) <= 1:
            return False
        first_ms = min(packed)
        self._begin(fineness, first_ms - first_ms % SPANS_MS[DAYS] + SPANS_MS[DAYS])
        return True


def add_counts(into: dict[Of, int], counts: dict[Of, int]) -> None:
    """Add counts to others."""
    for of, count in counts.items():
        into[of] = into.get(of, 0) + count


def _pack(fineness: int, counts: Counts) -> bytes:
    """Pack counts: series by how much each is behind the one before. Minutes do not stay long."""
    flat: list[int] = []
    last = 0
    for series, count in sorted(counts.items()):
        if count:
            flat += (series - last, count)
            last = series
    if not flat:
        return b""
    data = _encode(flat)
    return data if fineness < HOURS else compress(data, ZLIB_LEVEL)


def _unpacked(fineness: int, data: bytes) -> Counts:
    flat = _decode(data if fineness < HOURS else decompress(data))
    return dict(zip(accumulate(flat[::2]), flat[1::2], strict=True))
