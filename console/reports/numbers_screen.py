"""The command `anlass numbers`, and how numbers look to a person."""

from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from actors.errors import OperatorError
from console.moment import MOMENT_FORM, SPAN_FORM, moment_words, read_moment, read_span
from console.options import (
    ArchiveUrl,
    AsJson,
    Data,
    KeyFile,
    Keys,
    Redis,
    RedisCa,
    RedisPrefix,
    print_json,
    store_place,
)
from console.remote.client import Control, ControlClient, ControlKeyOption
from console.reports.cells import Cells, fitting
from console.reports.numbers import (
    BY_MS,
    Asked,
    Conversion,
    JourneyNumbers,
    NumbersReport,
    numbers_of,
)
from console.reports.standing import standing_words
from console.screen import console, errors
from engine.calendar.span import span_text
from engine.count_table import ENTERED, PASSED, Line
from engine.language.author import nearest
from engine.limits import NUMBERS_SERIES_MAX
from engine.notes import ENTERED_DRY, LEFT
from engine.numbers import OTHER

BARS: Final = " ▁▂▃▄▅▆▇█"
BARS_MAX: Final = 30
"""Columns of a course; of a longer one, some spans are put together."""
FIGURES: Final = {"entered", "wait", "passed"}
PLAIN: Final = (ENTERED, PASSED)
"""Kinds that the table has columns for."""


