"""Moment: one contact at one moment: what conditions look at, and what nodes act on."""

from typing import Any, Final

from engine.contacts.contact import Contact, Visit
from engine.decision import DECLINED, Outcome
from engine.input import Event
from engine.language.rules import Rules
from engine.notes import Notes
from engine.trace import FollowNote, Trace

NO_MESSAGE: Final = "no message on its way"
NO_VIEWS: Final[list[bytes]] = []


class Moment:
    """One input, or timer, at work on one contact. Lives as long as that, and no longer.

    `trigger` and `visit` are those of whatever is being looked at just now: an entry's condition
    sees the event's payload and no visit, a node's that which its visit was entered on.
    """

    __slots__ = (
        "cause",
        "contact",
        "counts",
        "decisions",
        "derived",
        "described",
        "follows",
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
        notes: Notes,
        trigger: dict[str, Any],
    ) -> None:
        self.rules = rules
        self.contact = contact
        self.now_ms = now_ms
        self.decisions = notes.decisions
        self.counts = notes.counts
        self.trigger = trigger
        self.visit: Visit | None = None
        self.cause = ""
        """What is at work: an event's id, a visit's, an occasion's. Unlike any other's now."""
        self.derived: list[tuple[Event, int, list[bytes]]] = []
        """Events that follow from this input and have not happened yet, with their hops and the
        views that the visits they open take over."""
        self.follows = 0
        """How many events have followed so far."""
        self.hops = 0
        """How many derived events led here."""
        self.moved = False
        """Whether a visit has moved: then what it may have changed is looked at again."""
        self.described = False
        """Whether attributes may have changed: then dates that rest on them are planned anew."""
        self.outcome = DECLINED
        self.reason = NO_MESSAGE
        """Why the visit on its way would end without a message, if it ended now."""

    def decide(self, outcome: Outcome) -> None:
        """Decide what becomes of a message, or of a visit without one, and have it counted."""
        self.decisions.append(outcome)
        self.counts.append((outcome.journey, outcome.node, "", outcome.outcome, outcome.at_ms, 1))

    def derive(
        self, id: str, name: str, payload: dict[str, Any], views: list[bytes] = NO_VIEWS
    ) -> None:
        """Let an event follow from this one, once all that this one moves has come to rest.

        Visits that it opens are named for its id: it must be another for each that ever follows.
        """
        self.follows += 1
        event = Event(id, self.contact.key, name, self.now_ms, payload)
        self.derived.append((event, self.hops + 1, views))
        if type(self.decisions) is Trace:
            self.decisions.note(
                FollowNote(at_ms=self.now_ms, event=name, event_id=id, payload=payload)
            )
