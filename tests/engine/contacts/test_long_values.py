"""Values of any length may be sent; what is kept of a contact stays bounded in bytes."""

from typing import Any

import pytest

from engine.contacts.contact import encode_contact
from engine.contacts.happening import unpack
from engine.contacts.history import past_of
from engine.contacts.session import unpacked
from engine.limits import (
    CART_ITEMS_MAX,
    HAPPENING_BYTES_MAX,
    HISTORY_EVENTS_MAX,
    PRODUCT_FIELD_BYTES_MAX,
    SESSION_VIEWS_MAX,
)
from tests.engine.situation import MINUTE_MS, Situation

LONG = "x" * 30_000
PRODUCT = {"product_id": "p-1", "category": "tea", "price": 9.5, "quantity": 2}


@pytest.mark.parametrize("later_ms", [0, -MINUTE_MS])
@pytest.mark.parametrize("value", [LONG, [LONG], {LONG: 1}])
def test_a_past_event_loses_what_is_too_long_and_keeps_the_rest(value: Any, later_ms: int) -> None:
    situation = Situation()
    situation.event("parcel", PRODUCT)
    at_ms = situation.now_ms + later_ms
    situation.event("parcel", PRODUCT | {"category": value}, at_ms=at_ms)
    kept = [unpack(each) for each in past_of(situation.contact(), "parcel")]
    assert [at_ms, "p-1", None, 9.5, 2] in kept


def test_a_view_loses_fields_of_a_product_that_are_too_long() -> None:
    situation = Situation()
    situation.event("product_view", PRODUCT | {"url": LONG, "name": "Tea", "note": LONG})
    session = situation.contact().session
    assert session is not None
    assert unpacked(session.views[0]) == {
        "product_id": "p-1",
        "name": "Tea",
        "category": "tea",
        "price": 9.5,
    }


@pytest.mark.parametrize("value", [LONG, [LONG], "x" * (PRODUCT_FIELD_BYTES_MAX + 1)])
def test_an_item_in_the_cart_loses_fields_that_are_too_long(value: Any) -> None:
    situation = Situation()
    situation.event("cart_update", {"items": [PRODUCT | {"name": value, "url": "u"}]})
    situation.event("cart_update", {"product_id": "p-2", "name": value})
    kept = {"product_id": "p-1", "price": 9.5, "quantity": 2, "url": "u"}
    assert situation.contact().cart == [kept, {"product_id": "p-2", "quantity": 1}]


def test_long_values_make_no_contact_large() -> None:
    situation = Situation()
    for _ in range(HISTORY_EVENTS_MAX):
        situation.event("product_view", dict.fromkeys((*PRODUCT, "url", "name", "image"), LONG))
        situation.event("cart_update", dict.fromkeys(("name", "url", "image"), LONG))
    most = 2 * HISTORY_EVENTS_MAX * HAPPENING_BYTES_MAX
    most += (CART_ITEMS_MAX + SESSION_VIEWS_MAX) * 6 * PRODUCT_FIELD_BYTES_MAX
    assert len(encode_contact(situation.contact())) < most
