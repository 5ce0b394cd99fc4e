"""The journeys we show: in force as they lie there, each in simulated time, to the millisecond."""

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
import yaml

from actors.folder import read_folder
from console.system.simulator import simulate
from engine.decision import Delivery, Outcome
from engine.input import Advance, Event, Handover, Publish, Receipt, payload_of
from engine.language.journey import Publication
from engine.limits import FAR_MS
from engine.partition import Partition

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "journeys"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
GAP_MS = 30 * MINUTE_MS
NOON_MS = 1_760_000_000_000

WISHES = """
journey: wishes
entry:
  event: wishlist_add
  when:
    all:
      - {field: price, at_least: 60}
      - {happened: wishlist_add, within: 24h, at_least: 2}
nodes:
  - {id: mail, send: email, template: favourites, purpose: transactional}
"""


class Shop:
    """One contact, and the partition that holds it."""

    def __init__(self, publication: Publication | None = None, consent: str = "double_opt_in"):
        self.decisions: list[Any] = []
        self.outcomes: list[Outcome] = []
        self.deliveries: list[Delivery] = []
        self.partition = Partition(0, self.decisions)
        self.count = 0
        read = publication or read_folder(EXAMPLES).publication
        self.fold(Publish(msgspec.json.encode(read, order="sorted")), 0)
        if consent:
            self.event(NOON_MS - DAY_MS, "consent", {"email": consent})

    def fold(self, input: Any, now_ms: int) -> None:
        self.partition.fold(input, now_ms)
        decided, self.decisions[:] = self.decisions[:], []
        for each in decided:
            if isinstance(each, Outcome):
                self.outcomes.append(each)
                if each.outcome == "sent":
                    self.fold(Handover(each.contact, each.key, each.at_ms), self.partition.now_ms)
                    self.fold(
                        Receipt(each.contact, each.key, delivered=True), self.partition.now_ms
                    )
            else:
                assert isinstance(each, Delivery), each
                self.deliveries.append(each)

    def event(self, at_ms: int, name: str, payload: dict[str, Any] | None = None) -> None:
        self.count += 1
        self.fold(Event(f"e-{self.count}", "c-1", name, at_ms, payload or {}), at_ms)

    def views(self, at_ms: int, count: int) -> int:
        """View so many products, a minute apart, and return when the last one was."""
        for i in range(count):
            self.event(at_ms + i * MINUTE_MS, "product_view", {"product_id": f"p-{i}"})
        return at_ms + (count - 1) * MINUTE_MS

    def abandon(self, at_ms: int) -> int:
        """Fill a cart, go to the checkout, leave; return when the last event was."""
        self.event(at_ms, "cart_update", {"items": [{"product_id": "p-1", "quantity": 2}]})
        self.event(at_ms + MINUTE_MS, "checkout_start")
        return at_ms + MINUTE_MS

    def run_out(self) -> list[tuple[str, str, int]]:
        """Let all time pass; return what came of the visits, in order."""
        while self.partition.next_due_at_ms < FAR_MS:
            self.fold(Advance(FAR_MS), self.partition.now_ms)
        return [(each.journey, each.outcome, each.at_ms) for each in self.outcomes]


def changed(**of_settings: Any) -> Publication:
    read = copy.deepcopy(read_folder(EXAMPLES).publication)
    read.settings.update(of_settings)
    return read


def test_the_example_folder_has_no_mistakes() -> None:
    read = read_folder(EXAMPLES)
    assert read.mistakes == []
    assert read.notes == []
    assert sorted(read.publication.journeys) == ["checkout-help.yaml", "favourites.yaml"]
    assert sorted(read.publication.templates) == [
        f"{name}.{language}"
        for name in ("checkout-help", "favourites")
        for language in ("de", "en")
    ]


def test_favourites_come_two_hours_after_the_session_ended() -> None:
    shop = Shop()
    last = shop.views(NOON_MS, 7)
    assert shop.run_out() == [("favourites", "sent", last + GAP_MS + 2 * HOUR_MS)]
    (delivery,) = shop.deliveries
    assert [each["product_id"] for each in delivery.trigger["products"]] == [
        f"p-{i}" for i in range(7)
    ]


def test_the_mail_is_not_decided_a_millisecond_early() -> None:
    shop = Shop()
    due = shop.views(NOON_MS, 7) + GAP_MS + 2 * HOUR_MS
    shop.fold(Advance(due - 1), due - 1)
    assert shop.outcomes == []
    shop.fold(Advance(due), due)
    assert len(shop.outcomes) == 1


def test_six_views_are_not_enough() -> None:
    shop = Shop()
    shop.views(NOON_MS, 6)
    assert shop.run_out() == []


def test_an_event_at_exactly_thirty_minutes_opens_a_new_session() -> None:
    apart, together = Shop(), Shop()
    for shop, pause_ms in ((apart, GAP_MS), (together, GAP_MS - 1)):
        last = shop.views(NOON_MS, 6)
        shop.event(last + pause_ms, "product_view", {"product_id": "p-9"})
    assert apart.run_out() == []
    assert [each[:2] for each in together.run_out()] == [("favourites", "sent")]


@pytest.mark.parametrize("name", ["purchase", "checkout_start"])
def test_favourites_are_not_for_who_bought_or_came_to_the_checkout(name: str) -> None:
    shop = Shop()
    last = shop.views(NOON_MS, 7)
    shop.event(last + 1, name)
    assert shop.run_out() == []


def test_help_comes_five_minutes_after_the_session_ended() -> None:
    shop = Shop()
    last = shop.abandon(NOON_MS)
    assert shop.run_out() == [("checkout-help", "sent", last + GAP_MS + 5 * MINUTE_MS)]
    (delivery,) = shop.deliveries
    assert delivery.cart == [{"product_id": "p-1", "quantity": 2}]


