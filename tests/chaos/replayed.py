"""The verdict on replays: with the journeys that were in force, what went out goes out again."""

from collections.abc import Iterator
from pathlib import Path

from actors.errors import OperatorError
from actors.frame import PublishRecord
from actors.store.history import read_history
from actors.store.key import store_key
from console.against.comparison import Question, Variant, compared, survey


def replay_wrong(data: Path) -> Iterator[str]:
    """An unchanged draft differs in nothing, whatever crashed, where one was in force all along."""
    sources = published_in(data)
    if len(sources) != 1:
        return
    question = Question(data=data, variants=[Variant("unchanged", sources.pop())])
    try:
        with compared(question, survey(data, None), lambda _: None) as comparison:
            found = list(comparison.differences())
            otherwise = comparison.report.refolded_otherwise
    except OperatorError as error:
        yield f"it cannot be replayed: {error}"
        return
    if found:
        yield f"replayed unchanged, {len(found)} messages differ: {found[0]}"
    if otherwise:
        yield f"{otherwise} outcomes come otherwise when the log is folded again"


def published_in(data: Path) -> set[bytes]:
    """Return all that was ever published."""
    key = store_key(data)
    return {
        record.source
        for folder in data.glob("shard-*")
        for frame in read_history(folder, key)
        for record in frame.records
        if isinstance(record, PublishRecord)
    }
