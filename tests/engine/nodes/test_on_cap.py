"""Where a cap is reached: a visit goes on, waits or goes elsewhere; and who is first to send."""

from typing import Any

import pytest

from engine.compile.publication import compile_publication
from engine.decision import Outcome
from engine.language.journey import Publication
from engine.limits import HOLD_MS_MAX
from tests.engine.situation import DAY_MS, HOUR_MS, Situation, mail, only_outcome, outcomes, wait
from tests.publications import journey

ONE_A_DAY = {"messages": 1, "per": "24h"}


def said(decisions: list[Any]) -> list[tuple[str, str, int]]:
    return [(each.node, each.outcome, each.at_ms) for each in decisions]


def waiting(**fields: Any) -> Situation:
    """Return a situation with one message sent, and one more that waits since an hour after."""
    situation = Situation(
        journey("first", entry={"event": "ho"}),
        journey(nodes=[mail(on_cap="wait")], **fields),
        caps=[ONE_A_DAY],
    )
    situation.event("ho")
    assert situation.event(after_ms=HOUR_MS) == []
    return situation


def test_a_message_waits_until_exactly_then() -> None:
    situation = waiting()
    assert situation.pass_time(23 * HOUR_MS - 1) == []
    assert outcomes(situation.pass_time(1)) == [("hello", "sent")]
    assert situation.contact().visits == []


def test_all_rules_are_asked_again_after_the_wait() -> None:
    marketing = [mail(on_cap="wait", purpose="marketing")]
    situation = Situation(
        journey("first", entry={"event": "ho"}), journey(nodes=marketing), caps=[ONE_A_DAY]
    )
    situation.consent("opt_in")
    situation.event("ho")
    situation.event()
    situation.consent("opt_out")
    outcome = only_outcome(situation.run_out())
    assert (outcome.outcome, outcome.reason) == ("no_consent", "email: opt_out, needed opt_in")


def test_an_exit_ends_the_wait_and_says_so() -> None:
    situation = waiting(exit_on=["bye"])
    outcome = only_outcome(situation.event("bye"))
    assert (outcome.outcome, outcome.reason, outcome.node) == ("exited", "bye", "mail")
    assert situation.run_out() == []


def test_an_exit_says_so_of_a_second_message_too() -> None:
    nodes = [mail("a"), mail("b", on_cap="wait")]
    situation = Situation(journey(nodes=nodes, caps=[ONE_A_DAY], exit_on=["bye"]))
    assert outcomes(situation.event()) == [("hello", "sent")]
    (ended,) = situation.event("bye")
    assert isinstance(ended, Outcome)
    assert (ended.node, ended.outcome) == ("b", "exited")


def test_a_message_waits_once_only_and_has_one_outcome() -> None:
    situation = waiting()
    situation.run_out()
    assert situation.run_out() == []
    assert len(situation.contact().messages) == 2


def test_who_would_wait_too_long_is_held_back_at_once() -> None:
    situation = Situation(
        journey(nodes=[mail(on_cap="wait")], caps=[{"messages": 1, "per": "33d"}])
    )
    situation.event()
    outcome = only_outcome(situation.event())
    assert outcome.outcome == "capped"
    assert outcome.reason == "journey hello: 1 in 33d; that lasts longer than 32d"
    situation.now_ms += 33 * DAY_MS - HOLD_MS_MAX
    assert situation.event() == []
    assert outcomes(situation.run_out()) == [("hello", "sent")]


def test_the_wait_is_counted_from_its_begin_however_often_it_is_prolonged() -> None:
    """Each day another journey of higher priority takes the one message that is free."""
    situation = Situation(
        journey("first", entry={"event": "ho"}, priority=1, nodes=[mail(on_cap="wait")]),
        journey(nodes=[mail(on_cap="wait")]),
        caps=[ONE_A_DAY],
    )
    situation.event("ho")
    begin_ms = situation.now_ms
    situation.event()
    made: list[Any] = []
    for _ in range(40):
        made += situation.event("ho")
        made += situation.pass_time(DAY_MS)
    (held,) = [each for each in made if each.journey == "hello"]
    assert held.outcome == "capped"
    assert held.at_ms == begin_ms + HOLD_MS_MAX


