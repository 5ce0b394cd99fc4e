"""Jobs: what takes long, such as comparing drafts with the log: a process each, one at a time."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from actors.clock import WallClock
from console.control.faults import fault_of, refused
from console.control.work import (
    DIFFERENCES,
    OUTCOMES,
    PAGE,
    RESULT_BYTES_MAX,
    SUMMARY,
    JobLine,
    Work,
)
from console.remote.job import Job, What

KEPT_MAX: Final = 8
"""Jobs that are remembered, with what they came to."""
JOB_S_MAX: Final = 3_600.0


class Jobs:
    """All jobs of this process; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._files: dict[str, dict[str, bytes]] = {}
        """By job and name, compressed."""
        self._process: subprocess.Popen[bytes] | None = None
        self._works = ""
        self._number = 0

    def begin(self, by: str, what: What, start: Callable[[str], Work]) -> Job:
        """Begin one; `start` is told the folder for its results. Raises RefusedError: one works."""
        with self._lock:
            if self._works:
                text = f"job {self._works} works still; wait for its end, or end it"
                raise refused(HTTPStatus.CONFLICT, text)
            self._number += 1
            id = f"{self._number}-{os.urandom(6).hex()}"
            job = Job(id=id, what=what, state="works", by=by, begun_at_ms=WallClock().read())
            self._jobs[id], self._works = job, id
            for old in list(self._jobs)[:-KEPT_MAX]:
                del self._jobs[old]
                self._files.pop(old, None)
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

    def file(self, id: str, name: str) -> bytes | None:
        """Return a file that one left which is done, if it left it."""
        with self._lock:
            data = self._files.get(id, {}).get(name)
        return None if data is None else zstandard.decompress(data)

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
            self._files.clear()

    def close(self) -> None:
        """End what works."""
        self.end(self._works)

    def _see_through(self, job: Job, start: Callable[[str], Work]) -> None:
        summary: dict[str, Any] = {}
        files: dict[str, bytes] = {}
        try:
            with tempfile.TemporaryDirectory(prefix="anlass-job-") as folder:
                problem = self._work(job, start(folder))
                if not problem:
                    summary, files = _results(Path(folder))
        except Exception as error:  # noqa: BLE001 - whatever it was, who asks is told
            problem = str(error) or type(error).__name__
        with self._lock:
            self._works, self._process = "", None
            job.ended_at_ms = WallClock().read()
            if job.state == "ended":
                return
            job.state, job.problem = ("failed", problem) if problem else ("done", "")
            if not problem:
                job.progress, job.summary = 1.0, summary
                self._files[job.id] = files

    def _work(self, job: Job, work: Work) -> str:
        """Let a process do it; return why it could not."""
        process = subprocess.Popen(
            [sys.executable, "-m", "console.control.job_process"],
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
                process.stdin.write(msgspec.json.encode(work) + b"\n")
                process.stdin.flush()  # It stays open: the process ends when this end closes.
                for text in process.stdout:
                    line = msgspec.json.decode(text, type=JobLine)
                    job.progress = max(job.progress, line.share)
                    refusal = line.refusal or refusal
                    job.kept = line.kept
        finally:
            timer.cancel()
        if refusal or process.returncode == 0:
            return refusal
        return f"its process ended with {process.returncode}; maybe for lack of memory or time"


def _results(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what a job came to, and the files that it left beside that."""
    summary = _read(folder / SUMMARY)
    files = {
        name: zstandard.compress(_read(folder / name))
        for name in (PAGE, DIFFERENCES, OUTCOMES)
        if (folder / name).exists()
    }
    return msgspec.json.decode(summary), files


def _read(path: Path) -> bytes:
    if path.stat().st_size > RESULT_BYTES_MAX:
        raise ValueError(f"{path.name} is larger than {RESULT_BYTES_MAX >> 20} MiB; ask less")
    return path.read_bytes()


def failed_words(job: Job) -> str:
    """Say why a job has no such file."""
    if job.problem:
        return fault_of(job.problem).problem
    return "it makes none" if job.state == "done" else f"it is not done: it {job.state}"
