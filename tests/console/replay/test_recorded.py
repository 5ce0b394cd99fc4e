"""Recorded outcomes: what the log says, the last of a key, as of any moment."""

import json
from pathlib import Path

import pytest

from actors.clock import CLOCKS
from actors.errors import OperatorError
from actors.frame import (
    EventRecord,
    Frame,
    HandoverRecord,
    ReceiptRecord,
    Record,
    encode_frame,
)
from actors.links.link import LinkEvent
from actors.shards.outbox import Outbox
from actors.shards.shard import Shard
from actors.store.log import open_log
from actors.store.manifest import open_store, shard_folder
from console.replay.reading import read_at_once
from console.replay.recorded import Recorded, moment_ms
from console.replay.replay import Replay, sorted_outcomes, write_outcomes
from engine.contacts.identity import partition_of
from engine.decision import Outcome
from engine.input import Event, Receipt
from engine.limits import FAR_MS
from tests.console.command import anlass
from tests.publications import MAIL, journey, source_of

HOUR_MS = 3_600_000
JOURNEYS = (
    journey("now"),
    journey("later", nodes=[{"id": "w", "wait": "2h"}, MAIL], exit_on=["bye"]),
)


def read_recorded(data: Path, until_ms: int = FAR_MS) -> Recorded:
    """Read in one process."""
    return read_at_once(data, until_ms, None, 1, lambda _: None)[0]


def event(contact: str, name: str, at_ms: int) -> Event:
    return Event(f"{contact}-{name}-{at_ms}", contact, name, at_ms, {})


def record_of(contact: str, at_ms: int) -> EventRecord:
    link = LinkEvent(partition_of(contact), contact, f"{contact}{at_ms}", "hi", at_ms, b"{}")
    return EventRecord(at_ms, link)


def outcome(key: str, contact: str, at_ms: int, said: str = "sent") -> Outcome:
    return Outcome(key, contact, "j", "n", "email", at_ms, said)


def frame(records: list[Record], outcomes: list[Outcome], position: int = 0) -> Frame:
    return Frame(position, 1, records, bytes(len(records)), outcomes, [])


def played_store(data: Path, events: list[Event], *, run_out: bool = True) -> None:
    """Make a store of one shard as the system would, on the clock `events`."""
    open_store(data, 1, "events")
    log = open_log(shard_folder(data, 0))
    shard = Shard(0, 1, CLOCKS["events"]())
    outbox = Outbox()
    shard.publish(source_of(*JOURNEYS), 0)

    def commit() -> None:
        made = shard.cut()
        if made is not None:
            log.append(made.position, [encode_frame(made)])
            for each in made.outcomes:
                outbox.put(each)

    for number, each in enumerate(events):
        link = LinkEvent(
            partition_of(each.contact), each.contact, each.id, each.name, each.at_ms or 0, b"{}"
        )
        shard.apply_event(link, 0)
        if number % 3 == 0:
            commit()
    while run_out and shard.advance(FAR_MS - 1, 0):
        commit()
    for sent in outbox.take("email", 1000):
        shard.hand_over(partition_of(sent.contact), sent, 0)
        receipt = Receipt(sent.contact, sent.key, delivered=True)
        shard.settle(partition_of(sent.contact), receipt, 0)
    shard.deliveries.clear()
    commit()
    log.close()


def some_events() -> list[Event]:
    events = [event(f"c-{i % 5}", "hi", i * HOUR_MS) for i in range(40)]
    events += [event(f"c-{i}", "bye", 40 * HOUR_MS + i) for i in range(3)]
    return events


def test_the_log_of_a_played_stream_says_what_a_replay_of_it_says(tmp_path: Path) -> None:
    events = some_events()
    played_store(tmp_path, events)
    replay = Replay(source_of(*JOURNEYS))
    replay.fold(events)
    replay.run_out()
    recorded = read_recorded(tmp_path)
    assert sorted_outcomes(recorded.outcomes.values()) == sorted_outcomes(replay.outcomes.values())
    assert len(recorded.outcomes) > 40


