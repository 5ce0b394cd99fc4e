"""Table: a comparison for a terminal: what each draft sends more and less, and why."""

from datetime import UTC, datetime
from typing import Final

from rich.markup import escape
from rich.table import Table

from console.replay.against.comparison import Report
from console.replay.against.pairing import MOVED, ONLY_DRAFT, ONLY_REAL, REASONS, SAME
from console.replay.against.sums import Sums
from console.screen import console
from engine.decision import OUTCOMES

REASONS_SHOWN: Final = 8
TOLD_MAX: Final = 3
"""Variants told journey by journey; of more, see --json or --html."""
COUNTED: Final = ("went out", "draft", "change", "same", "moved", "more", "not sent")
KIND_WORDS: Final = {ONLY_REAL: "not sent", ONLY_DRAFT: "more", MOVED: "moved"}


def show_comparison(report: Report) -> None:
    """Print what a comparison came to."""
    console.print(head_of(report), highlight=False)
    for note in notes_of(report):
        console.print(f"note: {note}", style="yellow", highlight=False, soft_wrap=True)
    if len(report.variants) > 1:
        console.print(_overview(report))
    for sums in report.variants if len(report.variants) <= TOLD_MAX else ():
        console.print(_by_journey(sums))
        console.print(
            _by_reason(sums) if sums.differences else "Nothing would have been different."
        )


def head_of(report: Report) -> str:
    """Return what was compared, in a line."""
    span = f"{moment_text(report.from_ms)} to {moment_text(report.until_ms)}"
    return f"{report.events:,} events, {span} UTC; {report.events_per_s:,} events/s"


def notes_of(report: Report) -> list[str]:
    """Return what the reader must know to trust the numbers."""
    notes = []
    if report.answers_from_ms:
        notes.append(
            "the archive does not reach back to the beginning: it can answer from "
            f"{moment_text(report.answers_from_ms)} UTC on"
        )
    if report.refolded_otherwise:
        notes.append(
            f"{report.refolded_otherwise:,} outcomes come otherwise in this version of Anlass than "
            "the log recorded, drafts apart: as many differences may come from that"
        )
    if report.run_on:
        notes.append(
            f"{report.run_on:,} outcomes are behind the last record: what really was in force "
            "would have come to them without further events"
        )
    if report.halted:
        notes.append(
            f"{', '.join(report.halted)}: paused or ended for a time, and so in the draft as well; "
            "to ask without that: --state JOURNEY=live"
        )
    return notes + [
        f"{sums.variant}: {sums.faults:,} inputs or timers failed in its fold"
        for sums in report.variants
        if sums.faults
    ]


def moment_text(ms: int) -> str:
    """Return a moment for a person, in UTC, to the minute."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}"


def reason_words(why: str, reason: str) -> str:
    """Return in words why a message is not there, or not then."""
    text = why.replace("_", " ")
    if reason:
        return f"{text}: {reason}"
    return f"{text}: {REASONS.get(why) or OUTCOMES.get(why, '')}".rstrip(": ")


def _overview(report: Report) -> Table:
    went_out = report.variants[0].total("real")
    title = f"All journeys: {went_out:,} messages went out"
    table = Table(title=title, title_justify="left")
    table.add_column("variant", overflow="fold")
    for name in (*COUNTED, "contacts"):
        table.add_column(name, justify="right")
    for sums in report.variants:
        contacts = f"{sums.contacts.get('draft', 0):,}"
        table.add_row(escape(sums.variant), *_counts(sums.total), contacts)
    return table


def _by_journey(sums: Sums) -> Table:
    title = escape(f"{sums.variant}: messages by journey")
    table = Table(title=title, title_justify="left")
    table.add_column("journey", overflow="fold")
    for name in COUNTED:
        table.add_column(name, justify="right")
    table.add_column("still waiting", justify="right")
    for journey, counts in sums.journeys.items():
        waiting = f"{counts.get('waiting_real', 0):,} → {counts.get('waiting_draft', 0):,}"
        table.add_row(journey, *_counts(lambda name, of=counts: of.get(name, 0)), waiting)
    if not sums.journeys:
        table.add_row("no message and no visit")
    return table


def _by_reason(sums: Sums) -> Table:
    table = Table(title=escape(f"{sums.variant}: why"), title_justify="left")
    table.add_column("messages", justify="right")
    table.add_column("difference")
    table.add_column("journey", overflow="fold")
    table.add_column("why", overflow="fold")
    for reason, count in sums.reasons[:REASONS_SHOWN]:
        words = reason_words(reason.why, reason.reason)
        table.add_row(f"{count:,}", KIND_WORDS[reason.kind], reason.journey, escape(words))
    left = sum(count for _, count in sums.reasons[REASONS_SHOWN:])
    if left:
        table.add_row(f"{left:,}", "", "", "for other reasons: see --json")
    return table


def _counts(of: object) -> list[str]:
    """Return the cells under COUNTED."""
    assert callable(of)
    real, draft = of("real"), of("draft")
    kinds = [f"{of(kind):,}" for kind in (SAME, MOVED, ONLY_DRAFT, ONLY_REAL)]
    return [f"{real:,}", f"{draft:,}", f"{draft - real:+,}" if draft != real else "0", *kinds]
