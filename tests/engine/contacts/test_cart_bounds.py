"""A cart stays within what can be kept, whatever its senders add to it."""

import pytest

from engine.contacts.cart import QUANTITY_MAX
from engine.contacts.contact import encode_contact
from tests.engine.situation import Situation


@pytest.mark.parametrize("quantity", [-(2**63), 2**63 - 1])
def test_a_quantity_added_up_stays_one_that_can_be_kept(quantity: int) -> None:
    """Else the contact could not be encoded: no snapshot, and no room for another contact."""
    situation = Situation()
    for _ in range(3):
        situation.event("cart_update", {"product_id": "p", "quantity": quantity})
    contact = situation.partition.contact("c-1")
    assert contact is not None
    assert abs(contact.cart[0]["quantity"]) == QUANTITY_MAX
    encode_contact(contact)
