"""Visits: who enters, which way they go, and why there is no message where there is none."""

import pytest

from engine.contacts.identity import message_key, visit_id
from engine.decision import DRY_RUN, OUTCOMES, PAUSED, Outcome
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    NOON_MS,
    Situation,
    decide,
    mail,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey

CHEAP = {"field": "price", "less_than": 5}


def test_the_event_of_the_entry_opens_a_visit() -> None:
    situation = Situation(journey())
    assert situation.event("ho") == []
    assert outcomes(situation.event("hi")) == [("hello", "sent")]


def test_the_condition_of_the_entry_must_hold() -> None:
    situation = Situation(journey(entry={"event": "hi", "when": CHEAP}))
    assert situation.event("hi", {"price": 5}) == []
    assert outcomes(situation.event("hi", {"price": 4})) == [("hello", "sent")]


def test_a_visit_and_its_message_are_named_for_what_opened_it() -> None:
    situation = Situation(journey())
    visit = visit_id("hello", "c-1", "e-7")
    assert only_outcome(situation.event(id="e-7")) == Outcome(
        message_key(visit, "mail", 1), "c-1", "hello", "mail", "email", NOON_MS, "sent", ""
    )


@pytest.mark.parametrize(("then", "number"), [("mail", 1), ("wait", 3)])
def test_the_outcome_of_a_visit_without_a_message_is_named_for_where_it_ended(
    then: str, number: int
) -> None:
    nodes = [wait("1h", then=then), mail()]
    nodes = nodes if then == "mail" else nodes[:1]
    situation = Situation(journey(nodes=nodes, exit_on=["bye"]))
    situation.event(id="e-7")
    situation.pass_time((number - 1) * HOUR_MS)
    outcome = only_outcome(situation.event("bye"))
    assert outcome.key == message_key(visit_id("hello", "c-1", "e-7"), "wait", number)


def test_two_visits_have_two_messages() -> None:
    situation = Situation(journey())
    assert only_outcome(situation.event()).key != only_outcome(situation.event()).key


def test_who_is_in_does_not_enter_again() -> None:
    situation = Situation(journey(nodes=[wait("1h"), mail()]))
    situation.event(id="a")
    situation.event(id="b", after_ms=1)
    assert len(situation.contact().visits) == 1
    outcome = only_outcome(situation.run_out())
    assert outcome.key.startswith(visit_id("hello", "c-1", "a"))
    assert outcome.at_ms == NOON_MS + HOUR_MS


@pytest.mark.parametrize(
    ("reentry", "expected"),
    [
        ("always", [True, True, True, True]),
        ("once", [True, False, False, False]),
        ("24h", [True, False, False, True]),
    ],
)
def test_who_was_in_may_come_again_as_the_journey_says(reentry: str, expected: list[bool]) -> None:
    situation = Situation(journey(reentry=reentry))
    after = [0, 1, DAY_MS - 2, 1]
    assert [bool(situation.event(after_ms=each)) for each in after] == expected


def test_the_span_of_reentry_counts_from_the_entry() -> None:
    situation = Situation(journey(reentry="2h", nodes=[wait("1h"), mail()]))
    situation.event()
    situation.run_out()
    assert situation.event(after_ms=2 * HOUR_MS - 1) == []
    assert situation.contact().visits == []
    situation.event(after_ms=1)
    assert len(situation.contact().visits) == 1


def test_a_refused_entry_does_not_begin_the_span_anew() -> None:
    situation = Situation(journey(reentry="24h"))
    made = [bool(situation.event(after_ms=13 * HOUR_MS)) for _ in range(4)]
    assert made == [True, False, True, False]


def test_who_left_early_was_in_all_the_same() -> None:
    situation = Situation(journey(reentry="once", nodes=[wait("1h"), mail()], exit_on=["bye"]))
    situation.event()
    situation.event("bye")
    situation.event()
    assert situation.contact().visits == []


def test_an_exit_ends_the_visit_and_says_which_event_it_was() -> None:
    situation = Situation(journey(nodes=[wait("1h"), mail()], exit_on=["bye"]))
    situation.event()
    outcome = only_outcome(situation.event("bye", after_ms=5))
    assert (outcome.outcome, outcome.reason) == ("exited", "bye")
    assert (outcome.node, outcome.channel, outcome.at_ms) == ("wait", "", NOON_MS + 5)
    assert situation.run_out() == []


