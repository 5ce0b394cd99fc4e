"""A paused journey: its entries and due nodes wait, and go on when it is resumed; none is lost."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine.contacts.erasure import digest_of
from engine.decision import Fault, Outcome
from engine.guard import Guard
from engine.input import Erase
from engine.language.journey import Passage
from engine.limits import QUEUED_MAX
from engine.notes import Notes
from tests.engine.nodes.test_await import wait_for
from tests.engine.recount import queued_in
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    mail,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey, version

OUT = {"id": "out", "exit": "done"}
PAUSED = {"hello": version(1, state="paused")}
LIVE = {"hello": version(1)}


def paused(*journeys: dict[str, Any]) -> Situation:
    situation = Situation(*journeys)
    situation.publish(*journeys, versions=PAUSED)
    situation.pass_time(0)
    return situation


def published(situation: Situation, *journeys: dict[str, Any], **versions: Any) -> list[Any]:
    """Publish, and return what that decides, at once."""
    situation.publish(*journeys, versions=versions or LIVE)
    return situation.pass_time(0)


def test_an_entry_waits_and_enters_when_the_journey_is_resumed() -> None:
    hello = journey(nodes=[wait("1h"), mail()])
    situation = paused(hello)
    assert situation.event(payload={"price": 7}) == []
    assert situation.contact().visits == []
    situation.restore()
    situation.now_ms += DAY_MS
    assert published(situation, hello) == []
    (visit,) = situation.contact().visits
    assert visit.trigger == {"price": 7}
    assert (visit.entered_at_ms, visit.due_at_ms) == (NOON_MS + DAY_MS, NOON_MS + DAY_MS + HOUR_MS)
    assert situation.contact().queued == []


def test_entries_go_on_in_the_order_in_which_they_came_each_by_the_rules_of_now() -> None:
    hello = journey(entry=[{"event": "hi"}, {"event": "hey"}], caps=[{"messages": 2, "per": "1d"}])
    situation = paused(hello)
    for name in ("hi", "hey", "hi"):
        assert situation.event(name, after_ms=MINUTE_MS) == []
    made = published(situation, hello)
    assert outcomes(made) == [("hello", "sent"), ("hello", "sent"), ("hello", "capped")]
    assert {each.at_ms for each in made if isinstance(each, Outcome)} == {situation.now_ms}


def test_of_entries_that_may_be_inside_once_at_a_time_the_first_goes_in() -> None:
    hello = journey(nodes=[wait("1h"), mail()])
    situation = paused(hello)
    for price in (1, 2, 3):
        situation.event(payload={"price": price})
    assert published(situation, hello) == []
    assert [each.trigger["price"] for each in situation.contact().visits] == [1]


def test_an_entry_that_waited_for_too_long_is_late() -> None:
    hello = journey(entry={"event": "hi", "late_after": "2h"})
    situation = paused(hello)
    situation.event(at_ms=situation.now_ms)
    situation.event(after_ms=2 * HOUR_MS, at_ms=situation.now_ms + 2 * HOUR_MS)
    situation.now_ms += 1
    assert outcomes(published(situation, hello)) == [("hello", "late"), ("hello", "sent")]


def test_no_more_entries_wait_than_may_and_each_further_one_is_recorded() -> None:
    hello = journey()
    situation = paused(hello)
    for _ in range(QUEUED_MAX):
        assert situation.event() == []
    outcome = only_outcome(situation.event())
    assert (outcome.outcome, outcome.at_ms) == ("paused", situation.now_ms)
    assert outcome.reason == f"all journeys: {QUEUED_MAX} entries wait already"
    assert len(published(situation, hello)) == QUEUED_MAX


def test_an_exit_ends_an_entry_that_waits() -> None:
    hello = journey(exit_on=["bye"])
    situation = paused(hello)
    situation.event()
    outcome = only_outcome(situation.event("bye"))
    assert (outcome.outcome, outcome.reason) == ("exited", "bye")
    assert published(situation, hello) == []


def test_due_nodes_wait_and_run_when_resumed_in_the_order_in_which_they_were_due() -> None:
    hello = journey(
        nodes=[{"id": "wait", "wait": {"field": "at"}}, mail()],
        reentry={"key": "order"},
    )
    other = journey("other", nodes=[wait("2h"), mail()], priority=9)
    situation = Situation(hello, other)
    for order, hours in (("later", 3), ("soon", 1), ("far", 100)):
        at = f"2023-11-{14 + (22 + hours) // 24}T{(22 + hours) % 24:02}:14:00Z"
        situation.event(payload={"order": order, "at": at})
    situation.publish(hello, other, versions=PAUSED)
    made = situation.pass_time(24 * HOUR_MS)
    assert outcomes(made) == [("other", "sent")]
    made = published(situation, hello, other)
    assert outcomes(made) == [("hello", "sent")] * 2
    assert {each.at_ms for each in made if isinstance(each, Outcome)} == {situation.now_ms}
    triggers = [each.trigger.get("order") for each in situation.contact().pending[-2:]]
    assert triggers == ["soon", "later"]
    (visit,) = situation.contact().visits
    assert visit.trigger["order"] == "far"
    assert outcomes(situation.run_out()) == [("hello", "sent")]


def test_what_was_due_before_the_pause_is_done_up_to_the_next_node() -> None:
    hello = journey(nodes=[wait("1h"), mail()])
    situation = Situation(hello)
    situation.event()
    situation.now_ms += 2 * HOUR_MS
    assert published(situation, hello, **PAUSED) == []
    assert outcomes(published(situation, hello)) == [("hello", "sent")]


def test_an_event_that_is_waited_for_counts_and_what_follows_waits() -> None:
    waits = {"id": "w", "wait_for": [{"event": "bye"}], "timeout": "1d"}
    hello = journey(nodes=[waits, mail()])
    situation = Situation(hello)
    situation.event()
    published(situation, hello, **PAUSED)
    assert situation.event("bye") == []
    assert situation.pass_time(2 * DAY_MS) == []
    outcome = only_outcome(published(situation, hello))
    assert (outcome.node, outcome.outcome, outcome.at_ms) == ("mail", "sent", situation.now_ms)


def test_a_visit_that_stands_before_a_node_does_not_hear_what_that_waits_for() -> None:
    waits = [
        {"id": each, "wait_for": [{"event": each}], "timeout": "1d"} for each in ("one", "two")
    ]
    hello = journey(nodes=[*waits, mail()])
    situation = Situation(hello)
    situation.event()
    published(situation, hello, **PAUSED)
    assert situation.event("one") == []
    assert situation.event("two") == []
    assert published(situation, hello) == []
    assert [each.node for each in situation.contact().visits] == ["two"]
    assert outcomes(situation.event("two")) == [("hello", "sent")]


def test_an_answer_that_comes_late_moves_no_visit_that_stands_before_asking_again() -> None:
    ask = {"id": "ask", "webhook": "https://api.example.com/a", "timeout": "1h", "else": "w"}
    hello = journey(
        nodes=[ask | {"then": "mail"}, mail(then="out"), OUT, wait("1h", "w", then="ask")]
    )
    situation = Situation(hello)
    asked = only_outcome(situation.event())
    situation.handover(asked.key)
    situation.pass_time(HOUR_MS)
    situation.now_ms += 2 * HOUR_MS
    assert published(situation, hello, **PAUSED) == []
    assert situation.receipt(asked.key, delivered=True, answer={"status": 200}) == []
    (visit,) = situation.contact().visits
    assert (visit.node, visit.enters) == ("ask", True)
    again = only_outcome(published(situation, hello))
    assert again.key == asked.key.replace(".1", ".2")


def test_a_wait_that_an_event_starts_again_is_held_as_well() -> None:
    branches = [{"event": "call", "again": True}, {"event": "bye", "then": "mail"}]
    waits = {"id": "w", "wait_for": branches, "timeout": "1h"}
    hello = journey(nodes=[waits, mail()])
    situation = Situation(hello)
    situation.event()
    published(situation, hello, **PAUSED)
    assert situation.event("call", after_ms=MINUTE_MS) == []
    assert situation.pass_time(DAY_MS) == []
    assert situation.event("bye") == []
    assert outcomes(published(situation, hello)) == [("hello", "sent")]


@pytest.mark.parametrize("goes_on", [LIVE, {"hello": version(2, "end", state="ended")}])
@pytest.mark.parametrize("old", [True, False], ids=["snapshot of before", "snapshot"])
def test_entries_that_wait_are_counted_wherever_counting_goes_on(
    goes_on: dict[str, Any], *, old: bool
) -> None:
    situation = paused(journey(exit_on=["bye"]))
    for contact in ("c-1", "c-2", "c-3", "c-3"):
        situation.event(contact=contact)
    situation.event("bye", contact="c-2")
    situation.partition.cool()
    saved = situation.partition.numbers.save()
    assert saved.queued == {"hello": 3}
    situation.partition.load_numbers(replace(saved, queued=None) if old else saved)
    situation.fold(Erase(digest_of("c-1"), 0))
    assert situation.partition.numbers.queued() == queued_in(situation.partition) == {"hello": 2}
    situation.publish(journey(), versions=goes_on)
    situation.pass_time(0)
    assert situation.partition.numbers.queued() == queued_in(situation.partition) == {}


def test_an_entry_that_was_due_before_counting_began_waits_no_more_when_it_has_its_turn() -> None:
    situation = paused(journey())
    situation.event()
    situation.publish(journey(), versions=LIVE)
    situation.event("other", contact="c-2", after_ms=HOUR_MS)
    situation.partition.cool()
    situation.partition.load_numbers(None)
    assert situation.partition.numbers.queued() == {"hello": 1}
    situation.pass_time(0)
    assert situation.partition.numbers.queued() == queued_in(situation.partition) == {}


def test_an_entry_that_a_fault_takes_away_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    situation = paused(journey())
    for _ in range(2):
        situation.event()

    def raises(*_: Any) -> Any:
        raise ZeroDivisionError("poison")

    with monkeypatch.context() as patch:
        patch.setattr("engine.fold.occasion.enter", raises)
        situation.publish(journey(), versions=LIVE)
        assert [type(each) for each in situation.pass_time(0)] == [Fault, Fault]
    assert situation.partition.numbers.queued() == queued_in(situation.partition) == {}


def test_a_fault_leaves_the_entries_that_wait() -> None:
    situation = paused(journey())
    situation.event()
    contact = situation.contact()
    guard, queued = Guard(contact, Notes()), contact.queued
    contact.queued = []
    guard.restore(contact)
    assert contact.queued == queued


def test_an_exit_ends_a_visit_though_its_journey_is_paused() -> None:
    hello = journey(nodes=[wait("1h"), mail()], exit_on=["bye"])
    situation = Situation(hello)
    situation.event()
    published(situation, hello, **PAUSED)
    assert only_outcome(situation.event("bye")).reason == "bye"


def test_a_condition_to_leave_that_comes_with_resuming_comes_before_what_is_due() -> None:
    hello = journey(nodes=[wait("1h"), mail()])
    leaves = hello | {"exit_on": [{"when": {"attribute": "gone", "equals": True}}]}
    situation = Situation(hello)
    situation.event("identify", {"attributes": {"gone": True}})
    situation.event()
    published(situation, hello, **PAUSED)
    situation.now_ms += 2 * HOUR_MS
    live = version(2, before=[Passage(number=1)])
    assert outcomes(published(situation, leaves, hello=live)) == [("hello", "exited")]


def test_a_version_published_while_it_is_paused_plans_from_when_the_wait_began() -> None:
    situation = Situation(journey(nodes=[wait("1d"), mail()]))
    situation.event()
    published(situation, journey(nodes=[wait("1d"), mail()]), **PAUSED)
    situation.now_ms += HOUR_MS
    changed = journey(nodes=[wait("2h"), mail()])
    second = version(2, state="paused", before=[Passage(number=1)])
    assert published(situation, changed, hello=second) == []
    situation.now_ms += 4 * HOUR_MS
    live = version(2, before=[Passage(number=1)])
    outcome = only_outcome(published(situation, changed, hello=live))
    assert (outcome.outcome, outcome.at_ms) == ("sent", situation.now_ms)


def test_ending_a_paused_journey_ends_visits_and_entries_that_wait() -> None:
    hello = journey(nodes=[wait("1h"), mail()], reentry={"key": "order"})
    situation = Situation(hello)
    situation.event(payload={"order": "a"})
    published(situation, hello, **PAUSED)
    situation.event(payload={"order": "b"})
    made = published(situation, hello, hello=version(2, "end", state="ended"))
    assert [each.reason for each in made if isinstance(each, Outcome)] == ["journey_ended"] * 2
    assert situation.contact().queued == []
    assert situation.contact().visits == []


def test_a_journey_that_another_starts_waits_as_well() -> None:
    start = journey("starter", entry={"event": "go"}, nodes=[{"id": "s", "start": "hello"}])
    hello = journey(entry={"event": "never"})
    situation = paused(hello, start)
    assert outcomes(situation.event("go")) == [("starter", "declined")]
    assert outcomes(published(situation, hello, start)) == [("hello", "sent")]


def test_an_event_that_leads_nowhere_leaves_a_held_timer_as_it_is() -> None:
    cheap = {"event": "bought", "when": {"field": "price", "less_than": 5}}
    hello = journey(nodes=[wait_for(cheap, timeout="1d"), mail()])
    situation = Situation(hello)
    situation.event()
    situation.publish(hello, versions=PAUSED)
    assert situation.event("bought", {"price": 5}, after_ms=HOUR_MS) == []
    assert published(situation, hello) == []
    outcome = only_outcome(situation.run_out())
    assert (outcome.outcome, outcome.at_ms) == ("declined", NOON_MS + DAY_MS)
