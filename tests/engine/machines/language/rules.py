"""What the model of the language knows by heart of each journey's rules."""

from typing import Any

from tests.engine.machines.language.contact import DAY, HOUR, PESTERED, Person
from tests.engine.machines.language.world import NODES

PROMO, DAILY = "promo", "daily"
GROUPS = {"basket": PROMO, "browse": PROMO, "leaver": PROMO, "tips": DAILY, "digest": DAILY}
NEVER = 1 << 62
USUAL = 6 * HOUR
LATE_AFTER = {
    ("order", "purchase"): NEVER,
    ("welcome", "signup"): USUAL,
    ("basket", "cart_update"): USUAL,
    ("digest", "page_view"): USUAL,
    ("gift", "start gift"): NEVER,
    ("hot", "enters hot"): NEVER,
    ("cold", "leaves hot"): NEVER,
    ("missed", "enters calm"): NEVER,
    ("relief", "leaves pestered"): NEVER,
}
"""Entries without a condition."""
AGAIN = {
    "relief": 12 * HOUR,
    "order": 6 * HOUR,
    "tips": 12 * HOUR,
    "digest": 2 * HOUR,
    "welcome": NEVER,
}
GOAL_WITHIN = {"order": 2 * DAY, "gift": DAY}
FIRSTS = {
    "welcome": "hello", "order": "arrival", "basket": "idle", "browse": "rarely", "tips": "tip",
    "digest": "hours", "hot": "tell", "cold": "stop", "missed": "wait", "alert": "now",
    "leaver": "why", "party": "come", "relief": "sorry", "gift": "lot", "morning": "day",
}  # fmt: skip


def first_node(journey: str, variant: str) -> str:
    return "arrival-2" if (journey, variant) == ("order", "b") else FIRSTS[journey]


def must_leave(person: Person, journey: str, variant: str, now: int) -> bool:
    """Say whether a condition holds that ends visits of the journey."""
    if journey == "welcome" or (journey == "gift" and variant == "b"):
        return person.attributes.get("vip") is True
    if journey == "missed":
        return person.holds(PESTERED, now)
    return (
        journey == "digest" and variant == "a" and not person.happened("page_view", 5 * HOUR, now)
    )


def converts(journey: str, name: str, payload: dict[str, Any]) -> bool:
    if name != "review":
        return False
    return journey == "gift" or (journey == "order" and payload["stars"] >= 4)


def ends(journey: str, name: str, payload: dict[str, Any]) -> bool:
    if name == "refund":
        return journey == "order" and payload["price"] >= 5
    if name == "parcel":
        return journey == "order" and payload["status"] == "broken"
    if name == "page_view":
        return journey == "missed"
    return name == "purchase" and journey in ("basket", "gift")


def opens(
    journey: str, name: str, payload: dict[str, Any], person: Person, variant: str, now: int
) -> int | None:
    """Return how late the event may be to let the contact enter; None if it does not."""
    if journey not in NODES[variant]:
        return None
    happened = person.happened(name, 2 * HOUR, now)
    match journey, name:
        case ("browse", "product_view") if happened >= 2:
            return HOUR
        case ("tips", "session_end") if payload["names"]["product_view"] >= 1:
            return USUAL
        case ("leaver", "session_end") if payload["names"]["cart_update"] >= 1:
            return USUAL
        case ("alert", "hot_alert") if person.happened(name, DAY, now) <= 2 < payload["heat"]:
            return USUAL
        case ("party", "enters evening") if not person.holds(PESTERED, now):
            return NEVER
        case _:
            return LATE_AFTER.get((journey, name))
