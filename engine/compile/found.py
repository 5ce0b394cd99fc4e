"""Found: a value of the session, the cart or the visit compared; and dates, wherever they stand."""

from typing import Any, Final

from engine.calendar.clock_text import moment_of
from engine.conditions.compare import COMPARISONS, folded, ignoring_case, kinds_of
from engine.conditions.condition import Test
from engine.conditions.reads import Reads
from engine.conditions.source import Source
from engine.fact import Fact, shown
from engine.limits import FAR_MS
from engine.moment import Moment
from engine.value import MISSING


class Found(Test):
    """What a source finds, in some way."""

    __slots__ = ("source", "wanted", "what")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.what = self.wanted = ""
        """In words, what is looked at and what it is to be: `cart total`, `at least 50`."""

    def explain(self, moment: Moment) -> Fact:
        """See Test."""
        value = self.source.find(moment)
        found = None if value is MISSING else shown(value)
        return Fact(what=self.what, holds=self.holds(moment), wanted=self.wanted, found=found)

    def note_reads(self, reads: Reads) -> None:
        """See Test."""
        self.source.note_reads(reads)

    def looks_at(self, field: str) -> bool:
        """See Test."""
        return self.source.root == field


class CompareFound(Found):
    """What a source finds, compared as `condition.Compare` does."""

    __slots__ = ("compares", "kinds", "operand")

    def __init__(
        self, source: Source, comparison: str, operand: Any, *, ignores_case: bool = False
    ) -> None:
        super().__init__(source)
        self.operand = folded(operand) if ignores_case else operand
        compares = COMPARISONS[comparison]
        self.compares = ignoring_case(compares) if ignores_case else compares
        self.kinds = kinds_of(comparison, operand)

    def holds(self, moment: Moment) -> bool:
        """See Test."""
        value = self.source.find(moment)
        if self.kinds and value.__class__ not in self.kinds:
            return False
        return self.compares(value, self.operand)

    def changes_at_ms(self, moment: Moment) -> int:
        """See Test: a span that grows comes to a number, and passes it a millisecond later."""
        grows_since = self.source.grows_since
        since_ms = None if grows_since is None else grows_since(moment)
        if since_ms is None:
            return FAR_MS
        operands = self.operand if isinstance(self.operand, list) else [self.operand]
        edges = []
        for operand in operands:
            if type(operand) in (int, float) and 0 <= operand < FAR_MS:
                edges += [since_ms + int(operand), since_ms + int(operand) + 1]
        return earliest_after(moment.now_ms, edges)


class NearNow(Found):
    """A date lies so that now is in [date + start_ms, date + end_ms)."""

    __slots__ = ("end_ms", "start_ms")

    def __init__(self, source: Source, start_ms: int, end_ms: int) -> None:
        super().__init__(source)
        self.start_ms = start_ms
        self.end_ms = end_ms

    def holds(self, moment: Moment) -> bool:
        """See Test."""
        at_ms = moment_of(self.source.find(moment), moment.rules.zone)
        if at_ms is None:
            return False
        return at_ms + self.start_ms <= moment.now_ms < at_ms + self.end_ms

    def changes_at_ms(self, moment: Moment) -> int:
        """See Test."""
        at_ms = moment_of(self.source.find(moment), moment.rules.zone)
        if at_ms is None:
            return FAR_MS
        return earliest_after(moment.now_ms, [at_ms + self.start_ms, at_ms + self.end_ms])


class InDates(Found):
    """A date lies in [from_ms, until_ms)."""

    __slots__ = ("from_ms", "until_ms")

    def __init__(self, source: Source, from_ms: int, until_ms: int) -> None:
        super().__init__(source)
        self.from_ms = from_ms
        self.until_ms = until_ms

    def holds(self, moment: Moment) -> bool:
        """See Test."""
        at_ms = moment_of(self.source.find(moment), moment.rules.zone)
        return at_ms is not None and self.from_ms <= at_ms < self.until_ms


def earliest_after(now_ms: int, edges: list[int]) -> int:
    """Return the earliest of some moments that are still to come; FAR_MS where none is."""
    return min((each for each in edges if now_ms < each < FAR_MS), default=FAR_MS)


LATER: Final = (-FAR_MS, 0)
"""What `after: now` means to NearNow; and below, `before: now`."""
EARLIER: Final = (1, FAR_MS)
