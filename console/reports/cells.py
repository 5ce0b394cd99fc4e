"""Cells: what stands in the tables of a status, for a person; `-` where a figure is not known."""

from collections.abc import Iterable
from typing import Final

from console.reports.cluster_status import SlotLine
from console.reports.status import ShardLine
from console.screen import size_words
from engine.calendar.span import span_words

NOT_KNOWN: Final = "-"

BESIDE: Final = 3
"""Columns on the screen that a cell takes beside its text: a border and two spaces."""

Cells = dict[str, str]
"""A row: column -> cell."""


def number_cell(value: float | None) -> str:
    """Return a number without decimals."""
    return NOT_KNOWN if value is None else f"{value:,.0f}"


def size_cell(value: int | None) -> str:
    """Return a number of bytes."""
    return NOT_KNOWN if value is None else size_words(value)


def late_cell(late_ms: int | None) -> str:
    """Return how late timers are."""
    return NOT_KNOWN if late_ms is None else span_words(late_ms)


def load_cells(line: ShardLine | SlotLine) -> Cells:
    """Return what a shard, or a slot of a cluster, holds and has to do."""
    return {
        "partitions": str(line.partitions),
        "contacts": number_cell(line.contacts),
        "position": number_cell(line.position),
        "events/s": number_cell(line.events_per_s),
        "not durable": number_cell(line.uncommitted),
        "queued": number_cell(line.queue),
        "timers late": late_cell(line.timers_late_ms),
        "outbox": number_cell(line.outbox),
        "log": size_words(line.log_bytes),
        "snapshots": size_words(line.snapshot_bytes),
        "archive": size_cell(line.archive_bytes),
    }


def fitting(columns: list[str], rows: Iterable[Cells], width: int) -> list[list[str]]:
    """Part columns so that tables of them fit in a width, none cut; the first is in each."""
    rows = list(rows)
    first, *others = columns
    own = {
        name: BESIDE + max(len(line) for row in rows for line in (name, *row[name].split("\n")))
        for name in columns
    }
    groups: list[list[str]] = [[first]]
    for name in others:
        if len(groups[-1]) > 1 and 1 + sum(own[each] for each in [*groups[-1], name]) > width:
            groups.append([first])
        groups[-1].append(name)
    return groups


def known_columns(rows: Iterable[Cells]) -> list[str]:
    """Return the columns of which something is known, in order; all rows have the same."""
    rows = list(rows)
    return [name for name in rows[0] if any(row[name] != NOT_KNOWN for row in rows)]
