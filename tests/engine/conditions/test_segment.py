"""Segments: who is in them, what happens as contacts come and go; and exits by condition."""

from typing import Any

import msgspec
import pytest

from engine.compile.publication import compile_publication
from engine.conditions.condition import Not
from engine.contacts.contact import encode_contact
from engine.contacts.identity import visit_id
from engine.decision import Outcome
from engine.language.journey import Publication
from engine.limits import HOPS_MAX, LISTS_MAX
from engine.moment import Moment
from engine.partition import Partition
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

VIP = {"segment": "vip", "list": True}
GOLD = {"segment": "gold", "when": {"attribute": "tier", "equals": "gold"}}
BUYER = {"segment": "buyer", "when": {"happened": "purchase", "within": "30d"}}
LAPSED = {"segment": "lapsed", "when": {"not": {"segment": "buyer"}}}
DEAR = {"segment": "dear", "when": {"any": [{"segment": "vip"}, {"segment": "gold"}]}}
SEGMENTS = [VIP, GOLD, BUYER, LAPSED, DEAR]


def entered_by(entry: dict[str, str], name: str = "hello", **fields: Any) -> dict[str, Any]:
    return journey(name, entry=entry, **fields)


def segments(*journeys: dict[str, Any]) -> Situation:
    return Situation(*journeys, segments=SEGMENTS)


def asks(segment: str) -> Situation:
    return segments(journey(nodes=[decide({"segment": segment}), mail()]))


def be(situation: Situation, tier: str | None, **at: Any) -> list[Any]:
    return situation.event("identify", {"attributes": {"tier": tier}}, **at)


def put(situation: Situation, name: str = "vip", **at: Any) -> list[Any]:
    return situation.event("identify", {"lists": {name: True}}, **at)


def take_off(situation: Situation, name: str = "vip") -> list[Any]:
    return situation.event("identify", {"lists": {name: False}})


def test_a_segment_is_judged_on_what_holds_at_that_moment() -> None:
    situation = asks("gold")
    assert outcomes(situation.event()) == [("hello", "declined")]
    be(situation, "gold")
    assert outcomes(situation.event()) == [("hello", "sent")]
    be(situation, "tin")
    assert outcomes(situation.event()) == [("hello", "declined")]


def test_a_list_has_those_whom_an_identify_put_on_it() -> None:
    situation = asks("vip")
    put(situation, "other")
    assert outcomes(situation.event()) == [("hello", "declined")]
    put(situation)
    assert outcomes(situation.event()) == [("hello", "sent")]
    take_off(situation)
    assert outcomes(situation.event()) == [("hello", "declined")]


def test_a_contact_is_on_a_list_since_it_first_came_there() -> None:
    situation = asks("vip")
    put(situation)
    put(situation, after_ms=HOUR_MS)
    assert situation.contact().lists == {"vip": NOON_MS}


def test_a_contact_is_on_a_bounded_number_of_lists() -> None:
    situation = asks("vip")
    situation.event("identify", {"lists": {f"list-{i}": True for i in range(LISTS_MAX + 1)}})
    assert len(situation.contact().lists) == LISTS_MAX
    take_off(situation, "list-0")
    put(situation)
    assert "vip" in situation.contact().lists


def test_segments_may_name_each_other() -> None:
    situation = asks("dear")
    assert outcomes(situation.event()) == [("hello", "declined")]
    put(situation)
    assert outcomes(situation.event()) == [("hello", "sent")]
    take_off(situation)
    be(situation, "gold")
    assert outcomes(situation.event()) == [("hello", "sent")]


