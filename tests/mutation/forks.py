"""Processes forked from one that has collected all tests: so a mutant costs no start of pytest.

Each begins with cold caches, since the parent never runs a test.
"""

import json
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

MEMORY_MAX_BYTES = 8 << 30  # A loop without end that keeps what it makes is to fail, no more.
BROKEN = 3  # The exit code of one that could not do its work.


class Fork(NamedTuple):
    """Work for a process of its own, which returns its exit code and an answer (JSON)."""

    name: str
    work: Callable[[], tuple[int, object]]


def run_forks(forks: Iterable[Fork], children: int) -> Iterator[tuple[str, int, Any]]:
    """Run so many at a time; yield name, exit code (negative: the signal) and answer of each."""
    running: dict[int, tuple[str, Path]] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for number, fork in enumerate(forks):
                if len(running) >= children:
                    yield _reap(running)
                path = Path(folder, str(number))
                pid = os.fork()
                if pid == 0:
                    _be_child(fork, path)
                running[pid] = fork.name, path
            while running:
                yield _reap(running)
        finally:
            for pid in running:
                os.kill(pid, signal.SIGKILL)


def run_test(item: pytest.Item, seconds_max: float | None = None) -> bool:
    """Run one collected test; False where it failed. Past that CPU time the process is ended."""
    if seconds_max is not None:
        limit = int(time.process_time() + seconds_max) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
    # No next item: each test sets up and tears down all that is its own.
    item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
    return item.session.testsfailed == 0


def _be_child(fork: Fork, path: Path) -> NoReturn:
    code = BROKEN
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, resource.RLIM_INFINITY))
        code, answer = fork.work()
        path.write_text(json.dumps(answer), encoding="utf-8")
    except BaseException as error:
        code = BROKEN
        path.write_text(json.dumps(repr(error)), encoding="utf-8")
        raise
    finally:
        os._exit(code)  # Whatever it is, the parent's code must not run here.


def _reap(running: dict[int, tuple[str, Path]]) -> tuple[str, int, Any]:
    pid, status = os.wait()
    name, path = running.pop(pid)
    answer = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return name, os.waitstatus_to_exitcode(status), answer