def test_an_exit_with_a_condition_looks_at_its_own_event() -> None:
    rule = {"event": "bye", "when": CHEAP}
    situation = Situation(journey(nodes=[wait("1h"), mail()], exit_on=[rule]))
    situation.event("hi", {"price": 1})
    assert situation.event("bye", {"price": 5}) == []
    assert outcomes(situation.event("bye", {"price": 4})) == [("hello", "exited")]


def test_one_of_several_rules_of_one_event_suffices() -> None:
    rules = [{"event": "bye", "when": CHEAP}, {"event": "bye", "when": {"not": CHEAP}}]
    for rule in (rules, [rules[0], "bye"]):
        situation = Situation(journey(nodes=[wait("1h"), mail()], exit_on=rule))
        situation.event()
        assert outcomes(situation.event("bye", {"price": 9})) == [("hello", "exited")]


def test_an_exit_ends_its_own_journey_only() -> None:
    nodes = [wait("1h"), mail()]
    situation = Situation(journey("a", nodes=nodes, exit_on=["bye"]), journey("b", nodes=nodes))
    situation.event()
    assert outcomes(situation.event("bye")) == [("a", "exited")]
    assert outcomes(situation.run_out()) == [("b", "sent")]


def test_an_exit_after_a_message_adds_no_outcome() -> None:
    situation = Situation(journey(nodes=[mail("a"), wait("1h"), mail("b")], exit_on=["bye"]))
    key = only_outcome(situation.event()).key
    situation.handover(key)
    situation.receipt(key, delivered=True)
    assert situation.event("bye") == []
    assert situation.run_out() == []


def test_an_event_ends_visits_before_it_opens_others() -> None:
    situation = Situation(journey(nodes=[wait("1h"), mail()], exit_on=["hi"]))
    situation.event()
    assert outcomes(situation.event(after_ms=5)) == [("hello", "exited")]
    assert only_outcome(situation.run_out()).at_ms == NOON_MS + 5 + HOUR_MS


def test_the_higher_priority_enters_first_and_then_by_id() -> None:
    situation = Situation(
        journey("a"), journey("d", priority=1), journey("c", priority=5), journey("b", priority=1)
    )
    assert [name for name, _ in outcomes(situation.event())] == ["c", "b", "d", "a"]


@pytest.mark.parametrize(("price", "node"), [(4, "cheap"), (5, "dear")])
def test_a_decision_leads_to_then_or_else(price: int, node: str) -> None:
    nodes = [
        decide(CHEAP, then="cheap", **{"else": "dear"}),
        mail("dear", then="end"),
        mail("cheap", then="end"),
        {"id": "end", "exit": "done"},
    ]
    situation = Situation(journey(nodes=nodes))
    assert only_outcome(situation.event("hi", {"price": price})).node == node


def test_a_decision_without_else_leads_out_and_says_so() -> None:
    situation = Situation(journey(nodes=[decide(CHEAP, "cheap"), mail()]))
    outcome = only_outcome(situation.event("hi", {"price": 5}))
    assert (outcome.outcome, outcome.reason) == ("declined", "cheap did not hold")
    assert (outcome.node, outcome.channel) == ("cheap", "")
    assert outcomes(situation.event("hi", {"price": 4})) == [("hello", "sent")]


def test_a_decision_after_a_wait_sees_what_happened_meanwhile() -> None:
    nodes = [wait("1h"), decide({"attribute": "vip", "equals": True}), mail()]
    situation = Situation(journey(nodes=nodes))
    situation.event()
    situation.event("identify", {"attributes": {"vip": True}})
    assert outcomes(situation.run_out()) == [("hello", "sent")]


def test_a_decision_after_a_wait_looks_at_the_event_of_the_entry() -> None:
    situation = Situation(journey(nodes=[wait("1h"), decide(CHEAP), mail()]))
    situation.event("hi", {"price": 4})
    situation.event("hi", {"price": 9})
    assert outcomes(situation.run_out()) == [("hello", "sent")]


