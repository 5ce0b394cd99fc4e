"""The process of one job: `-m console.control.comparing`. It compares, and says how far it is.

What it is to do comes as a line on stdin, which stays open: when it closes, nobody wants it any
more. It yields to all other processes: the shards and gateways share these cores.
"""

import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

import msgspec
import orjson

from actors.errors import OperatorError
from console.against.comparison import compared, survey
from console.against.page import page_of
from console.against.summary import summary_of
from console.control.jobs import JobLine, JobStart

NICER: Final = 10
SHARES: Final = 200
"""It says how far it is at most so often."""


def main() -> None:
    """Do one job."""
    os.nice(NICER)
    start = msgspec.json.decode(sys.stdin.buffer.readline(), type=JobStart)
    tempfile.tempdir = start.out  # Who began this takes it away, however this ends.
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        _compare(start)
    except OperatorError as error:
        _say(JobLine(refusal=str(error)))


def _compare(start: JobStart) -> None:
    question = start.question()
    stretches = survey(question.data, question.key_file)
    total = sum(each.end - each.first for each in stretches) or 1
    done, said = 0.0, 0.0

    def advance(records: float) -> None:
        nonlocal done, said
        done += records
        if done - said >= total / SHARES:
            said = done
            _say(JobLine(share=min(done / total, 1.0)))

    with compared(question, stretches, advance) as comparison:
        summary = summary_of(comparison.report)
    out = Path(start.out)
    (out / "summary.json").write_bytes(orjson.dumps(msgspec.to_builtins(summary)))
    (out / "page.html").write_text(page_of(summary), encoding="utf-8")


def _say(line: JobLine) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1):  # Not the buffer: it would be locked at the end.
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
