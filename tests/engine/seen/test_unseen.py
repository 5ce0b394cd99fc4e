"""Unseen: what journeys use and nobody sent yet is noted; what cannot be known is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.seen.sighting import EventSighting, FieldSighting, Sightings
from engine.seen.unseen import unseen
from tests.engine.payloads import payloads, values
from tests.publications import journey

FIELDS = ["price", "to", "to.city", "items[]", "by.*"]
SEEN = Sightings(
    {
        "hi": EventSighting(3, 1, 2, 3, {each: FieldSighting() for each in FIELDS}),
        "parcel_shipped": EventSighting(1, 1, 2, 1, {}),
        "huge": EventSighting(1, 1, 2, 1, {}, more_fields=True),
        "counted_only": EventSighting(5, 1, 2, 0, {}),
    }
)


def notes_of(**fields: Any) -> list[str]:
    return [str(note) for note in unseen({"a.yaml": journey(**fields)}, SEEN)]


def test_a_journey_of_what_was_seen_has_no_notes() -> None:
    when = {"all": [{"field": "price", "at_least": 1}, {"not": {"field": "to.city"}}]}
    assert notes_of(entry={"event": "hi", "when": when}, exit_on=["parcel_shipped"]) == []


def test_names_are_noted_wherever_they_stand_with_the_nearest_one() -> None:
    notes = notes_of(
        entry={"event": "parcel_shiped"},
        nodes=[{"id": "d", "if": {"any": [{"happened": "high", "at_least": 1}]}}],
        exit_on=["hi", "stop", {"event": "leave", "when": {"field": "x", "exists": True}}],
    )
    known = "known here: counted_only, hi, huge, parcel_shipped"
    assert notes == [
        "a.yaml: no event 'parcel_shiped' was seen yet; did you mean `parcel_shipped`?"
        " - at `$.entry.event`",
        "a.yaml: no event 'high' was seen yet; did you mean `hi`?"
        " - at `$.nodes[0].if.any[0].happened`",
        f"a.yaml: no event 'stop' was seen yet; {known} - at `$.exit_on[1]`",
        f"a.yaml: no event 'leave' was seen yet; {known} - at `$.exit_on[2].event`",
    ]


def test_fields_are_those_of_the_event_they_stand_under() -> None:
    notes = notes_of(
        entry={"event": "hi", "when": {"field": "prize", "at_least": 1}},
        nodes=[{"id": "d", "if": {"field": "to.citi", "equals": "x"}}],
        exit_on=[{"event": "parcel_shipped", "when": {"field": "price", "exists": True}}],
    )
    assert notes == [
        "a.yaml: no field 'prize' was seen in 'hi' yet; did you mean `price`?"
        " - at `$.entry.when.field`",
        "a.yaml: no field 'to.citi' was seen in 'hi' yet; did you mean `to.city`?"
        " - at `$.nodes[0].if.field`",
        "a.yaml: no field 'price' was seen in 'parcel_shipped' yet; there is none yet"
        " - at `$.exit_on[0].when.field`",
    ]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ("session_end", "counts.purchase"),
        ("huge", "x"),
        ("counted_only", "x"),
        ("hi", "by.somebody"),
        ("hi", "a.b.c.d.e"),
        ("order_4711001", "x"),
        ("not_seen", ""),
    ],
)
def test_nothing_is_noted_of_a_field_that_what_is_kept_cannot_tell(event: str, field: str) -> None:
    notes = notes_of(entry={"event": event, "when": {"field": field, "exists": True}})
    assert [note for note in notes if "field" in note] == []


def test_where_nothing_was_seen_nothing_is_noted() -> None:
    assert unseen({"a.yaml": journey()}, Sightings()) == []


@given(
    data=some.dictionaries(some.sampled_from(["entry", "nodes", "exit_on", "x"]), values | payloads)
)
def test_whatever_an_author_wrote_is_read(data: Any) -> None:
    unseen(
        {"a.yaml": data, "b.yaml": [data], "c.yaml": {"entry": {"event": data, "when": data}}}, SEEN
    )
