"""An event arrives: what it ends, moves and opens, each for itself; and what a trace says of it."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from engine.contacts.identity import visit_id
from engine.decision import CONVERTED, EXITED, SENT, Outcome
from engine.fact import Fact
from engine.input import Event, Publish
from engine.partition import Partition
from engine.trace import EntryNote, ExitNote, GoalNote, Trace
from tests.engine.nodes.test_await import wait_for
from tests.engine.situation import NOON_MS, Situation, decide, mail, only_outcome, outcomes, wait
from tests.publications import journey, source_of

DEAR = {"field": "price", "at_least": 5}


def raw(payload: dict[str, Any]) -> Any:
    return Raw(msgspec.json.encode(payload))


@pytest.mark.parametrize("packed", [dict, raw])
def test_a_payload_as_it_came_in_is_what_conditions_and_visits_see(packed: Any) -> None:
    entry = {"event": "hi", "when": DEAR}
    situation = Situation(journey(entry=entry, nodes=[wait("1h"), decide(DEAR), mail()]))
    assert situation.event("hi", packed({"price": 3})) == []
    assert situation.contact().visits == []
    situation.event("hi", packed({"price": 9}))
    assert situation.contact().visits[0].trigger == {"price": 9}
    assert outcomes(situation.run_out()) == [("hello", SENT)]


def test_an_event_moves_each_visit_that_waits_for_it_whatever_the_others_do() -> None:
    situation = Situation(
        journey("deaf", nodes=[wait("9h"), mail()]),
        journey("other", nodes=[wait_for("asked"), mail()]),
        journey("hears", nodes=[wait_for("bought"), mail()]),
    )
    situation.event()
    assert outcomes(situation.event("bought")) == [("hears", SENT)]
    assert [each.journey for each in situation.contact().visits] == ["deaf", "other"]


def test_each_goal_is_asked_for_itself() -> None:
    aims = {"event": "bought", "within": "7d"}
    situation = Situation(
        journey("short", goal=aims | {"within": "1h"}),
        journey("dear", goal=aims | {"when": DEAR}),
        journey("any", goal=aims),
    )
    situation.event()
    made = situation.event("bought", {"price": 3}, after_ms=2 * 3_600_000)
    assert outcomes(made) == [("any", CONVERTED)]
    reached = only_outcome(made)
    assert (reached.contact, reached.node, reached.channel) == ("c-1", "", "")


def traced(*inputs: Event, journeys: list[dict[str, Any]]) -> list[Any]:
    trace = Trace()
    partition = Partition(0, trace)
    partition.fold(Publish(source_of(*journeys)), NOON_MS)
    for input in inputs:
        partition.fold(input, NOON_MS)
    return trace


def came(name: str, **payload: Any) -> Event:
    return Event(f"e-{name}", "c-1", name, None, payload)


def test_an_exit_is_told_of_a_visit_and_of_a_message_on_its_way_and_whether_it_ends_them() -> None:
    ends = [{"event": "bought", "when": DEAR}]
    waits = journey("waits", nodes=[wait("1h"), mail()], exit_on=ends)
    sent = journey("sent", exit_on=ends)
    for price, holds in ((3, False), (9, True)):
        trace = traced(came("hi"), came("bought", price=price), journeys=[waits, sent])
        told = [each for each in trace if isinstance(each, ExitNote)]
        fact = Fact(what="price", holds=holds, wanted="at least 5", found=price)
        assert told == [
            ExitNote(
                at_ms=NOON_MS,
                journey=name,
                event="bought",
                event_id="e-bought",
                ends=holds,
                facts=[fact],
            )
            for name in ("waits", "sent")
        ]
        ended = [each for each in trace if isinstance(each, Outcome) and each.outcome == EXITED]
        assert [each.journey for each in ended] == (["waits"] if holds else [])


def test_a_goal_is_told_with_what_was_asked_and_whether_it_was_reached() -> None:
    goal = {"event": "bought", "within": "7d", "when": DEAR}
    trace = traced(came("hi"), came("bought", price=3), journeys=[journey(goal=goal)])
    (told,) = [each for each in trace if isinstance(each, GoalNote)]
    visit = visit_id("hello", "c-1", "e-hi")
    until_ms = NOON_MS + 7 * 86_400_000
    assert told == GoalNote(
        at_ms=NOON_MS,
        journey="hello",
        visit=visit,
        event="bought",
        event_id="e-bought",
        reached=False,
        key=f"{visit}.goal",
        facts=[
            Fact(what="still in time", holds=True, until_ms=until_ms),
            Fact(what="price", holds=False, wanted="at least 5", found=3),
        ],
    )


def test_what_an_event_that_follows_opens_is_told_like_any_other() -> None:
    emits = journey(nodes=[{"id": "emit", "emit": "noted", "payload": {"price": 9}}])
    second = journey("second", entry={"event": "noted", "when": DEAR})
    trace = traced(came("hi"), journeys=[emits, second])
    told = [each for each in trace if isinstance(each, EntryNote)]
    assert [(each.journey, each.event, each.why) for each in told] == [
        ("hello", "hi", "entered"),
        ("second", "noted", "entered"),
    ]
    assert told[1].facts[0] == Fact(what="price", holds=True, wanted="at least 5", found=9)
