"""Which functions of the engine each test reaches, and how long it takes: what may kill a mutant.

Kept between runs: a file of tests runs again for it only when it, what it stands on, or the engine
has changed.
"""

import hashlib
import json
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mutation.forks import Fork, run_forks, run_test

KEPT = Path("reach.json")


class Reached(NamedTuple):
    """One test: the CPU seconds it takes and the functions that it calls."""

    seconds: float
    functions: list[str]


class Reach:
    """What the tests of a session reach."""

    def __init__(self, items: list[pytest.Item]) -> None:
        self.items = {item.nodeid: item for item in items}
        self.tests: dict[str, Reached] = {}
        self.tests_of: dict[str, list[str]] = defaultdict(list)

    def find(self, children: int) -> None:
        """Run each file of tests that has changed once, unmutated; raises where a test fails."""
        kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
        files: dict[str, list[pytest.Item]] = defaultdict(list)
        for item in self.items.values():
            files[item.nodeid.partition("::")[0]].append(item)
        base = _base()
        keys = {path: _digest([base, Path(path).read_bytes()]) for path in files}
        todo = [path for path in files if kept.get(path, {}).get("key") != keys[path]]
        forks = [Fork(path, partial(_look, files[path])) for path in todo]
        for path, code, answer in run_forks(forks, children):
            if code != 0:
                raise AssertionError(f"unmutated, {path} ends with {code}: {answer}")
            kept[path] = {"key": keys[path], "tests": answer}
            KEPT.write_text(json.dumps(kept), encoding="utf-8")
        for path in files:
            for nodeid, (seconds, functions) in kept[path]["tests"].items():
                self.tests[nodeid] = Reached(seconds, functions)
                for function in functions:
                    self.tests_of[function].append(nodeid)

    def chosen(self, function: str, seconds_max: float) -> list[pytest.Item]:
        """Return the tests to run for a mutant of a function: its module's, then the shortest."""
        *packages, module, _ = function.split(".")
        own = "/".join(["tests", *packages, f"test_{module.strip('_')}"])
        found = sorted(self.tests_of[function], key=lambda nodeid: self.tests[nodeid].seconds)
        chosen = [nodeid for nodeid in found if nodeid.startswith(own)]
        seconds = 0.0
        for nodeid in found:
            seconds += self.tests[nodeid].seconds
            if seconds <= seconds_max and not nodeid.startswith(own):
                chosen.append(nodeid)
        return [self.items[nodeid] for nodeid in chosen]


def _look(items: list[pytest.Item]) -> tuple[int, object]:
    """Run in a fork: run these tests and say what each reached."""
    from mutmut.mutation.trampoline import set_mutant_under_test  # noqa: PLC0415
    from mutmut.state import state  # noqa: PLC0415

    set_mutant_under_test("stats")
    found = {}
    for item in items:
        state()._stats.clear()
        begun = time.process_time()
        if not run_test(item):
            return 1, item.nodeid
        found[item.nodeid] = Reached(time.process_time() - begun, sorted(state()._stats))
    return 0, found


def _base() -> bytes:
    """Return a digest of what all tests stand on."""
    paths = [*Path("engine").rglob("*.py"), *Path("tests/engine").rglob("*.py")]
    texts = [path.read_bytes() for path in sorted(paths) if not path.name.startswith("test_")]
    return _digest(texts).encode()


def _digest(texts: list[bytes]) -> str:
    return hashlib.sha256(b"\0".join(texts)).hexdigest()