@pytest.mark.parametrize("hours", [39, 17, 3, 0])
def test_as_of_a_moment_is_as_if_nothing_had_come_after_it(tmp_path: Path, hours: int) -> None:
    events = some_events()
    until_ms = hours * HOUR_MS
    before = [each for each in events if each.at_ms is not None and each.at_ms <= until_ms]
    played_store(tmp_path / "whole", events)
    played_store(tmp_path / "part", before, run_out=False)
    part = read_recorded(tmp_path / "part")
    recorded = read_recorded(tmp_path / "whole", until_ms)
    assert recorded.outcomes == part.outcomes != {}
    report = recorded.report(1.0)
    assert (report.events, report.contacts) == (len(before), min(5, len(before)))


def test_the_command_writes_the_lines_of_the_log(tmp_path: Path) -> None:
    played_store(tmp_path / "data", some_events())
    recorded = read_recorded(tmp_path / "data", 9 * HOUR_MS)
    write_outcomes(tmp_path / "wanted", recorded.outcomes.values())
    until = ["--until", "1970-01-01T09:00Z", "--out", tmp_path / "out", "--json"]
    said = json.loads(anlass("replay", "--from-log", tmp_path / "data", *until).stdout)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "wanted").read_bytes() != b""
    assert said["events"] == 10
    assert said["sessions"] is None
    assert said["outcomes"] == recorded.report(1.0).outcomes
    table = anlass("replay", "--from-log", tmp_path / "data").stdout
    assert "later" in table
    assert "sessions" not in table


def test_the_last_outcome_of_a_key_holds() -> None:
    recorded = Recorded()
    recorded.take(frame([record_of("c", 5)], [outcome("k", "c", 5)]))
    receipt = ReceiptRecord(9, partition_of("c"), Receipt("c", "k", delivered=False, reason="no"))
    recorded.take(frame([receipt], [outcome("k", "c", 5, "failed")], 1))
    assert recorded.report(1.0).outcomes == {"j": {"failed": 1}}


def test_a_message_that_failed_after_the_moment_was_sent_then() -> None:
    receipt = ReceiptRecord(9, partition_of("c"), Receipt("c", "k", delivered=False, reason="no"))
    records: list[Record] = [record_of("c", 5), receipt]
    outcomes = [outcome("k", "c", 5), outcome("k", "c", 5, "failed")]
    for until_ms, said in ((8, "sent"), (9, "failed")):
        recorded = Recorded(until_ms)
        recorded.take(frame(records[:1], outcomes[:1]))
        handed = HandoverRecord(6, partition_of("c"), "c", "other", 6)
        recorded.take(frame([handed, *records[1:]], outcomes[1:], 1))
        assert recorded.report(1.0).outcomes == {"j": {said: 1}}


def test_of_a_frame_across_the_moment_only_what_came_before_it_counts() -> None:
    recorded = Recorded(7)
    late = outcome(
        "b", "d", 6, "declined"
    )  # A timer that was overdue: of a record after the moment.
    recorded.take(frame([record_of("c", 5), record_of("d", 8)], [outcome("a", "c", 5), late]))
    assert list(recorded.outcomes) == ["a"]
    assert recorded.report(1.0).events == 1


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1775410260000", 1775410260000),
        ("2026-04-05T17:31:00Z", 1775410260000),
        ("2026-04-05T17:31", 1775410260000),
        ("2026-04-05T19:31:00.001+02:00", 1775410260001),
        ("20260405", 1775347200000),
        ("0", 0),
    ],
)
def test_a_moment_is_read_as_iso_or_epoch_milliseconds(text: str, ms: int) -> None:
    assert moment_ms(text) == ms


def test_what_is_no_moment_is_refused_with_a_word() -> None:
    with pytest.raises(OperatorError, match="'last week' is no moment; write it like 2026"):
        moment_ms("last week")