@pytest.mark.parametrize(
    ("written", "path", "says"),
    [
        ([{"segment": "a", "when": {"segment": "a"}}], "$.when", "circle: a -> a"),
        (
            [{"segment": "a", "when": {"any": [{"field": "price", "exists": True}]}}],
            "$.when.any[0].field",
            "it knows of no event",
        ),
        (
            [{"segment": "a", "when": {"not": {"visit": "messages", "at_least": 1}}}],
            "$.when.not.visit",
            "it knows of no visit",
        ),
        (
            [{"segment": "a", "when": {"happened": "hi", "same": ["order_id"]}}],
            "$.when.same",
            "it knows of no event",
        ),
        (
            [{"segment": "a", "when": {"message": "sent", "within": "visit"}}],
            "$.when.within",
            "it knows of no visit",
        ),
        (
            [
                {"segment": "a", "when": {"not": {"segment": "b"}}},
                {"segment": "b", "when": {"any": [{"segment": "c"}, {"segment": "a"}]}},
                {"segment": "c", "list": True},
            ],
            "$.when",
            "circle: a -> b -> a",
        ),
        ([{"segment": "a"}], "$", "a condition or a list"),
        ([GOLD | {"list": True}], "$", "a condition or a list"),
        ([{"segment": "A b", "list": True}], "$.segment", "cannot be an id"),
        ([{"segment": "a", "when": {"segment": "goold"}}, GOLD], "$.when.segment", "no segment"),
    ],
)
def test_a_segment_that_means_nothing_is_refused(
    written: list[dict[str, Any]], path: str, says: str
) -> None:
    files = {f"segments/{i}.yaml": each for i, each in enumerate(written)}
    publication = Publication(journeys={}, segments=files)
    programs, mistakes = compile_publication(publication)
    assert programs is None
    (mistake,) = mistakes
    assert (mistake.file, mistake.path) in [(file, path) for file in files]
    assert says in mistake.problem


def test_two_files_cannot_have_one_segment() -> None:
    files = {"segments/a.yaml": VIP, "segments/b.yaml": VIP}
    _, mistakes = compile_publication(Publication(journeys={}, segments=files))
    assert [(each.file, each.path) for each in mistakes] == [("segments/b.yaml", "$.segment")]


@pytest.mark.parametrize("entry", [{"enters": "goold"}, {"leaves": "goold"}])
def test_an_entry_names_a_segment_there_is(entry: dict[str, str]) -> None:
    publication = Publication(
        journeys={"j.yaml": entered_by(entry)},
        segments={"segments/gold.yaml": GOLD},
        templates={"hello.en": ""},
    )
    (mistake,) = compile_publication(publication)[1]
    assert mistake.path == f"$.entry.{next(iter(entry))}"
    assert mistake.fix == "did you mean `gold`?"


def test_who_comes_into_a_segment_enters_and_who_drops_out_as_well() -> None:
    situation = segments(
        entered_by({"enters": "gold"}, "come"), entered_by({"leaves": "gold"}, "gone")
    )
    assert be(situation, "tin") == []
    assert outcomes(be(situation, "gold")) == [("come", "sent")]
    assert be(situation, "gold") == []
    assert outcomes(be(situation, None)) == [("gone", "sent")]
    assert outcomes(be(situation, "gold")) == [("come", "sent")]


def test_who_is_put_on_a_list_enters() -> None:
    situation = segments(entered_by({"enters": "dear"}))
    assert outcomes(put(situation)) == [("hello", "sent")]
    assert be(situation, "gold") == []
    assert take_off(situation) == []
    be(situation, "tin")
    assert outcomes(put(situation)) == [("hello", "sent")]


def test_each_coming_and_going_has_a_message_of_its_own_even_at_one_moment() -> None:
    situation = segments(entered_by({"enters": "gold"}))
    keys = {only_outcome(be(situation, "gold")).key}
    be(situation, "tin")
    keys.add(only_outcome(be(situation, "gold")).key)
    assert len(keys) == 2


def test_one_event_moves_what_waits_before_segments_are_looked_at() -> None:
    situation = segments(entered_by({"enters": "buyer"}))
    decided = situation.event("purchase", id="p-1")
    assert outcomes(decided) == [("hello", "sent")]
    name = f"segment_enter/buyer/{NOON_MS}/p-1/0"
    assert only_outcome(decided).key.startswith(visit_id("hello", "c-1", name))


