"""Reads: what conditions look at, so that only that is kept, and only its changes are watched."""

from typing import Final

from engine.input import CONSENT, IDENTIFY

OF_CONTACT: Final = (IDENTIFY, CONSENT)
"""Events that change what is known of a contact: attributes, consents, lists."""


class Reads:
    """Collects what a set of conditions reads."""

    __slots__ = ("contact", "fields", "moving", "names", "spans")

    def __init__(self) -> None:
        self.names: set[str] = set()
        """Names of past events."""
        self.fields: dict[str, set[str]] = {}
        """Event name -> paths of the payload fields that are looked at later."""
        self.spans: dict[str, int] = {}
        """Event name -> how far one looks back, in milliseconds."""
        self.moving: set[str] = set()
        """Names of other events that may change what is read."""
        self.contact = False
        """Whether attributes, consents or lists are read."""

    def note(self, name: str, span_ms: int, fields: set[str]) -> None:
        """Note that past events of this name are read."""
        self.names.add(name)
        self.spans[name] = max(self.spans.get(name, 0), span_ms)
        self.fields.setdefault(name, set()).update(fields)

    def moving_names(self) -> set[str]:
        """Return the names of events that may change whether what reads this holds."""
        return self.names | self.moving | (set(OF_CONTACT) if self.contact else set())
