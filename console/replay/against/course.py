"""Course: a slot's log read once, and some of its partitions folded for real and with drafts."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.frame import (
    EventRecord,
    Frame,
    PublishRecord,
    Record,
    event_of,
    partition_number,
)
from actors.kept.kept import RedisPlace
from console.replay.against.entries import note_entries
from console.replay.against.glimpse import visits_of
from console.replay.against.lane import Lane
from console.replay.against.pairing import Difference, Pairing, Side
from console.replay.against.reader import reader_of
from console.replay.against.reign import States, halted_in
from console.replay.against.spool import Spool
from console.replay.against.sums import Reason, Sums, note_reasons, order_of, picked, ranked
from console.replay.replay import RUN_ON_MS
from engine.contacts.contact import Visit
from engine.contacts.identity import partition_of
from engine.decision import SENT, Outcome
from engine.language.journey import Publication
from engine.limits import FAR_MS, HOT_CONTACTS_MAX, PARTITIONS

HOT_MAX: Final = 65_536
"""Contacts held decoded by one process, over all partitions and drafts."""
TOLD_EVERY: Final = 5_000
"""Progress is told once in so many records."""


class Task(Struct, kw_only=True):
    """What one process is to do, alone."""

    data: Path
    key_file: Path | None
    redis: RedisPlace | None = None
    """Where the store is, if not in `data`."""
    slot: int
    """-1: all are read, as partitions moved."""
    partitions: list[int]
    end: int
    """The log's position behind its last record: what a running system adds is not read."""
    from_ms: int
    until_ms: int
    """FAR_MS: to the end of the log, and no further."""
    names: list[str]
    sources: list[bytes]
    """Of each variant, the name and the publication."""
    states: States = ()
    """Journeys that are in this state in all of them, whatever the log says."""
    within_ms: int
    entries_against: int = 0
    """See Question."""
    share: float
    """Of the slot's records those that count as its progress: others read them as well."""
    folder: Path
    """For temporary files, which are its alone."""


class Part(Struct, kw_only=True):
    """What one task has come to."""

    sums: list[Sums]
    events: int = 0
    records: int = 0
    differences: int = 0
    """Outcomes that come otherwise when folded again than the log recorded them."""
    run_on: int = 0
    """Outcomes that are in no log, as time was let run on behind its end."""
    from_ms: int = FAR_MS
    last_ms: int = 0
    """The moments of the first and the last record that was compared."""
    published: bytes = b""
    """What was really in force at the end."""
    halted: set[str] = set()
    """Journeys that were really paused or ended for a time, of what was compared."""
    files: list[Path] = []
    """Differences, each file in order, as msgpack."""


def run_course(task: Task, progress: Callable[[float], None]) -> Part:
    """Do one task. What a process of the crew does."""
    return Course(task).run(progress)


