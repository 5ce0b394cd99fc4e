"""Footprint: what an idle contact costs in memory, all of it counted: bytes, key and dict."""

import gc
import tracemalloc
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from actors.folder import read_folder
from bench.running import EXAMPLES
from engine.contacts.contact import Contact, encode_contact
from engine.decision import Decision, Outcome
from engine.input import Advance, Event, Publish, Receipt
from engine.limits import FAR_MS
from engine.partition import Partition

CONTACTS: Final = 4_000
"""About what a partition holds of a million."""

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
BEGIN_MS: Final = 1_700_000_000_000


NAMES: Final = ("product_view", "product_view", "category_view", "product_view", "page_view")
SESSION_EVENTS: Final = 5


def ordinary_contact(events: int, journeys: bytes) -> Contact:
    """Return a contact with attributes, a consent and so many recent events; its sessions ended.

    Five events a session, a session every other day; what they led to is sent and settled.
    """
    decisions: list[Decision] = []
    partition = Partition(0, decisions)
    partition.fold(Publish(journeys), BEGIN_MS)
    attributes = {"email": "ida.mustermann@example.org", "first_name": "Ida", "language": "de"}
    said: dict[str, Any] = {"attributes": attributes, "consent": {"email": "double_opt_in"}}
    partition.fold(Event("id-1", "c", "identify", BEGIN_MS, said), BEGIN_MS)
    for number in range(events):
        session = number // SESSION_EVENTS
        now_ms = BEGIN_MS + session * 2 * DAY_MS + number * MINUTE_MS
        payload: dict[str, Any] = {"url": f"https://shop.example/p/{number}"}
        if NAMES[number % len(NAMES)] == "product_view":
            payload |= {"product_id": f"SKU-{1000 + number}", "category": "tea", "price": 12.9}
        id = f"01HF{number:022d}"  # As long as a ULID.
        partition.fold(Event(id, "c", NAMES[number % len(NAMES)], now_ms, payload), now_ms)
    for _ in range(8):  # Sessions, then waits, each at its time.
        partition.fold(Advance(partition.now_ms + DAY_MS), partition.now_ms + DAY_MS)
        for sent in [each for each in decisions if isinstance(each, Outcome)]:
            partition.fold(Receipt("c", sent.key, delivered=True), partition.now_ms)
        decisions.clear()
    contact = partition.contact("c")
    assert contact is not None
    assert contact.session is None
    assert not contact.visits
    assert not contact.pending
    assert sum(map(len, contact.history.values())) == events
    return contact


def bytes_per_contact(events: int, contacts: int = CONTACTS) -> tuple[float, float]:
    """Return what one of `contacts` idle ones takes: its encoded bytes, and all that it takes.

    The latter as the allocator counts it: the bytes object, the key, its place in the dict.
    """
    contact = ordinary_contact(events, read_folder(EXAMPLES).source)
    encoded = len(encode_contact(contact))
    decisions: list[Decision] = []
    partition = Partition(0, decisions)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    partition.load(b"", rows_of(contact, contacts))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert partition.contact_count == contacts
    return encoded, (after - before) / contacts


def rows_of(contact: Contact, count: int) -> Iterator[tuple[str, int, bytes]]:
    """Make copies of a contact under keys of their own, as a partition is loaded with them."""
    for number in range(count):
        key = f"contact-{number:08}"
        yield key, FAR_MS, encode_contact(msgspec.structs.replace(contact, key=key))
