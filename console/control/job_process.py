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
from console.against.comparison import compared, survey
from console.against.page import page_of
from console.against.pairing import Difference
from console.against.summary import summary_of
from console.control.work import (
    DIFFERENCES,
    PAGE,
    SUMMARY,
    Comparing,
    JobLine,
    Verifying,
    Work,
)
from console.verified import said_of, verified_of

NICER: Final = 10
SHARES: Final = 200
"""It says how far it is at most so often."""


def main() -> None:
    """Do one job."""
    os.nice(NICER)
    work: Work = msgspec.json.decode(sys.stdin.buffer.readline(), type=Work)
    out = Path(work.place.out)
    tempfile.tempdir = str(out)  # Who began this takes it away, however this ends.
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        summary = _compare(work, out) if isinstance(work, Comparing) else _verify(work)
    except OperatorError as error:
        _say(JobLine(refusal=str(error)))
    else:
        (out / SUMMARY).write_bytes(orjson.dumps(msgspec.to_builtins(summary, str_keys=True)))


def _compare(work: Comparing, out: Path) -> Any:
    question = work.question()
    stretches = survey(question.data, question.key_file)
    total = sum(each.end - each.first for each in stretches)
    with compared(question, stretches, _telling(total)) as comparison:
        summary = summary_of(comparison.report)
        _write_differences(out / DIFFERENCES, comparison.differences(), work.bytes_max)
    (out / PAGE).write_text(page_of(summary), encoding="utf-8")
    return summary


def _write_differences(path: Path, differences: Iterable[Difference], bytes_max: int) -> None:
    """Write them as `--out` does; where they are too much, the first, and say how many."""
    count = size = 0
    with path.open("wb") as file:
        for each in differences:
            line = orjson.dumps(msgspec.to_builtins(each)) + b"\n"
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
