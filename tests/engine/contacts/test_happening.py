"""Past events stay unread until somebody asks; what is kept of them is the same all the while."""

import sys
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from engine.contacts.contact import Contact, encode_contact
from engine.contacts.happening import pack, packed
from engine.contacts.history import past_of, remember
from engine.fold import intake
from engine.fold.intake import take_in
from engine.fold.route import Route
from engine.input import Event
from engine.limits import HISTORY_EVENTS_MAX, UNREAD_BYTES_MAX
from tests.engine.payloads import payloads
from tests.engine.situation import NOON_MS

GAP_MS = 1_800_000
PAYLOADS = payloads | st.sampled_from([{"note": "n" * UNREAD_BYTES_MAX, "product_id": "a"}])
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["page_view", "x"]), PAYLOADS, st.integers(-3, 1)), max_size=12
)


def taken_in(contact: Contact, number: int, name: str, payload: Any, at_ms: int) -> None:
    event = Event(f"e-{number}", contact.key, name, at_ms, payload)
    assert take_in(Route(name), contact, event, NOON_MS + number, GAP_MS)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(HAPPENINGS)
def test_read_or_unread_the_same_is_kept(happenings: list[tuple[str, Any, int]]) -> None:
    """Late ones, long ones and a first one of its name among them."""
    unread, read = Contact("c-1"), Contact("c-1")
    for number, (name, payload, offset_ms) in enumerate(happenings):
        at_ms = NOON_MS + number + offset_ms
        taken_in(unread, number, name, Raw(msgspec.json.encode(payload)), at_ms)
        taken_in(read, number, name, payload, at_ms)
    assert encode_contact(unread) == encode_contact(read)


def test_nobody_packs_what_nobody_asks_for() -> None:
    contact = Contact("c-1")
    for number in range(HISTORY_EVENTS_MAX + 3):
        taken_in(contact, number, "page_view", Raw(b'{"price":5}'), NOON_MS + number)
    past = contact.history["page_view"]
    assert [each.__class__ for each in past] == [tuple] * HISTORY_EVENTS_MAX
    assert past[0] == (NOON_MS + 3, b'{"price":5}')


def test_a_long_payload_is_packed_at_once() -> None:
    contact = Contact("c-1")
    payload = b'{"product_id":"a","note":"%b"}' % (b"n" * UNREAD_BYTES_MAX)
    taken_in(contact, 1, "page_view", Raw(payload), NOON_MS)
    assert contact.history["page_view"] == [pack((NOON_MS, "a", None, None, None))]


def test_what_is_packed_at_once_stands_behind_what_is_packed_too() -> None:
    contact = Contact("c-1", history={"x": [(1, b'{"product_id":"a"}')]})
    remember(contact, "x", pack(2), 2)
    assert past_of(contact, "x") == [pack((1, "a", None, None, None)), pack(2)]


@pytest.mark.parametrize("payload", [b'{"product_id":"\xff"}', b'{"product_id":%d}' % 2**70, b"{"])
def test_of_a_payload_that_cannot_be_read_the_moment_is_kept(payload: bytes) -> None:
    assert packed((7, payload)) == pack(7)


def test_an_unread_event_takes_no_more_memory_than_its_bytes() -> None:
    """An encoder returns a buffer of up to half as much again: a hot contact holds hundreds."""
    payload = msgspec.json.encode({"note": "n" * 200})
    contact = Contact("c-1")
    taken_in(contact, 0, "page_view", Raw(payload), NOON_MS)
    tracemalloc.start()
    taken_in(contact, 1, "page_view", Raw(payload), NOON_MS)
    of_intake = tracemalloc.Filter(inclusive=True, filename_pattern=intake.__file__)
    kept = tracemalloc.take_snapshot().filter_traces([of_intake])
    tracemalloc.stop()
    assert max(trace.size for trace in kept.traces) == sys.getsizeof(payload)
