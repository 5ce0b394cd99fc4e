"""Count table: numbers of several partitions together, a line for each node, for people to read."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from engine.course import SPANS_MS
from engine.limits import COURSE_HOURS_MS, COURSE_MINUTES_MS
from engine.numbers import Numbers, Series, Spot

ENTERED: Final = "entered"
"""Visits that came to the node; of a journey: that entered it."""
PASSED: Final = "passed"
"""Visits that went on from the node."""


class Line(Struct, kw_only=True):
    """What was counted at a node of a journey; where the node is empty, of the journey."""

    journey: str
    node: str
    waiting: int = 0
    """Visits that stay there now."""
    counts: dict[str, int] = {}
    """ENTERED, PASSED, `left/` with an outcome and why, outcomes of messages, what became of them,
    and conversions: how many."""
    course: dict[int, dict[str, int]] = {}
    """The same over time, by the moments at which each span began (epoch ms), the first first."""


class CountTable(Struct, kw_only=True):
    """Lines of all journeys and nodes that anything was counted of."""

    since_ms: int = 0
    """What was before is in none of it; 0: it has all there was."""
    from_ms: int = 0
    """From when on it was asked for, at a whole minute, hour or day; 0: all."""
    lines: list[Line] = []


class Window(Struct, frozen=True, array_like=True, gc=False):
    """What is asked for: from when on, and in what spans the course; 0: all, and no course."""

    journey: str = ""
    """Empty: all journeys."""
    from_ms: int = 0
    by_ms: int = 0


def window_from(since_ms: int, now_ms: int) -> int:
    """Return the whole minute, hour or day that a moment is in, as is kept of so long ago."""
    age_ms = now_ms - since_ms
    span_ms = SPANS_MS[(age_ms > COURSE_MINUTES_MS) + (age_ms > COURSE_HOURS_MS)]
    return since_ms - since_ms % span_ms


def table_of(numbers: Iterable[Numbers], window: Window) -> CountTable:
    """Add up the numbers of partitions."""
    found: dict[Spot, Line] = {}
    since_ms = 0
    for each in numbers:
        since_ms = max(since_ms, each.since_ms)
        for spot, count in each.waiting().items():
            if not window.journey or spot[0] == window.journey:
                _line(found, spot).waiting += count
        if not window.from_ms:
            _add(found, window, dict(each.totals()), None)
        if not window.from_ms and not window.by_ms:
            continue
        for at_ms, span_ms, counts in each.parts(window.from_ms):
            start_ms = at_ms - at_ms % window.by_ms if window.by_ms >= span_ms else at_ms
            if window.from_ms:
                _add(found, window, counts, None)
            if window.by_ms:
                _add(found, window, counts, max(start_ms, window.from_ms))
    return CountTable(since_ms=since_ms, from_ms=window.from_ms, lines=_in_order(found))


def merged(tables: Iterable[CountTable]) -> CountTable:
    """Add up tables that answer the same question."""
    found: dict[Spot, Line] = {}
    merged = CountTable()
    for table in tables:
        merged.since_ms = max(merged.since_ms, table.since_ms)
        merged.from_ms = table.from_ms
        for line in table.lines:
            into = _line(found, (line.journey, line.node))
            into.waiting += line.waiting
            _add_counts(into.counts, line.counts)
            for at_ms, counts in line.course.items():
                _add_counts(into.course.setdefault(at_ms, {}), counts)
    merged.lines = _in_order(found)
    return merged


def counted_as(series: Series) -> Iterator[tuple[Spot, str]]:
    """Yield under what a series counts: a visit that goes from node to node counts at both."""
    journey, node, to, kind = series
    if not to:
        yield (journey, node), kind
        return
    yield (journey, to), ENTERED
    yield (journey, node), PASSED if node else ENTERED


def _add(
    found: dict[Spot, Line], window: Window, counts: dict[Series, int], start_ms: int | None
) -> None:
    for series, count in counts.items():
        if window.journey and series[0] != window.journey:
            continue
        for spot, kind in counted_as(series):
            line = _line(found, spot)
            into = line.counts if start_ms is None else line.course.setdefault(start_ms, {})
            into[kind] = into.get(kind, 0) + count


def _add_counts(into: dict[str, int], counts: dict[str, int]) -> None:
    for kind, count in counts.items():
        into[kind] = into.get(kind, 0) + count


def _line(found: dict[Spot, Line], spot: Spot) -> Line:
    line = found.get(spot)
    if line is None:
        line = found[spot] = Line(journey=spot[0], node=spot[1])
    return line


def _in_order(found: dict[Spot, Line]) -> list[Line]:
    for line in found.values():
        line.counts = dict(sorted(line.counts.items()))
        line.course = dict(sorted(line.course.items()))
    return [found[spot] for spot in sorted(found)]
