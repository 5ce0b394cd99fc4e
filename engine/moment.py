"""Moment: one contact at one moment: what conditions look at, and what nodes act on."""

from typing import Any, Final

from engine.contact import Contact, Visit
from engine.decision import DECLINED, Decision
from engine.input import Event
from engine.rules import Rules

NO_MESSAGE: Final = "no message on its way"


class Moment:
    """One input, or timer, at work on one contact. Lives as long as that, and no longer.

    `trigger` and `visit` are those of whatever is being looked at just now: an entry's condition
    sees the event's payload and no visit, a node's that which its visit was entered on.
    """

    __slots__ = (
        "contact",
        "decisions",
        "derived",
        "hops",
        "moved",
        "now_ms",
        "outcome",
        "reason",
        "rules",
        "trigger",
        "visit",
    )

    def __init__(
        self,
        rules: Rules,
        contact: Contact,
        now_ms: int,
        decisions: list[Decision],
        trigger: dict[str, Any],
    ) -> None:
        self.rules = rules
        self.contact = contact
        self.now_ms = now_ms
        self.decisions = decisions
        self.trigger = trigger
        self.visit: Visit | None = None
        self.derived: list[tuple[Event, int]] = []
        """Events that follow from this input and have not happened yet, with their hops."""
        self.hops = 0
        """How many derived events led here."""
        self.moved = False
        """Whether a visit has moved: then what it may have changed is looked at again."""
        self.outcome = DECLINED
        self.reason = NO_MESSAGE
        """Why the visit on its way would end without a message, if it ended now."""

    def derive(self, id: str, name: str, payload: dict[str, Any]) -> None:
        """Let an event follow from this one, once all that this one moves has come to rest."""
        event = Event(id, self.contact.key, name, self.now_ms, payload)
        self.derived.append((event, self.hops + 1))
