"""Simulator: a seeded shop, its visitors and what they do over a few days.

For demonstrations and tests. Visitors browse, fill carts, leave at the checkout, buy and come
back; some are known with a consent of some kind, some are not.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

from msgspec import Struct

from console.system.assortment import FAMILY_NAMES, FIRST_NAMES, PRODUCTS
from engine.input import ANONYMOUS_PREFIX, CART_UPDATE, CONSENT, IDENTIFY, PRODUCT_VIEW, Event

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
START_MS: Final = 1_759_788_000_000
"""2025-10-07 00:00 in Berlin."""
SPAN_MS: Final = 48 * HOUR_MS
EVENTS_PER_VISITOR: Final = 12.5
GAP_MS: Final = 30 * MINUTE_MS
"""Of sessions, as the example journeys have it: returns are timed to fall in their waits."""
REPEATS_RATIO: Final = 0.005

INTENTS: Final = (("glance", 0.43), ("browse", 0.68), ("cart", 0.76), ("abandon", 0.89), ("buy", 1))
CONSENTS: Final = (
    ("double_opt_in", 0.40),
    ("confirmed_later", 0.62),
    ("opt_in", 0.75),
    ("none", 0.88),
    ("opt_out", 0.93),
    ("withdrawn_later", 1),
)
"""What a known visitor says about e-mail, each with its bound in [0, 1)."""


class Visitor(Struct):
    """One person in the shop."""

    number: int
    key: str
    language: str
    consent: str
    """One of CONSENTS; empty for the anonymous."""
    intent: str = ""
    """Of the next session; empty: whatever chance says."""
    greeted: bool = False
    cart: list[dict[str, Any]] = []


def simulate(seed: int, events: int = 100_000, start_ms: int = START_MS) -> Iterator[Event]:
    """Yield so many events in order of time, the same for the same seed in every process.

    They span about two days, whatever their number: more events come from more visitors.
    About one in 200 is an exact repeat, same id, as of a sender that tried again.
    """
    chance = Random(seed)
    shop = _Shop(seed, chance)
    visits: list[tuple[int, int, Visitor]] = []
    for number in range(max(1, round(events / EVENTS_PER_VISITOR))):
        visitor = shop.new_visitor(number)
        heappush(visits, (start_ms + int(chance.random() * SPAN_MS), number, visitor))
    left = events
    ready = shop.ready
    while left > 0:
        starts_at_ms, number, visitor = heappop(visits)
        while ready and ready[0][0] < starts_at_ms and left > 0:
            event = heappop(ready)[2]
            yield event
            left -= 1
            if left > 0 and chance.random() < REPEATS_RATIO:
                yield event
                left -= 1
        returns_at_ms = shop.play_session(visitor, starts_at_ms)
        heappush(visits, (returns_at_ms, number, visitor))


class _Shop:
    """Plays sessions; what happens in them stands in `ready`, the earliest first."""

    def __init__(self, seed: int, chance: Random) -> None:
        self.ready: list[tuple[int, int, Event]] = []
        self._seed = seed
        self._chance = chance
        self._count = 0

    def new_visitor(self, number: int) -> Visitor:
        """Invent a person: three in four are known, four in five speak German."""
        chance = self._chance
        language = "de" if chance.random() < 0.8 else "en"
        if chance.random() < 0.25:
            return Visitor(number, f"{ANONYMOUS_PREFIX}v-{self._seed}-{number}", language, "")
        consent = _pick(CONSENTS, chance.random())
        return Visitor(number, f"c-{self._seed}-{number}", language, consent)

    def play_session(self, visitor: Visitor, at_ms: int) -> int:
        """Let the visitor act from `at_ms` on; return when the visitor comes back."""
        chance = self._chance
        intent = visitor.intent or _pick(INTENTS, chance.random())
        visitor.intent = ""
        if visitor.consent and not visitor.greeted:
            at_ms = self._greet(visitor, at_ms)
        if intent == "return":
            at_ms = self._buy(visitor, at_ms)
            return at_ms + self._days_off()
        at_ms = self._browse(visitor, at_ms, intent)
        if intent in ("cart", "abandon", "buy"):
            at_ms = self._fill_cart(visitor, at_ms)
        if intent == "buy":
            at_ms = self._buy(visitor, at_ms)
        elif intent == "abandon":
            at_ms += self._pause()
            self._add(at_ms, visitor, "checkout_start", {"total": _total(visitor.cart)})
        return self._leave(visitor, at_ms, intent)

    def _greet(self, visitor: Visitor, at_ms: int) -> int:
        """Let a known visitor log in, and say what e-mails are welcome."""
        chance = self._chance
        visitor.greeted = True
        firstname, salutation = FIRST_NAMES[int(chance.random() * len(FIRST_NAMES))]
        surname = FAMILY_NAMES[int(chance.random() * len(FAMILY_NAMES))]
        if visitor.language == "en":
            salutation = {"Frau": "Ms", "Herr": "Mr"}.get(salutation, "")
        attributes: dict[str, Any] = {
            "language": visitor.language,
            "email": f"visitor-{self._seed}-{visitor.number}@example.com",
        }
        if chance.random() < 0.93:  # The others kept their names to themselves.
            attributes |= {"firstname": firstname, "surname": surname, "salutation": salutation}
        said = {"attributes": attributes}
        level = {"confirmed_later": "opt_in", "withdrawn_later": "double_opt_in"}.get(
            visitor.consent, visitor.consent
        )
        if level != "none":
            said["consent"] = {"email": level}
        self._add(at_ms, visitor, IDENTIFY, said)
        if visitor.consent == "confirmed_later":
            confirmed_at_ms = at_ms + int((1 + 20 * chance.random()) * MINUTE_MS)
            self._add(confirmed_at_ms, visitor, CONSENT, {"email": "double_opt_in"})
        return at_ms + 1 + int(chance.random() * 3_000)

    def _browse(self, visitor: Visitor, at_ms: int, intent: str) -> int:
        chance = self._chance
        views = 7 + int(8 * chance.random()) if intent == "browse" else 1 + int(6 * chance.random())
        if chance.random() < 0.5:
            self._add(at_ms, visitor, "page_view", {"url": "https://shop.example/"})
            at_ms += self._pause()
        products = PRODUCTS[visitor.language]
        product = products[int(chance.random() ** 2 * len(products))]
        if chance.random() < 0.4:
            self._add(at_ms, visitor, "category_view", {"category": product["category"]})
            at_ms += self._pause()
        for _ in range(views):
            self._add(at_ms, visitor, PRODUCT_VIEW, product)
            if chance.random() < 0.04:
                self._add(at_ms + 1_000, visitor, "wishlist_add", product)
            at_ms += self._pause()
            product = products[int(chance.random() ** 2 * len(products))]
        return at_ms

    def _fill_cart(self, visitor: Visitor, at_ms: int) -> int:
        chance = self._chance
        products = PRODUCTS[visitor.language]
        for _ in range(1 + int(2 * chance.random())):
            product = products[int(chance.random() ** 2 * len(products))]
            item = product | {"quantity": 1 + (chance.random() < 0.15)}
            others = [each for each in visitor.cart if each["product_id"] != item["product_id"]]
            visitor.cart = [*others, item][-8:]
            at_ms += self._pause()
            self._add(at_ms, visitor, CART_UPDATE, {"items": visitor.cart})
        return at_ms

    def _buy(self, visitor: Visitor, at_ms: int) -> int:
        """Go through the checkout in less than a minute; the cart is empty afterwards."""
        total = _total(visitor.cart)
        self._add(at_ms, visitor, "checkout_start", {"total": total})
        at_ms += 10_000 + int(40_000 * self._chance.random())
        order = {
            "order_id": f"o-{self._seed}-{self._count}",
            "total": total,
            "items": visitor.cart,
        }
        self._add(at_ms, visitor, "purchase", order)
        visitor.cart = []
        self._add(at_ms + 1, visitor, CART_UPDATE, {"items": []})
        return at_ms + 1

    def _leave(self, visitor: Visitor, at_ms: int, intent: str) -> int:
        """Decide when the visitor comes back: some in the wait of a journey, to buy."""
        chance = self._chance
        if intent in ("browse", "abandon") and visitor.consent == "withdrawn_later":
            visitor.consent = "opt_out"
            self._add(at_ms + GAP_MS + MINUTE_MS, visitor, CONSENT, {"email": "opt_out"})
        returns = chance.random() < 0.15
        if returns and intent == "abandon":
            visitor.intent = "return"
            return at_ms + GAP_MS + 20_000 + int(3 * MINUTE_MS * chance.random())
        if returns and intent == "browse":
            visitor.intent = "buy"
            return at_ms + GAP_MS + MINUTE_MS + int(HOUR_MS * chance.random())
        return at_ms + self._days_off()

    def _days_off(self) -> int:
        return GAP_MS + MINUTE_MS + int(self._chance.expovariate(1 / (44 * HOUR_MS)))

    def _pause(self) -> int:
        return 2_000 + int(min(self._chance.expovariate(1 / 40_000), 8 * MINUTE_MS))

    def _add(self, at_ms: int, visitor: Visitor, name: str, payload: dict[str, Any]) -> None:
        self._count = count = self._count + 1
        event = Event(f"e{self._seed}-{count}", visitor.key, name, at_ms, payload)
        heappush(self.ready, (at_ms, count, event))


def _pick(bounds: tuple[tuple[str, float], ...], roll: float) -> str:
    for name, bound in bounds:
        if roll < bound:
            return name
    return bounds[-1][0]


def _total(cart: list[dict[str, Any]]) -> float:
    total: float = sum(item["price"] * item["quantity"] for item in cart)
    return round(total, 2)
