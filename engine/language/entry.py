"""What authors write as entries: what a contact enters a journey on."""

from typing import Final, Literal

from msgspec import Struct

from engine.language.clause import Condition


class Entry(Struct, kw_only=True, forbid_unknown_fields=True):
    """One way into a journey, and the condition it must meet."""

    when: Condition | None = None


class EventEntry(Entry, kw_only=True):
    """An event: a sender's, or a derived one such as `session_end`."""

    event: str
    late_after: str = "6h"
    """An event that is older when it comes does not trigger (`off`: it does); it counts in the
    history all the same."""


class EntersEntry(Entry, kw_only=True):
    """The contact comes into a segment."""

    enters: str


class LeavesEntry(Entry, kw_only=True):
    """The contact drops out of a segment."""

    leaves: str


class ScheduleEntry(Entry, kw_only=True):
    """A schedule, for all contacts of a segment."""

    schedule: str
    """Cron: `0 9 * * mon`."""
    segment: str
    zone: str = "settings"
    """`settings` (that of the shop), `contact` (each contact's own), or a zone's name."""


class DateEntry(Entry, kw_only=True):
    """A date that an attribute holds, such as a birthday, or so long before or after it."""

    date: str
    """The attribute."""
    every: Literal["once", "year"] = "once"
    offset: str = "0d"
    """`-3d`: three days before. Whole days: they are those of the calendar."""
    time: str = "09:00"
    zone: str = "contact"


ENTRY_KINDS: Final[dict[str, type[Entry]]] = {
    "event": EventEntry,
    "enters": EntersEntry,
    "leaves": LeavesEntry,
    "schedule": ScheduleEntry,
    "date": DateEntry,
}