def test_time_alone_lets_a_contact_enter() -> None:
    situation = segments(entered_by({"enters": "lapsed"}), entered_by({"leaves": "buyer"}, "left"))
    assert situation.event("purchase") == []
    situation.event("purchase", after_ms=DAY_MS)
    assert situation.pass_time(30 * DAY_MS - 1) == []
    decided = situation.pass_time(1)
    assert sorted(outcomes(decided)) == [("hello", "sent"), ("left", "sent")]
    assert situation.pass_time(400 * DAY_MS) == []


def test_a_purchase_puts_off_when_time_lets_a_contact_enter() -> None:
    situation = segments(entered_by({"enters": "lapsed"}))
    situation.event("purchase")
    situation.event("purchase", after_ms=20 * DAY_MS)
    assert situation.pass_time(30 * DAY_MS - 1) == []
    assert only_outcome(situation.pass_time(1)).at_ms == NOON_MS + 50 * DAY_MS


def test_what_time_brings_comes_as_of_its_moment_after_downtime() -> None:
    situation = segments(entered_by({"enters": "lapsed"}))
    situation.event("purchase")
    assert only_outcome(situation.pass_time(300 * DAY_MS)).at_ms == NOON_MS + 30 * DAY_MS


def test_nobody_enters_by_a_publish() -> None:
    situation = Situation(journey(entry={"event": "ho"}))
    be(situation, "gold")
    situation.event("purchase")
    now = entered_by({"enters": "gold"}), entered_by({"enters": "buyer"}, "bought")
    situation.publish(*now, segments=SEGMENTS)
    assert situation.pass_time(1) == []
    assert situation.event() == []
    be(situation, "tin")
    assert outcomes(be(situation, "gold")) == [("hello", "sent")]


def test_a_new_contact_is_in_its_segments_as_given() -> None:
    situation = segments(entered_by({"enters": "lapsed"}))
    assert situation.event() == []
    assert situation.contact().segments == {"lapsed": NOON_MS}


@pytest.mark.parametrize("idle", [True, False])
@pytest.mark.parametrize("restored", [True, False])
def test_contacts_there_before_a_publish_are_watched(*, idle: bool, restored: bool) -> None:
    situation = Situation(journey(entry={"event": "ho"}))
    for key in ("c-1", "c-2"):
        situation.event("purchase", contact=key)
    if idle:
        situation.partition.cool()
    situation.now_ms += 5 * DAY_MS
    situation.publish(entered_by({"enters": "lapsed"}), segments=SEGMENTS)
    if restored:
        situation.restore()
    assert situation.pass_time(25 * DAY_MS - 1) == []
    decided = situation.pass_time(1)
    assert [each.contact for each in decided if isinstance(each, Outcome)] == ["c-2", "c-1"]


def test_what_was_to_come_of_a_segment_before_its_publish_is_not_made_up_for() -> None:
    """Though the partition learns only after it that there is a timer due before."""
    situation = Situation(journey(entry={"event": "ho"}))
    situation.event("purchase")
    situation.now_ms += 40 * DAY_MS  # The session's end is still to come.
    situation.publish(entered_by({"enters": "lapsed"}), segments=SEGMENTS)
    assert situation.pass_time(DAY_MS) == []
    assert situation.contact().segments == {"lapsed": NOON_MS + 40 * DAY_MS}


def test_a_publish_that_takes_a_segments_journeys_away_ends_its_watch() -> None:
    situation = segments(entered_by({"enters": "lapsed"}))
    situation.event("purchase")
    situation.publish(journey())
    assert situation.pass_time(40 * DAY_MS) == []
    situation.event()
    contact = situation.contact()
    assert (contact.occasions, contact.segments, contact.planned_for) == ({}, {}, 0)


