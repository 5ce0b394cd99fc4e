"""Demo screen: what a demo came to, as a person reads it."""

import shlex
import sys

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from console.replay.screen import outcome_table
from console.screen import NAME, console, pairs, show_rejections
from console.system.demo import DemoReport


def show_demo(report: DemoReport, file: str) -> None:
    """Print what a demo of a file came to."""
    show_rejections(file, report.rejections)
    events = pairs(
        ("events sent", f"{report.events:,}"),
        ("accepted", f"{report.accepted:,}"),
        ("repeated", f"{report.repeated:,}"),
        ("refused", f"{report.rejected:,}"),
        ("contacts", f"{report.contacts:,}"),
        ("sessions ended", f"{report.sessions:,}"),
    )
    if report.failed:
        events.add_row("failed", f"{report.failed:,}  (anlass failed --data {report.folder})")
    speed = pairs(
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


def _message(message: dict[str, str]) -> RenderableType:
    head = Text.assemble(
        ("To       ", "dim"),
        message["to"] or message["contact"],
        ("\nSubject  ", "dim"),
        (message["subject"], "bold"),
    )
    body = Text("\n" + message["body"].strip())
    return Panel(Group(head, body), title=f"{message['journey']} · {message['channel']}", width=76)
