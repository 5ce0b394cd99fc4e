"""Numbers: how many visits and messages there are, by journey and node, in all and over time.

Kept by a partition as a part of its fold: whatever folds the same inputs has the same numbers.
They name no contact.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from engine.contacts.contact import decode_contact
from engine.contacts.course import MINUTE_MS, Counts, Course, SavedCourse
from engine.contacts.idle import may_have_queued
from engine.decision import FAILED, Outcome
from engine.limits import (
    COURSE_RECENT_MAX,
    NUMBERS_SERIES_MAX,
    REASON_CHARS_KEPT,
    REASONS_MAX,
)
from engine.notes import ERASED, LEFT, LEFT_AS, QUEUED, Counted

OTHER: Final = "*"
"""In place of a journey where no further series is kept, and of a reason past REASONS_MAX."""

Series = tuple[str, str, str, str]
"""Journey, node, the node that visits went to from there, or why they ended, and what is counted.

That is empty where they went on; then without node, they entered.
"""
BEYOND: Final[Series] = (OTHER, "", "", OTHER)
Spot = tuple[str, str]
"""A node of a journey."""


class SavedNumbers(Struct, array_like=True, gc=False):
    """Numbers as they lie in a snapshot."""

    since_ms: int
    series: list[Series]
    totals: list[int]
    """Of each series."""
    besides: list[tuple[str, str, int]]
    course: SavedCourse
    queued: dict[str, int] | None = None
    """By journey, entries that wait as it is paused; None: they were not counted then."""


def without(saved: SavedNumbers | None, states: list[bytes], at_ms: int) -> SavedNumbers | None:
    """Return numbers as they are when these contacts, all of each, were erased at that moment."""
    if saved is None or not states:
        return saved
    numbers = Numbers(saved=saved)
    for state in states:
        numbers.erase(state, at_ms)
    return numbers.save()


class Numbers:
    """Counts of one partition, in series; what is counted waits until there is some of it."""

    __slots__ = (
        "_besides",
        "_beyond",
        "_course",
        "_queued",
        "_reasons",
        "_series",
        "_totals",
        "counts",
        "since_ms",
    )

    def __init__(self, since_ms: int = 0, saved: SavedNumbers | None = None) -> None:
        self.since_ms = since_ms if saved is None else saved.since_ms
        """What was before is not in them, but for who waits; 0: they have all there was."""
        self.counts: list[Counted] = []
        """What is not added up yet: who folds appends to it; see `add_up`."""
        self._series: dict[Series, int] = {}
        """The place of each in `_totals`, and its number in the course."""
        self._totals: list[int] = []
        self._besides: dict[Spot, int] = {}
        """Visits that came to a node, less those that went, but for those that a series counts."""
        self._beyond = -1
        """The number of the series OTHER; -1 where there is none yet."""
        self._reasons: dict[Spot, int] = {}
        """How many reasons to leave each node has."""
        self._queued: dict[str, int] | None = {}
        """By journey; None: it is not known, until `begin_queues` says it."""
        self._course = Course(None if saved is None else saved.course)
        if saved is not None:
            self._besides = {(journey, node): count for journey, node, count in saved.besides}
            for series in saved.series:
                self._begin(series)
            self._totals = saved.totals[:]
            self._queued = None if saved.queued is None else saved.queued.copy()

    def add_up(self) -> None:
        """Add up what was counted since it was last done: cheaper for much at once."""
        series, totals, recent = self._series, self._totals, self._course.recent
        for journey, node, to, kind, at_ms, by in self.counts:
            if by < 0 and kind and at_ms < self.since_ms and kind != QUEUED:
                continue  # Of before: it was not counted when it was decided.
            number = series.get((journey, node, to, kind))
            if number is None:
                if kind == QUEUED:
                    self._queue(journey, by)
                    continue
                number = self._begin((journey, node, to, kind))
                if number == self._beyond:
                    self._stay((journey, node, to, kind), by)
            totals[number] += by
            key = at_ms - at_ms % MINUTE_MS + number
            recent[key] = recent.get(key, 0) + by
        self.counts.clear()
        if len(recent) >= COURSE_RECENT_MAX:
            self._course.pack()

    def correct(self, outcome: Outcome | None, recorded: Outcome | None) -> None:
        """Count what was recorded of a message, if anything, instead of an outcome, if any."""
        for each, by in ((outcome, -1), (recorded, 1)):
            if each is not None:
                self.counts.append((each.journey, each.node, "", each.outcome, each.at_ms, by))

    def erase(self, state: bytes, at_ms: int) -> None:
        """Let the visits of a contact stay nowhere, as it is erased; `state` is all of it."""
        contact = decode_contact(state)
        for visit in contact.visits:
            self.counts.append((visit.journey, visit.node, "", LEFT_AS[ERASED], at_ms, 1))
        for queued in contact.queued:
            self.counts.append((queued.journey, "", "", QUEUED, at_ms, -1))

    def begin_with(self, states: Iterable[bytes]) -> None:
        """Take in what waits where of contacts of which nothing was counted so far."""
        for state in states:
            contact = decode_contact(state)
            for visit in contact.visits:
                self._stay((visit.journey, "", visit.node, ""), 1)
            for queued in contact.queued:
                self._queue(queued.journey, 1)

    def begin_queues(self, states: Iterable[bytes]) -> None:
        """Take in which entries of contacts wait, unless that is known; 0.1 µs each without any."""
        if self._queued is not None:
            return
        self._queued = {}
        for state in states:
            if may_have_queued(state):
                for queued in decode_contact(state).queued:
                    self._queue(queued.journey, 1)

    def save(self) -> SavedNumbers:
        """Return them as they are now; what comes later is not in it."""
        self.add_up()
        besides = [(*spot, count) for spot, count in self._besides.items()]
        series, totals = list(self._series), self._totals[:]
        queued = None if self._queued is None else self._queued.copy()
        return SavedNumbers(self.since_ms, series, totals, besides, self._course.save(), queued)

    def totals(self) -> Iterator[tuple[Series, int]]:
        """Yield all series with what was counted in each since `since_ms`."""
        self.add_up()
        return zip(self._series, self._totals, strict=True)

    def series(self) -> list[Series]:
        """Return all series, by their numbers."""
        self.add_up()
        return list(self._series)

    def parts(self, since_ms: int) -> Iterator[tuple[int, int, Counts]]:
        """Yield minutes, hours and days that ended after a moment: beginning, span, counts.

        Counts are by the numbers of series.
        """
        self.add_up()
        return self._course.parts(since_ms)

    def waiting(self) -> dict[Spot, int]:
        """Return how many visits stay at each node now."""
        waiting = self._besides.copy()
        for series, count in self.totals():
            for spot, more in changes_of(series, count):
                waiting[spot] = waiting.get(spot, 0) + more
        return {spot: count for spot, count in waiting.items() if count}

    def queued(self) -> dict[str, int] | None:
        """Return how many entries wait for each journey that is paused; None: it is not known."""
        self.add_up()
        return None if self._queued is None else self._queued.copy()

    def _queue(self, journey: str, by: int) -> None:
        """Take in that more entries wait, or fewer."""
        if self._queued is not None:
            count = self._queued.pop(journey, 0) + by
            if count:
                self._queued[journey] = count

    def _begin(self, series: Series) -> int:
        """Return the number of a series that is new, if one more may be, else of OTHER."""
        journey, node, why, kind = series
        if why and kind.startswith(LEFT):
            series = (journey, node, self._reason(journey, node, why, kind), kind)
        if len(self._totals) >= NUMBERS_SERIES_MAX and series not in self._series:
            series = BEYOND
        number = self._series.setdefault(series, len(self._totals))
        if number == len(self._totals):
            self._totals.append(0)
        if series == BEYOND:
            self._beyond = number
        return number

    def _reason(self, journey: str, node: str, why: str, kind: str) -> str:
        """Return what is kept of a reason: nothing of what never recurs."""
        if kind == LEFT_AS[FAILED]:
            return ""
        why = why[:REASON_CHARS_KEPT]
        reasons = self._reasons.get((journey, node), 0)
        if (journey, node, why, kind) not in self._series:
            if reasons >= REASONS_MAX:
                return OTHER
            self._reasons[journey, node] = reasons + 1
        return why

    def _stay(self, series: Series, by: int) -> None:
        """Take in who comes to a node, and goes from one, where the series does not tell it."""
        for spot, more in changes_of(series, by):
            self._besides[spot] = self._besides.get(spot, 0) + more


def changes_of(series: Series, count: int) -> Iterator[tuple[Spot, int]]:
    """Yield at which nodes more visits stay, or fewer, for so many in a series."""
    journey, node, to, kind = series
    if not kind:
        yield (journey, to), count
    if node and (not kind or kind.startswith(LEFT)):
        yield (journey, node), -count
