"""Replay: events are folded in rounds, partition by partition, and nobody can tell."""

from typing import Any

import pytest

from console.replay.replay import ROUND_CHUNKS, Replay, sorted_outcomes
from engine.decision import DECLINED, SENT
from engine.input import Event
from tests.engine.situation import NOON_MS, decide, mail
from tests.publications import journey, source_of

DELIVERED = decide({"message": "delivered", "journey": "first"})
JOURNEYS = [
    journey("first", entry={"event": "hi"}, nodes=[mail()]),
    journey("second", entry={"event": "ho"}, nodes=[DELIVERED, mail()]),
]
CONTACTS = 300


def events_of(name: str, after_ms: int) -> list[Event]:
    return [
        Event(f"{name}-{i}", f"c-{i}", name, NOON_MS + after_ms + i, {}) for i in range(CONTACTS)
    ]


def outcomes_of(chunks: list[list[Event]]) -> tuple[int, list[Any]]:
    replay = Replay(source_of(*JOURNEYS))
    for chunk in chunks:
        replay.fold(chunk)
    replay.run_out()
    return replay.report(0, 1.0).events, sorted_outcomes(replay.outcomes.values())


def test_a_message_is_delivered_before_the_contacts_next_event() -> None:
    count, outcomes = outcomes_of([events_of("hi", 0) + events_of("ho", 1_000)])
    assert count == 2 * CONTACTS
    assert {each.outcome for each in outcomes} == {SENT}
    assert len(outcomes) == 2 * CONTACTS
    _, alone = outcomes_of([events_of("ho", 1_000)])
    assert {each.outcome for each in alone} == {DECLINED}


@pytest.mark.parametrize("size", [1, 7, 2 * CONTACTS // ROUND_CHUNKS])
def test_chunks_of_whatever_size_give_the_same(size: int) -> None:
    events = events_of("hi", 0) + events_of("ho", 1_000)
    chunks = [events[i : i + size] for i in range(0, len(events), size)]
    assert outcomes_of(chunks) == outcomes_of([events])


def test_repeats_are_counted_in_every_round() -> None:
    replay = Replay(source_of(*JOURNEYS))
    for _ in range(ROUND_CHUNKS + 1):
        replay.fold(events_of("hi", 0))
    replay.run_out()
    report = replay.report(0, 1.0)
    assert (report.events, report.repeated) == (
        (ROUND_CHUNKS + 1) * CONTACTS,
        ROUND_CHUNKS * CONTACTS,
    )
