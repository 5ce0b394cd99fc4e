"""Programs: all journeys in force, indexed by what can move them, and the rules over all."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.conditions.condition import Test, reads_field
from engine.conditions.reads import Reads
from engine.contacts.happening import STANDARD_FIELDS
from engine.fold.route import KINDS, Route
from engine.fold.version import Line, Versions
from engine.input import IDENTIFY, SEGMENT_ENTER, SEGMENT_LEAVE, SESSION_START, START
from engine.language.rules import Rules
from engine.limits import HISTORY_MS
from engine.program import NEVER_LATE, Occasion, Program, Way

NO_LINES: Final[Mapping[str, Line]] = MappingProxyType({})


class Programs:
    """What a publication says. Immutable, and shared by all partitions of a process."""

    __slots__ = (
        "by_journey",
        "keep_ms",
        "keeps",
        "occasions",
        "program_of",
        "routes",
        "rules",
        "segments",
        "session_gap_ms",
        "session_start",
        "timed",
        "version",
        "versions",
        "watched",
        "watches",
    )

    def __init__(
        self,
        programs: list[Program],
        rules: Rules,
        segments: dict[str, Test],
        version: int = 0,
        lines: Mapping[str, Line] = NO_LINES,
    ) -> None:
        self.by_journey = {program.journey: program for program in programs}
        self.versions = Versions(self.by_journey, dict(lines))
        self.program_of = self.versions.program_of
        kept = [each for line in lines.values() for each in line.kept.values()]
        self.keeps = bool(kept)
        """Whether visits may have stayed in older versions."""
        self.rules = rules
        self.session_gap_ms = rules.session_gap_ms
        self.segments = segments
        self.routes = {name: Route(name, kind) for name, kind in KINDS.items()}
        """By event name. One look-up answers all questions about it."""
        for name in rules.no_session:
            self._route(name).in_session = False
        ranked = sorted(programs, key=lambda each: (-each.priority, each.journey))
        for program in ranked:
            self._index(program)
        for program in kept:
            self._index_kept(program)
        for program in [*ranked, *kept]:
            self._index_starts(program)
        self.occasions: dict[str, tuple[Program, Occasion]] = {
            occasion.id: (program, occasion) for program in ranked for occasion in program.occasions
        }
        if self.occasions:
            self._asked(IDENTIFY).describes = True
        self.watched = {
            name: test
            for name, test in sorted(segments.items())
            if any(self._is_asked(event + name) for event in (SEGMENT_ENTER, SEGMENT_LEAVE))
        }
        """Segments that some journey is entered on, or waits for."""
        exits = [test for program in [*ranked, *kept] for test in program.exit_when]
        self.watches = bool(self.watched or exits)
        """Whether conditions are to be looked at again when what they read may have changed."""
        self._index_reads([*ranked, *kept], exits)
        self.session_start = self._is_asked(SESSION_START)
        self.timed = bool(self.occasions or self.watches or lines)
        """Whether contacts have timers beside those of sessions and visits: schedules, dates,
        and conditions that time alone can bring to hold; and visits to be carried over."""
        self.version = version if self.timed else 0
        """Tells publications apart, for the occasions of contacts; 0 where there are none."""

    def _index(self, program: Program) -> None:
        journey = program.journey
        for way in program.ways:
            route = self._asked(way.name)
            route.entries.append((program, way))
            route.reads_products |= reads_field(way.test, "products")
        for name, tests in program.exit_on.items():
            route = self._asked(name)
            route.exits[journey] = tests
            route.reads_products |= any(reads_field(test, "products") for test in tests)
        if program.goal is not None:
            self._asked(program.goal.name).goals.append(program)
        self._index_places(program)

    def _index_kept(self, program: Program) -> None:
        """Let events reach the visits that stayed in an older version: what they do, it says."""
        for name, tests in program.exit_on.items():
            route = self._asked(name)
            route.exits.setdefault(program.journey, [])
            route.reads_products |= any(reads_field(test, "products") for test in tests)
        self._index_places(program)

    def _index_places(self, program: Program) -> None:
        journey = program.journey
        for place in program.places.values():
            for name in place.hears():
                route = self._asked(name)
                route.hears.add(journey)
                route.reads_products |= any(reads_field(test, "products") for test in place.tests())

    def _index_starts(self, program: Program) -> None:
        """Let the journeys that this one starts be entered by that, whatever else lets them."""
        for place in program.places.values():
            for journey in place.starts():
                route = self._asked(START + journey)
                started = self.by_journey[journey]
                if not route.entries and not self.versions.is_ended(journey):
                    route.entries.append((started, Way(route.name, None, NEVER_LATE)))

    def _index_reads(self, programs: list[Program], exits: list[Test]) -> None:
        """Let each event name know what is to be kept of it, and whether watches read it."""
        reads = Reads()
        for program in programs:
            for test in program.tests():
                test.note_reads(reads)
        for test in self.segments.values():
            test.note_reads(reads)
        for name in self.rules.mentions.history:
            reads.note(name, HISTORY_MS, set(self.rules.mentions.fields))
        for name in reads.names:
            route = self._route(name)
            fields = reads.fields.get(name, set())
            route.recalled = bool(fields)
            route.read_at_once |= route.recalled
            route.keeps = tuple(sorted(fields.difference(STANDARD_FIELDS)))
        self.keep_ms = {name: span for name, span in reads.spans.items() if span > HISTORY_MS}
        """How long events stay in the history, of names that conditions look back at for long."""
        for route in self.routes.values():
            route.keep_ms = self.keep_ms
            route.moves = bool(route.exits or route.hears or route.goals)
        watching = Reads()
        for test in [*self.watched.values(), *exits]:
            test.note_reads(watching)
        for name in watching.moving_names():
            self._asked(name).watched = True

    def _is_asked(self, name: str) -> bool:
        route = self.routes.get(name)
        return route is not None and route.asked

    def _route(self, name: str) -> Route:
        return self.routes.setdefault(name, Route(name))

    def _asked(self, name: str) -> Route:
        route = self._route(name)
        route.asked = True
        return route


NO_PROGRAMS: Final = Programs([], Rules(), {})
