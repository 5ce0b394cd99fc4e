"""The cart: whole by its items, or one product more."""

from typing import Any

import pytest

from engine.limits import CART_ITEMS_MAX
from tests.engine.situation import Situation, mail, only_delivery, only_outcome
from tests.publications import journey


def cart_after(*payloads: dict[str, Any]) -> list[dict[str, Any]]:
    situation = Situation()
    for payload in payloads:
        situation.event("cart_update", payload)
    return situation.contact().cart


def test_items_say_the_whole_cart() -> None:
    first = {"items": [{"product_id": "a", "quantity": 1}, {"product_id": "b"}]}
    assert cart_after(first, {"items": [{"product_id": "c", "price": 5}]}) == [
        {"product_id": "c", "price": 5}
    ]


def test_no_items_empty_it() -> None:
    assert cart_after({"items": [{"product_id": "a"}]}, {"items": []}) == []


def test_without_items_the_payload_is_one_more() -> None:
    assert cart_after({"product_id": "a", "price": 5}, {"product_id": "b", "quantity": 3}) == [
        {"product_id": "a", "price": 5, "quantity": 1},
        {"product_id": "b", "quantity": 3},
    ]


def test_the_same_product_again_adds_up() -> None:
    assert cart_after(
        {"product_id": "a", "price": 5}, {"product_id": "b"}, {"product_id": "a", "quantity": 2}
    ) == [{"product_id": "a", "quantity": 3}, {"product_id": "b", "quantity": 1}]


@pytest.mark.parametrize("quantity", ["2", None, 1.5, [1]])
def test_a_quantity_that_is_none_is_one(quantity: Any) -> None:
    assert cart_after({"product_id": "a", "quantity": quantity}) == [
        {"product_id": "a", "quantity": 1}
    ]


def test_a_cart_keeps_fields_of_items_only_and_items_that_are_some() -> None:
    items = [{"product_id": "a", "colour": "red"}, 5, None, {"name": "Tea"}]
    assert cart_after({"items": items}) == [{"product_id": "a"}, {"name": "Tea"}]


def test_a_cart_is_bounded() -> None:
    many = [{"product_id": i} for i in range(CART_ITEMS_MAX + 5)]
    assert len(cart_after({"items": many})) == CART_ITEMS_MAX
    assert len(cart_after({"items": many}, {"product_id": "x"})) == CART_ITEMS_MAX
    assert len(cart_after(*many)) == CART_ITEMS_MAX


def test_a_summary_said_before_does_not_change_with_the_cart() -> None:
    situation = Situation(
        journey(entry={"event": "session_end"}, nodes=[{"id": "w", "wait": "1h"}, mail()])
    )
    situation.event("cart_update", {"product_id": "a"})
    situation.pass_time(3_600_000)
    situation.event("cart_update", {"product_id": "a"})
    key = only_outcome(situation.pass_time(3_600_000)).key
    delivery = only_delivery(situation.handover(key))
    assert delivery.trigger["cart"] == [{"product_id": "a", "quantity": 1}]
    assert delivery.cart == [{"product_id": "a", "quantity": 2}]


def test_quantities_past_all_reason_do_no_harm() -> None:
    """Each fits into 64 bits as the gateway wants it; together they must too, to be kept."""
    situation = Situation()
    for _ in range(3):
        situation.event("cart_update", {"product_id": "a", "quantity": 2**64 - 1})
    situation.partition.cool()
    assert situation.contact().cart[0]["quantity"] <= 2**64 - 1
