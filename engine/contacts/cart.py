"""Cart: what a contact's last `cart_update` said is in it."""

from typing import Any, Final

from engine.contacts.contact import Contact
from engine.contacts.happening import pack
from engine.limits import CART_ITEMS_MAX, PRODUCT_FIELD_BYTES_MAX

QUANTITY_MAX: Final = 1_000_000
NUMBERS: Final = (int, float)
ITEM_FIELDS: Final = ("product_id", "name", "price", "quantity", "url", "image")


def update_cart(contact: Contact, payload: dict[str, Any]) -> None:
    """Take over the cart that `payload.items` says; without `items`, the payload is one more."""
    items = payload.get("items")
    if isinstance(items, list):
        contact.cart = [_item(each) for each in items[:CART_ITEMS_MAX] if isinstance(each, dict)]
        return
    added = _item(payload)
    if not isinstance(added.get("quantity"), int):
        added["quantity"] = 1
    for i, item in enumerate(contact.cart):
        if item.get("product_id") == added.get("product_id"):
            quantity = item.get("quantity")
            if isinstance(quantity, int):
                total = added["quantity"] + quantity
                added["quantity"] = max(min(total, QUANTITY_MAX), -QUANTITY_MAX)
            # A new list: a session's summary may hold the old one.
            contact.cart = [*contact.cart[:i], added, *contact.cart[i + 1 :]]
            return
    if len(contact.cart) < CART_ITEMS_MAX:
        contact.cart = [*contact.cart, added]


def _item(payload: dict[str, Any]) -> dict[str, Any]:
    return {
        field: payload[field] for field in ITEM_FIELDS if field in payload and _fits(payload[field])
    }


def _fits(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= PRODUCT_FIELD_BYTES_MAX
    return isinstance(value, NUMBERS) or len(pack(value)) <= PRODUCT_FIELD_BYTES_MAX
