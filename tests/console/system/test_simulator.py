"""The simulated shop: the same for a seed, in order, with all that a demonstration needs."""

import subprocess
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from console.system.simulator import HOUR_MS, START_MS, simulate
from engine.input import ANONYMOUS_PREFIX, Event, payload_of
from ingest.readers import read_chunks
from ingest.sender import encode_events
from tests.test_real_data import Fold

ROOT = Path(__file__).parents[3]
DIGEST = """
from hashlib import sha256
from console.system.simulator import simulate
from ingest.sender import encode_events
print(sha256(encode_events(list(simulate(5, 3000)))).hexdigest())
"""


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(simulate(7))


def test_a_seed_gives_the_same_events_in_every_process() -> None:
    here = sha256(encode_events(list(simulate(5, 3000)))).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", DIGEST], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert there.stdout.strip() == here


def test_another_seed_gives_other_events() -> None:
    assert list(simulate(5, 100)) != list(simulate(6, 100))


def test_events_are_as_many_as_asked_and_in_order_of_time(events: list[Event]) -> None:
    assert len(events) == 100_000
    times = [event.at_ms or 0 for event in events]
    assert times == sorted(times)
    assert times[0] >= START_MS
    assert 40 * HOUR_MS < times[-1] - times[0] < 56 * HOUR_MS


def test_visitors_are_known_and_unknown(events: list[Event]) -> None:
    contacts = {event.contact for event in events}
    unknown = {each for each in contacts if each.startswith(ANONYMOUS_PREFIX)}
    assert 7_000 < len(contacts) < 9_000
    assert 0.2 < len(unknown) / len(contacts) < 0.3


def test_repeats_are_exact_and_few(events: list[Event]) -> None:
    first: dict[str, Event] = {}
    repeats = 0
    for event in events:
        if event.id in first:
            assert first[event.id] == event
            repeats += 1
        first[event.id] = event
    assert 300 < repeats < 700


def test_every_outcome_occurs_for_both_journeys(events: list[Event]) -> None:
    fold = Fold(ROOT / "examples" / "journeys")
    for event in events:
        fold.event(event)
    fold.run_out()
    counts = fold.counts()
    for journey in ("favourites", "checkout-help"):
        for outcome in ("sent", "capped", "no_consent", "exited"):
            assert counts[journey, outcome] >= 10, (journey, outcome)


def test_consent_is_of_all_sorts_and_sometimes_withdrawn(events: list[Event]) -> None:
    said = Counter(
        (payload_of(event).get("consent") or payload_of(event)).get("email", "none")
        for event in events
        if event.name in ("identify", "consent")
    )
    assert set(said) == {"none", "opt_out", "opt_in", "double_opt_in"}
    assert min(said.values()) > 100


def test_the_gateways_rules_take_every_event(events: list[Event], tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(encode_events(events[:20_000]))
    chunks = list(read_chunks(path, "canonical"))
    assert [each for chunk in chunks for each in chunk.rejections] == []
    assert [event for chunk in chunks for event in chunk.events] == events[:20_000]
