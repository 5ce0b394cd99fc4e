"""What holds of the fold as a whole: no cycles, no faults whatever comes, bounded state."""

import gc
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.contacts.contact import Contact, encode_contact
from engine.decision import Outcome
from engine.input import SESSION_END, STANDARD_NAMES, Event, Input, Verdict
from engine.limits import (
    ATTRIBUTES_MAX,
    CART_ITEMS_MAX,
    CONSENTS_KEPT_MAX,
    ENTRIES_KEPT_MAX,
    EVENT_IDS_BURST_MAX,
    HISTORY_EVENTS_MAX,
    HISTORY_NAMES_MAX,
    JOURNEYS_MAX,
    MESSAGES_KEPT_MAX,
    SESSION_NAMES_MAX,
    SESSION_VIEWS_MAX,
)
from engine.partition import Partition
from tests.engine.machines.shop import JOURNEYS, SETTINGS
from tests.engine.payloads import payloads
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Situation,
    only_outcome,
    outcomes,
)
from tests.publications import journey

CONTACT_BYTES_MAX = 160_000
"""Of the busiest contact of ordinary fields there can be: all its lists at their limits."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Leave what only the cyclic collector can free where it is."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def mixed(situation: Situation, count: int, seed: int = 7) -> None:
    """Let a few contacts do all there is to do, so many times."""
    chance = Random(seed)
    keys: list[tuple[str, str]] = []
    names = [*STANDARD_NAMES, "identify", "consent", "smile"]
    for i in range(count):
        situation.now_ms += chance.choice([0, 1, MINUTE_MS, 5 * MINUTE_MS, 11 * MINUTE_MS])
        contact = f"c-{chance.randrange(8)}"
        payload: dict[str, Any] = {"product_id": i % 50, "price": i % 9, "email": "double_opt_in"}
        payload["attributes"] = {"language": "de", "tags": [i % 3]}
        id = f"e-{i - chance.choice([0, 0, 0, 1])}"
        made = situation.event(chance.choice(names), payload, contact=contact, id=id)
        made += situation.pass_time(0) if i % 3 == 0 else []
        keys += [
            (each.contact, each.key)
            for each in made
            if isinstance(each, Outcome) and each.outcome == "sent"
        ]
        if keys and i % 4 == 0:
            key = keys.pop(chance.randrange(len(keys)))
            situation.handover(key[1], contact=key[0])
            situation.receipt(key[1], delivered=i % 8 == 0, reason="full")
        if i % 500 == 0:
            situation.partition.cool()


def raises(*_: Any) -> None:
    raise ZeroDivisionError("poison")


@pytest.mark.usefixtures("no_collector")
def test_the_fold_leaves_nothing_to_the_cyclic_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A shard runs without it: a collection would stop a shard for 242 ms."""
    situation = Situation(*JOURNEYS, **SETTINGS)
    situation.publish(*JOURNEYS, **SETTINGS)
    gc.collect()
    mixed(situation, 4_000)
    assert gc.collect() == 0
    with monkeypatch.context() as patch:
        patch.setattr("engine.nodes.send.Send.enter", raises)
        faults = [situation.event("purchase", contact=f"x-{i}") for i in range(50)]
        assert all(faults)
    del faults
    assert gc.collect() == 0


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    name=some.sampled_from([*STANDARD_NAMES, "identify", "consent", SESSION_END, "smile", ""]),
    sent=some.lists(payloads, min_size=1, max_size=4),
)
def test_no_payload_is_poison(name: str, sent: list[dict[str, Any]]) -> None:
    """Not at the event, not at its session's end, and the contact can always be kept."""
    situation = Situation(*JOURNEYS, **SETTINGS)
    for payload in sent:
        for each in (name, "purchase"):
            outcomes(situation.event(each, payload))
            assert situation.verdict == Verdict.APPLIED
        situation.partition.cool()
    outcomes(situation.run_out())
    situation.partition.cool()
    assert situation.contact().session is None


