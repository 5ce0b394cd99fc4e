"""Screen: how results look to a person: tables, bars, messages."""

import shlex
import sys
from collections.abc import Iterable
from typing import Final

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from console.demo import DemoReport
from console.replay import ReplayReport
from engine.decision import OUTCOMES
from ingest.readers import LineRejection

NAME: Final = "anlass"
"""Of the command."""

console = Console()
errors = Console(stderr=True)


def be_quiet() -> None:
    """Show no bars in this process: several threads would, and nobody looks."""
    errors.quiet = True


def progress_bar(unit: str = "events") -> Progress:
    """Return a bar for events, or another unit, with their rate.

    On standard error, so that results can be piped; it is quiet where that is no terminal.
    """
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>9,.0f} " + unit + "/s"),
        console=errors,
        transient=True,
        disable=errors.quiet or not errors.is_terminal,
    )


def size_words(size: float) -> str:
    """Return bytes for a person, three digits of them."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def show_rejections(file: str, rejections: Iterable[LineRejection]) -> None:
    """Print, a line each, what of a file is no event, and why."""
    for each in rejections:
        where = f"{file}, line {each.line}: {each.error}"
        errors.print(f"{where} - at `{each.path}`", soft_wrap=True, markup=False)


def show_demo(report: DemoReport, file: str) -> None:
    """Print what a demo of a file came to."""
    show_rejections(file, report.rejections)
    events = _pairs(
        ("events sent", f"{report.events:,}"),
        ("accepted", f"{report.accepted:,}"),
        ("repeated", f"{report.repeated:,}"),
        ("refused", f"{report.rejected:,}"),
        ("contacts", f"{report.contacts:,}"),
        ("sessions ended", f"{report.sessions:,}"),
    )
    if report.failed:
        events.add_row("failed", f"{report.failed:,}  (anlass failed --data {report.folder})")
    speed = _pairs(
        ("events/s, durable", f"{report.events_per_s:,.0f}"),
        ("decision p50", f"{report.decision_us['p50']:.1f} µs"),
        ("decision p99", f"{report.decision_us['p99']:.1f} µs"),
        ("decision p99.9", f"{report.decision_us['p999']:.1f} µs"),
        ("ack p50 / p99", f"{report.ack_ms['p50']:.1f} / {report.ack_ms['p99']:.1f} ms a batch"),
        ("log", f"{report.log_bytes / 1e6:.1f} MB in {report.commits:,} commits"),
    )
    console.print()
    console.print(
        Columns([Panel(events, title="Events"), Panel(speed, title="Speed and durability")])
    )
    console.print(outcome_table(report.outcomes))
    for message in report.messages:
        console.print(_message(message))
    console.print(Text("Where to look next", style="bold"))
    places = _where_next(report)
    width = max(len(place) for place, _ in places)
    for place, what in places:
        console.print(Text(f"  {place:<{width}}   {what}"), soft_wrap=True)


def _where_next(report: DemoReport) -> list[tuple[str, str]]:
    """Return files, and commands that can be typed as they stand, each with what it shows."""
    said = sys.argv[0]
    command = said if said.endswith(f"/{NAME}") else NAME
    places = []
    for message in report.messages[:1]:
        asked = [command, "explain", message["contact"], "--data", report.folder]
        places = [
            (f"{report.folder}/messages.jsonl", "every message, as its channel got it"),
            (shlex.join(asked), "why the first of these was sent"),
        ]
    return [
        *places,
        (f"{report.folder}/outcomes.jsonl", "every visit: sent, or why not"),
        ("examples/journeys/", "the journeys, as a marketer writes them"),
        (f"{command} replay --help", "the same in one process, on a file of yours"),
        (f"{command} run --help", "start it to stay"),
    ]


def show_replay(report: ReplayReport, title: str = "Replay") -> None:
    """Print what a replay came to."""
    rows = [
        ("events", f"{report.events:,}"),
        ("repeated", f"{report.repeated:,}"),
        ("rejected", f"{report.rejected:,}"),
        ("contacts", f"{report.contacts:,}"),
    ]
    if report.sessions is not None:
        rows.append(("sessions ended", f"{report.sessions:,}"))
    rows.append(("events/s", f"{report.events_per_s:,.0f}"))
    if report.decision_us:
        times = " / ".join(f"{each:.1f}" for each in report.decision_us.values())
        rows.append(("decision p50 / p99 / p99.9", f"{times} µs"))
    console.print(Panel.fit(_pairs(*rows), title=title))
    if report.failed:
        console.print(f"{report.failed:,} events failed in the fold", style="red")
    console.print(outcome_table(report.outcomes))


def outcome_table(outcomes: dict[str, dict[str, int]]) -> Table:
    """Return a table of journeys and what came of their visits."""
    kinds = [kind for kind in OUTCOMES if any(kind in counts for counts in outcomes.values())]
    table = Table(title="Messages by journey and outcome", title_justify="left")
    table.add_column("journey")
    for kind in kinds:
        table.add_column(kind.replace("_", " "), justify="right")
    for journey, counts in outcomes.items():
        table.add_row(journey, *[f"{counts.get(kind, 0):,}" for kind in kinds])
    if not outcomes:
        table.add_row("no visit came to an end")
    return table


def _pairs(*rows: tuple[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, value)
    return table


def _message(message: dict[str, str]) -> RenderableType:
    head = Text.assemble(
        ("To       ", "dim"),
        message["to"] or message["contact"],
        ("\nSubject  ", "dim"),
        (message["subject"], "bold"),
    )
    body = Text("\n" + message["body"].strip())
    return Panel(Group(head, body), title=f"{message['journey']} · {message['channel']}", width=76)