def test_contacts_of_older_snapshots_are_woken_by_a_publish() -> None:
    """Theirs had 15 fields, and such arrays open with one byte less."""
    situation = Situation(journey(entry={"event": "ho"}))
    situation.event("purchase")
    full = encode_contact(situation.contact())
    assert full[0] == 0xDC
    fields = decode_fields(full)[:15]
    old = pack_fields(fields)
    assert old[0] == 0x9F
    situation.partition = Partition(0, situation.decisions)
    situation.partition.load(b"", [("c-1", fields[2], old)])
    situation.publish(entered_by({"enters": "lapsed"}), segments=SEGMENTS)
    assert situation.pass_time(30 * DAY_MS - 1) == []
    assert outcomes(situation.pass_time(1)) == [("hello", "sent")]


def test_what_nobody_is_entered_on_is_not_watched() -> None:
    situation = asks("lapsed")
    situation.event("purchase")
    be(situation, "gold")
    contact = situation.contact()
    assert (contact.segments, contact.occasions) == ({}, {})
    assert not situation.partition.programs.watches
    assert not situation.partition.programs.routes["identify"].asked


def test_journeys_that_turn_a_segment_on_and_off_come_to_rest() -> None:
    situation = segments(
        entered_by({"enters": "gold"}, "down", nodes=[{"id": "s", "set": {"tier": "tin"}}]),
        entered_by({"leaves": "gold"}, "up", nodes=[{"id": "s", "set": {"tier": "gold"}}]),
    )
    decided = be(situation, "gold")
    assert len(decided) == HOPS_MAX + 1
    fault = decided[-1]
    assert not isinstance(fault, Outcome)
    assert f"{HOPS_MAX} events" in str(fault)
    assert outcomes(situation.event("purchase")) == []


def decode_fields(data: bytes) -> list[Any]:
    fields: list[Any] = msgspec.msgpack.decode(data)
    return fields


def pack_fields(fields: list[Any]) -> bytes:
    return msgspec.msgpack.encode(fields)


def test_what_was_due_before_a_publish_comes_before_it() -> None:
    """A wait that ends before makes the contact gold, and is told to the partition only later."""
    nodes = [wait("1h"), {"id": "s", "set": {"tier": "gold"}}]
    makes_gold = journey("makes", nodes=nodes)
    situation = Situation(makes_gold)
    situation.event()
    situation.now_ms += 2 * HOUR_MS
    situation.publish(makes_gold, entered_by({"enters": "gold"}), segments=SEGMENTS)
    assert outcomes(situation.pass_time(HOUR_MS)) == [("makes", "declined")]
    assert situation.contact().segments == {"gold": NOON_MS + 2 * HOUR_MS}


def test_what_comes_after_a_publish_is_told_though_the_contact_is_looked_at_later() -> None:
    situation = Situation(journey(entry={"event": "ho"}))
    situation.event("purchase")
    situation.now_ms += 29 * DAY_MS
    situation.publish(entered_by({"enters": "lapsed"}), segments=SEGMENTS)
    outcome = only_outcome(situation.event("other", after_ms=2 * DAY_MS))
    assert (outcome.journey, outcome.at_ms) == ("hello", NOON_MS + 30 * DAY_MS)


class Restless(Not):
    """Says of a condition's opposite that it may change right now."""

    def changes_at_ms(self, moment: Moment) -> int:
        return moment.now_ms


def test_a_condition_that_says_it_changes_now_is_looked_at_later_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mistake there costs a timer each millisecond, and does not stop a shard for ever."""
    situation = segments(entered_by({"enters": "lapsed"}))
    watched = situation.partition.programs.watched
    monkeypatch.setitem(watched, "lapsed", Restless(watched["lapsed"]))
    situation.event("purchase")
    situation.pass_time(5)
    assert situation.contact().occasions == {"*": NOON_MS + 6}


def test_a_fault_as_a_contact_comes_into_a_segment_leaves_it_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    situation = segments(entered_by({"enters": "gold"}))
    be(situation, "tin")

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr("engine.nodes.send.Send.enter", fail)
        assert len(be(situation, "gold")) == 1
    assert situation.contact().segments == {}
    assert outcomes(be(situation, "gold")) == [("hello", "sent")]
