"""Entrants: who would have entered journeys as a draft has them, and as those in force do."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from actors.errors import OperatorError
from actors.kept.kept import StorePlace
from console.journeys.diff import EntryLine
from console.replay.against.comparison import Question, Stretch, Variant, compared, survey
from console.replay.against.entries import FEWER, MORE
from console.reports.events import moment_words
from console.screen import progress_bar
from engine.fold.succession import source_of
from engine.language.journey import Publication
from engine.limits import FAR_MS

CREW_FROM: Final = 100_000
"""Records from which on it is worth to start processes for them."""


class Lookback(Struct, kw_only=True):
    """Where to look, how far back and for how long."""

    data: StorePlace
    key_file: Path | None = None
    from_ms: int
    most_s: float = float("inf")
    """Where it takes longer, it is not said who would have entered."""


class Entrants(Struct, kw_only=True):
    """What was found."""

    lines: list[EntryLine] = []
    note: str = ""
    """What they do not tell, and why."""


class _TooLongError(Exception):
    """It takes too long."""


def entrants_of(lookback: Lookback, before: Publication, draft: Publication) -> Entrants:
    """Fold the log with a draft and with what is in force now, and say who entered only one.

    Both are in force from the beginning of the span on, whatever was then: a journey that was
    published in between has the entries that it would have had. The log is read as it is; what a
    running system adds meanwhile is not.
    """
    sources = [source_of(replace(each, versions=UNSET)) for each in (before, draft)]
    try:
        stretches = survey(lookback.data, lookback.key_file)
        return _compared(lookback, sources, stretches)
    except _TooLongError:
        text = f"to see who would have entered takes longer than {lookback.most_s:.0f} s"
        return Entrants(note=f"{text}; `anlass diff` takes its time")
    except OperatorError as error:  # It says nothing of the draft, which may be published.
        return Entrants(note=f"who would have entered cannot be seen: {error}")


def _compared(lookback: Lookback, sources: list[bytes], stretches: list[Stretch]) -> Entrants:
    total = sum(each.end - each.first for each in stretches)
    question = Question(
        data=lookback.data,
        key_file=lookback.key_file,
        variants=[Variant("in force", sources[0]), Variant("draft", sources[1])],
        entries_against=1,
        from_ms=lookback.from_ms,
        processes=(os.cpu_count() or 1) if total >= CREW_FROM else 1,
    )
    with progress_bar() as bar:
        task = bar.add_task("entries", total=total, rate=0.0)
        advance = _until(lookback.most_s, lambda records: bar.advance(task, records))
        with compared(question, stretches, advance) as comparison:
            report = comparison.report
    lines = [
        EntryLine(journey=journey, more=counts.get(MORE, 0), fewer=counts.get(FEWER, 0))
        for journey, counts in sorted(report.variants[1].journeys.items())
    ]
    note = ""
    if lookback.from_ms < report.answers_from_ms < FAR_MS:
        note = (
            f"the log tells who would have entered from {moment_words(report.answers_from_ms)} on"
        )
    return Entrants(lines=[each for each in lines if each.more or each.fewer], note=note)


def _until(most_s: float, progress: Callable[[float], None]) -> Callable[[float], None]:
    end_s = time.monotonic() + most_s

    def advance(records: float) -> None:
        if time.monotonic() > end_s:
            raise _TooLongError
        progress(records)

    return advance
