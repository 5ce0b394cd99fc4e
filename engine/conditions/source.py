"""Sources: where a condition finds its value: session, cart, visit, payload or attributes.

Each value is worked out only when a condition asks for it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from engine.conditions.compare import NUMBERS
from engine.conditions.reads import Reads
from engine.contacts.session import products_of
from engine.input import CART_UPDATE, PRODUCT_VIEW, SESSION_END, SESSION_START
from engine.moment import Moment
from engine.value import MISSING, value_at

NUMBER: Final = "a number"
TEXT: Final = "a text"
TRUTH: Final = "true or false"
LIST: Final = "a list"
MOMENT: Final = "a moment"
ANY: Final = "any value"

OF_SESSION: Final = (SESSION_START, SESSION_END)
AMOUNT_DIGITS: Final = 4
"""A sum of prices is rounded to so many: three times 19.90 is to be 59.70."""


class Source:
    """Finds one value; MISSING where there is none."""

    __slots__ = ("find", "grows_since", "kind", "moved_by", "of_contact", "root")

    def __init__(
        self,
        kind: str,
        find: Callable[[Moment], Any],
        moved_by: tuple[str, ...] = (),
        grows_since: Callable[[Moment], int | None] | None = None,
    ) -> None:
        self.kind = kind
        """What it finds, in words: NUMBER, MOMENT, TEXT, TRUTH, LIST; ANY is not known before."""
        self.find = find
        self.moved_by = moved_by
        """Names of the events that change it, where the contact's visits do not."""
        self.grows_since = grows_since
        """Says since when the value, a span, has grown with time; None now where there is none."""
        self.of_contact = False
        """Whether attributes are read."""
        self.root = ""
        """First name of a path into the trigger's payload."""

    def note_reads(self, reads: Reads) -> None:
        """Note what it looks at; see Test."""
        reads.contact |= self.of_contact
        reads.moving.update(self.moved_by)


def _at(path: list[str], data: Any) -> Any:
    """Return the value at a path; a missing count of a session is 0."""
    value = value_at(data, path)
    return 0 if value is MISSING and path[:1] == ["counts"] else value


def payload_source(path: list[str]) -> Source:
    """Find a field of the trigger's payload."""
    source = Source(ANY, lambda moment: _at(path, moment.trigger))
    source.root = path[0]
    return source


def attribute_source(path: list[str]) -> Source:
    """Find an attribute of the contact."""
    source = Source(ANY, lambda moment: value_at(moment.contact.attributes, path))
    source.of_contact = True
    return source


def _count(name: str, moment: Moment) -> int:
    session = moment.contact.session
    return 0 if session is None else session.counts.get(name, 0)


def session_count(name: str) -> Source:
    """Find how many events of this name the session has; 0 where there is no session."""
    return Source(NUMBER, partial(_count, name), (name, *OF_SESSION))


def _is_active(moment: Moment) -> bool:
    return moment.contact.session is not None


def _started_at_ms(moment: Moment) -> Any:
    session = moment.contact.session
    return MISSING if session is None else session.started_at_ms


def _session_since_ms(moment: Moment) -> int | None:
    session = moment.contact.session
    return None if session is None else session.started_at_ms


def _session_ms(moment: Moment) -> Any:
    session = moment.contact.session
    return MISSING if session is None else moment.now_ms - session.started_at_ms


def _is_cart_filled(moment: Moment) -> bool:
    contact = moment.contact
    session = contact.session
    return session is not None and bool(contact.cart) and CART_UPDATE in session.counts


def _viewed_ids(moment: Moment) -> Any:
    session = moment.contact.session
    if session is None:
        return MISSING
    return [product["product_id"] for product in products_of(session.views)]


SESSION: Final = {
    "active": Source(TRUTH, _is_active, OF_SESSION),
    "started_at_ms": Source(MOMENT, _started_at_ms, OF_SESSION),
    "duration_ms": Source(NUMBER, _session_ms, OF_SESSION, _session_since_ms),
    "cart_filled": Source(TRUTH, _is_cart_filled, (CART_UPDATE, *OF_SESSION)),
    "product_ids": Source(LIST, _viewed_ids, (PRODUCT_VIEW, *OF_SESSION)),
}


def _number_in(item: dict[str, Any], field: str, default: float) -> float:
    value = item.get(field)
    return value if value.__class__ in NUMBERS else default


def _quantity(moment: Moment) -> float:
    return sum(_number_in(item, "quantity", 1) for item in moment.contact.cart)


def _total(moment: Moment) -> float:
    total: float = 0
    for item in moment.contact.cart:
        total += _number_in(item, "price", 0) * _number_in(item, "quantity", 1)
    return round(total, AMOUNT_DIGITS)


def _item_count(moment: Moment) -> int:
    return len(moment.contact.cart)


def _product_ids(moment: Moment) -> list[Any]:
    return [item["product_id"] for item in moment.contact.cart if "product_id" in item]


CART: Final = {
    "quantity": Source(NUMBER, _quantity, (CART_UPDATE,)),
    "total": Source(NUMBER, _total, (CART_UPDATE,)),
    "items": Source(NUMBER, _item_count, (CART_UPDATE,)),
    "product_ids": Source(LIST, _product_ids, (CART_UPDATE,)),
}


def _visit_key(moment: Moment) -> Any:
    visit = moment.visit
    return MISSING if visit is None or not visit.key else visit.key


def _visit_messages(moment: Moment) -> Any:
    return MISSING if moment.visit is None else moment.visit.messages


def _visit_since_ms(moment: Moment) -> int | None:
    return None if moment.visit is None else moment.visit.entered_at_ms


def _visit_ms(moment: Moment) -> Any:
    visit = moment.visit
    return MISSING if visit is None else moment.now_ms - visit.entered_at_ms


VISIT: Final = {
    "key": Source(TEXT, _visit_key),
    "messages": Source(NUMBER, _visit_messages),
    "age_ms": Source(NUMBER, _visit_ms, (), _visit_since_ms),
}


def _entered_on(path: list[str], moment: Moment) -> Any:
    return MISSING if moment.visit is None else _at(path, moment.visit.trigger)


def trigger_source(path: list[str]) -> Source:
    """Find a field of the payload that the visit was entered on, whatever happens now."""
    return Source(ANY, partial(_entered_on, path))


def _answer(node: str, path: list[str], moment: Moment) -> Any:
    visit = moment.visit
    if visit is None or node not in visit.answers:
        return MISSING
    return _at(path, visit.answers[node])


def answer_source(node: str, path: list[str]) -> Source:
    """Find a field of the event that a node of the visit waited for, or of a webhook's answer."""
    return Source(ANY, partial(_answer, node, path))
