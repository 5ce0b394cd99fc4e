"""Sessions: what belongs to one, when it ends, and what is said of it then."""

from typing import Any

from engine.input import STANDARD_NAMES, Verdict
from engine.limits import SESSION_NAMES_MAX, SESSION_PRODUCTS_MAX, VIEW_BYTES_MAX
from tests.engine.nodes.test_await import wait_for
from tests.engine.situation import (
    DAY_MS,
    GAP_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    mail,
    only_delivery,
    only_outcome,
    outcomes,
)
from tests.publications import journey

AT_ITS_END = journey(entry={"event": "session_end"}, nodes=[mail()])


def summaries(situation: Situation) -> list[dict[str, Any]]:
    """Let all sessions end; return what was said of each."""
    return [
        only_delivery(situation.handover(decision.key)).trigger  # type: ignore[union-attr]
        for decision in situation.run_out()
    ]


def test_a_summary_says_begin_end_counts_cart_and_products() -> None:
    situation = Situation(AT_ITS_END)
    situation.event("product_view", {"product_id": "a", "price": 5})
    situation.event("cart_update", {"items": [{"product_id": "a"}]}, after_ms=MINUTE_MS)
    situation.event("smile", after_ms=MINUTE_MS)
    assert summaries(situation) == [
        {
            "started_at_ms": NOON_MS,
            "ended_at_ms": NOON_MS + 2 * MINUTE_MS + GAP_MS,
            "duration_ms": 2 * MINUTE_MS,
            "counts": dict.fromkeys(STANDARD_NAMES, 0)
            | {"product_view": 1, "cart_update": 1, "smile": 1},
            "cart": [{"product_id": "a"}],
            "cart_filled": True,
            "products": [{"product_id": "a", "price": 5}],
        }
    ]


def test_an_event_a_millisecond_before_the_end_belongs_to_the_session() -> None:
    situation = Situation(AT_ITS_END)
    situation.event("hi")
    situation.event("hi", after_ms=GAP_MS - 1)
    (summary,) = summaries(situation)
    assert summary["counts"]["hi"] == 2


def test_an_event_at_the_end_opens_another() -> None:
    situation = Situation(AT_ITS_END)
    situation.event("hi")
    assert len(situation.event("hi", after_ms=GAP_MS)) == 1
    (summary,) = summaries(situation)
    assert summary["started_at_ms"] == NOON_MS + GAP_MS


def test_the_gap_is_that_of_the_settings() -> None:
    situation = Situation(AT_ITS_END, session_gap="5m")
    situation.event("hi")
    assert situation.pass_time(5 * MINUTE_MS - 1) == []
    assert len(situation.pass_time(1)) == 1


def test_a_session_keeps_the_gap_it_began_with() -> None:
    situation = Situation(AT_ITS_END, session_gap="5m")
    situation.event("hi")
    situation.publish(AT_ITS_END, session_gap="1h")
    assert len(situation.pass_time(5 * MINUTE_MS)) == 1


def test_what_a_back_end_says_is_no_activity() -> None:
    situation = Situation(AT_ITS_END, no_session=["parcel_sent"])
    situation.event("parcel_sent")
    assert situation.run_out() == []
    situation.event("hi")
    situation.event("parcel_sent", after_ms=MINUTE_MS)
    (summary,) = summaries(situation)
    assert summary["ended_at_ms"] == NOON_MS + GAP_MS
    assert "parcel_sent" not in summary["counts"]


def test_to_identify_or_consent_is_no_activity() -> None:
    situation = Situation(AT_ITS_END)
    situation.event("identify", {"attributes": {"a": 1}})
    situation.consent("opt_in")
    assert situation.contact().session is None
    assert situation.run_out() == []


def test_products_are_the_last_twenty_each_once_the_latest_last() -> None:
    situation = Situation(AT_ITS_END)
    for i in [*range(25), 3, 24]:
        situation.event("product_view", {"product_id": i, "seen": i}, after_ms=1)
    (summary,) = summaries(situation)
    products = [each["product_id"] for each in summary["products"]]
    assert products == [*range(6, 24), 3, 24]
    assert len(products) == SESSION_PRODUCTS_MAX


def test_a_view_again_says_what_is_known_now() -> None:
    situation = Situation(AT_ITS_END)
    for price in (5, 4):
        situation.event("product_view", {"product_id": "a", "price": price})
    (summary,) = summaries(situation)
    assert summary["products"] == [{"product_id": "a", "price": 4}]


