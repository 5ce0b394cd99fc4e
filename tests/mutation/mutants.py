"""The mutants that mutmut makes, and what is known of each; `mutmut show NAME` prints one."""

import contextlib
import json
import os
import shutil
import signal
from enum import IntEnum
from pathlib import Path

FOLDER = Path("mutants")


class Verdict(IntEnum):
    """What became of a mutant, as mutmut writes it down: mostly exit codes of pytest."""

    SURVIVED = 0
    KILLED = 1
    REACHED_BY_NO_TEST = 33
    TIMED_OUT = -signal.SIGXCPU


def make() -> None:
    """Copy the tree to `mutants/` and put the mutants in; what is known of the same ones stays."""
    # Only whoever runs mutants has mutmut.
    from mutmut import __main__ as mutmut  # noqa: PLC0415

    FOLDER.mkdir(exist_ok=True)
    shutil.rmtree(FOLDER / "tests", ignore_errors=True)
    for path in _books(FOLDER):
        if not path.relative_to(FOLDER).with_suffix("").exists():
            path.unlink()  # It was moved: its mutants are no more.
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        mutmut.copy_src_dir()
        mutmut.copy_also_copy_files()
        mutmut.create_mutants(max_children=1)


def verdicts(folder: Path) -> dict[str, int | None]:
    """Return what is known of each mutant, by its name: engine.calendar.window.x_shown__mutmut_3.

    None where it did not run yet.
    """
    found: dict[str, int | None] = {}
    for path in _books(folder):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def write_down(folder: Path, name: str, code: int) -> None:
    """Keep what became of a mutant."""
    for path in _books(folder):
        book = json.loads(path.read_text(encoding="utf-8"))
        if name in book["exit_code_by_key"]:
            book["exit_code_by_key"][name] = code
            path.write_text(json.dumps(book, indent=4), encoding="utf-8")
            return
    raise KeyError(name)


def function_of(name: str) -> str:
    """Return by which name mutmut counts calls of the function that a mutant is of."""
    return name.rpartition("__mutmut_")[0]


def _books(folder: Path) -> list[Path]:
    return sorted(folder.glob("engine/**/*.py.meta"))
