"""Values: what is found by a path, and what authors give nodes to work with.

An author gives a constant, or `{from: trigger.tier}`; see `engine.compile_value`.
"""

from typing import Any, Final

from engine.contact import Visit
from engine.moment import Moment
from engine.session import products_of

MISSING: Final = object()
"""No value at all; null is one of its own, and means the same to most comparisons."""

TRIGGER: Final = "trigger"
CONTACT: Final = "contact"
VISIT: Final = "visit"
SOURCES: Final = {
    TRIGGER: "a field of the event that was entered on",
    CONTACT: "an attribute of the contact, or `id`",
    VISIT: "`id`, `key`, `entered_at_ms`, `messages`, or `answers.NODE.FIELD`",
}
"""What a value may be taken from; the rest of its path says which."""

VISIT_FIELDS: Final = ("id", "key", "entered_at_ms", "messages")


def value_at(data: Any, path: list[str]) -> Any:
    """Return the value at a path of names, or MISSING."""
    try:
        for name in path:
            data = data[name]
    except (KeyError, TypeError):
        return MISSING
    return data


class ValueOf:
    """A value that an author gave, whatever it comes to at a moment."""

    __slots__ = ()

    def at(self, moment: Moment) -> Any:
        """Return the value; MISSING where there is none."""
        raise NotImplementedError


class Constant(ValueOf):
    """The value itself."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def at(self, moment: Moment) -> Any:
        """See ValueOf."""
        return self.value


class Taken(ValueOf):
    """The value found in one of SOURCES by its path, else a default. Null counts as none."""

    __slots__ = ("default", "path", "source")

    def __init__(self, source: str, path: list[str], default: Any = MISSING) -> None:
        self.source = source
        self.path = path
        self.default = default

    def at(self, moment: Moment) -> Any:
        """See ValueOf."""
        value = self._found(moment)
        return self.default if value is None or value is MISSING else value

    def _found(self, moment: Moment) -> Any:
        path = self.path
        if self.source == CONTACT:
            contact = moment.contact
            return contact.key if path == ["id"] else value_at(contact.attributes, path)
        visit = moment.visit
        if self.source == TRIGGER:
            if path == ["products"] and visit is not None and visit.views:
                return products_of(visit.views)
            return value_at(moment.trigger, path)
        return MISSING if visit is None else _of_visit(visit, path)


class Fields(ValueOf):
    """Several values by name; those that are missing are left out."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, ValueOf]) -> None:
        self.values = values

    def at(self, moment: Moment) -> Any:
        """See ValueOf."""
        return values_at(self.values, moment)


class Items(ValueOf):
    """Several values in order; those that are missing are left out."""

    __slots__ = ("values",)

    def __init__(self, values: list[ValueOf]) -> None:
        self.values = values

    def at(self, moment: Moment) -> Any:
        """See ValueOf."""
        found = [value.at(moment) for value in self.values]
        return [value for value in found if value is not MISSING]


def values_at(values: dict[str, ValueOf], moment: Moment) -> dict[str, Any]:
    """Return what the values come to at a moment; those that are missing are left out."""
    found = {name: value.at(moment) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not MISSING}


def _of_visit(visit: Visit, path: list[str]) -> Any:
    if path[0] == "answers":
        return value_at(visit.answers, path[1:])
    return getattr(visit, path[0]) if path[0] in VISIT_FIELDS else MISSING
