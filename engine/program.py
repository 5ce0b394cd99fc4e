"""Program: a journey compiled and checked; immutable. Programs: all that are in force."""

from typing import Final

from engine.condition import Test, reads_field
from engine.input import CART_UPDATE, CONSENT, IDENTIFY, PRODUCT_VIEW, STANDARD_NAMES

ORDINARY: Final = 0
VIEWS_PRODUCT: Final = 1
CHANGES_CART: Final = 2
DESCRIBES_CONTACT: Final = 3
KINDS: Final = dict.fromkeys(STANDARD_NAMES, ORDINARY) | {
    PRODUCT_VIEW: VIEWS_PRODUCT,
    CART_UPDATE: CHANGES_CART,
    IDENTIFY: DESCRIBES_CONTACT,
    CONSENT: DESCRIBES_CONTACT,
}
"""What events of a name do to their contact, beyond being counted and remembered."""

REENTRY_ALWAYS: Final = 0
REENTRY_ONCE: Final = -1


class Cap:
    """Not more than `messages` in (t - span, t]; `purpose` is empty where all count."""

    __slots__ = ("messages", "purpose", "span_ms", "text")

    def __init__(self, messages: int, span_ms: int, purpose: str, text: str) -> None:
        self.messages = messages
        self.span_ms = span_ms
        self.purpose = purpose
        self.text = text


class Place:
    """A compiled node: its id and the id of the place after it, empty at the journey's end."""

    __slots__ = ("id", "then")

    def __init__(self, id: str, then: str) -> None:
        self.id = id
        self.then = then


class Decide(Place):
    """Go to `then` or `otherwise`."""

    __slots__ = ("otherwise", "test")

    def __init__(self, id: str, then: str, test: Test, otherwise: str) -> None:
        super().__init__(id, then)
        self.test = test
        self.otherwise = otherwise


class Wait(Place):
    """Stay for `span_ms`."""

    __slots__ = ("span_ms",)

    def __init__(self, id: str, then: str, span_ms: int) -> None:
        super().__init__(id, then)
        self.span_ms = span_ms


class Send(Place):
    """Send a message. `consent` is the level needed, empty where none is."""

    __slots__ = ("channel", "consent", "purpose", "template")

    def __init__(
        self, id: str, then: str, channel: str, template: str, purpose: str, consent: str
    ) -> None:
        super().__init__(id, then)
        self.channel = channel
        self.template = template
        self.purpose = purpose
        self.consent = consent


class Exit(Place):
    """Leave, saying why."""

    __slots__ = ("reason",)

    def __init__(self, id: str, reason: str) -> None:
        super().__init__(id, "")
        self.reason = reason


class Program:
    """One journey, ready to run. Edges hold ids that exist: nothing is left to look up in vain."""

    __slots__ = (
        "caps",
        "entry_event",
        "entry_test",
        "exit_on",
        "first",
        "journey",
        "places",
        "priority",
        "reentry_ms",
    )

    def __init__(self, journey: str, priority: int) -> None:
        self.journey = journey
        self.priority = priority
        self.entry_event = ""
        self.entry_test: Test | None = None
        self.exit_on: dict[str, list[Test | None]] = {}
        self.reentry_ms: int = REENTRY_ALWAYS
        self.caps: list[Cap] = []
        self.places: dict[str, Place] = {}
        self.first = ""


class Route:
    """All that there is to do for one event name: what it means, and what live programs want."""

    __slots__ = ("asked", "entries", "exits", "in_session", "kind", "name", "reads_products")

    def __init__(self, name: str, kind: int = ORDINARY) -> None:
        self.name = name
        """The one string that all contacts' counts and histories share: a copy in each would
        cost memory, and a cache miss to compare."""
        self.kind = kind
        self.in_session = True
        self.asked = False
        """Whether a program wants anything of it."""
        self.reads_products = False
        """Whether a condition of it looks at a session's `products`."""
        self.entries: list[Program] = []
        self.exits: dict[str, list[Test | None]] = {}
        """Journey -> conditions, any of which ends its visits."""


class Programs:
    """The journeys in force, indexed by what can move them, and the settings over all."""

    __slots__ = ("by_journey", "caps", "routes", "session_gap_ms")

    def __init__(
        self, programs: list[Program], caps: list[Cap], session_gap_ms: int, no_session: list[str]
    ) -> None:
        self.by_journey = {program.journey: program for program in programs}
        self.caps = caps
        self.session_gap_ms = session_gap_ms
        self.routes = {name: Route(name, kind) for name, kind in KINDS.items()}
        """By event name. One look-up answers all questions about it."""
        for name in no_session:
            self._route(name).in_session = False
        for program in sorted(programs, key=lambda each: (-each.priority, each.journey)):
            route = self._asked(program.entry_event)
            route.entries.append(program)
            route.reads_products |= reads_field(program.entry_test, "products")
            for name, tests in program.exit_on.items():
                route = self._asked(name)
                route.exits[program.journey] = tests
                route.reads_products |= any(reads_field(test, "products") for test in tests)

    def _route(self, name: str) -> Route:
        return self.routes.setdefault(name, Route(name))

    def _asked(self, name: str) -> Route:
        route = self._route(name)
        route.asked = True
        return route


NO_PROGRAMS: Final = Programs([], [], 30 * 60_000, [])
