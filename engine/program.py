"""Program: a journey compiled and checked; immutable."""

from typing import Final

from engine.conditions.condition import Test
from engine.contacts.contact import Contact, Visit
from engine.fact import Fact
from engine.input import Event
from engine.language.rules import Cap, Rules
from engine.moment import Moment

REENTRY_ALWAYS: Final = 0
REENTRY_ONCE: Final = -1
NEVER_LATE: Final = -1


class Way:
    """One way into a journey: the event's name, its condition, and when it comes too late."""

    __slots__ = ("late_after_ms", "name", "test")

    def __init__(self, name: str, test: Test | None, late_after_ms: int = NEVER_LATE) -> None:
        self.name = name
        self.test = test
        self.late_after_ms = late_after_ms


class Occasion:
    """A way into a journey at moments known before: a schedule, or the date of an attribute."""

    __slots__ = ("id", "test")

    def __init__(self, id: str, test: Test | None) -> None:
        self.id = id
        """Its own among all journeys', and the same after a publish: its place in the contact."""
        self.test = test

    def next_ms(self, rules: Rules, contact: Contact, after_ms: int) -> int:
        """Return when it is due next for a contact, after `after_ms`; FAR_MS for never."""
        raise NotImplementedError


class Reentry:
    """When a contact may enter again: after `again_ms` since the last entry, or exit."""

    __slots__ = ("again_ms", "at_most", "key", "since_exit")

    def __init__(self, again_ms: int = REENTRY_ALWAYS) -> None:
        self.again_ms = again_ms
        self.since_exit = False
        self.key: list[str] = []
        """Path of the field whose values have visits of their own; empty: one visit at a time."""
        self.at_most = 1


class Goal:
    """The event that makes a visit a conversion, for `within_ms` from its entry."""

    __slots__ = ("name", "test", "within_ms")

    def __init__(self, name: str, test: Test | None, within_ms: int) -> None:
        self.name = name
        self.test = test
        self.within_ms = within_ms


STAYS: Final = None
"""What a place returns where the visit stays; else the id of the next place, empty at the end."""


class Place:
    """A compiled node: its id and the id of the place after it, empty at the journey's end.

    A place that lets a visit stay has set its `due_at_ms` before.
    """

    __slots__ = ("id", "recurs", "then")

    lasts = False
    """Whether a visit always stays here for a while: only through such may a cycle go."""

    def __init__(self, id: str, then: str) -> None:
        self.id = id
        self.then = then
        self.recurs = False
        """Whether a visit can come here more than once, as a cycle leads through it."""

    def enter(self, moment: Moment, program: "Program", visit: Visit) -> str | None:
        """Do what the node says as the visit comes to it; return where it goes on, or STAYS."""
        raise NotImplementedError

    def due(self, moment: Moment, program: "Program", visit: Visit) -> str | None:
        """Return where the visit goes on when the time it stayed for is over, or STAYS.

        Where nothing else is said, the visit stayed at a node of another kind, which a publish
        made this of: it does now what the node says now.
        """
        return self.enter(moment, program, visit)

    def due_again_ms(self, moment: Moment, visit: Visit) -> int | None:
        """Return when the time here is over for a visit that another version let stay.

        It may be past. None: the visit is to enter, as it never did.
        """
        return None

    def hear(self, moment: Moment, program: "Program", visit: Visit, event: Event) -> str | None:
        """Return where an event sends the visit that stays here, or STAYS. See `hears`."""
        return STAYS

    def explain(
        self, moment: Moment, program: "Program", visit: Visit, event: Event | None = None
    ) -> list[Fact]:
        """Return what it will look at when a visit comes, its time is over, or `event` comes.

        Asked only while somebody wants to know why, right before `enter`, `due` or `hear`.
        """
        return []

    def edges(self) -> list[str]:
        """Return the ids of all places that a visit may go on to; empty ones are the end."""
        return [self.then]

    def hears(self) -> list[str]:
        """Return the names of the events that may move a visit that stays here."""
        return []

    def starts(self) -> list[str]:
        """Return the journeys that it lets the contact enter."""
        return []

    def tests(self) -> list[Test]:
        """Return the conditions it asks."""
        return []


class Program:
    """One journey, ready to run. Edges hold ids that exist: nothing is left to look up in vain."""

    __slots__ = (
        "caps",
        "exit_on",
        "exit_when",
        "first",
        "goal",
        "group",
        "hold_out",
        "journey",
        "number",
        "occasions",
        "paused",
        "places",
        "priority",
        "reentry",
        "test",
        "ways",
    )

    def __init__(self, journey: str, priority: int) -> None:
        self.journey = journey
        self.priority = priority
        self.ways: list[Way] = []
        self.occasions: list[Occasion] = []
        self.exit_on: dict[str, list[Test | None]] = {}
        self.exit_when: list[Test] = []
        """Conditions that end a visit whenever they come to hold."""
        self.reentry = Reentry()
        self.caps: list[Cap] = []
        self.places: dict[str, Place] = {}
        self.first = ""
        self.group = ""
        self.goal: Goal | None = None
        self.test: frozenset[str] | None = None
        """In test mode: the contacts for whom it is in earnest; None: for all."""
        self.hold_out = 0.0
        """Percentage of contacts who walk through it without any message."""
        self.number = 0
        """Of its version; 0 where the publication keeps none of it."""
        self.paused = False

    def is_dry_for(self, contact: str) -> bool:
        """Say whether it is in test mode, and this contact not in the test."""
        return self.test is not None and contact not in self.test

    def tests(self) -> list[Test]:
        """Return all conditions it asks."""
        asked = [way.test for way in self.ways] + [each.test for each in self.occasions]
        for tests in self.exit_on.values():
            asked += tests
        asked += self.exit_when
        if self.goal is not None:
            asked.append(self.goal.test)
        for place in self.places.values():
            asked += place.tests()
        return [test for test in asked if test is not None]
