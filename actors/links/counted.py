"""What links ask and say of counts: where visits stand, and the numbers of journeys."""

from msgspec import Struct

from engine.count_table import CountTable, Outline, Window


class AskVisits(Struct, array_like=True, tag="visits", gc=False):
    """Ask where visits stand, and what a draft would make of them. Answered by Counted."""

    seq: int
    source: bytes = b""
    """Of the draft's Publish; empty: none."""


class AskNumbers(Struct, array_like=True, tag="numbers", gc=False):
    """Ask how many visits and messages there are, by journey and node. Answered by NumbersAre."""

    seq: int
    window: Window


class VisitCount(Struct, array_like=True, frozen=True, gc=False):
    """So many visits of which all this is so."""

    journey: str
    node: str
    version: int
    held: bool
    """Whether their journey is paused."""
    fate: str
    """What the draft makes of them, a word of `actors.shards.census`; empty without a draft."""
    to: str
    """The node where they are then."""
    count: int


class Counted(Struct, array_like=True, tag="counted", gc=False):
    """Where visits stand, and how many entries wait for each paused journey."""

    seq: int
    visits: list[VisitCount]
    queued: dict[str, int]


class NumbersAre(Struct, array_like=True, tag="numbers_are", gc=False):
    """How many visits and messages there are, of all partitions of the shard."""

    seq: int
    table: CountTable
    outlines: list[Outline]
    """Of the journeys in force."""
