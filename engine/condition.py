"""Conditions, compiled: small objects that say whether something holds for a contact.

Plain classes with a virtual `holds`: 0.53 µs for a tree of four interpreted, and they compile.
"""

from typing import Any, Final

from engine.consent import consent_suffices
from engine.contact import Contact

MISSING: Final = object()


class Test:
    """A compiled condition."""

    __slots__ = ()

    def holds(self, contact: Contact, trigger: dict[str, Any], now_ms: int) -> bool:
        """Say whether it holds at `now_ms` for the contact, `trigger` being the event's payload."""
        raise NotImplementedError


class All(Test):
    """Each of the tests holds."""

    __slots__ = ("tests",)

    def __init__(self, tests: list[Test]) -> None:
        self.tests = tests

    def holds(self, contact: Contact, trigger: dict[str, Any], now_ms: int) -> bool:
        """See Test."""
        for test in self.tests:  # noqa: SIM110 - all() over a generator costs 0.5 µs
            if not test.holds(contact, trigger, now_ms):
                return False
        return True


class Any_(Test):  # noqa: N801 - `Any` is typing's
    """At least one of the tests holds."""

    __slots__ = ("tests",)

    def __init__(self, tests: list[Test]) -> None:
        self.tests = tests

    def holds(self, contact: Contact, trigger: dict[str, Any], now_ms: int) -> bool:
        """See Test."""
        for test in self.tests:  # noqa: SIM110 - as in All
            if test.holds(contact, trigger, now_ms):
                return True
        return False


class Not(Test):
    """The test does not hold."""

    __slots__ = ("test",)

    def __init__(self, test: Test) -> None:
        self.test = test

    def holds(self, contact: Contact, trigger: dict[str, Any], now_ms: int) -> bool:
        """See Test."""
        return not self.test.holds(contact, trigger, now_ms)


class Compare(Test):
    """A value, found by its path in the trigger's payload or the attributes, compared.

    A missing value, or one of a type that cannot be compared so, fails every comparison but
    `exists: false` and `not_equals`. A missing count (`counts.` of a session) is 0.
    """

    __slots__ = ("default", "of_contact", "operand", "operator", "path")

    def __init__(self, path: list[str], of_contact: bool, operator: str, operand: Any) -> None:  # noqa: FBT001
        self.path = path
        self.of_contact = of_contact
        self.operator = operator
        self.operand = operand
        self.default = 0 if path[0] == "counts" and not of_contact else MISSING

    def holds(self, contact: Contact, trigger: dict[str, Any], now_ms: int) -> bool:
        """See Test."""
        value: Any = contact.attributes if self.of_contact else trigger
        for name in self.path:
            if not isinstance(value, dict) or name not in value:
                value = self.default
                break
            value = value[name]
        return compare(self.operator, value, self.operand)


def compare(operator: str, value: Any, operand: Any) -> bool:
    """Compare a value with an author's operand. Never raises: unlike types do not compare."""
    if operator == "exists":
        present = value is not MISSING and value is not None
        return present is operand
    if operator == "not_equals":
        return not _same(value, operand)
    if value is MISSING:
        return False
    if operator == "equals":
        return _same(value, operand)
    if operator == "one_of":
        return any(_same(value, each) for each in operand)
    if operator == "contains":
        return _contains(value, operand)
    return _in_order(operator, value, operand)


def _same(value: Any, operand: Any) -> bool:
    if isinstance(value, bool) or isinstance(operand, bool):
        return value is operand
    return bool(value == operand)


def _contains(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        return isinstance(operand, str) and operand in value
    return isinstance(value, list) and any(_same(each, operand) for each in value)


def _in_order(operator: str, value: Any, operand: Any) -> bool:
    if isinstance(value, bool) or isinstance(value, str) != isinstance(operand, str):
        return False
    if not isinstance(value, int | float | str):
        return False
    if operator == "at_least":
        return bool(value >= operand)
    if operator == "more_than":
        return bool(value > operand)
    if operator == "at_most":
        return bool(value <= operand)
    assert operator == "less_than", operator
    return bool(value < operand)


class Consented(Test):
    """The contact's consent on a channel is at least this strong."""

    __slots__ = ("channel", "level")

    def __init__(self, channel: str, level: str) -> None:
        self.channel = channel
        self.level = level

    def holds(self, contact: Contact, trigger: dict[str, Any], now_ms: int) -> bool:
        """See Test."""
        return consent_suffices(contact, self.channel, self.level)


class Happened(Test):
    """So many events of a name in the span (now - span, now]."""

    __slots__ = ("at_least", "at_most", "name", "span_ms")

    def __init__(self, name: str, span_ms: int, at_least: int, at_most: int) -> None:
        self.name = name
        self.span_ms = span_ms
        self.at_least = at_least
        self.at_most = at_most

    def holds(self, contact: Contact, trigger: dict[str, Any], now_ms: int) -> bool:
        """See Test."""
        past = contact.history.get(self.name, ())
        after_ms = now_ms - self.span_ms
        # Ordered by time: the n-th newest tells whether there are n.
        enough = len(past) >= self.at_least and (
            self.at_least == 0 or past[-self.at_least][0] > after_ms
        )
        too_many = len(past) > self.at_most and past[-self.at_most - 1][0] > after_ms
        return enough and not too_many
