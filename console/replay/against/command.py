"""The part of `anlass replay` that compares a log with drafts: `--against`."""

import os
import time
from pathlib import Path

import msgspec
import orjson
from msgspec import Struct

from actors.errors import OperatorError
from actors.folder import checked_folder
from actors.kept.kept import StorePlace
from console.options import print_json
from console.replay.against.comparison import Comparison, Question, compared, survey
from console.replay.against.page import page_of
from console.replay.against.reign import read_states
from console.replay.against.summary import summary_of
from console.replay.against.sweep import variants_of
from console.replay.against.table import show_comparison
from console.replay.recorded import moment_ms
from console.replay.replay import check_writable
from console.screen import progress_bar
from engine.calendar.span import SPAN_FORM, span_ms
from engine.limits import FAR_MS

SMALL_RECORDS = 20_000
"""So few are folded before another process has started."""


class Asked(Struct):
    """What is to be compared, as the options say it."""

    data: StorePlace
    """Of a system elsewhere nobody looks at it."""
    draft: Path
    key_file: Path | None
    vary: list[str]
    states: list[str]
    since: str
    until: str
    within: str
    processes: int


def compare(asked: Asked, out: Path | None, page: Path | None, *, json: bool) -> bool:
    """Compare, show and write it; say whether anything differs.

    Raises OperatorError, AuthorError, LogCorruptError.
    """
    question = _question(asked)
    stretches = survey(asked.data, asked.key_file)
    total = sum(each.end - each.first for each in stretches)
    if total < SMALL_RECORDS:
        question.processes = 1
    for path in (out, page):
        if path is not None:
            check_writable(path)
    with progress_bar() as bar:
        task = bar.add_task("records", total=total, rate=0.0)
        began = time.perf_counter()

        def advance(records: float) -> None:
            done = bar.tasks[0].completed + records
            bar.update(task, completed=done, rate=done / (time.perf_counter() - began))

        with compared(question, stretches, advance) as comparison:
            bar.stop()
            _tell(comparison, out, page, json=json)
    return any(sums.differences for sums in comparison.report.variants)


class Limits(Struct):
    """Of what is to be compared, what the options say in words."""

    from_ms: int
    until_ms: int
    within_ms: int


def limits_of(asked: Asked) -> Limits:
    """Read the options that are moments and spans. Raises OperatorError."""
    within_ms = span_ms(asked.within)
    if within_ms is None:
        raise OperatorError(f"--within {asked.within!r} is no span; write {SPAN_FORM}")
    from_ms = moment_ms(asked.since, "--from") if asked.since else 0
    until_ms = moment_ms(asked.until, "--until") if asked.until else FAR_MS
    if from_ms > until_ms:
        raise OperatorError(f"--from {asked.since} is after --until {asked.until}; swap them")
    return Limits(from_ms, until_ms, within_ms)


def _question(asked: Asked) -> Question:
    """Read the options. Raises OperatorError, AuthorError."""
    limits, draft = limits_of(asked), checked_folder(asked.draft)
    return Question(
        data=asked.data,
        key_file=asked.key_file,
        variants=variants_of(draft, asked.vary),
        states=read_states(asked.states, draft.source),
        from_ms=limits.from_ms,
        until_ms=limits.until_ms,
        within_ms=limits.within_ms,
        processes=asked.processes or os.cpu_count() or 1,
    )


def _tell(comparison: Comparison, out: Path | None, page: Path | None, *, json: bool) -> None:
    report = comparison.report
    if out is not None:
        with out.open("wb") as file:
            for each in comparison.differences():
                file.write(orjson.dumps(msgspec.to_builtins(each)) + b"\n")
    if page is not None:
        page.write_text(page_of(summary_of(report)), encoding="utf-8")
    if json:
        print_json(summary_of(report))
    else:
        show_comparison(report)
