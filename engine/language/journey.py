"""What authors write: journeys, segments, and the settings over all of them.

`language.author` reads them and names every mistake with its path. Their parts: `entry`, `node`,
`clause`.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from engine.language.clause import Condition, Number
from engine.language.entry import Entry
from engine.language.node import Node

Level = Literal["opt_out", "opt_in", "double_opt_in"]


class Cap(Struct, kw_only=True, forbid_unknown_fields=True):
    """Not more than `messages` per contact, of those that are counted."""

    messages: int
    per: str
    """A span before each message, or a calendar `day`, `week` or `month` in the contact's zone."""
    purpose: str | None = None
    """Count and hold back only messages of this purpose; without it, all."""
    channel: str | None = None
    group: str | None = None
    """Only those of journeys of this group."""


class ExitRule(Struct, kw_only=True, forbid_unknown_fields=True):
    """What ends a visit at once: an event whose condition holds, or a condition by itself."""

    event: str | None = None
    when: Condition | None = None


class Reentry(Struct, kw_only=True, forbid_unknown_fields=True):
    """When a contact may enter again."""

    again: str = "always"
    """`always`, `once`, or a span."""
    since: Literal["entry", "exit"] = "entry"
    key: str | None = None
    """A field of the event, such as `order_id`: each of its values has a visit of its own."""
    at_most: int = 10
    """Visits of different keys at a time; a further one is not entered."""


class Goal(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a journey is for: the event that counts as a conversion, for so long after entry."""

    event: str
    when: Condition | None = None
    within: str = "7d"


class TestMode(Struct, kw_only=True, forbid_unknown_fields=True):
    """Only these contacts, and those that the settings name, get messages; for others it is dry."""

    contacts: list[str] = []


class Journey(Struct, kw_only=True, forbid_unknown_fields=True):
    """One journey: entries, rules, nodes."""

    journey: str
    """Its id."""
    title: str = ""
    entry: Entry | list[Entry]
    nodes: list[Node]
    exit_on: list[str | ExitRule] = []
    reentry: str | Reentry = "always"
    """`always`, `once`, a span since the last entry, or all of a Reentry."""
    caps: list[Cap] = []
    priority: int = 0
    """Where two journeys would do something at the same moment, the higher goes first."""
    group: str | None = None
    """See `groups` of the settings."""
    goal: Goal | None = None
    hold_out: Number = 0
    """Percentage of contacts who walk through it without any message, to compare with."""
    test: TestMode | None = None
    """Where it is there, the journey is in test mode: all is decided and recorded, but only test
    contacts get messages."""


class Segment(Struct, kw_only=True, forbid_unknown_fields=True):
    """A named condition over a contact, or a static list."""

    segment: str
    """Its id."""
    title: str = ""
    when: Condition | None = None
    list: bool = False
    """Whether it is a list: imports, events and nodes say who is on it."""


class Group(Struct, kw_only=True, forbid_unknown_fields=True):
    """Of these journeys a contact enters one in each period; then only one of higher priority."""

    per: Literal["session", "day"]


class QuietHours(Struct, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """When a channel keeps silent, in the contact's zone."""

    from_: str
    to: str
    then: Literal["delay", "drop"] = "delay"


class PurposeRule(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a purpose of an author's own needs."""

    consent: Literal["none", "opt_in", "double_opt_in"] = "opt_in"


class Settings(Struct, kw_only=True, forbid_unknown_fields=True):
    """The rules over all journeys (the part of `anlass.yaml` that decisions rest on)."""

    session_gap: str = "30m"
    """A session ends this long after its last event; an event exactly then opens a new one."""
    no_session: list[str] = []
    """Event names that are no activity of the contact's own, such as a back end's."""
    caps: list[Cap] = []
    consent: dict[str, Literal["opt_in", "double_opt_in"]] = {}
    """The weakest consent that suffices for marketing, by channel; `opt_in` where not named."""
    purposes: dict[str, PurposeRule] = {}
    """Beside `marketing` and `transactional`."""
    addresses: dict[str, str] = {}
    """Channel -> the attribute that must hold a valid address for it: `{email: email}`."""
    quiet_hours: dict[str, QuietHours] = {}
    """By channel."""
    groups: dict[str, Group] = {}
    hold_out: Number = 0
    """Percentage of contacts who get no message for marketing at all, to compare with."""
    test_contacts: list[str] = []
    """Contacts for whom journeys in test mode are in earnest."""
    time_zone: str = "UTC"
    """Of contacts whose attribute `time_zone` names none."""
    language: str = "en"
    """Of templates, for contacts whose attribute `language` names none."""


class Passage(Struct, kw_only=True, forbid_unknown_fields=True):
    """What becomes of the visits in flight of the versions before, when a version goes live."""

    number: int
    """Of the version that it leads to."""
    in_flight: Literal["follow", "stay", "migrate", "end"] = "follow"
    """`follow` and `migrate`: they go on in the new version, at the node of the same id or the one
    that `map` names, their timers planned anew; one without a node there ends. `stay`: they go on
    in the version they are in. `end`: they end."""
    map: dict[str, str] = {}
    """Node of the version before -> node of this one; empty: the visit ends."""


class Version(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which version of a journey is in force, and what older ones have to do with it yet."""

    number: int
    """Grows with each version of the journey that was ever in force; from 1."""
    state: Literal["live", "paused", "ended"] = "live"
    passages: list[Passage] = []
    """In order of their numbers, those that some visit may not have come through yet."""
    kept: dict[str, Any] = {}
    """By number, journeys as written that visits have stayed in; `0`: what had no number yet."""


class Publication(Struct, kw_only=True):
    """The source of a Publish: what an author's folder says, as plain data, by file."""

    journeys: dict[str, Any]
    """File name -> the journey as written."""
    settings_file: str = "anlass.yaml"
    settings: dict[str, Any] = {}
    templates: dict[str, str] = {}
    """`name.language` -> Liquid text."""
    segments: dict[str, Any] = {}
    """File name -> the segment as written."""
    versions: dict[str, Version] | UnsetType = UNSET
    """Journey -> its version. Those of no journey: visits do what its program now says, when they
    are due. Unset, a source has the very bytes that it had before there were versions."""
