"""Facts: what each kind of condition says that it asked, found and wanted."""

from typing import Any, Literal

import pytest

from engine.fact import Fact
from engine.fold import succession
from engine.input import Event, Publish
from engine.language.journey import Publication, Version
from engine.partition import Partition
from engine.trace import EntryNote, NodeNote, Trace
from tests.engine.situation import DAY_MS, HOUR_MS, NOON_MS, decide, mail, wait
from tests.publications import journey, source_of

SEGMENTS = [
    {"segment": "buyers", "when": {"happened": "purchase", "within": "7d"}},
    {"segment": "members", "list": True},
]
DOUBLE = {"consent": "email", "is": "double_opt_in"}
VIEWS = {"happened": "view", "within": "2d"}
PAST: list[tuple[str, dict[str, Any]]] = [
    ("identify", {"attributes": {"city": "Köln", "born": "2023-11-20", "tier": 3}}),
    ("consent", {"email": {"marketing": "opt_in", "news": "double_opt_in"}}),
    ("view", {"product_id": "p-1", "price": 5}),
    ("view", {"product_id": "p-2", "price": 7.5}),
    ("purchase", {"product_id": "p-1"}),
    ("cart_update", {"items": [{"product_id": "p-1", "price": 4, "quantity": 2}]}),
]


def fact_of(condition: dict[str, Any], **payload: Any) -> Fact:
    """Return what a decision on this condition found, an hour after the past and one mail."""
    trace = Trace()
    partition = Partition(0, trace)
    told = journey(
        "told",
        entry={"event": "tell"},
        nodes=[mail(), decide(condition), mail("yes")],
    )
    settings = {"time_zone": "Europe/Berlin", "segments": SEGMENTS}
    partition.fold(Publish(source_of(told, **settings)), NOON_MS)
    for number, (name, said) in enumerate(PAST):
        partition.fold(Event(f"e-{number}", "c-1", name, None, said), NOON_MS + number)
    trace.clear()
    partition.fold(Event("e-9", "c-1", "tell", None, payload), NOON_MS + HOUR_MS)
    (note,) = [each for each in trace if isinstance(each, NodeNote) and each.node == "decide"]
    (fact,) = note.facts
    assert fact.holds == (note.goes_to == "yes")
    return fact


@pytest.mark.parametrize(
    ("condition", "what", "wanted", "found", "holds"),
    [
        ({"field": "size", "at_least": 2}, "size", "at least 2", 3, True),
        ({"field": "a.b", "equals": "x"}, "a.b", 'equals "x"', "y", False),
        ({"field": "none", "exists": True}, "none", "there", None, False),
        (
            {"attribute": "city", "one_of": ["Bonn"]},
            "contact.city",
            'one of ["Bonn"]',
            "Köln",
            False,
        ),
        (
            {"attribute": "city", "equals": "KÖLN", "case": "ignore"},
            "contact.city",
            'equals "KÖLN", in whatever case',
            "Köln",
            True,
        ),
        (
            {"attribute": "born", "before": "2024-01-01"},
            "contact.born",
            'before "2024-01-01"',
            "2023-11-20",
            True,
        ),
        ({"session": "counts.view", "equals": 2}, "session.counts.view", "equals 2", 0, False),
        ({"cart": "total", "more_than": 8}, "cart.total", "more than 8", 8, False),
        ({"visit": "messages", "equals": 1}, "visit.messages", "equals 1", 1, True),
        (
            {"consent": "email", "is": "double_opt_in"},
            "consent email",
            "double_opt_in",
            "opt_in",
            False,
        ),
        ({"consent": "sms", "is": "opt_in"}, "consent sms", "opt_in or stronger", "none", False),
        (VIEWS, "view in the last 2d", "at least 1", 2, True),
        (VIEWS | {"at_most": 1}, "view in the last 2d", "at most 1", 2, False),
        (VIEWS | {"exactly": 2}, "view in the last 2d", "exactly 2", 2, True),
        (VIEWS | {"at_least": 3, "at_most": 5}, "view in the last 2d", "3 to 5", 2, False),
        (VIEWS | {"at_most": 5}, "view in the last 2d", "at most 5", 2, True),
        (VIEWS | {"at_least": 1, "at_most": 5}, "view in the last 2d", "1 to 5", 2, True),
        ({"field": "counts.view", "equals": 0}, "counts.view", "equals 0", 0, True),
        ({"field": "counts.a.b", "equals": 0}, "counts.a.b", "equals 0", 0, True),
        (
            {"consent": "email", "is": "opt_in", "purpose": "news"},
            "consent email.news",
            "opt_in or stronger",
            "double_opt_in",
            True,
        ),
        (
            VIEWS | {"where": {"field": "price", "more_than": 6}},
            "view in the last 2d with price more than 6",
            "at least 1",
            1,
            True,
        ),
        (
            VIEWS | {"sum": "price", "at_least": 20},
            "sum of price of view in the last 2d",
            "at least 20",
            12.5,
            False,
        ),
        (
            VIEWS | {"since": "purchase"},
            "view in the last 2d since the last purchase",
            "at least 1",
            0,
            False,
        ),
        (
            {"message": "sent", "journey": "told", "within": "visit"},
            "messages sent (journey told) in the visit",
            "at least 1",
            1,
            True,
        ),
        (
            {"time": ["09:00", "17:00"], "weekdays": ["tue"]},
            "local time in Europe/Berlin",
            "09:00 to 17:00 on Tue",
            "Wed 2023-11-15 00:13",
            False,
        ),
        (
            {"time": ["09:00", "17:00"], "weekdays": ["tue", "thu"]},
            "local time in Europe/Berlin",
            "09:00 to 17:00 on Tue, Thu",
            "Wed 2023-11-15 00:13",
            False,
        ),
        ({"segment": "members"}, "list members", "", None, False),
        ({"share": 100}, "point of 100 for ''", "below 100", None, True),
    ],
)
def test_a_fact_says_what_was_asked_and_found(
    condition: dict[str, Any], what: str, wanted: str, found: Any, *, holds: bool
) -> None:
    fact = fact_of(condition, size=3, a={"b": "y"})
    if fact.what.startswith("segment "):
        (fact,) = fact.parts
    if "share" in condition:
        assert 0 <= fact.found < 100
        fact.found = None
        fact.what = "point of 100 for ''"
    assert (fact.what, fact.wanted, fact.found, fact.holds) == (what, wanted, found, holds)


