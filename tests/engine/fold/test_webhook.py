"""Webhooks: a visit asks a server, waits, and goes on with what it answers."""

from typing import Any

import pytest
from msgspec.msgpack import encode

from engine.contacts.contact import Visit
from engine.decision import CAPPED, EXITED, FAILED, HELD_OUT, SENT
from engine.limits import ANSWER_BYTES_MAX, PENDING_MAX, REQUEST_BYTES_MAX
from tests.engine.situation import (
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    mail,
    only_delivery,
    only_fault,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey

URL = "https://shop.example/tier"
ANSWER = {"status": 200, "body": {"tier": "gold"}}


def ask(id: str = "ask", **fields: Any) -> dict[str, Any]:
    return {"id": id, "webhook": URL, "timeout": "1h"} | fields


def asking(*after: dict[str, Any], **fields: Any) -> Situation:
    """A journey that asks, then sends `mail`; `sorry` is where it goes if that fails."""
    nodes = [ask(**{"else": "sorry"}), *after, mail(then="out"), mail("sorry"), OUT]
    return Situation(journey(nodes=nodes, **fields))


OUT = {"id": "out", "exit": "done"}


def visit_of(situation: Situation) -> Visit:
    (visit,) = situation.contact().visits
    return visit


def asked(situation: Situation) -> str:
    """Let the contact come to the webhook; return the request's key."""
    outcome = only_outcome(situation.event("hi", {"price": 5}))
    assert (outcome.node, outcome.channel, outcome.outcome) == ("ask", "webhook", SENT)
    return outcome.key


def node_of(decisions: list[Any]) -> tuple[str, str]:
    outcome = only_outcome(decisions)
    return outcome.node, outcome.outcome


def test_a_request_is_handed_over_with_what_it_is_made_of() -> None:
    body = {
        "tier": {"from": "contact.tier"},
        "who": {"from": "contact.id"},
        "price": {"from": "trigger.price"},
        "none": {"from": "trigger.size"},
        "visit": {"from": "visit.entered_at_ms"},
        "always": [1, "a", True],
        "inner": {"deep": {"from": "trigger.size", "default": 42}, "as": "it is"},
    }
    node = ask(method="PUT", headers={"X-Price": {"from": "trigger.price"}}, body=body)
    situation = Situation(journey(nodes=[node]))
    situation.event("identify", {"attributes": {"tier": "gold"}})
    delivery = only_delivery(situation.handover(asked(situation)))
    assert (delivery.channel, delivery.template, delivery.journey) == ("webhook", "", "hello")
    assert delivery.request == {
        "url": URL,
        "method": "PUT",
        "headers": {"X-Price": 5},
        "body": {
            "tier": "gold",
            "who": "c-1",
            "price": 5,
            "visit": NOON_MS,
            "always": [1, "a", True],
            "inner": {"deep": 42, "as": "it is"},
        },
    }


def test_a_request_is_of_the_moment_at_which_it_was_decided() -> None:
    situation = Situation(journey(nodes=[ask(body={"tier": {"from": "contact.tier"}})]))
    key = asked(situation)
    situation.event("identify", {"attributes": {"tier": "gold"}})
    request = only_delivery(situation.handover(key)).request
    assert request is not None
    assert request["body"] == {}


def test_the_visit_waits_for_the_answer_and_goes_on_with_it() -> None:
    situation = asking(wait("1h"))
    key = asked(situation)
    situation.handover(key)
    assert situation.pass_time(HOUR_MS - 1) == []
    assert situation.receipt(key, delivered=True, answer=ANSWER) == []
    visit = visit_of(situation)
    assert (visit.node, visit.due_at_ms) == ("wait", situation.now_ms + HOUR_MS)
    assert visit.answers == {"ask": ANSWER}
    assert situation.contact().pending == []
    assert node_of(situation.pass_time(HOUR_MS)) == ("mail", SENT)
    assert situation.contact().visits == []


def test_what_was_answered_can_be_asked_of_another() -> None:
    second = ask("again", body={"tier": {"from": "answers.ask.body.tier"}})
    situation = Situation(journey(nodes=[ask(), second]))
    key = asked(situation)
    outcome = only_outcome(situation.receipt(key, delivered=True, answer=ANSWER))
    request = only_delivery(situation.handover(outcome.key)).request
    assert request is not None
    assert request["body"] == {"tier": "gold"}


def test_one_that_failed_takes_the_other_way_and_its_answer_is_kept() -> None:
    nodes = [ask(**{"else": "rest"}), {"id": "out", "exit": "no"}, wait("1h", "rest")]
    situation = Situation(journey(nodes=nodes))
    key = asked(situation)
    answer = {"status": 404, "body": None}
    failed = only_outcome(
        situation.receipt(key, delivered=False, reason="404 Not Found", answer=answer)
    )
    assert (failed.key, failed.outcome, failed.reason) == (key, FAILED, "404 Not Found")
    assert visit_of(situation).node == "rest"
    assert visit_of(situation).answers == {"ask": answer}


def test_where_nothing_comes_in_time_the_other_way_is_taken() -> None:
    situation = asking()
    key = asked(situation)
    situation.handover(key)
    assert situation.pass_time(HOUR_MS - 1) == []
    assert node_of(situation.pass_time(1)) == ("sorry", SENT)


def test_without_another_way_the_visit_ends() -> None:
    situation = Situation(journey(nodes=[ask(), mail()]))
    asked(situation)
    assert situation.pass_time(HOUR_MS) == []
    assert situation.contact().visits == []


def test_a_request_that_no_courier_had_in_time_is_not_put_any_more() -> None:
    situation = asking()
    key = asked(situation)
    situation.pass_time(HOUR_MS)
    situation.now_ms += 1
    outcome = only_outcome(situation.handover(key))
    assert (outcome.key, outcome.outcome) == (key, FAILED)
    assert outcome.reason == "no answer within 1h"


def test_a_late_answer_changes_nothing() -> None:
    situation = asking(reentry="once")
    key = asked(situation)
    situation.handover(key)
    situation.pass_time(HOUR_MS)
    before = situation.contact()
    assert situation.receipt(key, delivered=True, answer=ANSWER) == []
    after = situation.contact()
    assert [each.key for each in before.pending if each.key != key] == [
        each.key for each in after.pending
    ]
    assert before.visits == after.visits == []


def test_a_late_answer_does_not_move_a_visit_that_waits_elsewhere() -> None:
    nodes = [ask(**{"else": "rest"}), mail(then="out"), wait("9h", "rest"), OUT]
    situation = Situation(journey(nodes=nodes))
    key = asked(situation)
    situation.handover(key)
    situation.pass_time(HOUR_MS)
    visit = visit_of(situation)
    assert situation.receipt(key, delivered=True, answer=ANSWER) == []
    assert visit_of(situation) == visit


def test_an_answer_counts_once() -> None:
    situation = asking(wait("1h"))
    key = asked(situation)
    situation.receipt(key, delivered=True, answer=ANSWER)
    visit = visit_of(situation)
    situation.receipt(key, delivered=False, answer={"status": 500, "body": None})
    assert visit_of(situation) == visit


def test_an_answer_belongs_to_one_visit() -> None:
    situation = Situation(journey(nodes=[ask(), wait("1h")], reentry={"key": "order"}))
    keys = [only_outcome(situation.event("hi", {"order": order})).key for order in "ab"]
    situation.receipt(keys[1], delivered=True, answer=ANSWER)
    assert [(each.key, each.node) for each in situation.contact().visits] == [
        ("a", "ask"),
        ("b", "wait"),
    ]


def test_an_exit_ends_the_visit_and_stops_a_request_not_handed_over() -> None:
    situation = asking(exit_on=["purchase"])
    key = asked(situation)
    situation.event("purchase")
    assert situation.contact().visits == []
    situation.now_ms += 1
    outcome = only_outcome(situation.handover(key))
    assert (outcome.key, outcome.outcome) == (key, EXITED)
    assert situation.receipt(key, delivered=True, answer=ANSWER) == []


def test_an_exit_after_the_handover_leaves_the_answer_without_effect() -> None:
    situation = asking(exit_on=["purchase"])
    key = asked(situation)
    situation.handover(key)
    situation.event("purchase")
    assert situation.receipt(key, delivered=True, answer=ANSWER) == []
    contact = situation.contact()
    assert (contact.visits, contact.pending) == ([], [])


@pytest.mark.parametrize(
    "nodes",
    [
        [wait("9h", "ask"), mail()],
        [ask("other"), mail()],
        [mail()],
    ],
    ids=["the node is another kind", "the node is gone", "no webhook is left"],
)
def test_an_answer_to_what_was_published_away_changes_nothing(nodes: list[Any]) -> None:
    situation = asking()
    key = asked(situation)
    situation.publish(journey(nodes=nodes))
    before = visit_of(situation)
    assert situation.receipt(key, delivered=True, answer=ANSWER) == []
    assert visit_of(situation) == before
    assert situation.contact().pending == []


def test_an_answer_of_a_journey_that_is_gone_changes_nothing() -> None:
    situation = asking()
    key = asked(situation)
    situation.publish(journey("other"))
    assert situation.receipt(key, delivered=True, answer=ANSWER) == []


def test_an_answer_goes_on_as_the_journey_says_now() -> None:
    situation = asking()
    key = asked(situation)
    situation.publish(journey(nodes=[ask(then="new"), mail("new", then="out"), OUT]))
    outcome = only_outcome(situation.receipt(key, delivered=True, answer=ANSWER)[:1])
    assert outcome.node == "new"


def test_one_held_out_asks_nothing() -> None:
    situation = Situation(
        journey(nodes=[ask(**{"else": "rest"}), OUT, wait("1h", "rest")], hold_out=99)
    )
    held = [
        outcome
        for i in range(20)
        for outcome in outcomes(situation.event(contact=f"c-{i}"))
        if outcome[1] == HELD_OUT
    ]
    assert held
    contact = next(
        each
        for each in map(situation.contact, situation.partition.contact_keys())
        if each.visits and each.visits[0].held_out
    )
    assert (contact.pending, contact.visits[0].node) == ([], "rest")


def test_requests_are_bounded() -> None:
    situation = Situation(journey(nodes=[ask()], reentry={"key": "order", "at_most": 200}))
    for order in range(PENDING_MAX):
        assert only_outcome(situation.event("hi", {"order": order})).outcome == SENT
    outcome = only_outcome(situation.event("hi", {"order": PENDING_MAX}))
    assert outcome.outcome == CAPPED
    assert len(situation.contact().visits) == PENDING_MAX


def test_a_request_that_is_too_long_is_not_put() -> None:
    node = ask(body={"all": {"from": "trigger.text"}}, **{"else": "sorry"})
    situation = Situation(journey(nodes=[node, mail(then="sorry"), mail("sorry")]))
    first, second = situation.event("hi", {"text": "x" * REQUEST_BYTES_MAX})
    assert only_outcome([first]).outcome == FAILED
    assert "bytes, 16,384 at most" in only_outcome([first]).reason
    assert only_outcome([second]).node == "sorry"


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ({"tier": "gold", "long": "x" * 5_000}, {"tier": "gold"}),
        (["x" * 5_000], None),
        ("x" * 5_000, None),
    ],
)
def test_an_answer_that_is_long_is_cut(body: Any, kept: Any) -> None:
    situation = asking(wait("1h"))
    key = asked(situation)
    situation.receipt(key, delivered=True, answer={"status": 200, "body": body})
    answer = visit_of(situation).answers["ask"]
    assert answer == {"status": 200, "body": kept, "cut": True}


