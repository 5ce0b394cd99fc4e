"""Nodes that reach out of their visit: events that follow, other journeys, goals."""

from typing import Any

import pytest

from engine.contacts.identity import visit_id
from engine.decision import (
    CONVERTED,
    DECLINED,
    EXITED,
    SENT,
    Delivery,
    Fault,
    Outcome,
)
from engine.limits import (
    FOLLOWS_MAX,
    HOPS_MAX,
)
from tests.engine.nodes.test_change import does, mistake_of, node
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    NOON_MS,
    Situation,
    decide,
    mail,
    only_delivery,
    only_fault,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey


def emits(name: str, emitted: str, **fields: Any) -> dict[str, Any]:
    """Return a journey that lets another event happen on one."""
    return journey(name, nodes=[node(emit=emitted)], **fields)


def starts(name: str, other: str, **fields: Any) -> dict[str, Any]:
    return journey(name, nodes=[node(start=other)], **fields)


def on(event: str, name: str, **fields: Any) -> dict[str, Any]:
    return journey(name, **({"entry": {"event": event}} | fields))


# Events that follow


def test_an_emitted_event_enters_moves_and_counts_as_if_sent() -> None:
    often = {"happened": "noted", "within": "1d", "at_least": 2}
    situation = Situation(
        journey(nodes=[node(emit="noted", payload={"n": {"from": "trigger.n"}, "fix": 1})]),
        on("noted", "second", entry={"event": "noted", "when": {"field": "n", "equals": 7}}),
        on("ask", "asked", nodes=[decide(often), mail()]),
    )
    decided = situation.event("hi", {"n": 7})
    assert outcomes(decided) == [("hello", DECLINED), ("second", SENT)]
    assert outcomes(situation.event("ask")) == [("asked", DECLINED)]
    situation.event("hi", {"n": 8})
    assert outcomes(situation.event("ask")) == [("asked", SENT)]
    session = situation.contact().session
    assert session is not None
    assert session.counts == {"hi": 2, "ask": 2}


def test_an_emitted_event_has_the_payload_it_was_given() -> None:
    situation = Situation(
        journey(nodes=[node(emit="noted", payload={"n": {"from": "trigger.n"}, "fix": 1})]),
        on("noted", "second"),
    )
    _, sent = situation.event("hi", {"n": 7})
    assert isinstance(sent, Outcome)
    assert only_delivery(situation.handover(sent.key)).trigger == {"n": 7, "fix": 1}


def test_an_emitted_event_comes_after_all_that_its_cause_moves() -> None:
    situation = Situation(
        emits("a", "noted", priority=9), on("noted", "b", priority=8), journey("c", priority=1)
    )
    assert [name for name, _ in outcomes(situation.event())] == ["a", "c", "b"]


def test_an_event_emitted_by_a_timer_happens_at_its_moment() -> None:
    nodes = [wait("1h"), node(emit="noted")]
    situation = Situation(journey(nodes=nodes), on("noted", "second"))
    situation.event()
    sent = situation.pass_time(DAY_MS)[-1]
    assert isinstance(sent, Outcome)
    assert (sent.journey, sent.at_ms) == ("second", NOON_MS + HOUR_MS)


def test_events_that_follow_from_one_another_come_to_an_end() -> None:
    situation = Situation(emits("hello", "hi"))
    *decided, fault = situation.event()
    assert outcomes(decided) == [("hello", DECLINED)] * (HOPS_MAX + 1)
    assert isinstance(fault, Fault)
    assert fault.what.startswith("hi ")
    assert (
        fault.error == f"refused: it follows from {HOPS_MAX} events that each follow from another"
    )
    assert len(situation.contact().history["hi"]) == HOPS_MAX + 1


def test_events_that_follow_from_one_input_come_to_an_end() -> None:
    """Else 3 that follow from each make 3 ** 8, and 200 nodes 200 ** 8."""
    nodes = [node(str(i), emit="hi") for i in range(20)]
    situation = Situation(journey(nodes=nodes))
    *decided, fault = situation.event()
    assert isinstance(fault, Fault)
    assert f"more than {FOLLOWS_MAX} events" in fault.error
    assert len(decided) <= FOLLOWS_MAX
    assert outcomes(situation.event("ho")) == []


@pytest.mark.parametrize("fails", ["session_end", "segment_enter/vip", "start/hello", "consent"])
def test_what_happens_by_itself_cannot_be_emitted(fails: str) -> None:
    assert mistake_of(node(emit=fails))[0] == "$.nodes[0].emit"


@pytest.mark.parametrize("name", ["", "x" * 129])
def test_an_emitted_event_has_a_name(name: str) -> None:
    assert mistake_of(node(emit=name))[0] == "$.nodes[0].emit"


# Other journeys


def test_a_journey_starts_another_on_its_own_trigger() -> None:
    situation = Situation(starts("a", "b"), on("ho", "b"))
    decided = situation.event("hi", {"n": 7})
    assert outcomes(decided) == [("a", DECLINED), ("b", SENT)]
    assert isinstance(decided[1], Outcome)
    assert only_delivery(situation.handover(decided[1].key)).trigger == {"n": 7}


