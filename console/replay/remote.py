"""Remote: what went out on a system elsewhere, and a draft compared with that."""

from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from actors.folder import checked_folder
from console.options import print_json
from console.remote.client import ControlClient, draft_of_folder
from console.remote.job import Job, done_there, job_path
from console.remote.media import HTML, LINES
from console.replay.against.command import Asked, limits_of
from console.replay.against.reign import read_states
from console.replay.against.summary import report_of
from console.replay.against.table import show_comparison
from console.replay.replay import ReplayReport, check_writable
from console.screen import errors


def compare_there(
    client: ControlClient, asked: Asked, out: Path | None, page: Path | None, *, json: bool
) -> bool:
    """Compare, show and write it as it is done here; say whether anything differs.

    Raises OperatorError, AuthorError.
    """
    limits, draft = limits_of(asked), checked_folder(asked.draft)
    body = {
        "draft": draft_of_folder(draft),
        "vary": asked.vary,
        "states": dict(read_states(asked.states, draft.source)),
        "from_ms": limits.from_ms,
        "until_ms": limits.until_ms,
        "within_ms": limits.within_ms,
    }
    for path in (out, page):
        if path is not None:
            check_writable(path)
    job = done_there(client, "/v1/replays", body)
    told: dict[str, Any] = job.summary or {}
    report = report_of(told)
    if out is not None:
        out.write_bytes(client.raw("GET", f"{job_path(job)}/differences", media=LINES))
        differences = sum(each.differences for each in report.variants)
        _say_what_is_kept(job, f"{differences:,} differences", "--from and --until")
    if page is not None:
        page.write_bytes(client.raw("GET", f"{job_path(job)}/page", media=HTML))
    if json:
        print_json(told)
    else:
        show_comparison(report)
    return any(each.differences for each in report.variants)


def read_there(client: ControlClient, until_ms: int, out: Path | None) -> ReplayReport:
    """Read what really went out there, as of a moment, and write it as it is written here.

    Raises OperatorError.
    """
    if out is not None:
        check_writable(out)
    job = done_there(client, "/v1/outcomes", {"until_ms": until_ms})
    report = msgspec.convert(job.summary, ReplayReport)
    if out is not None:
        out.write_bytes(client.raw("GET", f"{job_path(job)}/outcomes", media=LINES))
        count = sum(sum(counts.values()) for counts in report.outcomes.values())
        _say_what_is_kept(job, f"{count:,} outcomes", "--until")
    return report


def _say_what_is_kept(job: Job, all_of_it: str, options: str) -> None:
    if job.kept is not None:
        text = f"note: only the first {job.kept:,} of {all_of_it} are kept there"
        errors.print(Text(f"{text}; ask for less with {options}"), soft_wrap=True)