def test_what_is_made_of_others_names_them() -> None:
    fact = fact_of(
        {"any": [{"not": {"segment": "buyers"}}, {"field": "size", "equals": 4}]}, size=3
    )
    assert (fact.what, fact.holds) == ("any of", False)
    negated, size = fact.parts
    assert (negated.what, negated.holds, size.holds) == ("not", False, False)
    (segment,) = negated.parts
    assert (segment.what, segment.holds) == ("segment buyers", True)
    assert [(each.name, each.at_ms) for each in segment.parts[0].events] == [
        ("purchase", NOON_MS + 4)
    ]


def test_events_that_counted_are_told_and_how_many_did_not() -> None:
    fact = fact_of(VIEWS | {"same": ["product_id"]}, product_id="p-2")
    assert [(each.at_ms, each.fields["product_id"]) for each in fact.events] == [
        (NOON_MS + 3, "p-2")
    ]
    assert fact.out_of == 2
    since_ms = NOON_MS + HOUR_MS - 2 * DAY_MS
    assert [fact.since_ms, fact_of(VIEWS).since_ms] == [since_ms, since_ms]


def test_events_of_one_millisecond_are_told_apart() -> None:
    trace = Trace()
    partition = Partition(0, trace)
    twice = {"happened": "view", "within": "1d", "at_least": 3}
    partition.fold(Publish(source_of(journey(entry={"event": "view", "when": twice}))), NOON_MS)
    for id in ("a", "b", "c"):
        partition.fold(Event(id, "c-1", "view", None, {}), NOON_MS)
    note = [each for each in trace if isinstance(each, EntryNote)][-1]
    assert note.entered
    assert [each.newer for each in note.facts[0].events] == [0, 1, 2]


def test_a_list_that_is_no_trace_gets_decisions_alone() -> None:
    trace = Trace()
    plain: list[Any] = []
    for decisions in (trace, plain):
        partition = Partition(0, decisions)
        partition.fold(Publish(source_of(journey(nodes=[wait("1h"), mail()]))), NOON_MS)
        partition.fold(Event("1", "c-1", "hi", None, {}), NOON_MS)
        partition.fold(Event("2", "c-1", "hi", None, {}), NOON_MS + DAY_MS)
    assert plain == [each for each in trace if each in plain]
    assert len(trace) > 3 * len(plain)


def test_who_had_the_turn_is_one_of_the_group() -> None:
    """Others entered at the same moment, and are none of it."""
    trace = Trace()
    partition = Partition(0, trace)
    entry = {"event": "hi"}
    journeys = [
        journey("first", entry=entry, group="g", priority=2),
        journey("beside", entry=entry, priority=2),
        journey("late", entry=entry, group="g", priority=1),
    ]
    partition.fold(Publish(source_of(*journeys, groups={"g": {"per": "day"}})), NOON_MS)
    partition.fold(Event("1", "c-1", "hi", None, {}), NOON_MS)
    note = [each for each in trace if isinstance(each, EntryNote)][-1]
    assert (note.journey, note.why) == ("late", "grouped")
    assert note.facts[-1].found == "last taken by first, of priority 2"


def test_an_entry_into_a_paused_journey_waits_and_then_it_is_asked_again() -> None:
    trace = Trace()
    partition = Partition(0, trace)
    states: list[tuple[Literal["paused", "live"], int]] = [("paused", 0), ("live", HOUR_MS)]
    for state, after_ms in states:
        at_ms = NOON_MS + after_ms
        published = Publication(
            journeys={"hello.yaml": journey()},
            templates={"hello.en": "Hello"},
            versions={"hello": Version(number=1, state=state)},
        )
        partition.fold(Publish(succession.source_of(published)), at_ms)
        partition.fold(Event(state, "c-1", "hi", None, {}), at_ms)
    notes = [each for each in trace if isinstance(each, EntryNote)]
    assert [(each.event_id, each.why) for each in notes] == [
        ("paused", "paused"),
        ("paused", "entered"),
        ("live", "entered"),
    ]
