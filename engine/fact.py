"""Facts: what a condition, or a rule, asked for, what it found, and so whether it holds.

Made only where somebody wants to know why: see `engine.trace`.
"""

from typing import Any

from msgspec import Struct


class PastEvent(Struct, omit_defaults=True):
    """An event of the contact's past that counted for a fact. Its history keeps no ids."""

    name: str
    at_ms: int
    """When it happened, as its sender says."""
    newer: int = 0
    """How many events of that name and that very millisecond stand after it in the history."""
    id: str = ""
    """Who knows the contact's log fills it in; of a consent's proof it is known."""
    fields: dict[str, Any] = {}
    """What is kept of it, where a condition looked at that."""


class PastMessage(Struct, omit_defaults=True):
    """A message that counted for a fact."""

    key: str
    at_ms: int
    """When it was decided; where a condition asks what became of it, when that was."""


class Fact(Struct, kw_only=True, omit_defaults=True):
    """One thing that was looked at."""

    what: str
    """What was asked: `counts.product_view`, `consent email`, `all of`."""
    holds: bool
    wanted: str = ""
    """What it was to be: `at least 7`; empty where `what` says it all."""
    found: Any = None
    """The value there; None where there was none."""
    events: list[PastEvent] = []
    """Those that were counted, the latest first."""
    out_of: int | None = None
    """How many there were before it was asked what they are like; None: all of them counted."""
    messages: list[PastMessage] = []
    since_ms: int | None = None
    """After which moment events or messages count, where not all do; or since when it is so."""
    until_ms: int | None = None
    """When it may come out otherwise though nothing comes in, where that is known."""
    parts: list["Fact"] = []
    """What it rests on: those of `all of`, the branches of a split that were tried."""
    worded: bool = False
    """Whether `found` is words of ours, and no value that somebody sent."""


def shown(value: Any) -> Any:
    """Return a value as a fact holds it: None in place of one that JSON does not know."""
    return value if isinstance(value, str | int | float | list | dict) else None
