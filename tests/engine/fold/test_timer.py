"""Timers: never early, in order, as of their moment however late, and before events."""

import pytest

from engine.decision import Outcome
from tests.engine.situation import (
    DAY_MS,
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

AN_HOUR = journey(nodes=[wait("1h"), mail()])


def test_a_wait_ends_at_its_moment_and_not_a_millisecond_early() -> None:
    situation = Situation(AN_HOUR)
    situation.event()
    assert situation.pass_time(HOUR_MS - 1) == []
    assert only_outcome(situation.pass_time(1)).at_ms == NOON_MS + HOUR_MS


def test_a_late_timer_acts_as_of_its_moment() -> None:
    for late in ("advance", "event", "handover"):
        situation = Situation(AN_HOUR)
        situation.event()
        situation.now_ms += 3 * DAY_MS
        if late == "advance":
            made = situation.pass_time(0)
        else:
            made = situation.event("ho") if late == "event" else situation.handover("none")
        assert only_outcome(made).at_ms == NOON_MS + HOUR_MS


def test_waits_add_up_however_late_they_are_applied() -> None:
    nodes = [wait("1h"), mail("a"), wait("1h", "w2"), mail("b")]
    situation = Situation(journey(nodes=nodes))
    situation.event()
    made = situation.pass_time(10 * DAY_MS)
    made += situation.run_out()
    moments = [each.at_ms - NOON_MS for each in made if isinstance(each, Outcome)]
    assert moments == [HOUR_MS, 2 * HOUR_MS]


def test_conditions_of_a_late_timer_look_back_from_its_moment() -> None:
    seen = decide({"happened": "seen", "within": "2h"})
    situation = Situation(journey(nodes=[wait("1h"), seen, mail()]))
    situation.event("seen")
    situation.event()
    assert outcomes(situation.pass_time(5 * HOUR_MS)) == [("hello", "sent")]


def test_timers_come_before_an_event_of_the_same_moment() -> None:
    situation = Situation(journey(nodes=[wait("1h"), mail()], exit_on=["bye"]))
    situation.event()
    assert outcomes(situation.event("bye", after_ms=HOUR_MS)) == [("hello", "sent")]


def test_an_event_a_millisecond_before_comes_first() -> None:
    situation = Situation(journey(nodes=[wait("1h"), mail()], exit_on=["bye"]))
    situation.event()
    assert outcomes(situation.event("bye", after_ms=HOUR_MS - 1)) == [("hello", "exited")]


def test_timers_due_by_then_go_in_order_of_their_moment() -> None:
    situation = Situation(
        journey("late", nodes=[wait("3h"), mail()]),
        journey("early", nodes=[wait("1h"), mail()]),
        journey("middle", entry={"event": "session_end"}, nodes=[wait("90m"), mail()]),
    )
    situation.event()
    made = situation.event("ho", after_ms=DAY_MS)
    assert [name for name, _ in outcomes(made)] == ["early", "middle", "late"]


def test_of_two_due_at_once_the_one_set_first_goes_first() -> None:
    for first, second in (("a", "b"), ("b", "a")):
        situation = Situation(
            journey(first, entry={"event": "one"}, nodes=[wait("60m"), mail()]),
            journey(second, entry={"event": "two"}, nodes=[wait("50m"), mail()]),
        )
        situation.event("one")
        situation.event("two", after_ms=10 * MINUTE_MS)
        assert [name for name, _ in outcomes(situation.run_out())] == [first, second]


def test_a_session_begun_before_a_wait_ends_before_it() -> None:
    situation = Situation(
        journey("wait", nodes=[wait("30m"), mail()]),
        journey("session", entry={"event": "session_end"}),
    )
    situation.event("hi")
    assert [name for name, _ in outcomes(situation.run_out())] == ["session", "wait"]


def test_a_wait_set_before_the_session_began_ends_before_it() -> None:
    situation = Situation(
        journey("wait", entry={"event": "back"}, nodes=[wait("31m"), mail()]),
        journey("session", entry={"event": "session_end"}),
        no_session=["back"],
    )
    situation.event("back")
    situation.event("hi", after_ms=MINUTE_MS)
    assert [name for name, _ in outcomes(situation.run_out())] == ["wait", "session"]


def test_a_session_end_can_end_a_visit_that_waits() -> None:
    situation = Situation(journey(nodes=[wait("2h"), mail()], exit_on=["session_end"]))
    situation.event()
    outcome = only_outcome(situation.run_out())
    assert (outcome.outcome, outcome.reason) == ("exited", "session_end")
    assert outcome.at_ms == NOON_MS + GAP_MS


def test_a_removed_journey_ends_the_visit_at_its_moment_with_a_reason() -> None:
    situation = Situation(AN_HOUR)
    situation.event()
    situation.publish(journey("other"))
    assert situation.pass_time(HOUR_MS - 1) == []
    outcome = only_outcome(situation.pass_time(1))
    assert (outcome.journey, outcome.node, outcome.outcome, outcome.reason) == (
        "hello",
        "wait",
        "exited",
        "the journey is no longer there",
    )
    assert situation.contact().visits == []


def test_a_removed_node_ends_the_visit_with_a_reason() -> None:
    situation = Situation(AN_HOUR)
    situation.event()
    situation.publish(journey(nodes=[wait("1h", "patience"), mail()]))
    outcome = only_outcome(situation.run_out())
    assert (outcome.outcome, outcome.reason) == ("exited", "the node is no longer there")


def test_after_a_message_a_removed_journey_ends_the_visit_silently() -> None:
    situation = Situation(journey(nodes=[mail("a"), wait("1h"), mail("b")]))
    situation.event()
    situation.publish()
    assert situation.run_out() == []
    assert situation.contact().visits == []


def test_a_changed_journey_goes_on_from_where_the_visit_waits() -> None:
    situation = Situation(AN_HOUR)
    situation.event()
    situation.publish(journey(nodes=[wait("5h", then="b"), mail("b")]))
    outcome = only_outcome(situation.run_out())
    assert (outcome.node, outcome.at_ms) == ("b", NOON_MS + HOUR_MS)


@pytest.mark.parametrize(
    ("new", "outcome"),
    [(mail("wait"), "sent"), ({"id": "wait", "exit": "x"}, "declined")],
)
def test_a_node_of_another_kind_under_the_same_id_does_what_it_says_when_the_time_is_over(
    new: dict[str, str], outcome: str
) -> None:
    situation = Situation(AN_HOUR)
    situation.event()
    situation.publish(journey(nodes=[new]))
    decided = only_outcome(situation.run_out())
    assert (decided.outcome, decided.at_ms) == (outcome, NOON_MS + HOUR_MS)