def test_an_exit_node_gives_its_own_reason() -> None:
    nodes = [decide(CHEAP, **{"else": "out"}), mail(), {"id": "out", "exit": "too dear"}]
    situation = Situation(journey(nodes=nodes))
    outcome = only_outcome(situation.event("hi", {"price": 5}))
    assert (outcome.node, outcome.outcome, outcome.reason) == ("out", "declined", "too dear")
    assert outcomes(situation.event("hi", {"price": 4})) == [("hello", "sent")]


def test_a_lack_of_consent_is_not_hidden_by_an_exit_node() -> None:
    ask = decide({"consent": "email", "is": "opt_in"}, **{"else": "out"})
    situation = Situation(journey(nodes=[ask, mail(), {"id": "out", "exit": "nobody asked"}]))
    outcome = only_outcome(situation.event())
    assert (outcome.outcome, outcome.reason) == ("no_consent", "email: none, needed opt_in")


def test_a_way_without_a_message_says_that_there_was_none() -> None:
    situation = Situation(journey(nodes=[wait("1h")]))
    situation.event()
    outcome = only_outcome(situation.run_out())
    assert (outcome.outcome, outcome.reason) == ("declined", "no message on its way")


def test_a_way_with_two_messages_has_two_outcomes() -> None:
    situation = Situation(journey(nodes=[mail("a"), mail("b")]))
    assert outcomes(situation.event()) == [("hello", "sent"), ("hello", "sent")]
    assert situation.contact().visits == []


def test_every_kind_of_outcome_comes_with_a_reason_but_sent() -> None:
    """One journey each; what is not sent says why in words."""
    ask = decide(CHEAP, "ask")
    situation = Situation(
        journey("capped", caps=[{"messages": 1, "per": "1d"}]),
        journey("declined", nodes=[ask, mail()]),
        journey("exited", nodes=[wait("1h"), mail()], exit_on=["bye"]),
        journey("failed"),
        journey("no-consent", nodes=[mail(purpose="marketing")]),
        journey("no-address", nodes=[mail(send="sms")]),
        journey("missing", nodes=[mail(needs=["contact.surname"])]),
        journey("quiet", nodes=[mail(send="push", in_quiet_hours="drop")]),
        journey("late", entry={"event": "hi", "late_after": "1m"}),
        journey("held-out", hold_out=99.999),
        journey("grouped", group="one"),
        journey("converted", priority=1, group="one", goal={"event": "bye"}),
        groups={"one": {"per": "day"}},
        addresses={"sms": "phone"},
        quiet_hours={"push": {"from": "12:00", "to": "08:00"}},
    )
    made = [*situation.event(), *situation.event(at_ms=NOON_MS - 60_001)]
    made += situation.event("bye")
    failed = next(each for each in made if each.journey == "failed")  # type: ignore[union-attr]
    assert isinstance(failed, Outcome)
    made += situation.receipt(failed.key, delivered=False, reason="no such mailbox")
    reasons = {each.outcome: each.reason for each in made if isinstance(each, Outcome)}
    assert reasons == {
        "sent": "",
        "capped": "journey capped: 1 in 1d",
        "declined": "ask did not hold",
        "exited": "bye",
        "failed": "no such mailbox",
        "no_consent": "email: none, needed opt_in",
        "no_address": "contact.phone is missing",
        "missing": "contact.surname is missing",
        "quiet": "push: quiet hours, UTC",
        "late": "hi: 60001 ms old when it came",
        "held_out": "held-out: the 99.999 % that are held out",
        "grouped": "one: one of priority 1 came first in this day",
        "converted": "bye",
    }
    assert {*reasons, DRY_RUN, PAUSED} == set(OUTCOMES)  # Those: see test_dry_run, test_pause.


def test_visits_of_two_contacts_do_not_meet() -> None:
    situation = Situation(journey(nodes=[wait("1h"), mail()], exit_on=["bye"]))
    situation.event(contact="c-1")
    situation.event(contact="c-2")
    situation.event("bye", contact="c-1")
    assert only_outcome(situation.run_out()).contact == "c-2"