def numbers(  # noqa: PLR0913, PLR0917 - the options of a command
    journey: Annotated[
        str | None, typer.Argument(metavar="[JOURNEY]", help="Only this journey, with reasons.")
    ] = None,
    data: Data = Path("data"),
    since: Annotated[
        str, typer.Option(help="How long ago (7d, 2h), or a moment (2026-03-02T10:00), UTC.")
    ] = "",
    by: Annotated[str, typer.Option(help="Spans of the course: minute, hour or day.")] = "",
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    keys: Keys = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show how many visits and messages there are by journey and node, and conversions."""
    asked = asked_for(journey or "", since, by)
    place = store_place(data, redis, redis_prefix, redis_ca, archive, keys)
    if control:
        client, path = ControlClient(control, control_key), "/v1/numbers"
        query = {"journey": journey, "since": since, "by": by}
        report = client.ask("GET", path, NumbersReport, **query)
    else:
        report = uvloop.run(numbers_of(place, asked, key_file))
    for fault in report.faults:
        errors.print(Text(fault), soft_wrap=True)
    if journey is not None and not report.journeys:
        whole = uvloop.run(numbers_of(place, Asked(), key_file))
        known = [each.journey for each in whole.journeys]
        raise OperatorError(f"there is no journey {journey!r}; {nearest(journey, known)}")
    if json:
        print_json(report)
    else:
        show_numbers(report)


def asked_for(journey: str, since: str, by: str) -> Asked:
    """Read what somebody asks for. Raises OperatorError."""
    if by and by not in BY_MS:
        raise OperatorError(f"--by {by} is unknown; use {', '.join(BY_MS)}")
    if not since:
        return Asked(journey=journey, by=by)
    span, moment = read_span(since), read_moment(since, UTC)
    found = span or moment
    if found is None:
        raise OperatorError(
            f"--since {since!r} cannot be read; write {SPAN_FORM}, or {MOMENT_FORM}"
        )
    return Asked(journey=journey, since_ms=found.ms, is_span=span is not None, by=by)


def show_numbers(report: NumbersReport) -> None:
    """Print numbers: a table for each journey, and what is to be known of them."""
    console.print(Text(_head(report)), soft_wrap=True)
    if not report.journeys and (report.running or report.now_ms):
        console.print("No journey is in force, and none was.")
    for journey in report.journeys:
        console.print()
        if journey.journey == OTHER:
            console.print(Text(_beyond_words(journey)), soft_wrap=True)
            continue
        words = [f"{journey.total.counts.get(ENTERED, 0):,} entered"]
        words.append(f"{journey.total.waiting:,} wait")
        if dry := journey.total.counts.get(ENTERED_DRY, 0):
            words.insert(1, f"{dry:,} of them dry")
        how = standing_words(journey) if journey.in_force else "no longer there"
        how = f" ({how})" if how else ""
        console.print(Text(f"{journey.journey}{how}: {', '.join(words)}"), soft_wrap=True)
        if journey.conversion is not None:
            console.print(Text(conversion_words(journey.conversion)), soft_wrap=True)
        for table in node_tables(journey, report, console.width):
            console.print(table)


def node_tables(journey: JourneyNumbers, report: NumbersReport, width: int) -> list[Table]:
    """Return a table of a line a node; where it is too wide, several."""
    spans = _spans(report)
    rows = [_cells(line, sparkline(_course(line, spans)), report.by) for line in journey.nodes]
    if not rows:
        return []
    return [_table(shown, rows, width) for shown in fitting(list(rows[0]), rows, width)]


def _table(shown: list[str], rows: list[Cells], width: int) -> Table:
    """Return these columns; only one that is wider by itself is folded."""
    table = Table()
    for i, name in enumerate(shown):
        justify: JustifyMethod = "right" if name in FIGURES else "left"
        least = len(name) if i else max(len(row[name]) for row in rows)
        table.add_column(name, justify=justify, overflow="fold", min_width=min(least, width // 2))
    for row in rows:
        table.add_row(*[Text(row[name]) for name in shown])
    return table


def _cells(line: Line, course: str, by: str) -> Cells:
    counts = line.counts
    left = {kind.removeprefix(LEFT): n for kind, n in counts.items() if kind.startswith(LEFT)}
    others = {
        kind: n for kind, n in counts.items() if kind not in PLAIN and not kind.startswith(LEFT)
    }
    return {
        "node": line.node,
        "entered": f"{counts.get(ENTERED, 0):,}",
        "wait": f"{line.waiting:,}",
        "passed": f"{counts.get(PASSED, 0):,}",
        f"entered, by {by}": course,
        "left": _counts_words(left),
        "messages": _counts_words(others),
    }


def conversion_words(conversion: Conversion) -> str:
    """Return for a person what came of a journey's goal."""
    within = span_text(conversion.within_ms)
    text = f"{conversion.goal} within {within}: {conversion.converted:,}"
    if conversion.rate is not None:
        text += f" ({conversion.rate:.1%})"
    if not conversion.held_out:
        return text
    text += f"; held out {conversion.held_out:,}, of which {conversion.held_out_converted:,}"
    if conversion.held_out_rate is not None:
        text += f" ({conversion.held_out_rate:.1%})"
    return text if conversion.lift is None else f"{text}: lift {conversion.lift:+.0%}"


def sparkline(counts: list[int]) -> str:
    """Return a little bar for each count; the highest is full, and one of one is never empty."""
    top = max(counts, default=0)
    if not top:
        return ""
    steps = len(BARS) - 1
    return "".join(BARS[-(-max(count, 0) * steps // top)] for count in counts)


def _spans(report: NumbersReport) -> list[tuple[int, int]]:
    """Return from when to when each bar of a course is."""
    by_ms = BY_MS[report.by]
    count = (report.now_ms - report.course_from_ms) // by_ms + 1
    each_ms = by_ms * -(-count // BARS_MAX)
    starts_ms = range(report.course_from_ms, report.now_ms + 1, each_ms)
    return [(start_ms, start_ms + each_ms) for start_ms in starts_ms]


def _course(line: Line, spans: Iterable[tuple[int, int]]) -> list[int]:
    entered = {at_ms: counts.get(ENTERED, 0) for at_ms, counts in line.course.items()}
    return [
        sum(count for at_ms, count in entered.items() if start_ms <= at_ms < end_ms)
        for start_ms, end_ms in spans
    ]


def _counts_words(counts: dict[str, int]) -> str:
    return "\n".join(f"{count:,} {kind}" for kind, count in counts.items() if count)


def _beyond_words(journey: JourneyNumbers) -> str:
    count = journey.total.counts.get(OTHER, 0)
    text = (
        f"{count:,} more are counted together: some partition has {NUMBERS_SERIES_MAX:,} numbers,"
    )
    return f"{text} and keeps no further ones. Who waits is counted all the same."


def _head(report: NumbersReport) -> str:
    if not (report.running or report.now_ms):
        return "Nothing runs, and there is no snapshot yet: the first start takes them."
    when = moment_words(report.now_ms, UTC)
    where = "As of now" if report.running else "Nothing runs; as of the last snapshots"
    text = f"{where}, {when} UTC."
    if report.from_ms:
        text += f" From {moment_words(report.from_ms, UTC)} on."
    if report.since_ms > report.from_ms:
        began = moment_words(report.since_ms, UTC)
        text += f" Counting began {began} UTC: of before, nothing is known."
    return text
