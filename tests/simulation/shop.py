"""Shop: what contacts do in a simulation, and the journeys that are in force.

The journeys are those of the fold's model; a publication adds one more that the model need not
know: it takes part in no cap.
"""

from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from engine.contacts.identity import partition_of
from tests.engine.machines.shop import JOURNEYS, SETTINGS
from tests.publications import journey, source_of

EXTRA = "extra"
NAMES = ("product_view", "product_view", "cart_update", "purchase", "page_view", "identify")
LEVELS = ("double_opt_in", "double_opt_in", "opt_in", "opt_out")
LATENESS_MS = (0, 0, 0, 20 * 60_000 - 1, 20 * 60_000, -60_000)

_sources: dict[int, bytes] = {}


class ShopEvent(Struct, frozen=True):
    """An event that a sender knows about."""

    id: str
    contact: str
    name: str
    payload: dict[str, Any]
    late_ms: int


def publication(number: int) -> bytes:
    """Return one of the publications: other texts, and another extra journey each."""
    source = _sources.get(number)
    if source is None:
        extra = journey(
            f"{EXTRA}-{number}",
            entry={"event": "page_view"},
            nodes=[
                {"id": "w", "wait": f"{5 + number}m"},
                {
                    "id": "mail",
                    "send": "email",
                    "template": "hello",
                    "purpose": "transactional",
                },
            ],
        )
        source = source_of(*JOURNEYS, extra, **SETTINGS)
        source = source.replace(b"subject: Hello", b"subject: Hello %d" % number)
        _sources[number] = source
    return source


def contacts(random: Random, shards: int, partitions: int, count: int) -> list[str]:
    """Return so many contacts, a like number of them of each shard."""
    found: list[str] = []
    number = random.randrange(1000)
    while len(found) < count:
        number += 1
        contact = f"c-{number}"
        owner = partition_of(contact) * shards // partitions
        if owner == len(found) % shards:
            found.append(contact)
    return found


def happenings(random: Random, contacts: list[str], sender: str, count: int) -> list[ShopEvent]:
    """Return what a sender has to report, in order; first of all what consent there is."""
    events: list[ShopEvent] = []
    for number in range(count):
        contact = random.choice(contacts)
        name = random.choice(NAMES)
        payload: dict[str, Any] = {"price": random.choice((4, 5)), "product_id": f"p{number % 3}"}
        if number < len(contacts):
            contact, name = contacts[number], "consent"
            payload = {"email": "double_opt_in"}
        elif random.random() < 0.1:
            name, payload = "consent", {"email": random.choice(LEVELS)}
        elif name == "identify":
            payload = {"attributes": {"visits": number}}
        events.append(
            ShopEvent(f"{sender}-{number}", contact, name, payload, random.choice(LATENESS_MS))
        )
    return events


def body_of(events: list[tuple[ShopEvent, int]]) -> bytes:
    """Write events, each with its moment, as the body of a request."""
    return msgspec.json.encode(
        [
            {
                "id": event.id,
                "contact": event.contact,
                "name": event.name,
                "at_ms": at_ms,
                "payload": event.payload,
            }
            for event, at_ms in events
        ]
    )
