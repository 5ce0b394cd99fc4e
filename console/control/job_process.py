"""The process of one job: `-m console.control.job_process`. It works, and says how far it is.

What it is to do comes as a line on stdin, which stays open: when it closes, nobody wants it any
more. It yields to all other processes: the shards and gateways share these cores.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from actors.errors import OperatorError
from actors.verify.files import bytes_to_read
from actors.verify.finding import Counts
from actors.verify.redis import verify_redis
from console.control.work import (
    DIFFERENCES,
    EVENTS,
    OUTCOMES,
    PAGE,
    SUMMARY,
    Comparing,
    Folding,
    JobLine,
    Reading,
    Verifying,
    Work,
)
from console.replay.against.comparison import compared, survey
from console.replay.against.page import page_of
from console.replay.against.summary import summary_of
from console.replay.reading import read_at_once, records_in
from console.replay.replay import Replay, lines_of, replay_chunks
from console.replay.source import chunks_of, consents_added
from console.reports.verified import said_of, verified_of
from ingest.readers import Chunk, LineRejection

NICER: Final = 10
SHARES: Final = 200
"""It says how far it is at most so often."""
REJECTIONS_TOLD: Final = 100
"""Of events that are none, so many are named, the first; all are counted."""


def main() -> None:
    """Do one job."""
    os.nice(NICER)
    work: Work = msgspec.json.decode(sys.stdin.buffer.readline(), type=Work)
    out = Path(work.place.out)
    tempfile.tempdir = str(out)  # Who began this takes it away, however this ends.
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        summary = _done(work, out)
    except OperatorError as error:
        _say(JobLine(refusal=str(error)))
    else:
        (out / SUMMARY).write_bytes(orjson.dumps(msgspec.to_builtins(summary, str_keys=True)))


def _done(work: Work, out: Path) -> Any:
    """Do it; return what it came to."""
    match work:
        case Comparing():
            return _compare(work, out)
        case Reading():
            return _read(work, out)
        case Folding():
            return _fold(work, out)
        case Verifying():
            return _verify(work)


def _compare(work: Comparing, out: Path) -> Any:
    question = work.question()
    stretches = survey(question.data, question.key_file)
    total = sum(each.end - each.first for each in stretches)
    with compared(question, stretches, _telling(total)) as comparison:
        summary = summary_of(comparison.report)
        lines = (
            orjson.dumps(msgspec.to_builtins(each)) + b"\n" for each in comparison.differences()
        )
        _write_lines(out / DIFFERENCES, lines, work.bytes_max)
    (out / PAGE).write_text(page_of(summary), encoding="utf-8")
    return summary


def _read(work: Reading, out: Path) -> Any:
    """Read in this process alone: the shards need the other cores."""
    store, key_file = work.place.store, work.place.key
    telling = _telling(records_in(store, key_file))
    recorded, wall_s = read_at_once(store, work.until_ms, key_file, 1, telling)
    _write_lines(out / OUTCOMES, lines_of(recorded.outcomes.values()), work.bytes_max)
    return recorded.report(wall_s)


def _fold(work: Folding, out: Path) -> Any:
    path = out / EVENTS
    replay = Replay(work.source)
    chunks = chunks_of(path, "canonical", consent_all=work.consent_all)
    telling = _telling(path.read_bytes().count(b"\n"))
    rejections: list[LineRejection] = []
    rejected = 0

    def advance(chunk: Chunk) -> None:
        nonlocal rejected
        rejected += len(chunk.rejections)
        rejections.extend(chunk.rejections[: REJECTIONS_TOLD - len(rejections)])
        telling(len(chunk.events) + len(chunk.rejections))

    wall_s = replay_chunks(replay, chunks, advance)
    _write_lines(out / OUTCOMES, lines_of(replay.outcomes.values()), work.bytes_max)
    report = replay.report(rejected, wall_s, consents_added(chunks))
    return msgspec.structs.asdict(report) | {"rejections": rejections}


def _write_lines(path: Path, lines: Iterable[bytes], bytes_max: int) -> None:
    """Write them as `--out` does; where they are too much, the first, and say how many."""
    count = size = 0
    with path.open("wb") as file:
        for line in lines:
            size += len(line)
            if size > bytes_max:
                _say(JobLine(kept=count))
                return
            file.write(line)
            count += 1


def _verify(work: Verifying) -> Any:
    store, folder = work.place.store, work.place.folder
    if not isinstance(store, Path):
        counts = Counts()
        findings = list(verify_redis(store.redis, store.archive, folder, work.place.key, counts))
        return said_of(str(store), counts, findings)
    return verified_of(folder, work.place.key, _telling(bytes_to_read(folder)))


def _telling(total: float) -> Callable[[float], None]:
    """Return what is told of progress, `total` in all, and says it now and then."""
    done, said = 0.0, 0.0

    def advance(more: float) -> None:
        nonlocal done, said
        done += more
        if done - said >= total / SHARES:
            said = done
            _say(JobLine(share=min(done / (total or 1), 1.0)))

    return advance


def _say(line: JobLine) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1):  # Not the buffer: it would be locked at the end.
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
