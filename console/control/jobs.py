"""Jobs: comparisons of drafts with the log, each in a process of its own, one at a time."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from actors.clock import WallClock
from actors.kept.kept import RedisPlace
from actors.settings import RedisSettings
from console.against.comparison import Question, Variant
from console.control.faults import fault_of, refused
from engine.limits import FAR_MS

KEPT_MAX: Final = 8
"""Jobs that are remembered, with what they came to."""
JOB_S_MAX: Final = 3_600.0
RESULT_BYTES_MAX: Final = 64 << 20

State = Literal["works", "done", "failed", "ended"]


class JobStart(Struct, kw_only=True):
    """What the process of a job needs to know."""

    data: str
    key_file: str
    redis: RedisSettings | None = None
    archive: str = ""
    variants: list[Variant]
    from_ms: int
    until_ms: int
    within_ms: int
    out: str
    """Folder to write into: `summary.json` and `page.html`."""

    def question(self) -> Question:
        """Return what is to be compared; one process for it: the shards need the others."""
        data = Path(self.data)
        place = (
            data
            if self.redis is None
            else RedisPlace(redis=self.redis, archive=self.archive, data=data)
        )
        return Question(
            data=place,
            key_file=Path(self.key_file) if self.key_file else None,
            variants=self.variants,
            from_ms=self.from_ms,
            until_ms=self.until_ms or FAR_MS,
            within_ms=self.within_ms,
            processes=1,
        )


class JobLine(Struct):
    """What the process of a job says, a line of JSON each."""

    share: float = 0.0
    refusal: str = ""


class Job(Struct, kw_only=True):
    """One comparison, and how far it is."""

    id: str
    state: State
    by: str
    begun_at_ms: int
    ended_at_ms: int | None = None
    progress: float = 0.0
    """From 0 to 1."""
    problem: str = ""
    """Why it failed."""
    summary: dict[str, Any] | None = None
    """What it came to, as `anlass replay --against --json` prints it, contacts as samples among it.
    Not in lists of jobs."""


class Jobs:
    """All jobs of this process; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._pages: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._works = ""
        self._number = 0

    def begin(self, by: str, start: Callable[[str], JobStart]) -> Job:
        """Begin one; `start` is told the folder for its results. Raises RefusedError: one works."""
        with self._lock:
            if self._works:
                text = f"job {self._works} works still; wait for its end, or end it"
                raise refused(HTTPStatus.CONFLICT, text)
            self._number += 1
            id = f"{self._number}-{os.urandom(6).hex()}"
            job = Job(id=id, state="works", by=by, begun_at_ms=WallClock().read())
            self._jobs[id], self._works = job, id
            for old in list(self._jobs)[:-KEPT_MAX]:
                del self._jobs[old]
                self._pages.pop(old, None)
        threading.Thread(target=self._see_through, args=[job, start], daemon=True).start()
        return job

    def all(self) -> list[Job]:
        """Return all that are remembered, the latest first, without what they came to."""
        with self._lock:
            found = list(self._jobs.values())[::-1]
            return [msgspec.structs.replace(each, summary=None) for each in found]

    def get(self, id: str) -> Job | None:
        """Return one."""
        with self._lock:
            return self._jobs.get(id)

    def page(self, id: str) -> str | None:
        """Return the page of one that is done."""
        with self._lock:
            return self._pages.get(id)

    def end(self, id: str) -> None:
        """End one that works."""
        with self._lock:
            job = self._jobs.get(id)
            if job is None or job.state != "works":
                return
            job.state = "ended"
            if self._process is not None:
                self._process.kill()

    def forget(self) -> None:
        """Forget all results, and end what works: a contact was erased, and they may name it."""
        self.end(self._works)
        with self._lock:
            self._jobs = {id: each for id, each in self._jobs.items() if id == self._works}
            self._pages.clear()

    def close(self) -> None:
        """End what works."""
        self.end(self._works)

    def _see_through(self, job: Job, start: Callable[[str], JobStart]) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="anlass-job-") as folder:
                problem = self._work(job, start(folder))
                summary, page = ({}, "") if problem else _results(Path(folder))
        except Exception as error:  # noqa: BLE001 - whatever it was, who asks is told
            problem, summary, page = str(error) or type(error).__name__, {}, ""
        with self._lock:
            self._works, self._process = "", None
            job.ended_at_ms = WallClock().read()
            if job.state == "ended":
                return
            job.state, job.problem = ("failed", problem) if problem else ("done", "")
            if not problem:
                job.progress, job.summary = 1.0, summary
                self._pages[job.id] = page

    def _work(self, job: Job, start: JobStart) -> str:
        """Let a process do it; return why it could not."""
        process = subprocess.Popen(
            [sys.executable, "-m", "console.control.comparing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with self._lock:
            self._process = process
            if job.state == "ended":
                process.kill()
        timer = threading.Timer(JOB_S_MAX, process.kill)
        timer.start()
        refusal = ""
        try:
            with process:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(msgspec.json.encode(start) + b"\n")
                process.stdin.flush()  # It stays open: the process ends when this end closes.
                for text in process.stdout:
                    line = msgspec.json.decode(text, type=JobLine)
                    job.progress = max(job.progress, line.share)
                    refusal = line.refusal or refusal
        finally:
            timer.cancel()
        if refusal or process.returncode == 0:
            return refusal
        return f"its process ended with {process.returncode}; maybe for lack of memory or time"


def _results(folder: Path) -> tuple[dict[str, Any], str]:
    summary, page = folder / "summary.json", folder / "page.html"
    for path in (summary, page):
        if path.stat().st_size > RESULT_BYTES_MAX:
            raise ValueError(f"{path.name} is larger than {RESULT_BYTES_MAX >> 20} MiB; ask less")
    return msgspec.json.decode(summary.read_bytes()), page.read_text(encoding="utf-8")


def failed_words(job: Job) -> str:
    """Say why a job has no page."""
    return fault_of(job.problem).problem if job.problem else f"it is not done: it {job.state}"