class Course:
    """One task on its way."""

    def __init__(self, task: Task) -> None:
        self._task = task
        place = task.redis or task.data
        self._reader = reader_of(place, task.key_file, task.slot, task.end)
        self._spool = Spool(task.folder)
        self._part = Part(sums=[Sums(variant=name) for name in task.names])
        self._event_ms = 0
        """The moment of the last event."""
        sides = 1 + len(task.sources)
        hot_max = max(16, min(HOT_CONTACTS_MAX, HOT_MAX // (sides * len(task.partitions))))
        self._lanes: list[Lane | None] = [None] * PARTITIONS
        for number in task.partitions:
            self._lanes[number] = Lane(
                number, task.sources, task.from_ms, hot_max, self._spool, task.states
            )
        self._own = [lane for lane in self._lanes if lane is not None]

    def run(self, progress: Callable[[float], None]) -> Part:
        """Fold and compare; `progress` is told records."""
        self.fold(progress)
        return self._compared()

    def fold(self, progress: Callable[[float], None]) -> Spool:
        """Fold all there is, and return what was decided. The fold makes no cycles."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            published = self._reader.load(self._own)
            if published:
                self._part.halted = halted_in(published)
            told, share = 0, self._task.share
            for slot, frame in self._reader.frames():
                self._take(slot, frame)
                told += len(frame.records)
                if told >= TOLD_EVERY:
                    progress(told * share)
                    told = 0
            progress(told * share)
            self._run_on()
            return self._spool
        finally:
            if collecting:
                gc.enable()

    def _take(self, slot: int, frame: Frame) -> None:
        """Fold a frame's records, each in its lane; then see what it recorded."""
        lanes, until_ms, part = self._lanes, self._task.until_ms, self._part
        there = self._reader.is_there
        recorded = self._recorded(slot, frame)
        touched = set(recorded)
        part.records += len(frame.records)
        for position, record in enumerate(frame.records, frame.position):
            now_ms = record.now_ms
            if now_ms > until_ms:
                for each in self._lanes_of(record, slot, position):
                    each.over = True  # Neither this record is to count, nor what comes after it.
                continue
            part.last_ms = max(part.last_ms, now_ms)
            if type(record) is EventRecord:
                link = record.event
                number = link.partition
                lane = lanes[number]
                if lane is not None and position >= lane.needed and there(number, slot, position):
                    self._note_event(now_ms)
                    if lane.event(event_of(link), now_ms):
                        touched.add(lane.number)
            else:
                touched.update(self._fold_other(record, slot, position))
        for number in sorted(touched):
            lane = lanes[number]
            assert lane is not None
            lane.close(recorded.get(number, []))

    def _fold_other(self, record: Record, slot: int, position: int) -> Iterator[int]:
        """Fold what is no event; yield the lanes that are to be closed."""
        own = self._own[0]
        if (
            isinstance(record, PublishRecord)
            and position >= own.needed
            and self._reader.is_there(own.number, slot, position)
        ):
            halted, part = halted_in(record.source), self._part
            part.halted = part.halted | halted if record.now_ms >= self._task.from_ms else halted
        for lane in self._lanes_of(record, slot, position):
            if position >= lane.needed and lane.other(record, self._event_ms + RUN_ON_MS):
                yield lane.number

    def _lanes_of(self, record: Record, slot: int, position: int) -> list[Lane]:
        """Return the lanes that a record is for, of those whose partitions were there."""
        there = self._reader.is_there
        if isinstance(record, PublishRecord):
            return [lane for lane in self._own if there(lane.number, slot, position)]
        lane = self._lanes[partition_number(record)]
        return [] if lane is None or not there(lane.number, slot, position) else [lane]

    def _note_event(self, now_ms: int) -> None:
        self._part.events += 1
        self._event_ms = max(self._event_ms, now_ms)
        if self._task.from_ms <= now_ms < self._part.from_ms:
            self._part.from_ms = now_ms

    def _recorded(self, slot: int, frame: Frame) -> dict[int, list[Outcome]]:
        """Return a frame's outcomes by partition; what was sent is on its way from now on."""
        recorded: dict[int, list[Outcome]] = {}
        for outcome in frame.outcomes:
            number = partition_of(outcome.contact)
            lane = self._lanes[number]
            if (
                lane is not None
                and frame.position >= lane.needed
                and self._reader.is_there(number, slot, frame.position)
            ):
                recorded.setdefault(number, []).append(outcome)
                if outcome.outcome == SENT:
                    lane.open[outcome.key] = None
        return recorded

    def _run_on(self) -> None:
        """Let time go on: to the log's end in all partitions, or further where that is asked."""
        end_ms = self._part.last_ms
        if self._task.until_ms < FAR_MS:
            end_ms = max(end_ms, self._task.until_ms)
        for lane in self._own:
            self._part.run_on += lane.run_on(end_ms)
            self._part.differences += lane.differences

    def _compared(self) -> Part:
        """Compare lane by lane; of each, the contacts go when that is done."""
        task, part = self._task, self._part
        part.published = self._own[0].base.published
        nodes = [nodes_of(source) for source in (part.published, *task.sources)]
        for number in task.partitions:
            lane = self._lanes[number]
            assert lane is not None
            self._compare(lane, nodes)
            self._lanes[number] = None
        self._own.clear()
        return part

    def _compare(self, lane: Lane, nodes: list[dict[str, set[str]]]) -> None:
        task, part = self._task, self._part
        partitions = [lane.base, *(branch.partition for branch in lane.branches)]
        visits = [visits_of(partition) for partition in partitions]
        outcomes = self._outcomes(lane.number, len(partitions))
        differences: list[Difference] = []
        for side, name in enumerate(task.names, 1):
            sums, pairing = part.sums[side - 1], Pairing(name, task.within_ms)
            reasons: dict[Reason, int] = dict(sums.reasons)
            found: list[Difference] = []
            for contact in sorted({*outcomes[0], *outcomes[side]}):
                real, draft = (
                    Side(outcomes[i].get(contact, {}), visits[i].get(contact, []), nodes[i])
                    for i in (0, side)
                )
                same, differs = pairing.pair(real, draft)
                sums.add_contact(same, differs)
                note_reasons(reasons, differs)
                found += differs
            base = task.entries_against
            note_entries(
                sums, lane.inside, (outcomes[base], visits[base]), (outcomes[side], visits[side])
            )
            for i, waiting in ((0, "waiting_real"), (side, "waiting_draft")):
                _count_waiting(sums, visits[i], waiting)
            sums.reasons = ranked(reasons)
            sums.faults += lane.branches[side - 1].faults
            sums.sample = picked([*sums.sample, *found])
            differences += found
        if differences:
            part.files.append(_written(task.folder, lane.number, differences))

    def _outcomes(self, number: int, sides: int) -> list[dict[str, dict[str, Outcome]]]:
        """Return a partition's outcomes by side, contact and key, the last of each key."""
        found: list[dict[str, dict[str, Outcome]]] = [{} for _ in range(sides)]
        for told in self._spool.take(number):
            outcome = told.outcome
            found[told.side].setdefault(outcome.contact, {})[outcome.key] = outcome
        return found


def nodes_of(source: bytes) -> dict[str, set[str]]:
    """Return the nodes of each journey of a publication."""
    if not source:
        return {}
    publication = msgspec.json.decode(source, type=Publication)
    return {
        journey["journey"]: {node["id"] for node in journey["nodes"]}
        for journey in publication.journeys.values()
    }


def _count_waiting(sums: Sums, visits: dict[str, list[Visit]], name: str) -> None:
    for each in visits.values():
        for visit in each:
            sums.count(visit.journey, name)


def _written(folder: Path, number: int, differences: list[Difference]) -> Path:
    path = folder / f"differences-{number:03}"
    encode = msgspec.msgpack.Encoder().encode
    with path.open("wb") as file:
        for each in sorted(differences, key=order_of):
            data = encode(each)
            file.write(len(data).to_bytes(4, "big") + data)
    return path
