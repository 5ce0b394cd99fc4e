"""Each message that did not go out, in all shipped scenarios, has exactly the right reason."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import Raw

from actors.folder import read_folder
from actors.frame import (
    AdvanceRecord,
    EventRecord,
    HandoverRecord,
    PublishRecord,
    ReceiptRecord,
    Record,
)
from actors.kept.past import Applied
from actors.links.link import LinkEvent
from console.contacts.story import Story
from console.scenarios import rehearsal as rehearsal_module
from console.scenarios.reader import read_scripts
from console.scenarios.rehearsal import Rehearsal
from console.scenarios.stage import Stage
from engine.decision import Decision, Outcome
from engine.input import Advance, Event, Handover, Input, Publish, Receipt
from engine.partition import Partition
from engine.trace import EntryNote, Trace
from tests.console.contacts.audit import Audit
from tests.console.scenarios.played import EXAMPLES
from tests.engine.situation import NOON_MS
from tests.publications import journey, source_of

FOLDERS = {name: EXAMPLES.parent / name for name in ("journeys", "scenarios")}


class Alone:
    """One contact, folded alone with a trace."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.story = Story()
        self._partition = Partition(0, self.trace)
        self._position = 0

    def fold(self, input: Input, now_ms: int) -> None:
        verdict = self._partition.fold(input, now_ms)
        self._position += 1
        record = record_of(input, now_ms)
        self.story.take(Applied(self._position, record, verdict, verdict), self.trace)


class ToldPartition(Partition):
    """A partition that has each of its contacts' stories told, too."""

    def __init__(self, number: int, decisions: list[Decision]) -> None:
        super().__init__(number, decisions)
        self.alone: dict[str, Alone] = {}
        self.decided: list[Outcome] = []
        self._for_all: list[tuple[Input, int]] = []

    def fold(self, input: Input, now_ms: int) -> int:
        before = len(self.decisions)
        verdict = super().fold(input, now_ms)
        self.decided += [each for each in self.decisions[before:] if isinstance(each, Outcome)]
        if isinstance(input, Publish | Advance):
            self._for_all.append((input, now_ms))
            for each in self.alone.values():
                each.fold(input, now_ms)
        else:
            contact = input.contact  # type: ignore[union-attr]
            if contact not in self.alone:
                self.alone[contact] = Alone()
                for past in self._for_all:
                    self.alone[contact].fold(*past)
            self.alone[contact].fold(input, now_ms)
        return verdict


def record_of(input: Input, now_ms: int) -> Record:
    match input:
        case Event(id=id, contact=contact, name=name, at_ms=at_ms, payload=payload):
            assert isinstance(payload, Raw)
            return EventRecord(now_ms, LinkEvent(0, contact, id, name, at_ms, bytes(payload)))
        case Advance(until_ms=until_ms):
            return AdvanceRecord(now_ms, 0, until_ms)
        case Publish(source=source):
            return PublishRecord(now_ms, source)
        case Handover(contact=contact, key=key, as_of_ms=as_of_ms):
            return HandoverRecord(now_ms, 0, contact, key, as_of_ms)
        case Receipt():
            return ReceiptRecord(now_ms, 0, input)
        case _:
            raise AssertionError(input)


class ToldStage(Stage):
    """A stage that keeps the story of its contact."""

    played: list["ToldStage"]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        source = self.partition.published
        self.partition = ToldPartition(0, self._decisions)
        self.partition.fold(Publish(source), self.start_ms)
        ToldStage.played.append(self)


def audited(name: str, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """Play all scenarios of a folder and look over their stories."""
    monkeypatch.setattr(rehearsal_module, "Stage", ToldStage)
    ToldStage.played = []
    folder = read_folder(FOLDERS[name])
    rehearsal = Rehearsal(folder)
    scripts, mistakes = read_scripts(FOLDERS[name], rehearsal.cast)
    assert mistakes == []
    audit = Audit(journeys_in(FOLDERS[name]), rehearsal.cast.time_zone)
    for script in scripts:
        assert rehearsal.play(script).passed
        (stage,) = ToldStage.played
        assert isinstance(stage.partition, ToldPartition)
        for contact, alone in stage.partition.alone.items():
            decided = [each for each in stage.partition.decided if each.contact == contact]
            audit.look_over(alone.story.entries, decided)
        ToldStage.played.clear()
    return audit


def journeys_in(folder: Path) -> dict[str, dict[str, Any]]:
    read = [yaml.safe_load(file.read_text()) for file in folder.glob("*.yaml")]
    return {each["journey"]: each for each in read if "journey" in each}


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("journeys", {"no_match", "capped", "no_consent", "exited", "failed"}),
        (
            "scenarios",
            {
                *("no_match", "inside", "once", "too_soon", "late", "grouped", "exited"),
                *("capped", "no_consent", "missing", "declined", "held_out", "no_address", "heard"),
            },
        ),
    ],
)
def test_each_reason_is_the_right_one(
    name: str, reasons: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = audited(name, monkeypatch)
    assert reasons <= set(audit.checked)
    assert audit.checked["compared"] > 20 * audit.checked.get("not compared", 0)


def test_events_of_one_millisecond_get_the_ids_that_counted() -> None:
    dear = {"happened": "view", "within": "1d", "where": {"field": "price", "more_than": 6}}
    entry = {"event": "view", "when": dear | {"at_least": 2}}
    alone = Alone()
    alone.fold(Publish(source_of(journey(entry=entry))), NOON_MS)
    for id, price in (("a", 7), ("b", 5), ("c", 8)):
        payload = Raw(b'{"price": %d}' % price)
        alone.fold(Event(id, "c-1", "view", NOON_MS, payload), NOON_MS)
    notes = [each.note for each in alone.story.entries if isinstance(each.note, EntryNote)]
    assert notes[-1].entered
    assert [each.id for each in notes[-1].facts[0].events] == ["c", "a"]
