"""Compare: what each operator says of a value, whatever JSON it is. Nothing here raises."""

import operator
from collections.abc import Callable
from typing import Any, Final

import msgspec

from engine.value import MISSING

encode_json: Final = msgspec.json.Encoder().encode

Compares = Callable[[Any, Any], bool]
"""Of the value and the operand."""


def exists(value: Any, operand: Any) -> bool:
    """Compare whether there is a value; null is none."""
    return (value is not MISSING and value is not None) is operand


def not_equals(value: Any, operand: Any) -> bool:
    """Compare for another value, or none; true is not 1."""
    return not _same(value, operand)


def between(value: Any, operand: Any) -> bool:
    """Compare for a value from the first to the second, both included."""
    return bool(operand[0] <= value <= operand[1])


def one_of(value: Any, operand: Any) -> bool:
    """Compare for the same value as one of a list."""
    return any(_same(value, each) for each in operand)


def none_of(value: Any, operand: Any) -> bool:
    """Compare for a value, or none, that is not in a list."""
    return not any(_same(value, each) for each in operand)


def contains(value: Any, operand: Any) -> bool:
    """Compare for a part of a text, or an element of a list."""
    if isinstance(value, str):
        return isinstance(operand, str) and operand in value
    return isinstance(value, list) and any(_same(each, operand) for each in value)


def contains_any(value: Any, operand: Any) -> bool:
    """Compare for at least one of these parts or elements."""
    return any(contains(value, each) for each in operand)


def contains_all(value: Any, operand: Any) -> bool:
    """Compare for each of these parts or elements; what is neither text nor list has none."""
    return isinstance(value, str | list) and all(contains(value, each) for each in operand)


def _same(value: Any, operand: Any) -> bool:
    if value.__class__ is bool or operand.__class__ is bool:
        return value is operand
    return bool(value == operand)


NUMBERS: Final = (int, float)
ALIKE: Final = ("equals", "at_least", "more_than", "at_most", "less_than", "between")
"""Comparisons of two numbers, or of two values of one type: texts go by their characters."""

OF_TEXTS: Final = ("starts_with", "ends_with")

COMPARISONS: Final[dict[str, Compares]] = {
    "equals": operator.eq,
    "not_equals": not_equals,
    "at_least": operator.ge,
    "more_than": operator.gt,
    "at_most": operator.le,
    "less_than": operator.lt,
    "between": between,
    "one_of": one_of,
    "none_of": none_of,
    "contains": contains,
    "contains_any": contains_any,
    "contains_all": contains_all,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "exists": exists,
}


def kinds_of(comparison: str, operand: Any) -> tuple[type, ...]:
    """Return the types that compare so; none where the comparison itself looks at the type."""
    if comparison in OF_TEXTS:
        return (str,)
    if comparison not in ALIKE:
        return ()
    kind = type(operand[0] if comparison == "between" else operand)
    return NUMBERS if kind in NUMBERS else (kind,)


def comparison_text(comparison: str, operand: Any, *, ignores_case: bool = False) -> str:
    """Put in words what a value is to be: `at least 7`, `equals "gold"`."""
    if comparison == "exists":
        return "there" if operand else "not there"
    text = f"{comparison.replace('_', ' ')} {encode_json(operand).decode()}"
    return f"{text}, in whatever case" if ignores_case else text


def folded(value: Any) -> Any:
    """Return a text without its case, a list with its texts so, and any other value as it is."""
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, list):
        return [each.casefold() if isinstance(each, str) else each for each in value]
    return value


def ignoring_case(compares: Compares) -> Compares:
    """Return the comparison that takes texts that differ in case only as the same.

    Its operand is to be `folded` once before.
    """
    return lambda value, operand: compares(folded(value), operand)
