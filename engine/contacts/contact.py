"""Contact: a person we may reach, and all that is kept of them."""

from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from engine.contacts.happening import Happening, pack_unread
from engine.limits import FAR_MS

Kind = TypeVar("Kind", bound=type[Struct])


def _stored_quickly(kind: Kind) -> Kind:
    """Let CPython store a field as it does in a class with slots: 0.1 µs less, twice an event.

    msgspec's own way to do so only tells the cyclic collector, which knows none of these.
    """
    kind.__setattr__ = object.__setattr__  # type: ignore[method-assign]
    kind.__delattr__ = object.__delattr__  # type: ignore[method-assign]
    return kind


@_stored_quickly
class Session(Struct, array_like=True, gc=False):
    """A contact's activity without a long pause."""

    started_at_ms: int
    gap_ms: int
    """The pause that ends it, as the settings said when it began."""
    due_at_ms: int
    """When it ends, if nothing comes before."""
    counts: dict[str, int]
    views: list[bytes]
    """Payloads of the last product views, packed, the latest last."""


@_stored_quickly
class Visit(Struct, array_like=True, gc=False):
    """One stay of a contact in a journey; between two inputs it waits at `node`."""

    id: str
    journey: str
    node: str
    entered_at_ms: int
    waits_since_ms: int
    due_at_ms: int
    trigger: dict[str, Any]
    views: list[bytes]
    """Of the session whose end it was entered on; unpacked when a message is handed over."""
    messages: int = 0
    """Outcomes it has had so far: a visit that ends with none says why."""
    key: str = ""
    """Value of the re-entry's key, where the journey has one."""
    held_since_ms: int = 0
    """Since when a message waits for a cap or for quiet hours to pass; 0 for none."""
    notes_exit: bool = False
    """Whether its end is to be remembered, as the journey's re-entry counts from there."""
    held_out: bool = False
    """Whether it walks without messages, to compare with."""
    passes: dict[str, int] = {}
    """How often it came to each node that it can come to again."""
    answers: dict[str, dict[str, Any]] = {}
    """What was waited for: node -> payload of the event that came, or a webhook's answer."""
    version: int = 0
    """Of the journey, which it is in; 0: of a publication without versions."""
    was_due_ms: int = 0
    """When it was due, where a pause or a publish has put that off; 0: nothing has. Where
    `due_at_ms` is FAR_MS, the journey is paused."""
    enters: bool = False
    """Whether it stands before its node: it enters it when it is due."""
    carried: bool = False
    """Whether a publish has brought it into another version: see `Send`."""
    dry: bool = False
    """Whether it entered in test mode, and nothing comes of it: see `engine.nodes.dry_run`."""


class Queued(Struct, array_like=True, gc=False):
    """An entry into a paused journey: what it was to be entered on."""

    journey: str
    event_id: str
    name: str
    at_ms: int | None
    trigger: dict[str, Any]
    views: list[bytes]
    late_after_ms: int
    """As its way in said when it came."""
    since_ms: int


class Consent(Struct, array_like=True, gc=False):
    """Permission on one channel, maybe for one purpose, with its proof: when, by which event."""

    level: str
    at_ms: int
    event_id: str


class Sent(Struct, array_like=True, gc=False):
    """A message that counts for caps."""

    at_ms: int
    journey: str
    node: str
    channel: str
    purpose: str
    key: str
    delivered_at_ms: int = 0
    opened_at_ms: int = 0
    clicked_at_ms: int = 0
    bounced_at_ms: int = 0
    """When each was first said; 0 for not yet."""
    dry: bool = False
    """Whether it was decided in test mode only: it counts for such messages alone."""


class Awaiting(Struct, array_like=True, gc=False):
    """A visit that may still come to its goal, whether it has ended or not."""

    journey: str
    visit: str
    until_ms: int
    held_out: bool
    dry: bool = False


class Entered(Struct, array_like=True, gc=False):
    """The last entry into a group of journeys."""

    at_ms: int
    priority: int
    session_at_ms: int = 0
    """When the session began that it fell into; 0 where there was none."""


