"""The verdict on replays: with the journeys that were in force, what went out goes out again."""

import tempfile
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

import msgspec

from actors.errors import OperatorError
from actors.frame import EventRecord, PublishRecord, Record, event_of, input_of, partition_number
from actors.kept.kept import StorePlace
from actors.store.history import read_history
from actors.store.key import store_key
from console.replay.against.comparison import Question, Variant, compared, survey
from console.replay.replay import write_outcomes
from engine.decision import Decision, Outcome
from engine.fold.succession import source_of
from engine.language.journey import Publication
from engine.limits import PARTITIONS
from engine.partition import Partition


def replay_wrong(data: Path) -> Iterator[str]:
    """A replay gives the messages that were really decided, byte for byte, whatever crashed.

    All of the log, with the publishes that are in it; and against an unchanged draft: from the
    beginning where it was in force all along, else from the last publish on.
    """
    try:
        yield from _folded_wrong(data)
        sources = published_in(data)
        last = {published[-1].source for published in sources.values() if published}
        if len(last) == 1:
            from_ms = 0
            if len({each.source for published in sources.values() for each in published}) > 1:
                from_ms = 1 + max(published[-1].now_ms for published in sources.values())
            yield from unchanged_wrong(data, last.pop(), from_ms)
    except OperatorError as error:
        yield f"it cannot be replayed: {error}"


def published_in(data: Path) -> dict[str, list[PublishRecord]]:
    """Return all that was ever published, by slot."""
    key = store_key(data)
    return {
        folder.name: [
            record
            for frame in read_history(folder, key)
            for record in frame.records
            if isinstance(record, PublishRecord)
        ]
        for folder in sorted(data.glob("shard-*"))
    }


def _folded_wrong(data: Path) -> Iterator[str]:
    recorded: dict[str, Outcome] = {}
    folded: dict[str, Outcome] = {}
    for folder in sorted(data.glob("shard-*")):
        _fold(folder, store_key(data), recorded, folded)
    yield from outcomes_wrong(recorded, folded)


def outcomes_wrong(recorded: dict[str, Outcome], folded: dict[str, Outcome]) -> Iterator[str]:
    """What was recorded comes out again, byte for byte."""
    went_out, again = (_lines(each.values()) for each in (recorded, folded))
    if went_out == again:
        return
    pairs = enumerate(zip_longest(went_out, again))
    number, (was, is_now) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
    yield (
        f"replayed, not the same {len(went_out)} lines come out, but {len(again)}: "
        f"line {number} was {was!r} and is {is_now!r}"
    )


def _fold(
    folder: Path, key: bytes | None, recorded: dict[str, Outcome], folded: dict[str, Outcome]
) -> None:
    """Fold a slot's log from nothing; note what it recorded, and what comes out now, by key."""
    decisions: list[Decision] = []
    partitions = [Partition(number, decisions) for number in range(PARTITIONS)]
    for frame in read_history(folder, key):
        for record in frame.records:
            if isinstance(record, PublishRecord):
                for partition in partitions:
                    fold_again(partition, record)
            else:
                fold_again(partitions[partition_number(record)], record)
        folded.update({each.key: each for each in decisions if isinstance(each, Outcome)})
        recorded.update({each.key: each for each in frame.outcomes})
        decisions.clear()


def fold_again(partition: Partition, record: Record) -> None:
    """Fold what a log has into a partition."""
    input = event_of(record.event) if type(record) is EventRecord else input_of(record)
    partition.fold(input, record.now_ms)


def _lines(outcomes: Iterable[Outcome]) -> list[bytes]:
    """Return the lines that `anlass replay --out` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        write_outcomes(path, outcomes)
        return path.read_bytes().splitlines()


def unchanged_wrong(data: StorePlace, source: bytes, from_ms: int) -> Iterator[str]:
    """Against the same journeys as a draft, in force from then on, nothing differs."""
    files = msgspec.structs.replace(
        msgspec.json.decode(source, type=Publication), versions=msgspec.UNSET
    )
    unchanged = Variant("unchanged", source_of(files))
    question = Question(data=data, variants=[unchanged], from_ms=from_ms)
    with compared(question, survey(data, None), lambda _: None) as comparison:
        found = list(comparison.differences())
        otherwise = comparison.report.refolded_otherwise
    if found:
        yield f"replayed unchanged, {len(found)} messages differ: {found[0]}"
    if otherwise:
        yield f"{otherwise} outcomes come otherwise when the log is folded again"
