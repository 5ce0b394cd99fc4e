"""Diff screen: what a draft changes, as a person reads it."""

from rich.table import Table
from rich.text import Text

from console.journeys.alteration import Alteration, words
from console.journeys.diff import TEST, Diff, EntryLine, JourneyLine, NodeLine
from console.screen import console


def show_diff(diff: Diff) -> None:
    """Print it."""
    for line in diff.journeys:
        console.print(Text(_headline(line)), soft_wrap=True)
        _show_fields("", line.fields, line.fields_left)
        if line.visits:
            console.print(_table(line))
    for what, names in (
        ("settings", diff.settings),
        ("templates", diff.templates),
        ("segments", diff.segments),
    ):
        if names:
            console.print(Text(f"{what} changed: {', '.join(names)}"), soft_wrap=True)
    for each in diff.documents:
        _show_fields(f"{each.name}: ", each.fields, each.left)
    for said in entries_words(diff):
        console.print(Text(said), soft_wrap=True)
    if diff.empty:
        console.print("Nothing differs from what is in force.")


def _show_fields(of: str, fields: list[Alteration], left: int) -> None:
    for each in fields:
        console.print(Text(f"  {of}{words(each)}"), soft_wrap=True)
    if left:
        console.print(Text(f"  {of}{left:,} fields more"), soft_wrap=True)


def entries_words(diff: Diff) -> list[str]:
    """Say who would have entered which journey, and what of that is not known."""
    said = [entry_words(entry, diff.days) for entry in diff.entries]
    if diff.days and not said and not diff.entries_note:
        said.append(f"Nobody more, and nobody fewer, would have entered in {_last(diff.days)}.")
    return [*said, diff.entries_note] if diff.entries_note else said


def entry_words(line: EntryLine, days: int) -> str:
    """Say who would have entered: `hello: 1,204 more would have entered in the last 7 days`."""
    parts = [
        f"{count:,} {word}" for count, word in ((line.more, "more"), (line.fewer, "fewer")) if count
    ]
    return f"{line.journey}: {' and '.join(parts)} would have entered in {_last(days)}"


def _last(days: int) -> str:
    return "the last day" if days == 1 else f"the last {days} days"


def sentence(line: NodeLine) -> str:
    """Say what becomes of the visits at a node: `412 wait at W2: 380 keep, 32 fire now`."""
    moved = [f"{count:,} -> {to}" for to, count in sorted(line.to.items())]
    parts = [
        f"{count:,} {words}"
        for count, words in (
            (line.keeps, "keep"),
            (line.later, "later"),
            (line.sooner, "sooner"),
            (line.fires, "fire now"),
            (line.ends, "end"),
        )
        if count
    ]
    return f"{line.waiting:,} wait at {line.node}: {', '.join([*parts, *moved])}"


def _headline(line: JourneyLine) -> str:
    number = f", version {line.number}" if line.number else ""
    flight = f", visits in flight: {line.in_flight}" if line.in_flight else ""
    nodes = [*(f"+{each}" for each in line.nodes_new), *(f"-{each}" for each in line.nodes_gone)]
    queued = f"; {line.queued:,} entries wait" if line.queued else ""
    mode = f", {line.mode_was} → {line.mode}" if line.mode_was and line.mode else ""
    if line.mode_was == line.mode or not mode:
        mode = ", in test mode" if line.mode == TEST else ""
    said = f"{line.journey}: {line.change}{number}{mode}{flight}{queued}"
    return f"{said}; nodes {' '.join(nodes)}" if nodes else said


def _table(line: JourneyLine) -> Table:
    table = Table()
    table.add_column("node")
    for column in ("waiting", "keep", "later", "sooner", "fire now", "end"):
        table.add_column(column, justify="right")
    table.add_column("go to")
    for each in line.visits:
        counts = (each.waiting, each.keeps, each.later, each.sooner, each.fires, each.ends)
        moved = ", ".join(f"{to} {count:,}" for to, count in sorted(each.to.items()))
        table.add_row(Text(each.node), *[f"{count:,}" for count in counts], Text(moved))
    return table
