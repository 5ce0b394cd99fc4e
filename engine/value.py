"""Values inside payloads and attributes, found by their path."""

from typing import Any, Final

MISSING: Final = object()
"""No value at all; null is one of its own, and means the same to most comparisons."""


def value_at(data: Any, path: list[str]) -> Any:
    """Return the value at a path of names, or MISSING."""
    try:
        for name in path:
            data = data[name]
    except (KeyError, TypeError):
        return MISSING
    return data
