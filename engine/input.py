"""All that can influence a decision: the inputs of the engine."""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

IDENTIFY: Final = "identify"
CONSENT: Final = "consent"
SESSION_START: Final = "session_start"
SESSION_END: Final = "session_end"
SEGMENT_ENTER: Final = "segment_enter/"
SEGMENT_LEAVE: Final = "segment_leave/"
"""With the segment's id: derived events, as those of sessions; no sender may send them."""
START: Final = "start/"
"""With a journey's id: a node of another journey lets the contact enter it."""
PRODUCT_VIEW: Final = "product_view"
CART_UPDATE: Final = "cart_update"

STANDARD_NAMES: Final = (
    PRODUCT_VIEW,
    "category_view",
    CART_UPDATE,
    "checkout_start",
    "purchase",
    "page_view",
)

DESCRIBED: Final = "described/"
"""A node set attributes: waits that look at them hear it, nobody else."""
DERIVED_NAMES: Final = (SESSION_START, SESSION_END)
DERIVED_PREFIXES: Final = (SEGMENT_ENTER, SEGMENT_LEAVE, START, DESCRIBED)

ANONYMOUS_PREFIX: Final = "anonymous/"
"""Opens the keys of contacts known by an anonymous id only: a key space of its own."""


class Event(Struct, frozen=True, gc=False):
    """Something that happened, as a sender reports it. Counts once per contact and id."""

    id: str
    contact: str
    """The contact's key: the sender's contact id, or `anonymous/` and the anonymous id."""
    name: str
    at_ms: int | None
    """When it happened at the sender; None where it did not say: the moment of application."""
    payload: dict[str, Any] | Raw
    """Raw is JSON that nobody has looked into yet: most payloads are kept, and never asked."""


def is_derived(name: str) -> bool:
    """Say whether events of this name come from the engine alone: no sender may send them."""
    return name in DERIVED_NAMES or name.startswith(DERIVED_PREFIXES)


decode_payload: Final = msgspec.json.Decoder(dict[str, Any]).decode


def looked_into(event: Event) -> Event:
    """Return the event with its payload decoded. Raises msgspec.DecodeError if it is no object."""
    if isinstance(event.payload, dict):
        return event
    payload = decode_payload(event.payload)
    return Event(event.id, event.contact, event.name, event.at_ms, payload)


def payload_of(event: Event) -> dict[str, Any]:
    """Return an event's payload, decoded. Raises msgspec.DecodeError where it is no object."""
    payload = event.payload
    return payload if isinstance(payload, dict) else decode_payload(payload)


class Advance(Struct, frozen=True, gc=False):
    """Time has come to `until_ms`: a partition's timers due by then apply, the earliest first.

    At most TIMERS_PER_ADVANCE_MAX contacts have theirs applied; more need another Advance.
    """

    until_ms: int
    through: int | None = None
    """How far one that is repeated went, see Partition.advanced_to: that far it goes again, and no
    number of contacts ends it. So it does the same where a contact is not there any more."""


class Publish(Struct, frozen=True, gc=False):
    """From now on these journeys, settings and templates are in force.

    `source` is the canonical JSON of a `language.journey.Publication`; equal bytes, equal programs.
    """

    source: bytes


class Handover(Struct, frozen=True, gc=False):
    """A courier is about to get the message `key`: last check, and packing of what it needs.

    What ended the message before `as_of_ms` stops it. On the wall clock that is now; where time
    is simulated it is the moment the message was decided, as no time passes in between there.
    """

    contact: str
    key: str
    as_of_ms: int


class Receipt(Struct, frozen=True, array_like=True, gc=False):
    """What a channel says became of the message `key`. Settles it; a repeat changes nothing."""

    contact: str
    key: str
    delivered: bool
    reason: str = ""
    kind: str = ""
    """What happened to a message after it was handed over, one of FEEDBACK; empty: it is settled,
    and `delivered` says how."""
    answer: dict[str, Any] | None = None
    """What a webhook answered: `status`, and `body` where it was JSON."""


FEEDBACK: Final = ("opened", "clicked", "bounced")


class Erase(Struct, frozen=True, gc=False):
    """A contact is to be forgotten: its state goes, and its events are kept out for a while.

    It names the contact by `erasure.digest_of` its key: the log must not hold the key.
    """

    digest: str
    keep_out_ms: int
    """How long from its application; 0 keeps nothing out."""


ContactInput = Event | Handover | Receipt
Input = Event | Advance | Publish | Handover | Receipt | Erase


class Verdict:
    """What became of an input, one byte each in a frame. Plain ints: an Enum costs 240 ns here."""

    APPLIED: Final = 0
    REPEAT: Final = 1
    FAILED: Final = 2
    ERASED: Final = 3
    """Of a contact that was erased: nothing was changed, and it must not get into the log."""
    MOVED: Final = 4
    """Its partition is not here, or about to leave: nothing was changed; another shard takes it."""
