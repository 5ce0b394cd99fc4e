"""Replay screen: what a replay came to, as a person reads it."""

from rich.panel import Panel
from rich.table import Table

from console.replay.replay import ReplayReport
from console.screen import console, pairs
from engine.decision import OUTCOMES


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
    console.print(Panel.fit(pairs(*rows), title=title))
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
