"""Messages and deliveries for tests."""

from typing import Any

from msgspec.structs import replace

from channels.message import Message
from engine.decision import Delivery

MESSAGE = Message(
    key="5f3a.remind.1",
    contact="c-1",
    journey="favourites",
    node="remind",
    channel="email",
    at_ms=1_700_000_000_123,
    purpose="marketing",
    to="anna@home.example",
    language="de",
    subject="Schöne Grüße",
    body="Guten Tag, Frau Müller!\n",
)


NOW_MS = 1_700_000_000_987
"""What the clock of a channel says."""


def read_ms() -> int:
    return NOW_MS


def asking(url: str, key: str = MESSAGE.key, **request: Any) -> Message:
    """Return a webhook's message."""
    said = {"url": url, "method": "POST", "headers": {}, "body": {}} | request
    return replace(MESSAGE, key=key, channel="webhook", request=said)


def message(key: str = MESSAGE.key, **changes: Any) -> Message:
    return replace(MESSAGE, key=key, **changes)


def delivery(**changes: Any) -> Delivery:
    fields: dict[str, Any] = {
        "key": MESSAGE.key,
        "contact": MESSAGE.contact,
        "journey": MESSAGE.journey,
        "node": MESSAGE.node,
        "channel": "email",
        "template": "favourites",
        "language": "de",
        "purpose": "marketing",
        "at_ms": MESSAGE.at_ms,
        "attributes": {"email": MESSAGE.to, "surname": "Müller"},
        "trigger": {"products": [{"name": "Jeans", "price": 49.9}, {"name": "Gürtel"}]},
        "cart": [],
    }
    return Delivery(**(fields | changes))