def test_views_of_no_product_are_counted_and_not_listed() -> None:
    situation = Situation(AT_ITS_END)
    for id in (None, True, ["a"], {"a": 1}, 1.5):
        situation.event("product_view", {"product_id": id})
    situation.event("product_view")
    (summary,) = summaries(situation)
    assert summary["counts"]["product_view"] == 6
    assert summary["products"] == []


def test_a_view_too_long_keeps_the_fields_of_a_product() -> None:
    situation = Situation(AT_ITS_END)
    long = {"description": "x" * VIEW_BYTES_MAX}
    situation.event("product_view", long | {"product_id": "a", "name": "Tea"})
    (summary,) = summaries(situation)
    assert summary["products"] == [{"product_id": "a", "name": "Tea"}]


def test_names_beyond_the_bound_are_not_counted() -> None:
    situation = Situation(AT_ITS_END)
    for i in range(SESSION_NAMES_MAX + 5):
        situation.event(f"n-{i}")
    situation.event("n-0")
    (summary,) = summaries(situation)
    assert sum(summary["counts"].values()) == SESSION_NAMES_MAX + 1


def test_a_cart_of_an_earlier_session_does_not_count_as_filled() -> None:
    situation = Situation(AT_ITS_END)
    situation.event("cart_update", {"items": [{"product_id": "a"}]})
    (first,) = summaries(situation)
    situation.now_ms = situation.partition.now_ms
    situation.event("page_view")
    (second,) = summaries(situation)
    assert (first["cart_filled"], second["cart_filled"]) == (True, False)
    assert second["cart"] == [{"product_id": "a"}]


def test_a_cart_emptied_again_is_not_filled() -> None:
    situation = Situation(AT_ITS_END)
    situation.event("cart_update", {"items": [{"product_id": "a"}]})
    situation.event("cart_update", {"items": []})
    (summary,) = summaries(situation)
    assert summary["cart_filled"] is False


def test_a_condition_can_ask_for_the_products() -> None:
    when = {"field": "products", "contains": 1}
    exists = {"field": "products", "exists": True}
    situation = Situation(
        journey("seen", entry={"event": "session_end", "when": exists}),
        journey("one", entry={"event": "session_end", "when": when}),
    )
    situation.event("product_view", {"product_id": "a"})
    assert [each.journey for each in situation.run_out()] == ["seen"]  # type: ignore[union-attr]


def test_an_event_at_which_nobody_waits_ends_the_session_silently() -> None:
    situation = Situation()
    situation.event("hi")
    assert situation.run_out() == []
    assert situation.contact().session is None
    assert situation.partition.sessions_ended == 1


def test_a_session_s_start_says_when_and_by_what_it_began() -> None:
    by_view = {
        "event": "session_start",
        "when": {
            "all": [
                {"field": "name", "equals": "page_view"},
                {"field": "started_at_ms", "equals": NOON_MS},
            ]
        },
    }
    situation = Situation(journey(entry=by_view))
    assert outcomes(situation.event("purchase")) == []
    situation = Situation(journey(entry=by_view))
    assert outcomes(situation.event("page_view")) == [("hello", "sent")]
    assert outcomes(situation.event("page_view", after_ms=DAY_MS)) == []


def test_an_event_that_begins_no_session_lets_none_start() -> None:
    situation = Situation(journey(entry={"event": "session_start"}))
    assert outcomes(situation.event("identify", {"attributes": {"tier": "gold"}})) == []
    assert outcomes(situation.event("page_view")) == [("hello", "sent")]


def test_each_session_s_start_is_an_event_of_its_own() -> None:
    situation = Situation(journey(entry={"event": "session_start"}))
    first = only_outcome(situation.event())
    second = only_outcome(situation.event(after_ms=DAY_MS))
    assert (first.outcome, second.outcome) == ("sent", "sent")
    assert first.key != second.key


def test_a_repeat_after_its_session_begins_no_other() -> None:
    situation = Situation(journey(entry={"event": "session_start"}))
    situation.event("page_view", id="e-1")
    assert situation.event("page_view", id="e-1", after_ms=GAP_MS) == []
    assert situation.verdict == Verdict.REPEAT
    assert situation.contact().session is None


def test_a_visit_may_wait_for_the_next_session() -> None:
    situation = Situation(journey(nodes=[wait_for("session_start", timeout="3d"), mail()]))
    assert situation.event() == []
    assert situation.event("page_view", after_ms=MINUTE_MS) == []
    assert only_outcome(situation.event("page_view", after_ms=DAY_MS)).at_ms == situation.now_ms
