"""What the engine wants done: its only output."""

from typing import Any, Final

from msgspec import Struct


class Outcome(Struct, frozen=True, array_like=True, gc=False):
    """What came of one visit at one node. The last one of a key is what holds."""

    key: str
    contact: str
    journey: str
    node: str
    channel: str
    """Empty where the visit ended before it came to a message."""
    at_ms: int
    outcome: str
    """One of OUTCOMES."""
    reason: str = ""


SENT: Final = "sent"
CAPPED: Final = "capped"
NO_CONSENT: Final = "no_consent"
NO_ADDRESS: Final = "no_address"
MISSING: Final = "missing"
QUIET: Final = "quiet"
EXITED: Final = "exited"
DECLINED: Final = "declined"
FAILED: Final = "failed"
LATE: Final = "late"
GROUPED: Final = "grouped"
HELD_OUT: Final = "held_out"
CONVERTED: Final = "converted"
DRY_RUN: Final = "dry_run"
PAUSED: Final = "paused"

OUTCOMES: Final = {
    SENT: "a message was decided and is on its way or out",
    CAPPED: "a cap held the message back, or as many visits were there as may be at a time",
    NO_CONSENT: "the contact gave no sufficient consent for this channel and purpose",
    NO_ADDRESS: "the contact has no valid address for this channel",
    MISSING: "something that the message needs is not there",
    QUIET: "the channel keeps silent at this hour, and the message does not wait",
    EXITED: "an exit-on rule, or a journey's change, ended the visit before the message",
    DECLINED: "a decision led the visit to its end without a message",
    LATE: "the event was too old when it came, and did not trigger",
    GROUPED: "another journey of its group came first, and none of higher priority",
    HELD_OUT: "the contact is held out, to compare with those who get messages",
    PAUSED: "the journey is paused, and no more entries of the contact can wait for it",
    DRY_RUN: "the journey is in test mode: it would have been sent, and is not",
    CONVERTED: "the visit came to the goal of its journey",
    FAILED: "the channel could not deliver, or the visit met a fault",
}


class Delivery(Struct, frozen=True, array_like=True, gc=False):
    """A message handed to a courier, with all that its template may ask for."""

    key: str
    contact: str
    journey: str
    node: str
    channel: str
    template: str
    language: str
    """As the contact's attribute `language` says; empty where it does not."""
    purpose: str
    at_ms: int
    """The moment it was decided."""
    attributes: dict[str, Any]
    trigger: dict[str, Any]
    """The payload of the event that the visit was entered on."""
    cart: list[dict[str, Any]]
    request: dict[str, Any] | None = None
    """What an audience of the ads channel, or a webhook, is asked; such have no template."""
    address: str = ""
    """What the attribute holds that the settings name for the channel; empty where they do not."""
    history: dict[str, list[dict[str, Any]]] = {}
    """The last past events of each name that templates ask for, the latest last."""
    session: dict[str, Any] | None = None
    """The session at the handover, where templates ask for it and there is one."""
    visit: dict[str, Any] = {}
    """The visit as it was at the decision, where templates ask for it."""


class Fault(Struct, frozen=True, array_like=True, gc=False):
    """An input, or a timer, that the fold could not apply: the contact is as it was before."""

    contact: str
    what: str
    error: str


Decision = Outcome | Delivery | Fault
