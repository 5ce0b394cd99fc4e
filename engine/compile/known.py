"""What a condition or node may name: segments, journeys, nodes, templates."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from engine.conditions.condition import Test
from engine.language.rules import UTC


class Known:
    """The names that a publication knows, for those who compile parts of it."""

    __slots__ = (
        "journeys",
        "members",
        "nodes",
        "nodes_of",
        "segment_test",
        "segments",
        "started",
        "templates",
        "zone",
    )

    def __init__(self, segment_test: Callable[[str], Test | None], segments: list[str]) -> None:
        self.segment_test = segment_test
        """Returns the test of a segment; None where there is none of that name."""
        self.segments = segments
        self.journeys: list[str] = []
        self.members: dict[str, frozenset[str]] = {}
        """Group -> its journeys."""
        self.nodes: list[str] = []
        """Of the journey that is being compiled, in order; none for a segment."""
        self.nodes_of: dict[str, list[str]] = {}
        """Journey -> its nodes, of all journeys."""
        self.started: set[str] = set()
        """Journeys that a node of another one starts."""
        self.templates: set[str] = set()
        self.zone: ZoneInfo = UTC
        """That of the settings."""

    def with_segments(
        self, segment_test: Callable[[str], Test | None], segments: list[str]
    ) -> "Known":
        """Return the same with these segments, for what is in no journey."""
        known = Known(segment_test, segments)
        known.journeys, known.nodes_of = self.journeys, self.nodes_of
        known.members, known.started = self.members, self.started
        known.templates, known.zone = self.templates, self.zone
        return known
