"""Count table: numbers of several partitions together, a line for each node, for people to read."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from engine.contacts.course import SPANS_MS, Counts, add_counts
from engine.fold.programs import Programs
from engine.fold.succession import State
from engine.limits import COURSE_HOURS_MS, COURSE_MINUTES_MS
from engine.numbers import Numbers, Series, Spot
from engine.program import Program

PARTS_PER_SLICE: Final = 32
"""Minutes, hours or days added between two turns: a millisecond, where each has much."""

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
    queued: dict[str, int] | None = {}
    """By journey: entries that wait now, as it is paused; None: of some partition not known."""


class Window(Struct, frozen=True, array_like=True, gc=False):
    """What is asked for."""

    journey: str = ""
    """Empty: all journeys."""
    from_ms: int = 0
    """From when on counts are wanted; 0: all."""
    by_ms: int = 0
    """In what spans a course is wanted; 0: none is."""
    course_from_ms: int = 0


class Outline(Struct, kw_only=True):
    """What must be known of a journey to read its numbers."""

    journey: str
    nodes: list[str]
    """In the order in which a visit comes to them, as far as there is one."""
    goal: str = ""
    """The event that counts as a conversion."""
    goal_within_ms: int = 0
    hold_out: float = 0.0
    """Percentage of contacts who walk through it without messages."""
    in_test: bool = False
    """Whether only test contacts get its messages."""
    version: int = 0
    """0: it was published before journeys had numbers."""
    state: State = "live"


class Tabulation:
    """Adds up the numbers of partitions, one by one, within a window."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._since_ms = 0
        self._waiting: dict[Spot, int] = {}
        self._queued: dict[str, int] | None = {}
        """None: of some partition it is not known."""
        self._counts: dict[Series, int] = {}
        self._course: dict[int, dict[Series, int]] = {}

    def add(self, numbers: Numbers) -> Iterator[None]:
        """Add the numbers of one partition more; yields where others may have their turn."""
        window = self._window
        self._since_ms = max(self._since_ms, numbers.since_ms)
        add_counts(self._waiting, numbers.waiting())
        self._queued = queues_together(self._queued, numbers.queued())
        if not window.from_ms:
            add_counts(self._counts, dict(numbers.totals()))
        starts_ms = [window.from_ms] if window.from_ms else []
        starts_ms += [window.course_from_ms] if window.by_ms else []
        if not starts_ms:
            return
        parts, series = numbers.parts(min(starts_ms)), numbers.series()
        for i, part in enumerate(parts, 1):
            self._add_part(*part, series)
            if i % PARTS_PER_SLICE == 0:
                yield

    def table(self) -> CountTable:
        """Return the sum so far."""
        found: dict[Spot, Line] = {}
        for spot, count in self._waiting.items():
            if count:
                _line(found, spot).waiting = count
        for spot, kind, count in _counted(self._counts):
            add_counts(_line(found, spot).counts, {kind: count})
        for at_ms in sorted(self._course):
            for spot, kind, count in _counted(self._course[at_ms]):
                add_counts(_line(found, spot).course.setdefault(at_ms, {}), {kind: count})
        journey = self._window.journey
        lines = [found[spot] for spot in sorted(found) if not journey or spot[0] == journey]
        table = CountTable(since_ms=self._since_ms, from_ms=self._window.from_ms, lines=lines)
        table.queued = self._queued
        return table

    def _add_part(self, at_ms: int, span_ms: int, counts: Counts, series: list[Series]) -> None:
        window = self._window
        named = {series[number]: count for number, count in counts.items()}
        if window.from_ms and at_ms + span_ms > window.from_ms:
            add_counts(self._counts, named)
        if window.by_ms and at_ms + span_ms > window.course_from_ms:
            start_ms = max(at_ms - at_ms % max(window.by_ms, span_ms), window.course_from_ms)
            add_counts(self._course.setdefault(start_ms, {}), named)


