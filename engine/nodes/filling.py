"""Filling: the values that a node fills in: those written there, and those found elsewhere."""

from typing import Any, Final

from engine.moment import Moment
from engine.value import MISSING, value_at

ROOTS: Final = ("trigger", "contact", "answers", "visit")
"""Where `{from: trigger.tier}` may look: in the payload that the visit was entered on, in the
contact's attributes (and its `id`), in what came for a node that waited: `answers.NODE.FIELD`, and
in what VISIT_FIELDS name of the visit."""

VISIT_FIELDS: Final = ("id", "key", "entered_at_ms", "messages")


class Filling:
    """Values by name."""

    __slots__ = ("found", "inner", "written")

    def __init__(self) -> None:
        self.written: dict[str, Any] = {}
        self.found: dict[str, tuple[list[str], Any]] = {}
        """Name -> path from a root, and what to take where nothing is found; or MISSING."""
        self.inner: dict[str, Filling] = {}
        """Fields of which some are found elsewhere."""

    def values(self, moment: Moment) -> dict[str, Any]:
        """Return what there is now; what is missing and has no default is left out."""
        values = self.written.copy()
        for name, (path, default) in self.found.items():
            value = _found(moment, path)
            if value is MISSING:
                value = default
            if value is not MISSING:
                values[name] = value
        for name, filling in self.inner.items():
            values[name] = filling.values(moment)
        return values


def _found(moment: Moment, path: list[str]) -> Any:
    visit = moment.visit
    match path:
        case ["contact", "id"]:
            return moment.contact.key
        case ["contact", *names]:
            return value_at(moment.contact.attributes, names)
        case ["trigger", *names]:
            return value_at(moment.trigger, names)
        case _ if visit is None:
            return MISSING
        case ["visit", name]:
            return getattr(visit, name) if name in VISIT_FIELDS else MISSING
        case _:
            return value_at(visit.answers, path[1:])
