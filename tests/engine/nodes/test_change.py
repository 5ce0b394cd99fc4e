"""Nodes that change what is kept of the contact: attributes, lists and audiences."""

from typing import Any

import pytest

from engine.compile.publication import compile_publication
from engine.contacts.identity import message_key, visit_id
from engine.decision import (
    CAPPED,
    EXITED,
    HELD_OUT,
    SENT,
    Fault,
    Outcome,
)
from engine.fold.reconcile import uphold
from engine.input import Verdict
from engine.language.journey import Publication
from engine.limits import (
    ATTRIBUTE_BYTES_MAX,
    ATTRIBUTES_MAX,
    LISTS_MAX,
    PENDING_MAX,
)
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

VIP = {"segment": "vip", "list": True}
ANYWAY = {"attribute": "nothing", "exists": False}


def node(id: str = "node", **fields: Any) -> dict[str, Any]:
    return {"id": id} | fields


def does(*nodes: dict[str, Any], **fields: Any) -> Situation:
    return Situation(journey(nodes=[*nodes], **fields), segments=[VIP])


def mistake_of(*nodes: dict[str, Any], **fields: Any) -> tuple[str, str, str]:
    """Return path, problem and fix of the one mistake of a journey with these nodes."""
    publication = Publication(
        journeys={"j.yaml": journey(nodes=[*nodes], **fields)},
        segments={
            "segments/vip.yaml": VIP,
            "segments/rich.yaml": {"segment": "rich", "when": ANYWAY},
        },
        templates={"hello.en": ""},
    )
    programs, mistakes = compile_publication(publication)
    assert programs is None
    (mistake,) = mistakes
    return mistake.path, mistake.problem, mistake.fix


# Attributes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"tier": "gold"}, {"tier": "gold", "city": "Ulm"}),
        ({"city": None}, {}),
        ({"gone": None}, {"city": "Ulm"}),
        ({"tier": {"from": "trigger.order.tier"}}, {"tier": "tin", "city": "Ulm"}),
        ({"town": {"from": "contact.city"}}, {"city": "Ulm", "town": "Ulm"}),
        ({"city": {"from": "trigger.city"}}, {"city": "Ulm"}),
        ({"city": {"from": "trigger.city", "default": "Bonn"}}, {"city": "Bonn"}),
        ({"city": {"from": "trigger.nothing"}}, {}),
        ({"city": {"from": "answers.ask.city"}}, {"city": "Ulm"}),
        ({"order": {"from": "trigger.order"}}, {"city": "Ulm", "order": {"tier": "tin"}}),
    ],
)
def test_attributes_are_set(values: dict[str, Any], expected: dict[str, Any]) -> None:
    situation = does(node(set=values))
    situation.event("identify", {"attributes": {"city": "Ulm"}})
    situation.event("hi", {"order": {"tier": "tin"}, "nothing": None})
    assert situation.contact().attributes == expected


def test_what_is_set_holds_for_the_next_node_and_the_next_event() -> None:
    gold = decide({"attribute": "tier", "equals": "gold"})
    situation = does(node(set={"tier": "gold"}), gold, mail())
    assert outcomes(situation.event()) == [("hello", "sent")]


def test_what_is_set_counts_from_then_on_only() -> None:
    situation = does(wait("1h"), node(set={"tier": "gold"}))
    situation.event()
    assert situation.contact().attributes == {}
    situation.pass_time(HOUR_MS)
    assert situation.contact().attributes == {"tier": "gold"}


def test_a_value_too_long_is_not_set_and_listed() -> None:
    situation = does(node(set={"text": {"from": "trigger.text"}, "tier": "gold"}))
    situation.event("hi", {"text": "x" * (ATTRIBUTE_BYTES_MAX - 2)})
    assert len(situation.contact().attributes) == 2
    situation.event("hi", {"text": "y" * (ATTRIBUTE_BYTES_MAX - 1)})
    assert situation.contact().attributes["text"][0] == "x"


