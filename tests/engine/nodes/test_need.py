"""Needs and hold-outs: what stops a message though every other rule allows it."""

from typing import Any

import pytest

from engine.compile.publication import compile_publication
from engine.decision import Outcome
from engine.language.journey import Publication
from engine.limits import NEEDS_MAX
from tests.engine.situation import GAP_MS, Situation, mail, only_outcome, outcomes
from tests.publications import journey

VIEW = ("product_view", {"product_id": "a"})
CART = ("cart_update", {"items": [{"product_id": "a"}]})


@pytest.mark.parametrize(
    ("need", "before", "payload", "outcome"),
    [
        ("contact.surname", [], {}, "missing"),
        ("contact.surname", [("identify", {"attributes": {"surname": "Ott"}})], {}, "sent"),
        ("contact.surname", [("identify", {"attributes": {"surname": ""}})], {}, "missing"),
        ("contact.points", [("identify", {"attributes": {"points": 0}})], {}, "sent"),
        ("contact.vip", [("identify", {"attributes": {"vip": False}})], {}, "sent"),
        ("contact.a.b", [("identify", {"attributes": {"a": {"b": 1}}})], {}, "sent"),
        ("contact.a.b", [("identify", {"attributes": {"a": "b"}})], {}, "missing"),
        ("contact.id", [], {}, "sent"),
        ("trigger.order.id", [], {"order": {"id": "o-1"}}, "sent"),
        ("trigger.order.id", [], {"order": {"id": None}}, "missing"),
        ("trigger.order.id", [], {"order": {}}, "missing"),
        ("trigger.tags", [], {"tags": []}, "missing"),
        ("products", [], {}, "missing"),
        ("products", [], {"products": [{"product_id": "a"}]}, "sent"),
        ("cart", [], {}, "missing"),
        ("cart", [CART], {}, "sent"),
        ("cart", [CART, ("cart_update", {"items": []})], {}, "missing"),
        ("session.counts.product_view", [VIEW], {}, "sent"),
        ("session.products", [], {}, "missing"),
        ("session.products", [VIEW], {}, "sent"),
        ("visit.key", [], {}, "missing"),
        ("visit.entered_at_ms", [], {}, "sent"),
        ("visit.answers.ask", [], {}, "missing"),
        ("history.product_view", [], {}, "missing"),
        ("history.product_view", [VIEW], {}, "sent"),
        ("history.shop.order-paid", [("shop.order-paid", {})], {}, "sent"),
    ],
)
def test_what_is_needed_is_there_or_the_message_is_not_sent(
    need: str, before: list[tuple[str, dict[str, Any]]], payload: dict[str, Any], outcome: str
) -> None:
    situation = Situation(journey(nodes=[mail(needs=[need]), mail("next")]))
    for name, said in before:
        situation.event(name, said)
    made = situation.event("hi", payload)
    assert outcomes(made) == [("hello", outcome), ("hello", "sent")]
    assert isinstance(made[0], Outcome)
    assert made[0].reason == ("" if outcome == "sent" else f"{need} is missing")


def test_without_a_session_there_is_nothing_of_one() -> None:
    situation = Situation(
        journey(entry={"event": "session_end"}, nodes=[mail(needs=["session.started_at_ms"])])
    )
    situation.event(*VIEW)
    reason = only_outcome(situation.pass_time(GAP_MS)).reason
    assert reason == "session.started_at_ms is missing"


def test_the_products_of_the_session_that_ended_are_there() -> None:
    situation = Situation(journey(entry={"event": "session_end"}, nodes=[mail(needs=["products"])]))
    situation.event(*VIEW)
    assert only_outcome(situation.pass_time(GAP_MS)).outcome == "sent"


def mistakes_of(needs: list[str]) -> list[tuple[str, str, str]]:
    publication = Publication(
        journeys={"j.yaml": journey(nodes=[mail(needs=needs)])}, templates={"hello.en": "x"}
    )
    _, mistakes = compile_publication(publication)
    return [(each.path, each.problem, each.fix) for each in mistakes]


@pytest.mark.parametrize(
    ("need", "problem", "fix"),
    [
        ("contcat.surname", "there is nothing called 'contcat'", "did you mean `contact`?"),
        ("contact", "'contact' is no path", "write `contact.NAME`"),
        ("contact..a", "'contact..a' is no path", "write `contact.NAME`"),
        ("cart.items", "'cart.items' is needed as a whole", "write `cart`"),
        ("visit.kye", "a visit has no 'kye'", "did you mean `key`?"),
    ],
)
def test_a_need_that_nothing_can_meet_is_refused(need: str, problem: str, fix: str) -> None:
    assert mistakes_of([need]) == [("$.nodes[0].needs[0]", problem, fix)]


def test_needs_are_bounded() -> None:
    (mistake,) = mistakes_of(["cart"] * (NEEDS_MAX + 1))
    assert mistake == ("$.nodes[0].needs", f"{NEEDS_MAX + 1} needs", f"{NEEDS_MAX} at most")


def shares(situation: Situation, name: str = "hi") -> dict[str, int]:
    """Count outcomes over a thousand contacts."""
    counts: dict[str, int] = {}
    for i in range(1_000):
        contact = f"c-{i}"
        situation.event("consent", {"email": "opt_in"}, contact=contact)
        outcome = only_outcome(situation.event(name, contact=contact))
        counts[outcome.outcome] = counts.get(outcome.outcome, 0) + 1
        if outcome.outcome == "held_out":
            assert outcome.reason == "all journeys: the 20 % that are held out"
    return counts


def test_a_share_of_all_contacts_gets_no_marketing_at_all() -> None:
    situation = Situation(
        journey(nodes=[mail(purpose="marketing")]),
        journey("other", entry={"event": "ho"}, nodes=[mail(purpose="marketing")]),
        journey("bill", entry={"event": "pay"}),
        hold_out=20,
    )
    counts = shares(situation)
    assert 150 < counts["held_out"] < 250
    assert shares(situation, "pay") == {"sent": 1_000}
    for i in range(1_000):  # The same contacts in every journey.
        contact = f"c-{i}"
        made = [situation.event(name, contact=contact) for name in ("hi", "ho")]
        assert len({only_outcome(each).outcome for each in made}) == 1


@pytest.mark.parametrize("share", [-1, 100, 101])
def test_a_share_that_leaves_nobody_is_refused(share: int) -> None:
    _, (mistake,) = compile_publication(Publication(journeys={}, settings={"hold_out": share}))
    assert mistake.path == "$.hold_out"
