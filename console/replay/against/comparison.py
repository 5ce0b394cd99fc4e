"""Comparison: of what a store's log says went out with what drafts would have sent, as a whole."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from heapq import merge
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.kept.kept import Kept, StorePlace
from actors.kept.opening import open_kept
from actors.map import partitions_of
from actors.store.history import end_position, first_position
from actors.store.key import store_key
from actors.store.manifest import read_store, shard_folder
from actors.store.snapshots import SnapshotFiles
from actors.verify.files import SNAPSHOT_FOLDER
from console.replay.against.course import Part, Task, nodes_of, run_course
from console.replay.against.pairing import Difference
from console.replay.against.reader import no_snapshot
from console.replay.against.reign import States
from console.replay.against.sums import Sums, order_of
from console.replay.crew import parts_of
from engine.language.journey import Publication, Settings
from engine.limits import FAR_MS, PARTITIONS

STATE_BYTES_MAX: Final = 1 << 30
RECORD_BYTES: Final = 100
"""What one record of the log leaves in memory for each side, roughly, where contacts are many; and
what of it a process may take: for more, partitions go in turns, and the log is read again."""
WITHIN_MS: Final = 86_400_000

Progress = Callable[[float], None]


class Variant(Struct, frozen=True):
    """A draft under a name."""

    name: str
    source: bytes


class Question(Struct, kw_only=True):
    """What is to be compared."""

    data: StorePlace
    key_file: Path | None = None
    variants: list[Variant]
    states: States = ()
    """Journeys that are in this state in all variants; of others, as the log has it."""
    from_ms: int = 0
    until_ms: int = FAR_MS
    within_ms: int = WITHIN_MS
    entries_against: int = 0
    """Who entered is compared with what really was; or with this variant, counted from 1."""
    processes: int = 1


class Stretch(Struct, kw_only=True):
    """What there is of one slot's log, or of all joined."""

    slot: int
    partitions: list[int]
    first: int
    end: int
    from_ms: int
    """From when its partitions can answer; 0 where all of the log is there."""


class Report(Struct, kw_only=True):
    """What a comparison came to."""

    events: int
    records: int
    from_ms: int
    """The moments of the first and the last event that was compared."""
    until_ms: int
    answers_from_ms: int
    """From when the store can answer: later than the first record where the archive was pruned."""
    refolded_otherwise: int
    """Outcomes that this version decides otherwise than the log recorded, drafts apart."""
    run_on: int
    """Outcomes behind the end of the log, where time was let run on without events."""
    changed: list[str]
    """Files that are not in the draft, or one of its variants, as they were in force at the end."""
    halted: list[str] = []
    """Journeys that were paused or ended for a time, and are so in the drafts for that."""
    zone: str
    """Of the (first) draft's settings."""
    processes: int
    wall_s: float
    events_per_s: int
    variants: list[Sums]


def survey(data: StorePlace, key_file: Path | None) -> list[Stretch]:
    """Say what there is of each slot's log. Raises OperatorError, LogCorruptError."""
    with closing(open_kept(data, key_file)) as kept:
        if not isinstance(data, Path) or kept.joined:
            return [_survey_of_joined(kept)]
    store = read_store(data)
    key = store_key(data, key_file)
    found = []
    for slot in range(store.shards):
        folder = shard_folder(data, slot)
        first = first_position(folder)
        from_ms = 0
        if first:
            heads = SnapshotFiles(folder / SNAPSHOT_FOLDER, key).all_heads()
            for number in partitions_of(slot, store.shards):
                whole = [head for head in heads.get(number, []) if head.position >= first]
                if not whole:
                    raise no_snapshot(str(folder), number)
                from_ms = max(from_ms, whole[-1].now_ms)
        numbers = list(partitions_of(slot, store.shards))
        end = end_position(folder, key)
        found.append(Stretch(slot=slot, partitions=numbers, first=first, end=end, from_ms=from_ms))
    return found


def _survey_of_joined(kept: Kept) -> Stretch:
    from_ms = 0
    numbers = list(range(PARTITIONS))
    for number in numbers:
        if not kept.is_whole(number):
            heads = kept.heads(number)
            if not heads:
                raise no_snapshot(kept.name, number)
            from_ms = max(from_ms, heads[0].now_ms)
    return Stretch(slot=-1, partitions=numbers, first=0, end=kept.records, from_ms=from_ms)