def test_an_emptied_cart_needs_no_help() -> None:
    shop = Shop()
    last = shop.abandon(NOON_MS)
    shop.event(last + 1, "cart_update", {"items": []})
    assert shop.run_out() == []


@pytest.mark.parametrize(("early_ms", "outcome"), [(1, "exited"), (0, "sent")])
def test_a_purchase_ends_the_wait_until_its_last_millisecond(early_ms: int, outcome: str) -> None:
    for begin, journey, wait_ms in (
        (Shop.abandon, "checkout-help", 5 * MINUTE_MS),
        (lambda shop, at_ms: shop.views(at_ms, 7), "favourites", 2 * HOUR_MS),
    ):
        shop = Shop()
        due = begin(shop, NOON_MS) + GAP_MS + wait_ms
        shop.event(due - early_ms, "purchase")
        assert shop.run_out()[0] == (journey, outcome, due - early_ms)


@pytest.mark.parametrize("consent", ["", "opt_in", "opt_out"])
def test_without_double_opt_in_there_is_no_mail_and_a_reason(consent: str) -> None:
    shop = Shop(consent=consent)
    first = shop.views(NOON_MS, 7) + GAP_MS
    second = shop.abandon(first) + GAP_MS
    assert shop.run_out() == [
        ("favourites", "no_consent", first),
        ("checkout-help", "no_consent", second),
    ]
    for outcome in shop.outcomes:
        assert outcome.reason == f"email: {consent or 'none'}, needed double_opt_in"


def test_consent_withdrawn_during_the_wait_holds_the_mail_back() -> None:
    shop = Shop()
    last = shop.views(NOON_MS, 7)
    shop.event(last + GAP_MS + HOUR_MS, "consent", {"email": "opt_out"})
    assert shop.run_out() == [("favourites", "no_consent", last + GAP_MS + 2 * HOUR_MS)]


@pytest.mark.parametrize(
    ("later_ms", "outcome"), [(7 * DAY_MS - 1, "capped"), (7 * DAY_MS, "sent")]
)
def test_favourites_come_once_in_seven_days(later_ms: int, outcome: str) -> None:
    shop = Shop()
    shop.views(NOON_MS, 7)
    shop.views(NOON_MS + later_ms, 7)
    assert [each[1] for each in shop.run_out()] == ["sent", outcome]


@pytest.mark.parametrize(("later_ms", "outcome"), [(DAY_MS - 1, "capped"), (DAY_MS, "sent")])
def test_help_comes_once_in_a_day(later_ms: int, outcome: str) -> None:
    shop = Shop()
    shop.abandon(NOON_MS)
    shop.abandon(NOON_MS + later_ms)
    assert [each[1] for each in shop.run_out()] == ["sent", outcome]


def test_a_cap_over_all_holds_back_the_later_mail() -> None:
    publication = changed(caps=[{"messages": 1, "per": "24h", "purpose": "marketing"}])
    shop = Shop(publication)
    last = shop.views(NOON_MS, 7)
    again = shop.abandon(last + GAP_MS)
    assert shop.run_out() == [
        ("checkout-help", "sent", again + GAP_MS + 5 * MINUTE_MS),
        ("favourites", "capped", last + GAP_MS + 2 * HOUR_MS),
    ]
    assert "all journeys" in shop.outcomes[1].reason


@pytest.mark.parametrize(
    ("priority", "order"),
    [(1, ["checkout-help", "favourites"]), (99, ["favourites", "checkout-help"])],
)
def test_at_the_same_moment_the_higher_priority_gets_the_only_place(
    priority: int, order: list[str]
) -> None:
    publication = changed(caps=[{"messages": 1, "per": "24h", "purpose": "marketing"}])
    favourites = publication.journeys["favourites.yaml"]
    help = publication.journeys["checkout-help.yaml"]
    favourites["entry"]["when"]["all"].pop()  # Now who reached the checkout enters both.
    for journey in (favourites, help):
        journey["nodes"] = [node for node in journey["nodes"] if "wait" not in node]
    favourites["priority"] = priority
    shop = Shop(publication)
    end = shop.abandon(shop.views(NOON_MS, 7)) + GAP_MS
    assert shop.run_out() == [(order[0], "sent", end), (order[1], "capped", end)]


def test_a_journey_written_only_as_yaml_decides_what_sql_says() -> None:
    publication = changed()
    publication.journeys["wishes.yaml"] = yaml.safe_load(WISHES)
    shop = Shop(publication, consent="")
    events = list(simulate(3, 40_000))
    for event in events:
        assert event.at_ms is not None
        shop.fold(event, event.at_ms)
    shop.run_out()
    wishes = [
        (i, each.contact, each.id, each.at_ms, payload_of(each)["price"])
        for i, each in enumerate(events)
        if each.name == "wishlist_add"
    ]
    db = duckdb.connect(config={"threads": 1})
    db.execute("create table wish (line int, contact text, id text, ms bigint, price double)")
    db.executemany("insert into wish values (?, ?, ?, ?, ?)", wishes)
    expected = db.execute("""
        with once as (select min(line) as line, contact, id, ms, price from wish
            group by contact, id, ms, price)
        select contact, ms from once as this where price >= 60 and (
            select count(*) from once as past where past.contact = this.contact
                and past.line <= this.line and past.ms > this.ms - 86400000) >= 2
    """).fetchall()
    sent = [(each.contact, each.at_ms) for each in shop.outcomes if each.journey == "wishes"]
    assert len(wishes) > len(sent) > 30
    assert Counter(sent) == Counter(expected)