def test_many_short_fields_are_cut_as_well() -> None:
    situation = asking(wait("1h"))
    key = asked(situation)
    body = {f"field-{i}": "x" * 100 for i in range(100)}
    situation.receipt(key, delivered=True, answer={"status": 200, "body": body})
    kept = visit_of(situation).answers["ask"]["body"]
    assert kept.items() < body.items()
    assert len(encode(visit_of(situation).answers["ask"])) > ANSWER_BYTES_MAX - 250
    assert len(encode(visit_of(situation).answers["ask"])) <= ANSWER_BYTES_MAX


def test_a_webhook_counts_for_no_cap_and_asks_for_no_consent() -> None:
    situation = asking(caps=[{"messages": 1, "per": "1d"}])
    key = asked(situation)
    decided = situation.receipt(key, delivered=True, answer=ANSWER)
    assert node_of(decided) == ("mail", SENT)


def test_each_webhook_waits_for_its_own_answer() -> None:
    nodes = [ask(then="rest"), wait("1m", "rest", then="again"), ask("again")]
    situation = Situation(journey(nodes=nodes))
    first = asked(situation)
    situation.receipt(first, delivered=True, answer=ANSWER)
    second = only_outcome(situation.pass_time(MINUTE_MS)).key
    assert second != first
    situation.receipt(first, delivered=True, answer=ANSWER)
    assert visit_of(situation).node == "again"