def tasks_of(question: Question, stretches: list[Stretch], folder: Path) -> list[Task]:
    """Share the partitions out, so that each process has one task at least and none too much."""
    sides = 1 + len(question.variants)
    tasks = []
    for stretch in stretches:
        numbers = stretch.partitions
        large = (stretch.end - stretch.first) * RECORD_BYTES * sides // STATE_BYTES_MAX + 1
        groups = min(len(numbers), max(-(-question.processes // len(stretches)), large))
        for group in range(groups):
            own = folder / f"{stretch.slot}-{group}"
            own.mkdir()
            task = Task(
                data=question.data if isinstance(question.data, Path) else question.data.data,
                redis=None if isinstance(question.data, Path) else question.data,
                key_file=question.key_file,
                slot=stretch.slot,
                partitions=numbers[group::groups],
                end=stretch.end,
                from_ms=question.from_ms,
                until_ms=question.until_ms,
                names=[each.name for each in question.variants],
                sources=[each.source for each in question.variants],
                states=question.states,
                within_ms=question.within_ms,
                entries_against=question.entries_against,
                share=1 / groups,
                folder=own,
            )
            tasks.append(task)
    return tasks


class Comparison:
    """A question answered, while its temporary files are there."""

    def __init__(self, report: Report, files: list[Path]) -> None:
        self.report = report
        self._files = files

    def differences(self) -> Iterator[Difference]:
        """Yield all differences by time, those of each partition from its own file."""
        return merge(*map(_read, self._files), key=order_of)


@contextmanager
def compared(
    question: Question, stretches: list[Stretch], progress: Progress
) -> Iterator[Comparison]:
    """Answer a question; `progress` is told records, in all as many as the stretches have.

    Raises OperatorError, LogCorruptError.
    """
    answers_ms = max(each.from_ms for each in stretches)
    question = msgspec.structs.replace(question, from_ms=max(question.from_ms, answers_ms))
    folder = Path(tempfile.mkdtemp(prefix="anlass-against-"))
    try:
        began = time.perf_counter()
        tasks = tasks_of(question, stretches, folder)
        parts = parts_of(run_course, tasks, question.processes, progress)
        wall_s = time.perf_counter() - began
        report = _report(question, parts, wall_s, answers_ms)
        yield Comparison(report, [path for part in parts for path in part.files])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _report(question: Question, parts: list[Part], wall_s: float, answers_ms: int) -> Report:
    variants = [Sums(variant=each.name) for each in question.variants]
    for part in parts:
        for sums, more in zip(variants, part.sums, strict=True):
            sums.add(more)
    for sums in variants:
        sums.journeys = {name: sums.journeys[name] for name in sorted(sums.journeys)}
        sums.hours = {name: dict(sorted(sums.hours[name].items())) for name in sorted(sums.hours)}
    events = sum(part.events for part in parts)
    from_ms = min(part.from_ms for part in parts)
    published = [part.published for part in parts if part.published]
    return Report(
        events=events,
        records=sum(part.records for part in parts),
        from_ms=from_ms if from_ms < FAR_MS else 0,
        until_ms=max(part.last_ms for part in parts),
        answers_from_ms=answers_ms,
        refolded_otherwise=sum(part.differences for part in parts),
        run_on=sum(part.run_on for part in parts),
        changed=sorted(
            {
                name
                for source in published[:1]
                for variant in question.variants
                for name in changed_files(source, variant.source)
            }
        ),
        halted=_halted(question, parts),
        zone=zone_of(question.variants[0].source),
        processes=question.processes,
        wall_s=round(wall_s, 3),
        events_per_s=round(events / wall_s) if wall_s else 0,
        variants=variants,
    )


def _halted(question: Question, parts: list[Part]) -> list[str]:
    """Name the journeys of drafts that are paused or ended as the log has it."""
    there = {name for variant in question.variants for name in nodes_of(variant.source)}
    said = {journey for journey, _ in question.states}
    return sorted({name for part in parts for name in part.halted} & there - said)


def changed_files(published: bytes, draft: bytes) -> set[str]:
    """Name the files in which two publications differ."""
    before, after = (_files_of(source) for source in (published, draft))
    return {name for name in before | after if before.get(name) != after.get(name)}


def zone_of(source: bytes) -> str:
    """Return the time zone that a publication's settings name."""
    publication = msgspec.json.decode(source, type=Publication)
    return str(publication.settings.get("time_zone", Settings().time_zone))


def _files_of(source: bytes) -> dict[str, Any]:
    publication = msgspec.json.decode(source, type=Publication)
    files = {**publication.journeys, **publication.segments}
    files[publication.settings_file] = publication.settings
    files |= {f"templates/{name}.liquid": text for name, text in publication.templates.items()}
    return files


def _read(path: Path) -> Iterator[Difference]:
    decode = msgspec.msgpack.Decoder(Difference).decode
    with path.open("rb") as file:
        while size := int.from_bytes(file.read(4), "big"):
            yield decode(file.read(size))
