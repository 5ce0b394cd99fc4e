"""What a trace says of timers: which was applied, as of when, and up to when none was due."""

from typing import Any

from engine.contacts.identity import visit_id
from engine.input import Advance, Event, Publish
from engine.partition import Partition
from engine.trace import SessionNote, TimerNote, TimersOverNote, Trace
from tests.engine.situation import GAP_MS, HOUR_MS, NOON_MS, mail, wait
from tests.publications import journey, source_of

ALL = {"segment": "all", "when": {"attribute": "gone", "exists": False}}
ELEVEN_MS = 1_700_002_800_000
"""23:00 UTC of that day."""

BUSY = {"segment": "busy", "when": {"happened": "hi", "within": "2h"}}


def timer_notes(*journeys: dict[str, Any], until_ms: int) -> list[Any]:
    """Fold one event at noon, and time to so long after it; return the notes of timers."""
    trace = Trace()
    partition = Partition(0, trace)
    partition.fold(Publish(source_of(*journeys, segments=[ALL, BUSY])), NOON_MS)
    partition.fold(Event("e-1", "c-1", "hi", None, {}), NOON_MS)
    trace.clear()
    partition.fold(Advance(NOON_MS + until_ms), NOON_MS + until_ms)
    return [each for each in trace if isinstance(each, TimerNote | SessionNote | TimersOverNote)]


def test_a_session_that_ended_is_told_with_what_it_counted() -> None:
    assert timer_notes(journey(), until_ms=GAP_MS) == [
        SessionNote(at_ms=NOON_MS + GAP_MS, started_at_ms=NOON_MS, counts={"hi": 1}),
        TimersOverNote(at_ms=NOON_MS + GAP_MS),
    ]


def test_a_wait_that_is_over_is_told_with_its_visit_and_node() -> None:
    told = timer_notes(journey(nodes=[wait("10m"), mail()]), until_ms=GAP_MS - 1)
    due_at_ms = NOON_MS + 10 * 60_000
    id = visit_id("hello", "c-1", "e-1")
    assert told == [
        TimerNote(at_ms=due_at_ms, what="visit", journey="hello", node="wait", id=id),
        TimersOverNote(at_ms=due_at_ms),
    ]


def test_a_schedule_and_a_condition_looked_at_again_are_told_apart() -> None:
    daily = journey("daily", entry={"schedule": "0 23 * * *", "segment": "all", "zone": "UTC"})
    leaves = journey("leaves", entry={"leaves": "busy"})
    notes = timer_notes(daily, leaves, until_ms=3 * HOUR_MS)
    told = [each for each in notes if isinstance(each, TimerNote)]
    assert [(each.what, each.at_ms - NOON_MS) for each in told] == [
        ("occasion", ELEVEN_MS - NOON_MS),
        ("watch", 2 * HOUR_MS),
    ]
    assert all(each.id for each in told)
    assert told[0].id != told[1].id
