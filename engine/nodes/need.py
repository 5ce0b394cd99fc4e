"""Needs: what must be there, or a message is not sent."""

from typing import Any, Final

from engine.contacts.contact import Visit
from engine.contacts.session import products_of, summary_of
from engine.fact import Fact, shown
from engine.moment import Moment
from engine.value import MISSING, value_at

CONTACT: Final = "contact"
TRIGGER: Final = "trigger"
PRODUCTS: Final = "products"
CART: Final = "cart"
SESSION: Final = "session"
VISIT: Final = "visit"
HISTORY: Final = "history"

WHOLE: Final = (PRODUCTS, CART)
"""What is needed as a whole: `products`."""
PARTS: Final = (CONTACT, TRIGGER, SESSION, VISIT, HISTORY)
"""What a part of is needed: `contact.surname`."""
VISIT_FIELDS: Final = ("id", "key", "entered_at_ms", "messages", "answers")


class Need:
    """Something that must be there. The name of a past event may have dots."""

    __slots__ = ("path", "root", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.root, _, rest = text.partition(".")
        self.path = [rest] if self.root == HISTORY else rest.split(".") if rest else []

    def is_met(self, moment: Moment, visit: Visit) -> bool:
        """Say whether it is there: no null, no empty text, list or object; 0 and false are."""
        value = value_at(self._whole(moment, visit), self.path)
        if value is MISSING or value is None:
            return False
        return bool(value) or not isinstance(value, str | list | dict)

    def explain(self, moment: Moment, visit: Visit) -> Fact:
        """Return what is there; of lists and objects how many there are."""
        value = value_at(self._whole(moment, visit), self.path)
        found = len(value) or None if isinstance(value, list | dict) else shown(value)
        holds = self.is_met(moment, visit)
        return Fact(what=self.text, holds=holds, wanted="there", found=found)

    def _whole(self, moment: Moment, visit: Visit) -> Any:
        contact = moment.contact
        match self.root:
            case "contact":
                return contact.attributes | {"id": contact.key}
            case "trigger":
                return visit.trigger
            case "products":
                return products_of(visit.views) or visit.trigger.get(PRODUCTS)
            case "cart":
                return contact.cart
            case "session":
                return summary_of(contact, moment.now_ms)
            case "visit":
                return seen_of(visit)
            case _:
                return contact.history


def seen_of(visit: Visit) -> dict[str, Any]:
    """Return what templates and needs may see of a visit."""
    return {name: getattr(visit, name) for name in VISIT_FIELDS}