def test_where_a_publish_puts_a_webhook_the_visit_asks_when_its_wait_is_over() -> None:
    situation = Situation(journey(nodes=[wait("1h", "ask"), mail()]))
    situation.event()
    situation.publish(journey(nodes=[ask(), mail()]))
    key = only_outcome(situation.pass_time(HOUR_MS)).key
    assert visit_of(situation).due_at_ms == situation.now_ms + HOUR_MS
    assert node_of(situation.receipt(key, delivered=True, answer=ANSWER)) == ("mail", SENT)


def test_a_visit_that_asks_again_waits_for_the_new_answer() -> None:
    nodes = [ask(then="out", **{"else": "rest"}), OUT, wait("1m", "rest", then="ask")]
    situation = Situation(journey(nodes=nodes))
    first = asked(situation)
    situation.handover(first)
    situation.pass_time(HOUR_MS)
    second = only_outcome(situation.pass_time(MINUTE_MS)).key
    assert second != first
    situation.receipt(first, delivered=True, answer=ANSWER)
    assert visit_of(situation).node == "ask"
    situation.receipt(second, delivered=True, answer=ANSWER)
    assert situation.contact().visits == []


def test_what_follows_an_answer_happens_at_once() -> None:
    asks = journey("asks", nodes=[ask(), {"id": "tell", "emit": "tier_known"}])
    listens = journey("listens", entry={"event": "tier_known"})
    situation = Situation(asks, listens)
    key = asked(situation)
    decided = situation.receipt(key, delivered=True, answer=ANSWER)
    assert outcomes(decided) == [("listens", SENT)]


def test_an_answer_whose_walk_meets_a_fault_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no such luck")

    situation = asking(wait("1h"))
    key = asked(situation)
    before = situation.contact()
    monkeypatch.setattr("engine.fold.webhook.advance", broken)
    only_fault(situation.receipt(key, delivered=True, answer=ANSWER))
    assert situation.contact() == before
