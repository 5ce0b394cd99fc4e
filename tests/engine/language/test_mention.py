"""What templates ask for: found in their texts, and packed with a message, and nothing else."""

from typing import Any

import msgspec
import pytest

from engine.compile.publication import compile_publication
from engine.contacts.contact import Contact
from engine.contacts.happening import Happening, pack
from engine.contacts.history import latest
from engine.input import Publish
from engine.language.journey import Publication
from engine.language.mention import Mentions, mentions_in
from engine.limits import LATEST_MAX, MENTIONED_NAMES_MAX
from tests.engine.situation import (
    GAP_MS,
    NOON_MS,
    SECOND_MS,
    Situation,
    mail,
    only_delivery,
    only_outcome,
    wait,
)
from tests.publications import journey


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("history.purchase session visit", Mentions()),
        ("{{ contact.history.a }}{{ trigger.session }}{{ revisit }}", Mentions()),
        ("{{ history.purchase.size }}", Mentions(("purchase",))),
        ("{{- history['order-paid'].first -}}", Mentions(("order-paid",))),
        ('{% if history["a b"] %}x{% endif %}', Mentions(("a b",))),
        (
            "{% for p in history.product_view limit: 3 %}{{ p.name }}{{ p['url'] }}{% endfor %}",
            Mentions(("product_view",), ("name", "url")),
        ),
        (
            "{% assign a = history.x | latest: 3, 'brand' %}{{ contact.city }}{{ a[0].size.eu }}",
            Mentions(("x",), ("brand", "eu")),
        ),
        (
            "{{ history.x | map: 'name' | join: ', ' }}{{ products[0].price }}",
            Mentions(("x",), ("name",)),
        ),
        ("{% if session %}{{ visit.key }}{% endif %}", Mentions(session=True, visit=True)),
        ("{% for p in session.products %}{{ p.name }}{% endfor %}", Mentions(session=True)),
    ],
)
def test_mentions_are_found(text: str, expected: Mentions) -> None:
    assert mentions_in([text]) == expected


def test_those_of_all_templates_are_taken_together() -> None:
    texts = ["{{ history.b.last.x }}", "{{ visit.key }}", "{{ history.a.last.y }}"]
    assert mentions_in(texts) == Mentions(("a", "b"), ("x", "y"), visit=True)


def published(text: str, *journeys: dict[str, Any]) -> Situation:
    """Return a situation whose one template has this text."""
    situation = Situation()
    publication = Publication(
        journeys={each["journey"]: each for each in journeys or [journey()]},
        templates={"hello.en": f"---\nsubject: Hello\n---\n{text}\n"},
    )
    assert situation.fold(Publish(msgspec.json.encode(publication))) == []
    return situation


def test_past_events_are_packed_with_their_fields_the_latest_last() -> None:
    situation = published("{{ history.product_view.size }}")
    for i in range(LATEST_MAX + 5):
        situation.event("product_view", {"product_id": f"p-{i}", "price": i}, after_ms=SECOND_MS)
    key = only_outcome(situation.event()).key
    history = only_delivery(situation.handover(key)).history
    assert list(history) == ["product_view"]
    assert [each["product_id"] for each in history["product_view"]] == [
        f"p-{i}" for i in range(5, LATEST_MAX + 5)
    ]
    assert history["product_view"][-1] == {
        "at_ms": NOON_MS + (LATEST_MAX + 5) * SECOND_MS,
        "product_id": f"p-{LATEST_MAX + 4}",
        "price": LATEST_MAX + 4,
    }


def test_further_fields_that_are_kept_are_told_too() -> None:
    standard = (NOON_MS, "a", None, 5, None)
    past: list[Happening] = [pack(NOON_MS), pack(standard), pack((*standard, {"brand": "Ott"}))]
    assert latest(Contact("c-1", history={"x": past}), "x", 3) == [
        {"at_ms": NOON_MS},
        {"at_ms": NOON_MS, "product_id": "a", "price": 5},
        {"at_ms": NOON_MS, "product_id": "a", "price": 5, "brand": "Ott"},
    ]


def test_what_no_template_asks_for_is_not_packed() -> None:
    situation = published("{{ history.purchase.size }}")
    situation.event("product_view", {"product_id": "a"})
    key = only_outcome(situation.event()).key
    delivery = only_delivery(situation.handover(key))
    assert (delivery.history, delivery.session, delivery.visit) == ({}, None, {})


def test_the_session_is_that_of_the_handover() -> None:
    situation = published("{{ session.counts.page_view }}")
    key = only_outcome(situation.event()).key
    situation.event("product_view", {"product_id": "a", "name": "Hut"}, after_ms=SECOND_MS)
    session = only_delivery(situation.handover(key)).session
    assert session is not None
    assert session["counts"]["product_view"] == 1
    assert session["products"] == [{"product_id": "a", "name": "Hut"}]
    assert session["duration_ms"] == SECOND_MS


def test_after_its_end_there_is_no_session() -> None:
    situation = published("{{ session.counts.page_view }}")
    key = only_outcome(situation.event()).key
    situation.pass_time(GAP_MS)
    assert only_delivery(situation.handover(key)).session is None


def test_the_visit_is_that_of_the_decision() -> None:
    reentry = {"again": "always", "key": "order"}
    sends = journey(nodes=[mail("a"), wait("1h"), mail("b")], reentry=reentry)
    situation = published("{{ visit.key }}", sends)
    situation.event("hi", {"order": "o-1"})
    (visit,) = situation.contact().visits
    made = situation.run_out()
    key = only_outcome(made[-1:]).key
    assert only_delivery(situation.handover(key)).visit == {
        "id": visit.id,
        "key": "o-1",
        "entered_at_ms": situation.now_ms,
        "messages": 2,
        "answers": {},
    }


def test_names_that_templates_ask_for_are_kept_with_their_fields() -> None:
    situation = published("{% for p in history.x %}{{ p.brand }}{% endfor %}")
    route = situation.partition.programs.routes["x"]
    assert route.keeps == ("brand",)


def test_what_templates_ask_for_is_bounded() -> None:
    text = "".join(f"{{{{ history.n{i} }}}}" for i in range(MENTIONED_NAMES_MAX + 1))
    _, (mistake,) = compile_publication(Publication(journeys={}, templates={"a.en": text}))
    assert mistake.problem.startswith(f"templates ask for {MENTIONED_NAMES_MAX + 1} names")
    assert mistake.fix == f"ask for {MENTIONED_NAMES_MAX} at most"
