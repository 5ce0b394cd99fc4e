"""A contact that cannot be encoded: no payload makes one, and if one is made, it harms no other."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec import Raw

from engine.contacts.contact import encode_contact
from engine.decision import Decision, Fault
from engine.input import Event, Publish, Verdict
from engine.partition import Partition
from ingest.payload import EventError, check_payload
from tests.engine.machines.shop import JOURNEYS, SETTINGS
from tests.engine.payloads import payloads
from tests.engine.situation import NOON_MS
from tests.publications import source_of

HUGE = 1 << 70
NAMES = ("product_view", "cart_update", "identify", "consent", "purchase", "smile")
numbers = some.sampled_from([HUGE, -HUGE, 2**64, -(2**63) - 1, 2**64 - 1, 7])
wild = payloads | some.dictionaries(
    some.sampled_from(["attributes", "quantity", "price", "items"]),
    numbers | some.dictionaries(some.text(max_size=3), numbers, max_size=2),
    max_size=2,
)
"""As others might write them: also with numbers that fit nowhere."""


@settings(derandomize=True, max_examples=300, deadline=None)
@given(sent=some.lists(some.tuples(some.sampled_from(NAMES), wild), max_size=6))
def test_what_the_gateway_takes_leaves_a_contact_that_can_be_kept(
    sent: list[tuple[str, dict[str, Any]]],
) -> None:
    partition = Partition(0, [])
    partition.fold(Publish(source_of(*JOURNEYS, **SETTINGS)), NOON_MS)
    for number, (name, payload) in enumerate(sent):
        data = json.dumps(payload).encode()  # The one encoder that writes numbers of any size.
        try:
            check_payload(name, data)
        except EventError:
            continue
        event = Event(f"e-{number}", "c", name, None, Raw(data))
        assert partition.fold(event, NOON_MS + number) == Verdict.APPLIED
        partition.cool()
        assert not partition.stuck


def crowd(hot_max: int) -> tuple[Partition, list[Decision]]:
    """Return a partition of ten contacts, one of which came by a way round the gateway."""
    decisions: list[Decision] = []
    partition = Partition(0, decisions, hot_max=hot_max)
    partition.fold(Event("e", "bad", "identify", None, {"attributes": {"n": HUGE}}), NOON_MS)
    for number in range(10):
        partition.fold(Event("e", f"c-{number}", "hi", None, {}), NOON_MS)
    return partition, decisions


@pytest.mark.parametrize("hot_max", [1, 2, 5])
def test_it_stays_hot_is_listed_once_and_all_others_go_on(hot_max: int) -> None:
    partition, decisions = crowd(hot_max)
    partition.cool()
    assert [each.contact for each in decisions if isinstance(each, Fault)] == ["bad"]
    assert partition.stuck == {"bad"}
    assert partition.contact_count == 11
    assert partition.fold(Event("f", "bad", "hi", None, {}), NOON_MS) == Verdict.APPLIED


def test_once_it_can_be_encoded_it_is_as_any_other() -> None:
    partition, _ = crowd(1)
    partition.fold(Event("f", "bad", "identify", None, {"attributes": {"n": 1}}), NOON_MS)
    partition.cool()
    assert not partition.stuck
    assert len(partition.states()) == 11


def test_no_snapshot_is_taken_without_it() -> None:
    partition, _ = crowd(1)
    with pytest.raises(ValueError, match="contact 'bad' cannot be encoded: OverflowError"):
        partition.states()
    contact = partition._hot["bad"]
    contact.attributes["n"] = 1
    assert partition.states()["bad"] == encode_contact(contact)
