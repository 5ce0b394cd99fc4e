"""Segments: a contact is in one while its condition holds, or while it is on its list."""

from engine.conditions.condition import Test
from engine.conditions.reads import Reads
from engine.fact import Fact
from engine.moment import Moment


class InSegment(Test):
    """The contact is in a segment, judged at that very moment."""

    __slots__ = ("segment", "test")

    def __init__(self, segment: str, test: Test) -> None:
        self.segment = segment
        self.test = test

    def holds(self, moment: Moment) -> bool:
        """See Test."""
        return self.test.holds(moment)

    def note_reads(self, reads: Reads) -> None:
        """See Test."""
        self.test.note_reads(reads)

    def changes_at_ms(self, moment: Moment) -> int:
        """See Test."""
        return self.test.changes_at_ms(moment)

    def looks_at(self, field: str) -> bool:
        """See Test."""
        return self.test.looks_at(field)

    def explain(self, moment: Moment) -> Fact:
        """See Test."""
        part = self.test.explain(moment)
        since_ms = moment.contact.segments.get(self.segment) if part.holds else None
        what = f"segment {self.segment}"
        return Fact(what=what, holds=part.holds, since_ms=since_ms, parts=[part])


class OnList(Test):
    """The contact is on a static list."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def holds(self, moment: Moment) -> bool:
        """See Test."""
        return self.name in moment.contact.lists

    def note_reads(self, reads: Reads) -> None:
        """See Test."""
        reads.contact = True

    def explain(self, moment: Moment) -> Fact:
        """See Test."""
        since_ms = moment.contact.lists.get(self.name)
        return Fact(what=f"list {self.name}", holds=since_ms is not None, since_ms=since_ms)
