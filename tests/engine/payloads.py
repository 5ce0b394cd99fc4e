"""Payloads: what a sender may put into one, as the gateway lets it through."""

from typing import Any

from hypothesis import strategies

scalars = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**63), 2**64 - 1)
    | strategies.sampled_from([-1, 0, 1, 2, 2**63, 2**64 - 1])
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | strategies.text(max_size=12)
)

values: strategies.SearchStrategy[Any] = strategies.recursive(
    scalars,
    lambda inner: (
        strategies.lists(inner, max_size=4)
        | strategies.dictionaries(strategies.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
"""Any JSON value whose whole numbers fit into 64 bits."""

FIELDS = (
    "product_id",
    "quantity",
    "items",
    "attributes",
    "consent",
    "email",
    "price",
    "category",
    "products",
    "counts",
    "cart",
)

levels = strategies.dictionaries(
    strategies.sampled_from(["email", "sms"]),
    strategies.sampled_from(["opt_in", "double_opt_in", "opt_out", "maybe"]),
)
items = strategies.lists(
    strategies.dictionaries(strategies.sampled_from(["product_id", "quantity", "name"]), values),
    max_size=3,
)
payloads = strategies.dictionaries(
    strategies.sampled_from(FIELDS) | strategies.text(max_size=6),
    values | items | levels,
    max_size=6,
)
"""Any payload, with the names that mean something in it more often than by chance."""


def id_of(value: Any) -> str:
    """Name a test by its value; without backslashes, which pytest escapes at each collection."""
    said = hex(value) if value.__class__ is int else ascii(value[:24] if _long(value) else value)
    return said[:24].replace("\\", "/")


def _long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > 24
