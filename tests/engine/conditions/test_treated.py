"""How a contact was treated before, as a condition; and what channels say of messages."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.conditions.treated import AT_MS
from engine.contacts.contact import Contact, Sent, Visit
from engine.guard import Guard
from engine.input import Receipt
from engine.limits import FAR_MS
from engine.notes import Notes
from tests.engine.conditions.tests_of import (
    assert_changes_no_earlier,
    compiled,
    compiled_well,
    moment_at,
)
from tests.engine.situation import (
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

SENT = Sent(1, "hello", "mail", "email", "marketing", "k")
moments = some.integers(0, 40)
sents = some.builds(
    Sent,
    some.integers(1, 40),
    some.sampled_from(["hello", "other"]),
    some.sampled_from(["mail", "push"]),
    some.sampled_from(["email", "sms"]),
    some.sampled_from(["marketing", "transactional"]),
    some.just("k"),
    moments,
    moments,
    moments,
    moments,
)
FILTERS: dict[str, Any] = {
    "journey": "hello",
    "node": "mail",
    "channel": "sms",
    "purpose": "marketing",
}


@settings(derandomize=True, max_examples=500, deadline=None)
@given(
    what=some.sampled_from(sorted(AT_MS)),
    messages=some.lists(sents, max_size=5),
    names=some.sets(some.sampled_from(sorted(FILTERS))),
    within=some.sampled_from([None, "visit", "10ms", "35ms"]),
    counts=some.lists(some.integers(0, 3), max_size=2),
    entered_at_ms=some.integers(1, 40),
)
def test_it_counts_as_one_would_by_hand(
    what: str,
    messages: list[Sent],
    names: set[str],
    within: str | None,
    counts: list[int],
    entered_at_ms: int,
) -> None:
    counts = [] if what == "not_sent" else sorted(counts)
    condition: dict[str, Any] = {"message": what} | {name: FILTERS[name] for name in names}
    condition |= {} if within is None else {"within": within}
    condition |= dict(zip(("at_least", "at_most"), counts, strict=False))
    now_ms = 40
    moment = moment_at(now_ms, None, Contact("c-1", messages=messages))
    moment.visit = Visit("v", "hello", "mail", entered_at_ms, entered_at_ms, FAR_MS, {}, [])
    happened = 0
    for each in messages:
        meant = all(getattr(each, name) == FILTERS[name] for name in names)
        at_ms = getattr(each, "at_ms" if "sent" in what else f"{what}_at_ms")
        begin_ms = {None: 1, "visit": entered_at_ms, "10ms": 31, "35ms": 6}[within]
        happened += meant and at_ms != 0 and at_ms >= begin_ms
    low, high = counts[0] if counts else 1, counts[1] if len(counts) > 1 else 999
    test = compiled_well(condition)
    assert test.holds(moment) is (happened == 0 if what == "not_sent" else low <= happened <= high)
    assert_changes_no_earlier(test, moment, list(range(40, 90)))


def test_since_a_visit_was_entered_is_never_where_there_is_none() -> None:
    moment = moment_at(9, None, Contact("c-1", messages=[SENT]))
    assert compiled_well({"message": "sent"}).holds(moment)
    assert not compiled_well({"message": "sent", "within": "visit"}).holds(moment)
    assert compiled_well({"message": "not_sent", "within": "visit"}).holds(moment)


@pytest.mark.parametrize(
    ("condition", "path", "problem"),
    [
        ({"message": "failed"}, ".message", "Invalid enum value 'failed' ('failed')"),
        ({"message": "not_sent", "at_least": 2}, "", "what was not sent cannot be counted"),
        ({"message": "sent", "at_least": 129}, "", "a count is out of range"),
        ({"message": "sent", "at_least": 2, "at_most": 1}, "", "at least 2 and at most 1 cannot"),
        ({"message": "sent", "within": "soon"}, ".within", "cannot read 'soon' as a span"),
        ({"message": "sent", "journey": "helo"}, ".journey", "there is no journey 'helo'"),
        ({"message": "sent", "node": "mial"}, ".node", "there is no node 'mial' in any journey"),
        (
            {"message": "sent", "journey": "hello", "node": "x"},
            ".node",
            "there is no node 'x' in hello",
        ),
    ],
)
def test_a_treatment_that_cannot_be_is_refused(
    condition: dict[str, Any], path: str, problem: str
) -> None:
    _, mistakes = compiled(condition)
    (mistake,) = mistakes
    assert mistake.path == f"$.entry.when{path}"
    assert mistake.problem.startswith(problem)
    assert mistake.fix


def test_a_journey_asks_whether_its_mail_was_opened() -> None:
    nodes = [
        mail(),
        wait("1d"),
        decide({"message": "opened", "node": "mail", "within": "visit"}),
        mail("thanks"),
    ]
    for opens in (True, False):
        situation = Situation(journey(nodes=nodes))
        key = only_outcome(situation.event()).key
        situation.receipt(key, delivered=True)
        if opens:
            situation.now_ms += HOUR_MS
            situation.fold(Receipt("c-1", key, delivered=True, kind="opened"))
        assert len(situation.run_out()) == opens


def test_what_a_channel_says_is_kept_once_with_its_moment() -> None:
    situation = Situation(journey())
    key = only_outcome(situation.event()).key
    for kind in ("", "opened", "clicked", "opened", "bounced", "sneezed", ""):
        situation.now_ms += 1
        assert situation.fold(Receipt("c-1", key, delivered=True, kind=kind)) == []
    (kept,) = situation.contact().messages
    said = (kept.delivered_at_ms, kept.opened_at_ms, kept.clicked_at_ms, kept.bounced_at_ms)
    assert said == (NOON_MS + 1, NOON_MS + 2, NOON_MS + 3, NOON_MS + 5)
    assert situation.contact().pending == []


def test_feedback_settles_nothing_and_on_what_is_gone_changes_nothing() -> None:
    situation = Situation(journey())
    key = only_outcome(situation.event()).key
    situation.fold(Receipt("c-1", key, delivered=True, kind="opened"))
    assert len(situation.contact().pending) == 1
    situation.fold(Receipt("c-1", "gone", delivered=True, kind="clicked"))
    assert situation.contact().messages[0].clicked_at_ms == 0
    assert situation.contact().messages[0].delivered_at_ms == 0


def test_a_failed_message_was_not_sent() -> None:
    asks = journey("asks", entry={"event": "ask", "when": {"message": "sent", "journey": "hello"}})
    situation = Situation(journey(), asks)
    key = only_outcome(situation.event()).key
    assert outcomes(situation.event("ask")) == [("asks", "sent")]
    situation.receipt(key, delivered=False)
    assert situation.event("ask") == []


def test_a_receipt_of_before_there_was_feedback_decodes() -> None:
    old = msgspec.msgpack.encode(["c-1", "k", True])
    receipt = msgspec.msgpack.decode(old, type=Receipt)
    assert receipt == Receipt("c-1", "k", delivered=True)
    assert receipt.kind == ""


def test_a_guard_holds_what_was_said_of_messages_before() -> None:
    situation = Situation(journey())
    key = only_outcome(situation.event()).key
    contact = situation.partition._hot["c-1"]
    guard = Guard(contact, Notes())
    situation.fold(Receipt("c-1", key, delivered=True, kind="opened"))
    guard.restore(contact)
    assert contact.messages[0].opened_at_ms == 0