def merged(tables: Iterable[CountTable]) -> CountTable:
    """Add up tables of the same window."""
    merged = CountTable()
    queued: dict[str, int] | None = {}
    found: dict[Spot, Line] = {}
    for table in tables:
        merged.since_ms = max(merged.since_ms, table.since_ms)
        merged.from_ms = table.from_ms
        queued = queues_together(queued, table.queued)
        for line in table.lines:
            into = _line(found, (line.journey, line.node))
            into.waiting += line.waiting
            add_counts(into.counts, line.counts)
            for at_ms, counts in line.course.items():
                add_counts(into.course.setdefault(at_ms, {}), counts)
    for line in found.values():
        line.counts = dict(sorted(line.counts.items()))
        line.course = dict(sorted(line.course.items()))
    merged.queued = queued
    merged.lines = [found[spot] for spot in sorted(found)]
    return merged


def queues_together(
    one: dict[str, int] | None, other: dict[str, int] | None
) -> dict[str, int] | None:
    """Add up how many entries wait for each journey; None where either is not known."""
    if one is None or other is None:
        return None
    both = one.copy()
    add_counts(both, other)
    return dict(sorted(both.items()))


def queued_in(numbers: Iterable[Numbers]) -> dict[str, int]:
    """Return how many entries wait for each journey that is paused, of those where it is known."""
    found: dict[str, int] = {}
    for each in numbers:
        add_counts(found, each.queued() or {})
    return found


def window_from(since_ms: int, now_ms: int) -> int:
    """Return the whole minute, hour or day that a moment is in, as is kept of so long ago."""
    age_ms = now_ms - since_ms
    span_ms = SPANS_MS[(age_ms > COURSE_MINUTES_MS) + (age_ms > COURSE_HOURS_MS)]
    return since_ms - since_ms % span_ms


def table_of(numbers: Iterable[Numbers], window: Window) -> CountTable:
    """Add up the numbers of partitions."""
    tabulation = Tabulation(window)
    for each in numbers:
        for _ in tabulation.add(each):
            pass
    return tabulation.table()


def outlines_of(programs: Programs) -> list[Outline]:
    """Return the outlines of all journeys in force, those that were ended too."""
    found = [outline_of(each) for each in programs.by_journey.values()]
    for each in found:
        if programs.versions.is_ended(each.journey):
            each.state = "ended"
    return found


def outline_of(program: Program) -> Outline:
    """Return what must be known of a journey to read its numbers."""
    found = _in_order(program)
    goal = program.goal
    return Outline(
        journey=program.journey,
        nodes=found,
        goal="" if goal is None else goal.name,
        goal_within_ms=0 if goal is None else goal.within_ms,
        hold_out=program.hold_out,
        in_test=program.test is not None,
        version=program.number,
        state="paused" if program.paused else "live",
    )


def _in_order(program: Program) -> list[str]:
    """Return the nodes as a visit may come to them: the first way first, to its end."""
    found: dict[str, None] = {}
    ahead = [program.first]
    while ahead:
        node = ahead.pop()
        if node not in found:
            found[node] = None
            ahead += [each for each in reversed(program.places[node].edges()) if each]
    return list(found)


def counted_as(series: Series) -> Iterator[tuple[Spot, str]]:
    """Yield under what a series counts: a visit that goes from node to node counts at both."""
    journey, node, to, kind = series
    if kind:
        yield (journey, node), f"{kind}: {to}" if to else kind
        return
    yield (journey, to), ENTERED
    yield (journey, node), PASSED if node else ENTERED


def _counted(counts: dict[Series, int]) -> Iterator[tuple[Spot, str, int]]:
    for series, count in sorted(counts.items()):
        for spot, kind in counted_as(series):
            yield spot, kind, count


def _line(found: dict[Spot, Line], spot: Spot) -> Line:
    line = found.get(spot)
    if line is None:
        line = found[spot] = Line(journey=spot[0], node=spot[1])
    return line
