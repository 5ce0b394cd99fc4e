"""Sightings: bounded whatever comes, the same in any order of shards, and nobody's data."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.contacts.erasure import digest_of
from engine.limits import (
    SEEN_CANDIDATES_MAX,
    SEEN_FIELDS_MAX,
    SEEN_FIELDS_TOTAL_MAX,
    SEEN_NAMES_MAX,
    SEEN_NEW_NAMES_MAX,
    SEEN_SAMPLE_CHARS_MAX,
    SEEN_SAMPLES_MAX,
)
from engine.seen.lookout import LATER, LOOK_EVERY, LOOK_EVERY_LATER, LOOKS_FIRST, Lookout
from engine.seen.sighting import (
    ODD,
    OPERATORS_FOR,
    EventSighting,
    FieldSighting,
    Sightings,
    merged,
    operators_for,
    shown,
)
from tests.engine.payloads import payloads, values

NOON_MS = 1_700_000_000_000
DECODE = msgspec.msgpack.Decoder(Sightings).decode


def see(lookout: Lookout, name: str, payload: dict[str, Any], *contacts: str) -> None:
    for contact in contacts or ("c-1",):
        lookout.count({name: 1}, NOON_MS)
        lookout.look(name, contact, payload)


def field_of(lookout: Lookout, path: str, name: str = "hi") -> FieldSighting:
    return lookout.seen.events[name].fields[path]


def check_bounds(seen: Sightings) -> None:
    assert len(seen.events) <= SEEN_NAMES_MAX
    for sighting in seen.events.values():
        assert len(sighting.fields) <= SEEN_FIELDS_MAX
        for field in sighting.fields.values():
            assert set(field.types) <= set(OPERATORS_FOR)
            assert len(field.samples) <= SEEN_SAMPLES_MAX
            assert all(0 < len(text) <= SEEN_SAMPLE_CHARS_MAX for text in field.samples)


seen_events = some.lists(
    some.tuples(
        some.sampled_from(["hi", "identify"]) | some.text(max_size=8),
        some.sampled_from(["a", "b", "c", "d"]),
        payloads | some.dictionaries(some.text(max_size=4), values, max_size=6),
    ),
    max_size=6,
)


def lookout_of(events: list[tuple[str, str, dict[str, Any]]]) -> Lookout:
    lookout = Lookout()
    for name, contact, payload in events:
        see(lookout, name, payload, contact)
    return lookout


@given(events=seen_events)
@settings(max_examples=50, deadline=None)
def test_whatever_a_payload_holds_it_is_taken_within_bounds_and_can_be_kept(
    events: list[tuple[str, str, dict[str, Any]]],
) -> None:
    lookout = lookout_of(events)
    check_bounds(lookout.seen)
    kept = DECODE(msgspec.msgpack.encode(lookout.seen))
    assert kept == msgspec.convert(msgspec.to_builtins(lookout.seen), Sightings)
    assert sum(each.count for each in kept.events.values()) == len(events)
    again = Lookout()
    again.load(kept)
    lookout.forget(digest_of("a"))
    again.forget(digest_of("a"))
    check_bounds(again.seen)


@given(parts=some.lists(seen_events, max_size=3), order=some.randoms())
@settings(max_examples=25, deadline=None)
def test_what_shards_saw_is_merged_the_same_in_any_order(parts: list[Any], order: Any) -> None:
    seen = [lookout_of(part).seen for part in parts]
    whole = merged(seen)
    check_bounds(whole)
    order.shuffle(seen)
    assert merged(seen) == whole
    assert sum(each.count for each in whole.events.values()) == sum(map(len, parts))


def test_a_merge_keeps_within_bounds_and_the_names_seen_last() -> None:
    def part(first: int) -> Sightings:
        fields = {f"f-{first + n}": FieldSighting({"text": 1}) for n in range(SEEN_FIELDS_MAX)}
        names = range(first, first + SEEN_NAMES_MAX)
        events = {f"n-{n}": EventSighting(1, n, n, 1, dict(fields)) for n in names}
        return Sightings(events, 2, 3)

    whole = merged([part(50), part(0)])
    assert next(iter(whole.events)) == "n-50"
    assert len(whole.events) == SEEN_NAMES_MAX
    assert (whole.names_dropped, whole.uncounted) == (4 + 50, 6)
    assert whole.events["n-100"].count == 2
    assert whole.events["n-100"].more_fields
    check_bounds(whole)


def test_types_ranges_and_paths_are_told() -> None:
    lookout = Lookout()
    payload = {
        "price": 12.34,
        "paid": True,
        "at": "2026-04-05T10:00:00Z",
        "day": "2026-04-05",
        "note": None,
        "status": "shipped",
        "to": {"city": {"zip": {"part": {"deeper": 1}}}},
        "items": [{"sku": "a"}, {"sku": "b", "n": 2}],
        "tags": [["x"], "y"],
    }
    see(lookout, "hi", payload)
    see(lookout, "hi", payload | {"price": -0.056, "paid": "no"})
    types = {path: set(each.types) for path, each in lookout.seen.events["hi"].fields.items()}
    assert types == {
        "price": {"number"},
        "paid": {"boolean", "text"},
        "at": {"date"},
        "day": {"date"},
        "note": {"null"},
        "status": {"text"},
        "to": {"object"},
        "to.city": {"object"},
        "to.city.zip": {"object"},
        "to.city.zip.part": {"object"},
        "items": {"list"},
        "items[]": {"object"},
        "items[].sku": {"text"},
        "items[].n": {"number"},
        "tags": {"list"},
        "tags[]": {"list", "text"},
    }
    price = field_of(lookout, "price")
    assert (price.low, price.high) == (-0.056, 13)
    assert operators_for(["boolean", "null"]) == ["equals", "exists"]


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        (491_701_234_567, 490_000_000_000, 500_000_000_000),
        (42, 42, 42),
        (0, 0, 0),
        (-54_321.5, -55_000, -54_000),
        (1.797e308, 1.7e308, 1.797e308),
    ],
)
def test_a_range_is_rounded_as_an_exact_end_may_be_one_contacts_own(
    value: float, low: float, high: float
) -> None:
    lookout = Lookout()
    see(lookout, "hi", {"n": value})
    field = field_of(lookout, "n")
    assert (field.low, field.high) == (low, high)


def test_a_text_is_a_sample_when_three_contacts_have_told_it() -> None:
    lookout = Lookout()
    see(lookout, "hi", {"status": "shipped"}, "a", "a", "a", "b")
    assert field_of(lookout, "status").samples == []
    see(lookout, "hi", {"status": "shipped"}, "c")
    assert field_of(lookout, "status").samples == ["shipped"]


@pytest.mark.parametrize(
    "text", ["ada@shop.example", "+49 (170) 12-34 56", "4711-0815", "x" * 61, " ", "a\nb"]
)
def test_what_looks_like_somebodys_own_is_no_sample_however_many_told_it(text: str) -> None:
    lookout = Lookout()
    see(lookout, "hi", {"value": text, "values": [text]}, "a", "b", "c", "d")
    assert field_of(lookout, "value").samples == []
    assert field_of(lookout, "values[]").samples == []


@pytest.mark.parametrize("key", ["ada@shop.example", "49170123", "", "a.b", "a[]", "x" * 61, "\n"])
def test_a_key_that_looks_like_data_is_not_kept(key: str) -> None:
    lookout = Lookout()
    see(lookout, "hi", {"by": {key: 1}})
    assert set(lookout.seen.events["hi"].fields) == {"by", "by.*"}
    see(lookout, key, {"a": 1})
    assert set(lookout.seen.events) == {"hi", ODD}
    assert shown("größe_2024") == "größe_2024"


def test_an_erasure_takes_back_what_rests_on_the_contact() -> None:
    lookout = Lookout()
    see(lookout, "hi", {"status": "shipped", "street": "Elm St 1"}, "a", "b", "c")
    see(lookout, "hi", {"status": "open"}, "b", "c", "d")
    see(lookout, "hi", {"status": "late"}, "a", "b")
    lookout.forget(digest_of("a"))
    assert field_of(lookout, "status").samples == ["open"]
    assert field_of(lookout, "street").samples == []
    see(lookout, "hi", {"status": "late"}, "e")
    assert field_of(lookout, "status").samples == ["open"], "what a told counts no more"


def test_an_erasure_takes_back_samples_of_which_nobody_knows_who_told_them() -> None:
    lookout, again = Lookout(), Lookout()
    see(lookout, "hi", {"status": "shipped"}, "a", "b", "c")
    again.load(DECODE(msgspec.msgpack.encode(lookout.seen)))
    assert field_of(again, "status").samples == ["shipped"]
    again.forget(digest_of("z"))
    assert field_of(again, "status").samples == []


def test_what_is_looked_into_goes_by_the_count() -> None:
    lookout = Lookout()
    looks = []
    for number in range(3 * LOOK_EVERY_LATER + 1):
        if lookout.count({"hi": 1}, NOON_MS):
            looks.append(number + 1)
            lookout.look("hi", "c", {})
    assert looks[:LOOKS_FIRST] == list(range(1, LOOKS_FIRST + 1))
    later = looks[LOOKS_FIRST:]
    assert [each for each in later if each < LATER] == list(range(128, LATER, LOOK_EVERY))
    assert [each for each in later if each >= LATER] == [1024, 2048, 3072]


def test_names_and_candidates_are_bounded_and_the_oldest_go() -> None:
    lookout = Lookout()
    letters = "abcdefghij"

    def name(n: int) -> str:
        return "".join(letters[int(digit)] for digit in f"{n:05}")

    for number in range(SEEN_NAMES_MAX + 5):
        see(lookout, name(number), {"a": 1})
        see(lookout, name(0), {})
    assert len(lookout.seen.events) == SEEN_NAMES_MAX
    assert name(0) in lookout.seen.events
    assert name(5) not in lookout.seen.events
    assert name(6) in lookout.seen.events
    assert lookout.seen.names_dropped == 5
    many = {f"x{n}": 1 for n in range(SEEN_NEW_NAMES_MAX + 3)}
    lookout.count(many, NOON_MS)
    assert lookout.seen.names_dropped == 5 + SEEN_NEW_NAMES_MAX + 3


def test_candidates_are_bounded_and_those_told_last_stay() -> None:
    lookout = Lookout()
    lookout.count({"hi": 1}, NOON_MS)
    for contact in ("a", "b"):
        lookout.look("hi", contact, {"t": "first"})
        lookout.look("hi", contact, {"t": "last"})
        for number in range(SEEN_CANDIDATES_MAX // 4 - 1 if contact == "b" else 0):
            lookout.look("hi", contact, {"t": [f"{number}-{n}" for n in range(4)]})
    lookout.look("hi", "b", {"t": "last"})
    for number in range(8):
        lookout.look("hi", "z", {"t": [f"z{number}-{n}" for n in range(2)]})
    assert len(lookout._told_by) == SEEN_CANDIDATES_MAX
    see(lookout, "hi", {"t": "first"}, "c")
    see(lookout, "hi", {"t": "last"}, "c")
    assert field_of(lookout, "t").samples == ["last"]


def test_all_fields_of_a_shard_together_are_bounded_and_room_is_made_again() -> None:
    lookout = Lookout()
    names = [f"n{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(SEEN_NAMES_MAX)]
    payload = {f"f{n}": n for n in range(SEEN_FIELDS_MAX + 1)}
    for name in names:
        see(lookout, name, payload)
    assert sum(len(each.fields) for each in lookout.seen.events.values()) == SEEN_FIELDS_TOTAL_MAX
    assert lookout.seen.events[names[0]].more_fields
    assert lookout.seen.events[names[-1]].fields == {}
    see(lookout, "fresh", {"a": 1})
    assert "a" in lookout.seen.events["fresh"].fields, "the oldest name went with its fields"


def test_each_operator_is_named_for_a_type_and_each_type_has_some() -> None:
    assert all("exists" in operators for operators in OPERATORS_FOR.values())
    assert operators_for(["text", "number"])[:3] == ["equals", "not_equals", "one_of"]
    assert operators_for([]) == []
