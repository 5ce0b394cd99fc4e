"""Waiting for events: which branch is taken, when it is too late, and starting again."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.contacts.answer import keep_answer
from engine.contacts.contact import Contact, Visit
from engine.contacts.happening import pack
from engine.decision import Fault
from engine.input import Event, Publish
from engine.language.journey import Publication
from engine.language.rules import Rules
from engine.limits import ANSWER_BYTES_MAX, ANSWERS_MAX
from engine.moment import Moment
from engine.nodes.await_ import Await, Coming
from engine.notes import Notes
from engine.program import Program
from tests.engine.situation import (
    GAP_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    decide,
    mail,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey

thorough = settings(derandomize=True, deadline=None)
CHEAP = {"field": "price", "less_than": 5}
OUT = {"id": "out", "exit": "done"}


def wait_for(*events: Any, id: str = "await", timeout: str = "1h", **fields: Any) -> dict[str, Any]:
    """Return a node that waits for events, each a name or the fields of a branch."""
    branches = [{"event": each} if isinstance(each, str) else each for each in events]
    return {"id": id, "wait_for": branches, "timeout": timeout} | fields


def visit_of(situation: Situation) -> Visit:
    (visit,) = situation.contact().visits
    return visit


def test_the_event_that_is_waited_for_leads_on_at_once() -> None:
    situation = Situation(journey(nodes=[wait_for("bought"), mail()]))
    situation.event()
    assert situation.event("other") == []
    assert only_outcome(situation.event("bought", after_ms=5)).at_ms == NOON_MS + 5
    assert situation.contact().visits == []


def test_a_timeout_without_else_leads_out_and_says_so() -> None:
    situation = Situation(journey(nodes=[wait_for("bought"), mail()]))
    situation.event()
    outcome = only_outcome(situation.pass_time(HOUR_MS))
    assert (outcome.outcome, outcome.reason) == ("declined", "await: nothing came in 1h")
    assert (outcome.node, outcome.at_ms) == ("await", NOON_MS + HOUR_MS)


def test_a_timeout_leads_to_else() -> None:
    nodes = [wait_for("bought", **{"else": "late"}), mail("thanks", then="out"), mail("late"), OUT]
    situation = Situation(journey(nodes=nodes))
    situation.event()
    assert only_outcome(situation.run_out()).node == "late"


def test_an_event_at_the_very_moment_of_the_timeout_is_too_late() -> None:
    nodes = [wait_for("bought", **{"else": "late"}), mail("thanks", then="out"), mail("late"), OUT]
    for before_ms, node in ((1, "thanks"), (0, "late")):
        situation = Situation(journey(nodes=nodes))
        situation.event()
        assert only_outcome(situation.event("bought", after_ms=HOUR_MS - before_ms)).node == node


def test_each_branch_leads_its_own_way_and_the_first_that_fits_is_taken() -> None:
    node = wait_for(
        {"event": "bought", "when": CHEAP, "then": "cheap"},
        {"event": "bought", "then": "dear"},
        {"event": "gave_up", "then": "out"},
    )
    nodes = [node, mail("cheap", then="out"), mail("dear"), OUT]
    for name, price, expected in (
        ("bought", 4, ["cheap"]),
        ("bought", 5, ["dear"]),
        ("gave_up", 4, ["out"]),
    ):
        situation = Situation(journey(nodes=nodes))
        situation.event()
        decided = situation.event(name, {"price": price})
        assert [only_outcome([each]).node for each in decided] == expected


def test_a_condition_looks_at_the_event_that_came_not_at_that_of_the_entry() -> None:
    situation = Situation(journey(nodes=[wait_for({"event": "bought", "when": CHEAP}), mail()]))
    situation.event("hi", {"price": 1})
    assert situation.event("bought", {"price": 5}) == []
    assert outcomes(situation.event("bought", {"price": 4})) == [("hello", "sent")]


def test_a_condition_looks_at_the_visit_that_waits() -> None:
    late = {"event": "next", "when": {"visit": "age_ms", "at_least": 1_000}}
    situation = Situation(journey(nodes=[wait_for(late), mail()]))
    situation.event()
    assert situation.event("next", after_ms=999) == []
    assert outcomes(situation.event("next", after_ms=1)) == [("hello", "sent")]


def test_what_comes_after_the_wait_looks_at_the_event_of_the_entry_again() -> None:
    situation = Situation(journey(nodes=[wait_for("bought"), decide(CHEAP), mail()]))
    situation.event("hi", {"price": 1})
    assert outcomes(situation.event("bought", {"price": 9})) == [("hello", "sent")]


@pytest.mark.parametrize(
    ("trigger", "payload", "fits"),
    [
        ({"order": {"id": "a"}}, {"order": {"id": "a"}}, True),
        ({"order": {"id": "a"}}, {"order": {"id": "b"}}, False),
        ({"order": {"id": 1}}, {"order": {"id": 1.0}}, True),
        ({"order": {"id": 1}}, {"order": {"id": "1"}}, False),
        ({"order": {"id": 1}}, {"order": {"id": True}}, False),
        ({"order": {"id": None}}, {"order": {"id": None}}, False),
        ({}, {}, False),
        ({"order": {"id": "a"}}, {"order": "a"}, False),
    ],
)
def test_only_an_event_with_the_same_fields_fits(trigger: Any, payload: Any, *, fits: bool) -> None:
    node = wait_for({"event": "bought", "same": ["order.id"]})
    situation = Situation(journey(nodes=[node, mail()]))
    situation.event("hi", trigger)
    assert bool(situation.event("bought", payload)) is fits


def test_visits_of_two_orders_wait_each_for_its_own_event() -> None:
    node = wait_for({"event": "delivered", "same": ["order"]})
    reentry = {"again": "always", "key": "order", "at_most": 5}
    situation = Situation(journey(nodes=[node, mail()], reentry=reentry))
    for order in ("a", "b", "c"):
        situation.event("hi", {"order": order})
    assert outcomes(situation.event("delivered", {"order": "b"})) == [("hello", "sent")]
    assert [each.key for each in situation.contact().visits] == ["a", "c"]


def test_who_enters_on_an_event_does_not_hear_it() -> None:
    situation = Situation(journey(nodes=[wait_for("hi"), mail()]))
    assert situation.event() == []
    assert outcomes(situation.event(after_ms=1)) == [("hello", "sent")]


def test_one_event_moves_a_visit_past_one_wait_only() -> None:
    nodes = [wait_for("next", id="a"), wait_for("next", id="b"), mail()]
    situation = Situation(journey(nodes=nodes))
    situation.event()
    assert situation.event("next") == []
    assert visit_of(situation).node == "b"
    assert outcomes(situation.event("next")) == [("hello", "sent")]


def test_a_visit_that_the_event_ends_is_not_moved_by_it() -> None:
    situation = Situation(journey(nodes=[wait_for("bye"), mail()], exit_on=["bye"]))
    situation.event()
    assert outcomes(situation.event("bye")) == [("hello", "exited")]


def test_derived_events_count_as_well() -> None:
    node = wait_for({"event": "session_end", "when": {"field": "counts.hi", "at_least": 2}})
    situation = Situation(journey(nodes=[node, mail()]))
    situation.event()
    situation.event(after_ms=5)
    assert only_outcome(situation.pass_time(GAP_MS)).at_ms == NOON_MS + 5 + GAP_MS


def test_coming_into_a_segment_counts_as_well() -> None:
    situation = Situation()
    entering = {"event": "segment_enter/gold"}
    publication = Publication(
        journeys={"a.yaml": journey(nodes=[wait_for(entering), mail()])},
        segments={"b.yaml": {"segment": "gold", "when": {"attribute": "tier", "equals": "gold"}}},
        templates={"hello.en": "Hello"},
    )
    situation.fold(Publish(msgspec.json.encode(publication)))
    situation.event()
    assert situation.event("identify", {"attributes": {"tier": "silver"}}) == []
    decided = situation.event("identify", {"attributes": {"tier": "gold"}})
    assert outcomes(decided) == [("hello", "sent")]


def test_products_of_a_session_are_there_for_a_condition() -> None:
    when = {"field": "products", "exists": True}
    nodes = [wait_for({"event": "session_end", "when": when}), mail()]
    situation = Situation(journey(nodes=nodes))
    situation.event()
    situation.event("product_view", {"product_id": "p-1"})
    assert outcomes(situation.pass_time(GAP_MS)) == [("hello", "sent")]


def test_an_event_that_starts_again_puts_the_timeout_off() -> None:
    node = wait_for({"event": "cart_update", "again": True}, "bought", timeout="30m")
    situation = Situation(journey(nodes=[node | {"else": "mail"}, OUT, mail()]))
    situation.event()
    for _ in range(5):
        assert situation.event("cart_update", after_ms=20 * MINUTE_MS) == []
    assert situation.pass_time(30 * MINUTE_MS - 1) == []
    assert outcomes(situation.pass_time(1)) == [("hello", "sent")]


def test_where_every_event_starts_again_the_timeout_leads_to_the_next_node() -> None:
    node = wait_for({"event": "cart_update", "again": True}, timeout="30m")
    situation = Situation(journey(nodes=[node, mail()]))
    situation.event()
    situation.event("cart_update", after_ms=20 * MINUTE_MS)
    assert only_outcome(situation.run_out()).at_ms == NOON_MS + 50 * MINUTE_MS


@thorough
@given(some.lists(some.integers(1, 90), max_size=12))
def test_a_debounced_wait_ends_after_the_first_pause_that_is_long_enough(pauses: list[int]) -> None:
    node = wait_for({"event": "cart_update", "again": True}, timeout="60m")
    situation = Situation(journey(nodes=[node, mail()], reentry="once"))
    situation.event()
    decided = []
    for pause in pauses:
        decided += situation.event("cart_update", after_ms=pause * MINUTE_MS)
    decided += situation.run_out()
    quiet_from = 0
    for pause in pauses:
        if pause >= 60:
            break
        quiet_from += pause
    assert only_outcome(decided).at_ms == NOON_MS + (quiet_from + 60) * MINUTE_MS


def test_a_shorter_timeout_of_a_newer_version_holds_from_the_next_start_on() -> None:
    def debounce(timeout: str) -> dict[str, Any]:
        node = wait_for({"event": "cart_update", "again": True}, timeout=timeout)
        return journey(nodes=[node, mail()])

    situation = Situation(debounce("10d"), no_session=["hi", "cart_update"])
    situation.event()
    situation.publish(debounce("1h"), no_session=["hi", "cart_update"])
    assert situation.pass_time(2 * HOUR_MS) == []
    situation.event("cart_update")
    assert outcomes(situation.pass_time(HOUR_MS)) == [("hello", "sent")]


def test_what_came_is_kept_with_the_visit() -> None:
    nodes = [wait_for("bought"), wait("1h"), mail()]
    situation = Situation(journey(nodes=nodes))
    situation.event("hi", {"a": 1})
    situation.event("bought", {"price": 7})
    assert visit_of(situation).answers == {"await": {"price": 7}}
    assert visit_of(situation).trigger == {"a": 1}


def test_an_event_that_starts_again_leaves_what_it_carried_too() -> None:
    node = wait_for({"event": "cart_update", "again": True})
    situation = Situation(journey(nodes=[node, mail()]))
    situation.event()
    for total in (1, 2):
        situation.event("cart_update", {"total": total})
    assert visit_of(situation).answers == {"await": {"total": 2}}


def test_a_long_event_is_kept_without_its_long_fields() -> None:
    situation = Situation(journey(nodes=[wait_for("bought"), wait("1h"), mail()]))
    situation.event()
    situation.event("bought", {"text": "x" * 3_000, "title": "x" * 300, "price": 7})
    assert visit_of(situation).answers == {"await": {"price": 7}}


def test_many_short_fields_are_kept_as_far_as_there_is_room() -> None:
    situation = Situation(journey(nodes=[wait_for("bought"), wait("1h"), mail()]))
    situation.event()
    situation.event("bought", {f"f-{i}": "x" * 200 for i in range(100)})
    answer = visit_of(situation).answers["await"]
    assert list(answer) == [f"f-{i}" for i in range(len(answer))]
    assert ANSWER_BYTES_MAX - 250 < len(pack(answer)) <= ANSWER_BYTES_MAX


def test_a_visit_keeps_what_came_to_its_last_nodes() -> None:
    waits = [wait_for("next", id=f"w-{i}") for i in range(ANSWERS_MAX + 2)]
    situation = Situation(journey(nodes=[*waits, wait("1h", "end"), mail()]))
    situation.event()
    for i in range(len(waits)):
        situation.event("next", {"i": i})
    answers = visit_of(situation).answers
    assert list(answers) == [f"w-{i}" for i in range(2, len(waits))]
    assert answers["w-2"] == {"i": 2}


def test_what_comes_to_a_node_again_is_the_last_that_goes() -> None:
    visit = Visit("v", "hello", "a", 0, 0, 0, {}, [])
    for i in range(ANSWERS_MAX):
        keep_answer(visit, f"w-{i}", {"i": i})
    keep_answer(visit, "w-1", {"i": "again"})
    assert len(visit.answers) == ANSWERS_MAX
    for i in range(ANSWERS_MAX - 1):
        keep_answer(visit, f"more-{i}", {})
    assert next(iter(visit.answers.items())) == ("w-1", {"i": "again"})


@pytest.mark.parametrize(("name", "moves"), [("next", True), ("again", True), ("other", False)])
def test_what_looks_at_visits_looks_again_where_something_was_kept(
    name: str, *, moves: bool
) -> None:
    """An `exit_on` that looks at `answers`, as well where the visit stays."""
    branches = [Coming(each, "", None, [], again=each == "again") for each in ("next", "again")]
    node = Await("a", branches, HOUR_MS, "")
    visit = Visit("v", "hello", "a", 0, 0, 0, {}, [])
    moment = Moment(Rules(), Contact("c-1"), NOON_MS, Notes(), {})
    node.hear(moment, Program("hello", 0), visit, Event("e", "c-1", name, None, {}))
    assert moment.moved is moves


def test_a_fault_leaves_no_trace_of_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [wait_for("next"), mail(then="await")]
    situation = Situation(journey(nodes=nodes))
    situation.event()

    def breaks(*_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("engine.nodes.send.Send.enter", breaks)
    (fault,) = situation.event("next", {"i": 1}, id="e")
    assert isinstance(fault, Fault)
    visit = visit_of(situation)
    assert (visit.answers, visit.passes) == ({}, {"await": 1})


def test_waiting_stays_out_of_the_way_of_others() -> None:
    situation = Situation(
        journey("a", nodes=[wait_for("next"), mail()]), journey("b", nodes=[wait("1h"), mail()])
    )
    situation.event()
    assert outcomes(situation.event("next")) == [("a", "sent")]
    assert [visit.journey for visit in situation.contact().visits] == ["b"]
