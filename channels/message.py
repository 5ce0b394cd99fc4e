"""Message: content for one contact on one channel, ready to go."""

import re
from typing import Any, Final

from msgspec import Struct

_BREAKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class Message(Struct, frozen=True, kw_only=True, gc=False):
    """What a channel delivers, exactly once per key as far as the channel can know it."""

    key: str
    """The idempotency key: the same for each try, and different for every other message."""
    contact: str
    journey: str
    node: str
    channel: str
    at_ms: int
    """The moment it was decided."""
    purpose: str
    to: str
    """The address on the channel; empty where the contact has none, or the channel needs none."""
    language: str
    """Of the template it was rendered from."""
    subject: str
    """One line."""
    body: str
    request: dict[str, Any] | None = None
    """What a webhook asks, as engine.decision.Delivery has it; other channels have none."""


def one_line(text: str) -> str:
    """Return `text` on one line: a subject is a header, and a line break would open another."""
    return _BREAKS.sub(" ", text).strip()
