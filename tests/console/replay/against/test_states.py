"""What was paused, resumed or ended: a draft keeps it as the log has it, unless that is said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.errors import OperatorError
from console.replay.against.pairing import MOVED, ONLY_DRAFT, ONLY_REAL, Difference
from console.replay.against.reign import read_states
from console.replay.against.table import notes_of
from engine.fold.succession import Choice, State, succeed
from engine.fold.succession import source_of as encoded
from engine.language.journey import Publication
from tests.console.past import Past
from tests.engine.situation import MINUTE_MS, mail, wait
from tests.publications import journey, source_of

HOUR_MS = 60 * MINUTE_MS
NOW = journey("hello", nodes=[mail()])
SOON = journey("hello", nodes=[wait("10m", "a"), mail()])
LATER = journey("hello", nodes=[wait("2h", "a"), mail()])
OTHER = journey("other", entry={"event": "never"})


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    made = Past(tmp_path / "data", NOW, OTHER)
    yield made
    made.close()


def told(differences: list[Difference]) -> list[tuple[str, str, str]]:
    return [(each.contact, each.kind, each.why) for each in differences]


def a_day(past: Past, *states: State) -> None:
    """Somebody comes, and an hour later the state changes, and so on; then a day passes."""
    past.event("first")
    for number, state in enumerate(states):
        past.pass_ms(HOUR_MS)
        past.set_state("hello", state)
        past.event(f"after-{number}-{state}")
    past.pass_ms(24 * HOUR_MS)


def sent(past: Past, draft: bytes, **asked: Any) -> dict[str, int]:
    """Return the minutes after the beginning at which a draft sends, by contact."""
    found = past.drafted(draft, **asked).values()
    return {
        each.contact: (each.at_ms - past.begun_ms) // MINUTE_MS
        for each in found
        if each.outcome == "sent"
    }


def test_what_waited_while_it_was_paused_waits_in_the_draft(past: Past) -> None:
    a_day(past, "paused", "live")
    draft = source_of(SOON, OTHER)
    assert sent(past, draft) == {"first": 10, "after-0-paused": 130, "after-1-live": 130}
    live = (("hello", "live"),)
    assert sent(past, draft, states=live)["after-0-paused"] == 70
    report, _ = past.against(draft)
    assert report.halted == ["hello"]
    (note,) = notes_of(report)
    assert note.startswith("hello: paused or ended for a time, and so in the draft as well;")
    report, _ = past.against(draft, states=live)
    assert notes_of(report) == []


def test_a_visit_whose_time_is_over_while_it_is_paused_waits_for_the_resume(past: Past) -> None:
    past.event("c")
    past.set_state("hello", "paused")
    past.pass_ms(5 * HOUR_MS)
    past.set_state("hello", "live")
    past.pass_ms(HOUR_MS)
    assert sent(past, source_of(LATER, OTHER)) == {"c": 300}


def test_nobody_enters_a_draft_of_what_was_ended(past: Past) -> None:
    a_day(past, "ended")
    assert sent(past, source_of(SOON, OTHER)) == {"first": 10}
    assert sent(past, source_of(LATER, OTHER)) == {}, "its visit ended, too"
    states = (("hello", "live"),)
    assert sent(past, source_of(LATER, OTHER), states=states) == {
        "first": 120,
        "after-0-ended": 180,
    }


def test_a_draft_can_say_that_a_journey_is_paused_or_ended_all_along(past: Past) -> None:
    a_day(past, "paused", "live")
    for state in ("paused", "ended"):
        report, differences = past.against(source_of(NOW, OTHER), states=(("hello", state),))
        assert {each.kind for each in differences} == {ONLY_REAL}
        assert report.variants[0].total("real") == 3
        assert report.halted == []


def test_a_journey_whose_file_is_gone_for_a_time_is_not_ended_in_a_draft_that_has_it(
    past: Past,
) -> None:
    past.publish(OTHER, versions={"hello": {"number": 1, "state": "ended"}})
    past.event("c")
    past.pass_ms(HOUR_MS)
    report, differences = past.against(source_of(NOW, OTHER))
    assert told(differences) == [("c", ONLY_DRAFT, "absent")]
    assert report.halted == []


def test_from_a_moment_on_what_was_paused_then_stays_so_until_it_is_resumed(past: Past) -> None:
    past.set_state("hello", "paused")
    past.event("waits")
    past.pass_ms(HOUR_MS)
    from_ms = past.now_ms
    past.pass_ms(HOUR_MS)
    past.set_state("hello", "live")
    past.pass_ms(HOUR_MS)
    report, differences = past.against(source_of(SOON, OTHER), from_ms=from_ms)
    assert told(differences) == [("waits", MOVED, "later")]
    assert differences[0].draft_at_ms == past.begun_ms + 130 * MINUTE_MS
    assert report.halted == ["hello"]


def test_what_was_paused_only_before_the_draft_began_is_not_told_of(past: Past) -> None:
    past.set_state("hello", "paused")
    past.pass_ms(HOUR_MS)
    past.set_state("hello", "live")
    past.pass_ms(HOUR_MS)
    from_ms = past.now_ms
    past.event("c")
    past.pass_ms(HOUR_MS)
    report, _ = past.against(source_of(SOON, OTHER), from_ms=from_ms)
    assert report.halted == []


def test_from_a_moment_on_visits_stay_in_their_version_where_the_draft_is_what_is_in_force(
    past: Past,
) -> None:
    past.publish(LATER, OTHER)
    past.event("stays")
    now, new = (msgspec.json.decode(each, type=Publication) for each in (
        past.shard.published, source_of(journey("hello", nodes=[wait("1h", "b"), mail()]), OTHER)
    ))  # fmt: skip
    past.change(succeed(now, new, {"hello": Choice("stay")}))
    past.event("new")
    from_ms = past.now_ms + MINUTE_MS
    past.pass_ms(3 * HOUR_MS)
    report, differences = past.against(encoded(new), from_ms=from_ms)
    assert differences == []
    assert report.variants[0].total("same") == 2


def test_a_dry_run_is_what_a_file_says_and_so_the_draft_s(past: Past) -> None:
    """So a draft without it says what a journey in test mode would have sent."""
    testing = NOW | {"test": {"contacts": ["tester"]}}
    past.publish(testing, OTHER)
    past.event("c")
    past.event("tester")
    past.pass_ms(HOUR_MS)
    _, differences = past.against(source_of(testing, OTHER))
    assert differences == []
    _, differences = past.against(source_of(NOW, OTHER))
    assert told(differences) == [("c", ONLY_DRAFT, "dry_run")]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("hello", "--state 'hello' cannot be read; write JOURNEY=STATE, such as welcome=live"),
        ("helo=live", "--state: the draft has no journey 'helo'; did you mean `hello`?"),
        ("hello=pause", "--state: 'pause' is no state of hello; did you mean `paused`?"),
    ],
)
def test_a_state_that_cannot_be_meant_is_refused(said: str, words: str) -> None:
    with pytest.raises(OperatorError) as refused:
        read_states([said], source_of(NOW, OTHER))
    assert str(refused.value) == words


def test_a_journey_has_one_state() -> None:
    with pytest.raises(OperatorError, match="hello is there twice"):
        read_states(["hello=live", "hello=paused"], source_of(NOW))
