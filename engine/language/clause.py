"""What authors write as conditions. The same in entries, decisions, splits, segments and exits.

A condition says what it is by the key it has: `field:` makes a FieldCondition.
"""

from typing import Final, Literal

from msgspec import Struct

Scalar = str | float | int | bool
Number = float | int


class Condition(Struct, kw_only=True, forbid_unknown_fields=True):
    """Something that holds or not, for a contact at a moment."""


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
    at_least: Number | str | None = None
    more_than: Number | str | None = None
    at_most: Number | str | None = None
    less_than: Number | str | None = None
    between: list[Number | str] | None = None
    """From the first to the second, both included."""
    one_of: list[Scalar] | None = None
    none_of: list[Scalar] | None = None
    contains: Scalar | None = None
    contains_any: list[Scalar] | None = None
    contains_all: list[Scalar] | None = None
    starts_with: str | None = None
    ends_with: str | None = None
    exists: bool | None = None
    before: str | None = None
    """A date or moment: `2026-12-24`, `2026-12-24T09:00`, or `now`."""
    after: str | None = None
    within_last: str | None = None
    """A span: the date lies in it, counted back from now."""
    within_next: str | None = None
    case: Literal["exact", "ignore"] = "exact"
    """Whether upper and lower case of texts differ."""


class FieldCondition(Comparison, kw_only=True):
    """A field of the event's payload, by its path: `price`, `counts.product_view`."""

    field: str


class AttributeCondition(Comparison, kw_only=True):
    """An attribute of the contact, by its path."""

    attribute: str


class SessionCondition(Comparison, kw_only=True):
    """What is known of the session now: `counts.NAME`, `active`, `duration_ms`, `cart_filled`."""

    session: str


class CartCondition(Comparison, kw_only=True):
    """The cart now: `quantity`, `total`, `items`, `product_ids`."""

    cart: str


class VisitCondition(Comparison, kw_only=True):
    """The visit: `key`, `messages`, `age_ms`, `trigger.FIELD`, `answers.NODE.FIELD`."""

    visit: str


class ConsentCondition(Condition, kw_only=True, rename={"is_": "is"}):
    """The contact's consent on this channel (for this purpose) is at least this strong."""

    consent: str
    is_: Literal["opt_in", "double_opt_in"]
    purpose: str = "marketing"


class PastCondition(Condition, kw_only=True):
    """Which of the contact's past events are meant, of the last 30 days where nothing is said."""

    where: Condition | None = None
    """Conditions on the fields of each event's payload."""
    same: list[str] = []
    """Fields that must be as in the event that the visit was entered on: `order_id`."""
    within: str | None = None
    """The last span, `session` (this one), or `visit` (since it was entered)."""
    since: str | None = None
    """Only after the last event of this name."""
    between: list[str] | None = None
    """From the first date to before the second, in the zone of the settings."""


class HappenedCondition(
    PastCondition, kw_only=True, rename={"sum_": "sum", "max_": "max", "min_": "min"}
):
    """Events of one or more names happened: so often, or a sum (max ...) of a field is such."""

    happened: str | list[str]
    sum_: str | None = None
    max_: str | None = None
    min_: str | None = None
    average: str | None = None
    distinct: str | None = None
    """Count of different values of the field."""
    at_least: Number | None = None
    at_most: Number | None = None
    exactly: Number | None = None


class NotHappenedCondition(PastCondition, kw_only=True):
    """No event of these names happened."""

    not_happened: str | list[str]


class MessageCondition(Condition, kw_only=True):
    """How we treated the contact before: messages of a journey, node or channel.

    `sent` is decided; one that failed, or was stopped before it went out, is not sent after all.
    """

    message: Literal["sent", "not_sent", "delivered", "opened", "clicked", "bounced"]
    journey: str | None = None
    node: str | None = None
    channel: str | None = None
    purpose: str | None = None
    within: str | None = None
    """The last span, or `visit` (since it was entered); else all that is still known. It counts
    from when a message was sent, delivered, opened ..., whichever is asked."""
    at_least: int | None = None
    at_most: int | None = None


class SegmentCondition(Condition, kw_only=True):
    """The contact is in this segment now."""

    segment: str


class TimeCondition(Condition, kw_only=True):
    """The local time of day, the weekday, or both."""

    time: list[str] | None
    """From the first to before the second: `["09:00", "18:00"]`; null for any."""
    weekdays: list[str] | None = None
    zone: str = "contact"
    """`contact`: the attribute `time_zone`, else that of the settings; or a zone's name."""


class ShareCondition(Condition, kw_only=True):
    """The contact is among this percentage of all; always the same ones for one salt."""

    share: Number
    salt: str = ""


CONDITION_KINDS: Final[dict[str, type[Condition]]] = {
    "all": AllCondition,
    "any": AnyCondition,
    "not": NotCondition,
    "field": FieldCondition,
    "attribute": AttributeCondition,
    "session": SessionCondition,
    "cart": CartCondition,
    "visit": VisitCondition,
    "consent": ConsentCondition,
    "happened": HappenedCondition,
    "message": MessageCondition,
    "not_happened": NotHappenedCondition,
    "segment": SegmentCondition,
    "time": TimeCondition,
    "share": ShareCondition,
}