def test_an_attribute_too_many_is_not_set_and_listed() -> None:
    situation = does(node(set={"a-last": 1, "b-further": 2}))
    for start in range(0, ATTRIBUTES_MAX - 1, 50):
        some = {f"a{i}": i for i in range(start, min(start + 50, ATTRIBUTES_MAX - 1))}
        situation.event("identify", {"attributes": some})
    fault, outcome = situation.event()
    assert isinstance(fault, Fault)
    assert fault.what.endswith("of journey hello at node node")
    assert fault.error == f"b-further: a contact has {ATTRIBUTES_MAX} attributes"
    assert isinstance(outcome, Outcome)
    attributes = situation.contact().attributes
    assert "a-last" in attributes
    assert "b-further" not in attributes


def test_a_fault_after_it_takes_back_what_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    situation = does(
        node("a", set={"tier": "gold"}), node("b", add_to="vip"), node("c", emit="x"), mail()
    )

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("engine.nodes.send.Send.enter", fail)
    only_fault(situation.event())
    assert situation.verdict == Verdict.FAILED
    contact = situation.contact()
    assert (contact.attributes, contact.lists, contact.visits) == ({}, {}, [])
    assert list(contact.history) == ["hi"]


@pytest.mark.parametrize(
    ("written", "path", "problem"),
    [
        ({"a.b": 1}, "$.nodes[0].set", "'a.b' cannot be an attribute"),
        ({"": 1}, "$.nodes[0].set", "'' cannot be an attribute"),
        ({"a": {"from": "trigger"}}, "$.nodes[0].set.a.from", "'trigger' names nothing"),
        ({"a": {"from": "triger.b"}}, "$.nodes[0].set.a.from", "'triger.b' names nothing"),
        ({"a": {"from": "trigger..b"}}, "$.nodes[0].set.a.from", "'trigger..b' names nothing"),
        ({"a": {"from": 3}}, "$.nodes[0].set.a.from", "3 names nothing"),
        (
            {"a": {"from": "trigger.b", "or": 1}},
            "$.nodes[0].set.a.or",
            "unknown field 'or'",
        ),
        ({"a": "x" * ATTRIBUTE_BYTES_MAX}, "$.nodes[0].set.a", "2050 bytes"),
        (
            {"a": {"from": "trigger.b", "default": "x" * ATTRIBUTE_BYTES_MAX}},
            "$.nodes[0].set.a.default",
            "2050 bytes",
        ),
        ({str(i): i for i in range(201)}, "$.nodes[0].set", "201 values"),
    ],
)
def test_values_that_cannot_be_set_are_refused(
    written: dict[str, Any], path: str, problem: str
) -> None:
    assert mistake_of(node(set=written))[:2] == (path, problem)


@pytest.mark.parametrize("by", ["event", "timer"])
def test_a_wait_for_a_date_moves_as_a_node_sets_it(by: str) -> None:
    waits = journey("waits", nodes=[node(wait={"attribute": "ends"}, **{"else": "mail"}), mail()])
    first = [] if by == "event" else [wait("1h")]
    sets = [*first, node(set={"ends": {"from": "trigger.ends"}})]
    situation = Situation(waits, journey("sets", entry={"event": "ask"}, nodes=sets))
    situation.event("identify", {"attributes": {"ends": "2023-12-01"}})
    situation.event()
    situation.event("ask", {"ends": "2023-11-20"})
    decided = situation.pass_time(10 * DAY_MS)
    (sent,) = [each for each in decided if isinstance(each, Outcome) and each.journey == "waits"]
    assert sent.at_ms == 1_700_438_400_000


# Lists and audiences


def test_a_contact_is_put_on_a_list_and_taken_off() -> None:
    situation = does(
        node("on", add_to="vip"), wait("1h"), node("again", add_to="vip"), wait("1h", "second"),
        node("off", remove_from="vip"), node("off2", remove_from="vip"),
    )  # fmt: skip
    situation.event()
    assert situation.contact().lists == {"vip": NOON_MS}
    situation.pass_time(HOUR_MS)
    assert situation.contact().lists == {"vip": NOON_MS}
    situation.pass_time(HOUR_MS)
    assert situation.contact().lists == {}


def fill_lists(situation: Situation, count: int) -> None:
    situation.event("identify", {"lists": {f"list-{i}": True for i in range(count)}})


