"""Job: what takes long on a system elsewhere: begun there, waited for, and ended with us."""

import contextlib
import time
from typing import Any, Final, Literal

from msgspec import Struct
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from actors.errors import OperatorError
from console.remote.client import ControlClient, part
from console.screen import errors

LOOK_S: Final = 0.2

State = Literal["works", "done", "failed", "ended"]
What = Literal["replay", "outcomes", "verify", "events"]


class Job(Struct, kw_only=True):
    """What takes long, and how far it is."""

    id: str
    what: What
    state: State
    by: str
    begun_at_ms: int
    ended_at_ms: int | None = None
    progress: float = 0.0
    """From 0 to 1."""
    problem: str = ""
    """Why it failed."""
    summary: dict[str, Any] | None = None
    """What it came to, as `anlass replay --json` (`--against`, `--from-log`, `--events`) or
    `anlass verify --json` prints it, contacts as samples among it. Not in lists of jobs."""
    kept: int | None = None
    """How many of its differences or outcomes are kept, the first by time, if not all of them."""


def done_there(client: ControlClient, path: str, body: Any = None) -> Job:
    """Begin a job, and return it when it is done; one that is given up here is ended there.

    Raises OperatorError, also with what the job was refused for, and AuthorError.
    """
    job = client.ask("POST", path, Job, body)
    try:
        job = _awaited(client, job)
    except BaseException:
        with contextlib.suppress(OperatorError):
            client.raw("DELETE", job_path(job))
        raise
    if job.state == "done":
        return job
    text = f"job {job.id} was ended there; ask again"
    raise OperatorError(job.problem or text)


def job_path(job: Job) -> str:
    """Return where a job is asked about."""
    return f"/v1/jobs/{part(job.id)}"


def _awaited(client: ControlClient, job: Job) -> Job:
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    hidden = errors.quiet or not errors.is_terminal
    with Progress(*columns, console=errors, transient=True, disable=hidden) as bar:
        task = bar.add_task(job.what, total=1.0)
        while job.state == "works":
            bar.update(task, completed=job.progress)
            time.sleep(LOOK_S)
            job = client.ask("GET", job_path(job), Job)
    return job