class Pending(Struct, array_like=True, gc=False):
    """A message decided and not yet settled: the contact's part of the outbox."""

    key: str
    journey: str
    node: str
    channel: str
    template: str
    purpose: str
    consent: str
    """The level it needs, empty where none."""
    at_ms: int
    trigger: dict[str, Any]
    views: list[bytes]
    handed_at_ms: int = 0
    """When it was last handed to a courier; 0 means never."""
    stopped_at_ms: int = FAR_MS
    """When an exit or a withdrawn consent ended it; counts only for a handover after that."""
    stopped_as: str = ""
    stopped_why: str = ""
    request: dict[str, Any] | None = None
    """What a webhook, or an ads audience, is asked; a message to the contact has none."""
    visit: dict[str, Any] = {}
    """What templates may see of the visit, as it was at the decision; empty where none asks."""


@_stored_quickly
class Contact(Struct, array_like=True, gc=False):
    """What is kept of one contact. New fields come last, with a default: old bytes must decode."""

    key: str
    next_due_at_ms: int = FAR_MS
    """No timer is due before this. Not exact: each event puts the session's end off, and leaves
    this as it is (0.2 µs); `plan_next_due` sets it exactly, when the moment has come."""
    armed_at_ms: int = FAR_MS
    """Due time of the contact's one valid entry in its partition's calendar; FAR_MS means none."""
    event_ids: dict[str, int] = {}
    """The last event ids and when each was applied, the oldest first; see `older_event_ids`."""
    history: dict[str, list[Happening]] = {}
    """Recent events by name, each list in order of `at_ms`; its last ones may be unread."""
    history_since_ms: int = FAR_MS
    """No event in the history happened before."""
    session: Session | None = None
    visits: list[Visit] = []
    entered: dict[str, int] = {}
    """When each journey was last entered."""
    messages: list[Sent] = []
    """What caps count, the oldest first."""
    pending: list[Pending] = []
    attributes: dict[str, Any] = {}
    consents: dict[str, Consent] = {}
    """By channel, which is for marketing, and by `channel.purpose` for other purposes."""
    cart: list[dict[str, Any]] = []
    older_event_ids: dict[str, int] = {}
    """What `event_ids` was before it was full: both together know a repeat."""
    exited: dict[str, int] = {}
    """When each journey whose re-entry counts from there was last left."""
    lists: dict[str, int] = {}
    """Static lists and audiences it is on, and since when."""
    segments: dict[str, int] = {}
    """Watched segments it is in, and since when."""
    groups: dict[str, Entered] = {}
    participations: dict[str, int] = {}
    """`journey.node` -> when it last went on there."""
    goals: list[Awaiting] = []
    occasions: dict[str, int] = {}
    """When each occasion of a journey is due; under WATCH, when to look at conditions again."""
    planned_for: int = 0
    """The version of the publication that `occasions`, `segments` and visits are of."""
    queued: list[Queued] = []
    """Entries that wait for paused journeys, in the order in which they came."""


decode_contact: Final = msgspec.msgpack.Decoder(Contact).decode
_encode: Final = msgspec.msgpack.Encoder().encode


def encode_contact(contact: Contact) -> bytes:
    """Return what is kept of a contact, the same bytes whatever of it was read meanwhile."""
    for past in contact.history.values():
        pack_unread(past)
    # Copied, as msgspec returns a buffer of up to half as much again as it says.
    return bytes(memoryview(_encode(contact)))


def plan_next_due(contact: Contact) -> None:
    """Set exactly when the contact's next timer is due: session's end, waiting visit or plan."""
    session = contact.session
    due_at_ms = FAR_MS if session is None else session.due_at_ms
    for visit in contact.visits:
        due_at_ms = min(due_at_ms, visit.due_at_ms)
    if contact.occasions:  # Few have any.
        due_at_ms = min(due_at_ms, *contact.occasions.values())
    contact.next_due_at_ms = due_at_ms