def test_a_list_too_many_is_listed() -> None:
    situation = does(node(add_to="vip"))
    fill_lists(situation, LISTS_MAX)
    fault, _ = situation.event()
    assert isinstance(fault, Fault)
    assert fault.error == f"vip: a contact is on {LISTS_MAX} lists"
    assert len(situation.contact().lists) == LISTS_MAX


@pytest.mark.parametrize(("key", "action"), [("add_to", "add"), ("remove_from", "remove")])
def test_an_audience_is_asked_for_on_the_ads_channel(key: str, action: str) -> None:
    situation = does(node(audience=True, **{key: "lookalike"}))
    outcome = only_outcome(situation.event(id="e"))
    assert outcome.key == message_key(visit_id("hello", "c-1", "e"), "node", 1)
    assert (outcome.outcome, outcome.channel) == (SENT, "ads")
    delivery = only_delivery(situation.handover(outcome.key))
    assert delivery.request == {"audience": "lookalike", "action": action}
    assert delivery.template == ""
    assert list(situation.contact().lists) == (["audience/lookalike"] if action == "add" else [])
    assert situation.receipt(outcome.key, delivered=True) == []
    assert situation.contact().pending == []


def test_an_audience_asks_for_no_consent_and_counts_for_no_cap() -> None:
    nodes = [node(audience=True, add_to="a"), mail(), node("b", audience=True, add_to="b")]
    situation = Situation(journey(nodes=nodes), caps=[{"messages": 1, "per": "1d"}])
    assert [each for _, each in outcomes(situation.event())] == [SENT, SENT, SENT]
    assert [each for _, each in outcomes(situation.event())] == [SENT, CAPPED, SENT]


def test_who_is_held_out_gets_into_no_audience() -> None:
    situation = does(node(audience=True, add_to="a"), hold_out=99.999)
    assert only_outcome(situation.event()).outcome == HELD_OUT
    assert (situation.contact().lists, situation.contact().pending) == ({}, [])


def test_an_outbox_too_full_takes_no_audience() -> None:
    situation = does(node(audience=True, add_to="a"))
    for _ in range(PENDING_MAX):
        assert only_outcome(situation.event()).outcome == SENT
    outcome = only_outcome(situation.event())
    assert (outcome.outcome, outcome.reason[:7]) == (CAPPED, "outbox:")


def test_an_audience_too_many_is_not_asked_for() -> None:
    situation = does(node(audience=True, add_to="a"))
    fill_lists(situation, LISTS_MAX)
    fault, outcome = situation.event()
    assert isinstance(fault, Fault)
    assert isinstance(outcome, Outcome)
    assert outcome.outcome == CAPPED
    assert situation.contact().pending == []


def test_an_exit_stops_an_audience_that_no_courier_has() -> None:
    situation = does(node(audience=True, add_to="a"), wait("1d"), exit_on=["stop"])
    key = only_outcome(situation.event()).key
    situation.event("stop", after_ms=1)
    situation.now_ms += 1
    assert only_outcome(situation.handover(key)).outcome == EXITED


def test_what_was_recorded_of_an_audience_is_upheld() -> None:
    situation = does(node(audience=True, add_to="a"))
    sent = only_outcome(situation.event())
    contact = situation.contact()
    (pending,) = contact.pending
    contact.pending = []
    uphold(situation.partition.programs, contact, sent)
    assert contact.pending[0].request == pending.request


@pytest.mark.parametrize(
    ("written", "path", "says"),
    [
        ({"add_to": "vpi"}, "$.nodes[0].add_to", "did you mean `vip`?"),
        ({"remove_from": "rich"}, "$.nodes[0].remove_from", "a segment with `list: true`"),
        ({"add_to": "A b", "audience": True}, "$.nodes[0].add_to", "use a-z"),
        ({"add_to": "vip", "remove_from": "vip"}, "$.nodes[0]", "exactly one of"),
    ],
)
def test_a_list_there_is_not_is_refused(written: dict[str, Any], path: str, says: str) -> None:
    found, _, fix = mistake_of(node(**written))
    assert found == path
    assert says in fix
