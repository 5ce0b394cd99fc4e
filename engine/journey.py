"""What authors write: journeys, their nodes and conditions, and the settings over all of them.

A node or condition says what it is by the key it has: `wait:` makes a WaitNode, `field:` a
FieldCondition. `engine.author` reads them so and names every mistake with its path.
"""

from typing import Any, Final, Literal

from msgspec import Struct

Level = Literal["opt_out", "opt_in", "double_opt_in"]
Purpose = Literal["marketing", "transactional"]
Scalar = str | float | int | bool


class Condition(Struct, kw_only=True, forbid_unknown_fields=True):
    """Something that holds or not, for a contact and the event that the visit was entered on."""


class AllCondition(Condition, kw_only=True):
    """Holds where each of its conditions holds."""

    all: list[Condition]


class AnyCondition(Condition, kw_only=True):
    """Holds where at least one of its conditions holds."""

    any: list[Condition]


class NotCondition(Condition, kw_only=True, rename={"not_": "not"}):
    """Holds where its condition does not."""

    not_: Condition


class Comparison(Condition, kw_only=True):
    """How a value is compared: exactly one of these is given."""

    equals: Scalar | None = None
    not_equals: Scalar | None = None
    at_least: float | int | str | None = None
    more_than: float | int | str | None = None
    at_most: float | int | str | None = None
    less_than: float | int | str | None = None
    one_of: list[Scalar] | None = None
    contains: Scalar | None = None
    exists: bool | None = None


class FieldCondition(Comparison, kw_only=True):
    """A field of the trigger's payload, by its path: `price`, `counts.product_view`."""

    field: str


class AttributeCondition(Comparison, kw_only=True):
    """An attribute of the contact, by its path."""

    attribute: str


class ConsentCondition(Condition, kw_only=True, rename={"is_": "is"}):
    """The contact's consent on this channel is at least this strong."""

    consent: str
    is_: Literal["opt_in", "double_opt_in"]


class HappenedCondition(Condition, kw_only=True):
    """The contact's own past: events of this name within the span, at least (at most) so many."""

    happened: str
    within: str = "30d"
    at_least: int | None = None
    at_most: int | None = None


CONDITION_KINDS: Final[dict[str, type[Condition]]] = {
    "all": AllCondition,
    "any": AnyCondition,
    "not": NotCondition,
    "field": FieldCondition,
    "attribute": AttributeCondition,
    "consent": ConsentCondition,
    "happened": HappenedCondition,
}


class Node(Struct, kw_only=True, forbid_unknown_fields=True):
    """One element of a journey. It goes on to `then`, or to the node written after it."""

    id: str
    then: str | None = None


class DecideNode(Node, kw_only=True, rename={"if_": "if", "else_": "else"}):
    """Go on if the condition holds, else to the node `else`, or out of the journey."""

    if_: Condition
    else_: str | None = None


class WaitNode(Node, kw_only=True):
    """Stay for a span of time."""

    wait: str


class SendNode(Node, kw_only=True):
    """Send a message on a channel, if consent and caps allow, and go on."""

    send: str
    template: str
    purpose: Purpose = "marketing"


class ExitNode(Node, kw_only=True):
    """Leave the journey; the text says why."""

    exit: str


NODE_KINDS: Final[dict[str, type[Node]]] = {
    "if": DecideNode,
    "wait": WaitNode,
    "send": SendNode,
    "exit": ExitNode,
}


class Cap(Struct, kw_only=True, forbid_unknown_fields=True):
    """Not more than `messages` per contact within the span before a message."""

    messages: int
    per: str
    purpose: Purpose | None = None
    """Count and hold back only messages of this purpose; without it, all."""


class Entry(Struct, kw_only=True, forbid_unknown_fields=True):
    """The event a contact enters on, and the condition it must meet."""

    event: str
    when: Condition | None = None


class ExitRule(Struct, kw_only=True, forbid_unknown_fields=True):
    """An event that ends a visit at once, where the condition on its payload holds."""

    event: str
    when: Condition | None = None


class Journey(Struct, kw_only=True, forbid_unknown_fields=True):
    """One journey: entry, rules, nodes."""

    journey: str
    """Its id."""
    title: str = ""
    entry: Entry
    nodes: list[Node]
    exit_on: list[str | ExitRule] = []
    reentry: str = "always"
    """`always`, `once`, or the span since the last entry after which a contact may enter again."""
    caps: list[Cap] = []
    priority: int = 0
    """Where two journeys are entered at the same moment, the higher goes first."""


class Settings(Struct, kw_only=True, forbid_unknown_fields=True):
    """The rules over all journeys (the part of `anlass.yaml` that decisions rest on)."""

    session_gap: str = "30m"
    """A session ends this long after its last event; an event exactly then opens a new one."""
    no_session: list[str] = []
    """Event names that are no activity of the contact's own, such as a back end's."""
    caps: list[Cap] = []
    consent: dict[str, Literal["opt_in", "double_opt_in"]] = {}
    """The weakest consent that suffices for marketing, by channel; `opt_in` where not named."""
    time_zone: str = "UTC"
    language: str = "en"
    """Of templates, for contacts whose attribute `language` names none."""


class Publication(Struct, kw_only=True):
    """The source of a Publish: what an author's folder says, as plain data, by file."""

    journeys: dict[str, Any]
    """File name -> the journey as written."""
    settings_file: str = "anlass.yaml"
    settings: dict[str, Any] = {}
    templates: dict[str, str] = {}
    """`name.language` -> Liquid text."""
