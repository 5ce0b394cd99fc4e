"""Rows: lines of published data sets, by the names of their columns, as events."""

import re
from datetime import UTC, datetime
from typing import Any, Final

from engine.input import CART_UPDATE, PRODUCT_VIEW, Event
from ingest.wire import EPOCH, MILLISECOND


def check_row(row: dict[str, str]) -> None:
    """Check what csv leaves open. Raises ValueError, or KeyError where a column is missing."""
    if None in row or None in row.values():
        raise ValueError("the row has more or fewer columns than the header")
    if not row["user_id"]:
        raise ValueError("there is no contact - at `$.user_id`")


def _ms_of(text: str) -> int:
    """Read `2019-10-01 00:00:00`, with or without microseconds or `UTC`, as UTC; floored."""
    at = datetime.fromisoformat(text.removesuffix(" UTC")).replace(tzinfo=UTC)
    return (at - EPOCH) // MILLISECOND


REES46_NAMES: Final = {"view": PRODUCT_VIEW, "cart": CART_UPDATE, "purchase": "purchase"}


def event_of_rees46(row: dict[str, str], number: int) -> Event:
    """Build the event of a row of REES46; its id is the row's number. Raises as `check_row`."""
    check_row(row)
    name = row["event_type"]
    payload: dict[str, Any] = {
        "product_id": row["product_id"],
        "category": row["category_code"] or row["category_id"],
        "session": row["user_session"],
    }
    if row["brand"]:
        payload["brand"] = row["brand"]
    if row["price"]:
        payload["price"] = float(row["price"])
    at_ms = _ms_of(row["event_time"])
    return Event(str(number), row["user_id"], REES46_NAMES.get(name, name), at_ms, payload)


D2C_NAMES: Final = {
    "Page": "page_view",
    "Product Viewed": PRODUCT_VIEW,
    "Product Added": CART_UPDATE,
    "Checkout Started": "checkout_start",
    "Order Completed": "purchase",
}
D2C_FIXED: Final = ("event_time", "event_type", "user_id", "event_id")
D2C_ITEMS_SIGN: Final = "|"
D2C_PRICES: Final = ("price", "checkout_total", "order_total", "order_discount")


def event_of_d2c(row: dict[str, str], _: int) -> Event:
    """Build the event of a row of a Segment stream. Raises as `check_row`."""
    check_row(row)
    filled = {name: value for name, value in row.items() if value and name not in D2C_FIXED}
    payload: dict[str, Any] = dict(filled)
    for name in D2C_PRICES:
        if name in filled:
            payload[name] = float(filled[name])
    if "variant" in filled:
        payload["product_id"] = filled["variant"]
    if "items" in filled:
        payload["items"] = [{"product_id": sku} for sku in filled["items"].split(D2C_ITEMS_SIGN)]
    said = row["event_type"]
    name = D2C_NAMES.get(said) or re.sub(r"\W+", "_", said).strip("_").lower()
    return Event(row["event_id"], row["user_id"], name, _ms_of(row["event_time"]), payload)
