"""What conditions find: in the session, the cart and the visit; and when it may change."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.conditions.reads import Reads
from engine.contacts.contact import Contact, Session, Visit
from engine.contacts.happening import pack
from engine.limits import FAR_MS
from engine.moment import Moment
from tests.engine.conditions.tests_of import (
    assert_changes_no_earlier,
    compiled,
    compiled_well,
    moment_at,
)
from tests.engine.situation import GAP_MS, HOUR_MS, NOON_MS, Situation, decide, mail, wait
from tests.publications import journey


def session(counts: dict[str, int] | None = None, *views: dict[str, Any]) -> Session:
    packed = [pack(view) for view in views]
    return Session(NOON_MS, GAP_MS, NOON_MS + GAP_MS, counts or {}, packed)


def holds(condition: dict[str, Any], moment: Moment) -> bool:
    return compiled_well(condition).holds(moment)


SHOES = {"product_id": "shoes", "price": 19.9, "quantity": 3}
CART = [SHOES, {"product_id": 7, "price": "free"}, {"name": "?", "price": 2, "quantity": "two"}]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"session": "active", "equals": True}, True),
        ({"session": "counts.product_view", "equals": 2}, True),
        ({"session": "counts.shop.visit", "at_least": 1}, True),
        ({"session": "counts.never", "equals": 0}, True),
        ({"session": "started_at_ms", "equals": NOON_MS}, True),
        ({"session": "started_at_ms", "within_last": "10m"}, True),
        ({"session": "started_at_ms", "within_last": "9m"}, False),
        ({"session": "duration_ms", "equals": 600_000 - 1}, True),
        ({"session": "cart_filled", "equals": True}, True),
        ({"session": "product_ids", "contains": "shoes"}, True),
        ({"session": "product_ids", "contains_all": ["shoes", 7]}, True),
        ({"session": "product_ids", "contains": "SHOES", "case": "ignore"}, True),
        ({"cart": "quantity", "equals": 5}, True),
        ({"cart": "total", "equals": 61.7}, True),
        ({"cart": "total", "between": [61, 62]}, True),
        ({"cart": "items", "more_than": 2}, True),
        ({"cart": "items", "more_than": 3}, False),
        ({"cart": "product_ids", "contains_any": ["hat", 7]}, True),
        ({"cart": "product_ids", "contains": "7"}, False),
    ],
)
def test_session_and_cart_are_as_they_are_now(condition: dict[str, Any], *, expected: bool) -> None:
    counts = {"product_view": 2, "cart_update": 1, "shop.visit": 1}
    open_session = session(
        counts, {"product_id": "shoes"}, {"product_id": 7}, {"product_id": "shoes"}
    )
    contact = Contact("c-1", session=open_session, cart=CART)
    assert holds(condition, moment_at(NOON_MS + 600_000 - 1, None, contact)) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"session": "active", "equals": False}, True),
        ({"session": "counts.product_view", "equals": 0}, True),
        ({"session": "started_at_ms", "exists": True}, False),
        ({"session": "duration_ms", "at_least": 0}, False),
        ({"session": "cart_filled", "equals": False}, True),
        ({"session": "product_ids", "exists": False}, True),
        ({"cart": "quantity", "equals": 0}, True),
        ({"cart": "total", "equals": 0}, True),
        ({"cart": "product_ids", "exists": True}, True),
        ({"visit": "key", "exists": False}, True),
        ({"visit": "messages", "at_most": 100}, False),
        ({"visit": "age_ms", "exists": False}, True),
        ({"visit": "trigger.price", "exists": False}, True),
        ({"visit": "answers.wait.ok", "exists": False}, True),
    ],
)
def test_where_there_is_no_session_no_cart_and_no_visit(
    condition: dict[str, Any], *, expected: bool
) -> None:
    assert holds(condition, moment_at(NOON_MS)) is expected


@pytest.mark.parametrize(("cart", "counts"), [([], {"cart_update": 1}), (CART, {"page_view": 1})])
def test_a_session_filled_no_cart_that_is_empty_or_of_another_session(
    cart: list[dict[str, Any]], counts: dict[str, int]
) -> None:
    contact = Contact("c-1", session=session(counts), cart=cart)
    assert holds({"session": "cart_filled", "equals": False}, moment_at(NOON_MS, None, contact))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"visit": "key", "equals": "o-1"}, True),
        ({"visit": "messages", "equals": 2}, True),
        ({"visit": "age_ms", "at_least": 5}, True),
        ({"visit": "age_ms", "more_than": 5}, False),
        ({"visit": "trigger.price", "equals": 9}, True),
        ({"visit": "trigger.counts.page_view", "equals": 0}, True),
        ({"visit": "trigger.ends", "before": "now"}, True),
        ({"visit": "answers.ask.body.ok", "equals": True}, True),
        ({"visit": "answers.other.body.ok", "exists": True}, False),
        ({"visit": "answers.ask", "exists": True}, True),
        ({"visit": "answers.other", "exists": True}, False),
        ({"field": "price", "equals": 1}, True),
    ],
)
def test_a_visit_is_as_it_is_now(condition: dict[str, Any], *, expected: bool) -> None:
    moment = moment_at(NOON_MS + 5, {"price": 1})
    trigger = {"price": 9, "ends": "2020-01-01"}
    moment.visit = Visit("v", "hello", "mail", NOON_MS, NOON_MS, FAR_MS, trigger, [], 2, "o-1")
    moment.visit.answers = {"ask": {"body": {"ok": True}}}
    assert holds(condition, moment) is expected


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    operator=some.sampled_from(["equals", "at_least", "more_than", "at_most", "less_than"]),
    operand=some.integers(-2, 60) | some.floats(-2, 60),
    age_ms=some.integers(0, 60),
    of_session=some.booleans(),
)
def test_a_span_that_grows_says_when_it_comes_out_otherwise(
    operator: str, operand: float, age_ms: int, *, of_session: bool
) -> None:
    place = {"session": "duration_ms"} if of_session else {"visit": "age_ms"}
    contact = Contact("c-1", session=session())
    moment = moment_at(NOON_MS + age_ms, None, contact)
    moment.visit = Visit("v", "hello", "mail", NOON_MS, NOON_MS, FAR_MS, {}, [])
    test = compiled_well(place | {operator: operand})
    assert_changes_no_earlier(test, moment, list(range(NOON_MS, NOON_MS + 70)))


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ({"session": "counts.a.b", "equals": 1}, {"a.b", "session_start", "session_end"}),
        ({"session": "active", "equals": True}, {"session_start", "session_end"}),
        (
            {"not": {"session": "cart_filled", "equals": True}},
            {"cart_update", "session_start", "session_end"},
        ),
        ({"cart": "total", "at_least": 5}, {"cart_update"}),
        ({"attribute": "ends", "before": "now"}, {"identify", "consent"}),
        ({"field": "ends", "before": "now"}, set()),
        ({"visit": "messages", "at_least": 5}, set()),
    ],
)
def test_a_condition_knows_which_events_change_it(
    condition: dict[str, Any], names: set[str]
) -> None:
    reads = Reads()
    compiled_well(condition).note_reads(reads)
    assert reads.moving_names() == names


@pytest.mark.parametrize(
    ("condition", "path", "fix"),
    [
        ({"session": "actve", "equals": True}, ".session", "did you mean `active`?"),
        ({"cart": "totals", "equals": 1}, ".cart", "did you mean `total`?"),
        ({"visit": "trigger", "equals": 1}, ".visit", "did you mean `trigger.FIELD`?"),
        ({"session": "active", "equals": "yes"}, ".equals", "compare it with true or false"),
        ({"session": "active", "at_least": 1}, ".at_least", "compare it with true or false"),
        ({"cart": "total", "starts_with": "5"}, ".starts_with", "compare it with a number"),
        ({"cart": "total", "one_of": ["a", True]}, ".one_of", "compare it with a number"),
        ({"cart": "product_ids", "equals": "a"}, ".equals", "compare it with a list"),
        (
            {"session": "duration_ms", "within_last": "5m"},
            ".within_last",
            "compare it with a number",
        ),
        ({"session": "active", "before": "now"}, ".before", "compare it with true or false"),
    ],
)
def test_what_does_not_fit_the_value_is_refused(
    condition: dict[str, Any], path: str, fix: str
) -> None:
    _, mistakes = compiled(condition)
    assert [(each.path, each.fix) for each in mistakes] == [(f"$.entry.when{path}", fix)]


def test_a_decision_asks_what_the_visit_has_had() -> None:
    nodes = [
        mail(),
        decide({"visit": "messages", "at_least": 1}),
        wait("1h"),
        decide({"visit": "age_ms", "at_least": HOUR_MS}, "later"),
        mail("second"),
    ]
    situation = Situation(journey(nodes=nodes))
    assert len(situation.event("hi")) == 1
    assert len(situation.run_out()) == 1
