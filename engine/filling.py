"""Filling: the values that a node fills in: those written there, and those found elsewhere."""

from typing import Any, Final

from engine.moment import Moment
from engine.value import MISSING, value_at

ROOTS: Final = ("trigger", "contact", "answers")
"""Where `{from: trigger.tier}` may look: in the payload that the visit was entered on, in the
contact's attributes, in what came for a node that waited: `answers.NODE.FIELD`."""


class Filling:
    """Values by name."""

    __slots__ = ("found", "written")

    def __init__(self) -> None:
        self.written: dict[str, Any] = {}
        self.found: dict[str, tuple[list[str], Any]] = {}
        """Name -> path from a root, and what to take where nothing is found; or MISSING."""

    def values(self, moment: Moment) -> dict[str, Any]:
        """Return what there is now; what is missing and has no default is left out."""
        values = self.written.copy()
        visit = moment.visit
        for name, (path, default) in self.found.items():
            root: Any = moment.trigger
            if path[0] == "contact":
                root = moment.contact.attributes
            elif path[0] == "answers":
                root = {} if visit is None else visit.answers
            value = value_at(root, path[1:])
            if value is MISSING:
                value = default
            if value is not MISSING:
                values[name] = value
        return values
