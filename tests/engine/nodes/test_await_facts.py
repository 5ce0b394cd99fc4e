"""What a trace tells of an event that came to where a visit waits: which branches it fits."""

from typing import Any

import pytest

from engine.fact import Fact
from engine.input import Event, Publish
from engine.partition import Partition
from engine.trace import EVENT, NodeNote, Trace
from tests.engine.nodes.test_await import CHEAP, OUT, wait_for
from tests.engine.situation import HOUR_MS, NOON_MS, mail
from tests.publications import journey, source_of

ORDER = {"event": "bought", "same": ["order.id"]}


def waits(*branches: Any) -> list[dict[str, Any]]:
    """Return nodes of which the first waits for these, and for another event."""
    return [wait_for(*branches, "gave_up", **{"else": "mail"}), mail(), mail("other"), OUT]


def heard(*branches: Any, payload: Any, trigger: Any = None) -> NodeNote:
    """Return what is noted where an event `bought` comes to a visit that waits for these."""
    return noted(waits(*branches), payload, trigger)


def noted(nodes: list[dict[str, Any]], payload: Any, trigger: Any = None) -> NodeNote:
    """Return what is noted where an event `bought` comes to a visit of a journey of these."""
    trace = Trace()
    partition = Partition(0, trace)
    partition.fold(Publish(source_of(journey(nodes=nodes))), NOON_MS)
    partition.fold(Event("e-1", "c-1", "hi", None, trigger or {}), NOON_MS)
    partition.fold(Event("e-2", "c-1", "bought", None, payload), NOON_MS + 1)
    (note,) = (each for each in trace if isinstance(each, NodeNote) and each.how == EVENT)
    return note


def same(wanted: str, found: Any, *, holds: bool) -> Fact:
    wanted = f"as in what it was entered on: {wanted}"
    return Fact(what="order.id", holds=holds, wanted=wanted, found=found)


def cheap(price: int) -> Fact:
    return Fact(what="price", holds=price < 5, wanted="less than 5", found=price)


def branch(*parts: Fact, wanted: str = "leads to mail", holds: bool = True) -> Fact:
    return Fact(what="bought", holds=holds, wanted=wanted, parts=list(parts))


@pytest.mark.parametrize(
    ("trigger", "payload", "fact"),
    [
        ({"order": {"id": "a"}}, {"order": {"id": "a"}}, same('"a"', "a", holds=True)),
        ({"order": {"id": "a"}}, {"order": {"id": "b"}}, same('"a"', "b", holds=False)),
        ({"order": {"id": 1}}, {"order": {"id": 1.0}}, same("1", 1.0, holds=True)),
        ({"order": {"id": 1}}, {"order": {"id": "1"}}, same("1", "1", holds=False)),
        ({"order": {"id": None}}, {"order": {"id": None}}, same("null", None, holds=False)),
        ({"order": {"id": "a"}}, {}, same('"a"', None, holds=False)),
        ({}, {"order": {"id": "a"}}, same("nothing", "a", holds=False)),
        ({}, {}, same("nothing", None, holds=False)),
    ],
)
def test_a_field_that_must_be_the_same_is_told_with_both_values(
    trigger: Any, payload: Any, fact: Fact
) -> None:
    note = heard(ORDER, trigger=trigger, payload=payload)
    assert note.facts == [branch(fact, holds=fact.holds)]
    assert note.goes_to == ("mail" if fact.holds else None)


@pytest.mark.parametrize(("order", "price"), [("a", 4), ("a", 5), ("b", 4), ("b", 5)])
def test_a_branch_fits_where_its_fields_are_the_same_and_its_condition_holds(
    order: str, price: int
) -> None:
    payload = {"order": {"id": order}, "price": price}
    note = heard(ORDER | {"when": CHEAP}, trigger={"order": {"id": "a"}}, payload=payload)
    fits = (order, price) == ("a", 4)
    parts = [same('"a"', order, holds=order == "a"), cheap(price)]
    assert note.facts == [branch(*parts, holds=fits)]
    assert (note.goes_to is not None) is fits


def test_branches_are_told_in_turn_up_to_the_first_that_fits() -> None:
    dear = {"event": "bought", "when": {"field": "price", "less_than": 9}, "then": "other"}
    branches = [{"event": "bought", "when": CHEAP}, dear, "bought"]
    less = Fact(what="price", holds=True, wanted="less than 9", found=5)
    told = [branch(cheap(5), holds=False), branch(less, wanted="leads to other")]
    assert heard(*branches, payload={"price": 5}).facts == told
    assert heard(*branches, payload={"price": 4}).facts == [branch(cheap(4))]


def test_branches_of_other_events_are_not_told() -> None:
    assert heard("returned", "bought", payload={}).facts == [branch()]


@pytest.mark.parametrize(
    ("way", "wanted", "goes_to", "until_ms"),
    [
        ({"then": "other"}, "leads to other", "other", None),
        ({"then": "out"}, "leads to out", "out", None),
        ({"again": True}, "starts the wait anew", None, NOON_MS + 1 + HOUR_MS),
    ],
)
def test_where_a_branch_leads_is_told_as_it_goes(
    way: dict[str, Any], wanted: str, goes_to: str | None, until_ms: int | None
) -> None:
    note = heard({"event": "bought"} | way, payload={})
    assert note.facts == [branch(wanted=wanted)]
    assert (note.goes_to, note.until_ms) == (goes_to, until_ms)


def test_a_branch_of_the_last_node_leads_to_the_end() -> None:
    note = noted([mail(), wait_for("bought")], {})
    assert (note.facts, note.goes_to) == ([branch(wanted="leads to the end")], "")