def test_a_journey_that_is_started_takes_over_the_products_of_the_session() -> None:
    situation = Situation(starts("a", "b", entry={"event": "session_end"}), on("ho", "b"))
    situation.event("product_view", {"product_id": "p"})
    _, sent = situation.pass_time(HOUR_MS)
    assert isinstance(sent, Outcome)
    (delivery,) = situation.handover(sent.key)
    assert isinstance(delivery, Delivery)
    assert [each["product_id"] for each in delivery.trigger["products"]] == ["p"]


def test_the_rules_of_reentry_hold_for_who_is_started() -> None:
    situation = Situation(starts("a", "b"), on("ho", "b", reentry="once"))
    assert outcomes(situation.event()) == [("a", DECLINED), ("b", SENT)]
    assert outcomes(situation.event()) == [("a", DECLINED)]


def test_two_journeys_may_start_one() -> None:
    situation = Situation(starts("a", "c"), starts("b", "c"), on("ho", "c"))
    assert outcomes(situation.event()) == [
        ("a", DECLINED),
        ("b", DECLINED),
        ("c", SENT),
        ("c", SENT),
    ]


def test_a_journey_may_be_entered_by_a_start_alone() -> None:
    situation = Situation(starts("a", "b"), on("ho", "b", entry=[]))
    assert outcomes(situation.event()) == [("a", DECLINED), ("b", SENT)]


def test_journeys_that_start_each_other_come_to_an_end() -> None:
    situation = Situation(starts("a", "b"), starts("b", "a", entry=[]))
    *decided, fault = situation.event()
    assert [name for name, _ in outcomes(decided)] == ["a", "b"] * 4 + ["a"]
    assert isinstance(fault, Fault)
    assert fault.what.startswith("start/b ")
    assert "refused" in fault.error
    assert situation.contact().visits == []


def test_a_journey_ends_the_visits_of_another() -> None:
    waits = journey("b", nodes=[mail(), wait("1d"), mail("second")], reentry={"key": "n"})
    situation = Situation(on("ho", "a", nodes=[node(end="b"), mail()]), waits)
    sent = [situation.event("hi", {"n": n})[0] for n in (1, 2)]
    decided = situation.event("ho", after_ms=1)
    assert outcomes(decided) == [("a", SENT)]
    assert situation.contact().visits == []
    situation.now_ms += 1
    for each in sent:
        assert isinstance(each, Outcome)
        outcome = only_outcome(situation.handover(each.key))
        assert (outcome.outcome, outcome.reason) == (EXITED, "ended by a")


def test_a_visit_without_a_message_that_is_ended_says_so() -> None:
    situation = Situation(
        on("ho", "a", nodes=[node(end="b")]), journey("b", nodes=[wait("1d"), mail()])
    )
    situation.event()
    decided = situation.event("ho")
    assert outcomes(decided) == [("b", EXITED), ("a", DECLINED)]
    assert only_outcome(decided[:1]).reason == "ended by a"


def test_a_journey_that_ends_itself_ends_there() -> None:
    situation = Situation(journey(nodes=[node(end="hello"), mail()]))
    assert outcomes(situation.event()) == [("hello", EXITED)]
    assert situation.contact().visits == []


@pytest.mark.parametrize("key", ["start", "end"])
def test_a_journey_there_is_not_is_refused(key: str) -> None:
    path, problem, fix = mistake_of(node(**{key: "helo"}))
    assert (path, fix) == (f"$.nodes[0].{key}", "did you mean `hello`?")
    assert problem == "there is no journey 'helo'"


def test_a_journey_that_nothing_leads_into_is_refused() -> None:
    assert mistake_of(mail(), entry=[])[0] == "$.entry"


# Goals


def test_a_goal_is_recorded_where_the_visit_comes_to_it() -> None:
    situation = does(mail(), node(goal="greeted"))
    decided = situation.event(id="e")
    assert outcomes(decided) == [("hello", SENT), ("hello", CONVERTED)]
    goal = decided[1]
    assert isinstance(goal, Outcome)
    assert (goal.key, goal.node) == (f"{visit_id('hello', 'c-1', 'e')}.node.goal", "node")
    assert goal.reason == "greeted"


def test_a_goal_says_that_its_contact_was_held_out() -> None:
    goal = does(node(goal="greeted"), hold_out=99.999).event()[0]
    assert isinstance(goal, Outcome)
    assert goal.reason == "greeted (held out)"


def test_a_goal_that_a_visit_comes_to_again_is_recorded_once() -> None:
    situation = does(node(goal="greeted"), wait("1h", then="node"))
    decided = situation.event() + situation.pass_time(3 * HOUR_MS)
    assert outcomes(decided) == [("hello", CONVERTED)]
    assert situation.contact().visits[0].passes["node"] == 4


def test_a_fault_in_what_follows_takes_back_that_it_happened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    situation = Situation(emits("hello", "noted"), on("noted", "second"))
    situation.event()
    before = situation.contact()

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("engine.nodes.send.Send.enter", fail)
    only_fault(situation.event())
    after = situation.contact()
    assert after.history["noted"] == before.history["noted"]
    assert len(after.history["hi"]) == 2
    monkeypatch.undo()
    situation.publish(emits("hello", "other"), on("other", "second"))
    monkeypatch.setattr("engine.nodes.send.Send.enter", fail)
    situation.event()
    assert "other" not in situation.contact().history