def test_a_visit_goes_elsewhere_where_a_cap_is_reached() -> None:
    nodes = [mail("a", on_cap="b", then="c"), mail("b", send="push"), mail("c", send="in_app")]
    cap = {"messages": 1, "per": "24h", "channel": "email"}
    situation = Situation(journey(nodes=nodes, caps=[cap]))
    begin_ms = situation.now_ms
    assert said(situation.event()) == [("a", "sent", begin_ms), ("c", "sent", begin_ms)]
    again = said(situation.event())
    assert [each[:2] for each in again] == [("a", "capped"), ("b", "sent"), ("c", "sent")]


def mistakes_of(*nodes: dict[str, Any], **settings: Any) -> list[tuple[str, str, str]]:
    publication = Publication(
        journeys={"j.yaml": journey(nodes=list(nodes))},
        settings=settings,
        templates={"hello.en": "x"},
    )
    _, mistakes = compile_publication(publication)
    return [(each.path, each.problem, each.fix) for each in mistakes]


def test_the_node_to_go_to_instead_is_checked() -> None:
    assert mistakes_of(mail("a", on_cap="bb"), mail("b")) == [
        ("$.nodes[0].on_cap", "there is no node 'bb'", "did you mean `b`?")
    ]
    (cycle,) = mistakes_of(mail("a"), mail("b", on_cap="a"))
    problem = "this goes round without a wait: a -> b -> a"
    assert cycle[:2] == ("$.nodes[1].on_cap", problem)


def test_a_way_that_only_caps_lead_to_is_a_way() -> None:
    assert mistakes_of(mail("a", on_cap="c"), {"id": "b", "exit": "x"}, mail("c")) == []


PRIORITIES = [
    journey("low", priority=1, nodes=[wait("1h"), mail()]),
    journey("high", priority=2, nodes=[wait("1h"), mail()]),
]


@pytest.mark.parametrize("order", [1, -1])
def test_of_timers_at_one_moment_the_higher_sends_and_the_cap_holds_back_the_lower(
    order: int,
) -> None:
    situation = Situation(*PRIORITIES[::order], caps=[ONE_A_DAY])
    situation.event()
    assert outcomes(situation.run_out()) == [("high", "sent"), ("low", "capped")]


@pytest.mark.parametrize("order", [1, -1])
def test_of_timers_set_at_different_moments_too(order: int) -> None:
    """The lower journey's timer is set first, and both are due at the same moment."""
    low = journey("low", priority=1, nodes=[wait("2h"), mail()])
    high = journey("high", priority=2, entry={"event": "ho"}, nodes=[wait("1h"), mail()])
    situation = Situation(*[low, high][::order], caps=[ONE_A_DAY])
    situation.event()
    situation.event("ho", after_ms=HOUR_MS)
    assert outcomes(situation.run_out()) == [("high", "sent"), ("low", "capped")]


@pytest.mark.parametrize("order", [1, -1])
def test_of_journeys_that_one_event_enters_the_higher_sends(order: int) -> None:
    journeys = [journey("low", priority=1), journey("high", priority=2)]
    situation = Situation(*journeys[::order], caps=[ONE_A_DAY])
    assert outcomes(situation.event()) == [("high", "sent"), ("low", "capped")]


def test_of_messages_that_wait_for_one_cap_the_higher_goes_first() -> None:
    journeys = [
        journey(name, priority=i, entry={"event": name}, nodes=[mail(on_cap="wait")])
        for i, name in enumerate(("low", "high"))
    ]
    situation = Situation(*journeys, journey(), caps=[ONE_A_DAY])
    for name in ("hi", "low", "high"):
        situation.event(name)
    made = [(each.journey, each.at_ms) for each in situation.run_out() if isinstance(each, Outcome)]
    begin_ms = situation.now_ms
    assert made == [("high", begin_ms + DAY_MS), ("low", begin_ms + 2 * DAY_MS)]
