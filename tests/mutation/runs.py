"""Runs the tests of the engine against mutants: `python -m tests.mutation.runs window` in mutants/.

A plugin of pytest takes over where tests would run: for each mutant a process is forked that runs
those which reach the mutant's function, until one fails.
"""

import gc
import os
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import engine
from tests.mutation.forks import Fork, run_forks, run_test
from tests.mutation.mutants import Verdict, function_of, verdicts, write_down
from tests.mutation.reach import Reach

HERE = Path()
# CPU time of the tests of one mutant that are not its own module's; and of one that survived.
SECONDS_MAX, SECONDS_AGAIN_MAX = 2.0, 8.0
SLOWER_MAX = 5  # So many times as long, and SLACK_S, may a test take with a mutant in it.
SLACK_S = 3.0
CHILDREN = min(2, os.cpu_count() or 1)


class Runs:
    """The plugin."""

    def __init__(self, modules: list[str]) -> None:
        self.modules = modules
        self.killers: dict[str, list[str]] = defaultdict(list)
        self.known = verdicts(HERE)

    def pytest_configure(self) -> None:
        """Let no time be spent to find the smallest failure: one is enough."""
        # Not before pytest, which rewrites its asserts.
        from hypothesis import Phase, settings  # noqa: PLC0415

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutation", derandomize=True, deadline=None, phases=phases)
        settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run mutants instead of tests."""
        if session.testsfailed:
            raise session.Interrupted("tests could not be collected")
        self.reach = Reach(session.items)
        self.reach.find(CHILDREN)
        self._try_out()
        gc.freeze()  # The forks are to share what was collected.
        names = [name for name, code in self.known.items() if self._asked(name, code)]
        # Those that survived come last: what is new may yet bring a test that notices them.
        names.sort(key=lambda name: self.known[name] is not None)
        for done, (name, code, killer) in enumerate(run_forks(self._forks(names), CHILDREN), 1):
            write_down(HERE, name, code)
            killers = self.killers[function_of(name)]
            if code == Verdict.KILLED and killer not in killers:
                killers.append(killer)
            print(f"\r{done} of {len(names)} {name:<100}", end="", flush=True)
        print()
        return True

    def _asked(self, name: str, code: int | None) -> bool:
        known = code in (Verdict.KILLED, Verdict.TIMED_OUT)
        return not known and (not self.modules or _module(name) in self.modules)

    def _forks(self, names: list[str]) -> Iterator[Fork]:
        for name in names:
            yield Fork(name, partial(self._run, name, function_of(name)))

    def _run(self, mutant: str, function: str) -> tuple[int, str]:
        """Run in a fork: return the verdict, and the test that failed."""
        from mutmut.mutation.trampoline import set_mutant_under_test  # noqa: PLC0415

        set_mutant_under_test(mutant)
        again = self.known.get(mutant) is not None
        chosen = self.reach.chosen(function, SECONDS_AGAIN_MAX if again else SECONDS_MAX)
        if not chosen:
            return Verdict.REACHED_BY_NO_TEST, ""
        killers = self.killers[function]  # What noticed another mutant of it may notice this one.
        for item in sorted(chosen, key=lambda item: item.nodeid not in killers):
            seconds = self.reach.tests[item.nodeid].seconds
            if not run_test(item, SLACK_S + SLOWER_MAX * seconds):
                return Verdict.KILLED, item.nodeid
        return Verdict.SURVIVED, ""

    def _try_out(self) -> None:
        """Raise unless tests fail where every function fails, and pass without a mutant."""
        function = min(self.reach.tests_of, key=lambda each: len(self.reach.tests_of[each]))
        for mutant, expected in (("fail", Verdict.KILLED), ("", Verdict.SURVIVED)):
            fork = Fork(mutant, partial(self._run, mutant, function))
            [(_, code, answer)] = run_forks([fork], 1)
            if code != expected:
                raise AssertionError(f"mutants cannot be run: {mutant or 'none'}: {code}, {answer}")


def _module(mutant: str) -> str:
    return mutant.split(".")[-2]


def main(modules: list[str]) -> int:
    """Collect the tests and run the mutants of these modules."""
    assert Path(engine.__file__).is_relative_to(Path.cwd()), "that engine is not the mutants'"
    table = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    arguments = table["pytest_add_cli_args_test_selection"] + table["pytest_add_cli_args"]
    return pytest.main(["-q", "-s", *arguments], plugins=[Runs(modules)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
