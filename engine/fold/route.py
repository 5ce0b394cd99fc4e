"""Route: all that there is to do for events of one name."""

from typing import Final

from engine.conditions.condition import Test
from engine.input import CART_UPDATE, CONSENT, IDENTIFY, PRODUCT_VIEW, STANDARD_NAMES
from engine.program import Program, Way

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


class Route:
    """What events of one name mean, and what live programs want of them."""

    __slots__ = (
        "asked",
        "describes",
        "entries",
        "exits",
        "goals",
        "hears",
        "in_session",
        "keep_ms",
        "keeps",
        "kind",
        "moves",
        "name",
        "read_at_once",
        "reads_products",
        "recalled",
        "watched",
    )

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
        self.read_at_once = kind in (CHANGES_CART, DESCRIBES_CONTACT)
        """Whether its payload is looked into in any case; else it may stay unread."""
        self.recalled = False
        """Whether conditions look back at fields of its payload."""
        self.keeps: tuple[str, ...] = ()
        """Paths of those fields, beside the standard ones."""
        self.keep_ms: dict[str, int] = {}
        """That of the Programs."""
        self.entries: list[tuple[Program, Way]] = []
        self.exits: dict[str, list[Test | None]] = {}
        """Journey -> conditions, any of which ends its visits."""
        self.hears: set[str] = set()
        """Journeys some node of which waits for it."""
        self.goals: list[Program] = []
        self.moves = False
        """Whether it has exits, is heard or is a goal: so whether it may move a visit."""
        self.watched = False
        """Whether a watched segment, or the condition of an exit, may change by it."""
        self.describes = False
        """Whether it may change attributes that occasions of journeys rest on."""