def crowded() -> Contact:
    """Return a contact that did 5,000 things, hardly two alike."""
    situation = Situation(
        *(journey(f"j-{i}", entry={"event": f"n-{i}"}) for i in range(JOURNEYS_MAX))
    )
    for i in range(5_000):
        what = i % 5
        if what == 0:
            payload = {"product_id": f"p-{i}", "price": i, "category": f"k-{i % 40}"}
            situation.event("product_view", payload, after_ms=1)
        elif what == 1:
            situation.event("cart_update", {"product_id": f"p-{i}", "price": 9.99}, after_ms=1)
        elif what == 2:
            attributes = {f"a-{i}": i, f"b-{i}": "text"}
            situation.event("identify", {"attributes": attributes}, after_ms=1)
        elif what == 3:
            situation.consent("opt_in", f"channel-{i}")
        else:
            for each in situation.event(f"n-{i // 5}", {"price": i}, id=f"long-{i:060d}"):
                situation.receipt(each.key, delivered=True)  # type: ignore[union-attr]
    return situation.contact()


def test_what_is_kept_of_a_contact_is_bounded() -> None:
    contact = crowded()
    assert len(encode_contact(contact)) <= CONTACT_BYTES_MAX
    session = contact.session
    assert session is not None
    assert len(contact.event_ids) <= EVENT_IDS_BURST_MAX
    assert len(contact.older_event_ids) <= EVENT_IDS_BURST_MAX
    assert len(contact.history) == HISTORY_NAMES_MAX
    assert max(map(len, contact.history.values())) == HISTORY_EVENTS_MAX
    assert len(contact.attributes) == ATTRIBUTES_MAX
    assert len(contact.consents) == CONSENTS_KEPT_MAX
    assert len(contact.cart) == CART_ITEMS_MAX
    assert len(contact.messages) == MESSAGES_KEPT_MAX
    assert len(contact.entered) == ENTRIES_KEPT_MAX
    assert len(session.counts) == SESSION_NAMES_MAX
    assert len(session.views) <= SESSION_VIEWS_MAX
    assert contact.pending == []
    assert contact.visits == []


def idle_bytes(events: int) -> int:
    """Return the size of a contact with so many recent events, a day after the last."""
    situation = Situation(*JOURNEYS, **SETTINGS)
    attributes = {"email": "ida.mustermann@example.org", "first_name": "Ida", "language": "de"}
    welcome = only_outcome(
        situation.event("identify", {"attributes": attributes, "consent": {"email": "opt_in"}})
    )
    situation.receipt(welcome.key, delivered=True)
    names = ["product_view", "product_view", "category_view", "product_view", "page_view"]
    for i in range(events):
        payload: dict[str, Any] = {"url": f"https://shop.example/p/{i}"}
        if names[i % 5] == "product_view":
            payload |= {"product_id": f"SKU-{1000 + i}", "category": "tea", "price": 12.9}
        id = f"01HF{i:022d}"  # As long as a ULID.
        after_ms = HOUR_MS if i % 5 else 5 * DAY_MS  # Thirty of them fill the history's 30 days.
        situation.event(names[i % 5], payload, after_ms=after_ms, id=id)
    situation.pass_time(DAY_MS)
    situation.partition.cool()
    kept = situation.partition.contact_bytes("c-1")
    assert kept is not None
    return len(kept)


@pytest.mark.parametrize(("events", "bytes_max"), [(5, 600), (30, 1_500)])
def test_an_idle_contact_is_small(events: int, bytes_max: int) -> None:
    """Encoded, as a shard holds it; ids too old to know a repeat by went with the sessions."""
    assert idle_bytes(events) <= bytes_max


def test_a_partition_starts_empty() -> None:
    decisions: list[Any] = []
    partition = Partition(7, decisions)
    assert (partition.contact_count, partition.contact_keys(), decisions) == (0, [], [])


def test_inputs_are_taken_as_they_are() -> None:
    """Folding changes no input: a shard writes it to its log afterwards."""
    situation = Situation(*JOURNEYS, **SETTINGS)
    sent: list[dict[str, Any]] = [{"items": [{"product_id": "a"}]}, {"price": 5, "product_id": "a"}]
    for i, name in enumerate(("cart_update", "product_view", "purchase")):
        input: Input = Event(f"e-{i}", "c-1", name, None, dict(sent[i % 2]))
        before = msgspec.json.encode(input)
        situation.fold(input)
        situation.run_out()
        assert msgspec.json.encode(input) == before
