"""The command `anlass test`, and how its results look to a person."""

import time
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from actors.errors import OperatorError
from actors.folder import checked_folder
from console.options import AsJson, print_json
from console.rehearsal import Rehearsal, Result
from console.scenario import Script
from console.scenario_reader import TESTS_FOLDER, read_scripts
from console.screen import console, errors
from engine.errors import AuthorError


class ScenarioReport(Struct, kw_only=True):
    """What the tests of a folder came to."""

    folder: str
    tests: int
    passed: int
    failed: int
    seconds: float
    results: list[Result]


def run_tests(
    folder: Annotated[Path, typer.Argument(help="Folder of journeys.", metavar="DIR")],
    only: Annotated[str, typer.Option(help="Only tests with this text in name or file.")] = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Run the tests that lie beside journeys, DIR/tests/*.yaml; exit 1 where one fails.

    Nothing is started and nothing is sent: the engine plays each in simulated time.
    """
    rehearsal = Rehearsal(checked_folder(folder))
    with _bar() as bar:
        task = bar.add_task("reading tests", total=None)
        scripts = _picked(folder, rehearsal, only)
        bar.update(task, description="tests", total=len(scripts))
        began = time.perf_counter()
        results: list[Result] = []
        for script in scripts:
            results.append(rehearsal.play(script))
            bar.advance(task)
        seconds = time.perf_counter() - began
    failed = sum(not result.passed for result in results)
    report = ScenarioReport(
        folder=str(folder),
        tests=len(results),
        passed=len(results) - failed,
        failed=failed,
        seconds=round(seconds, 3),
        results=results,
    )
    if json:
        print_json(report)
    else:
        show_report(report)
    if failed:
        raise typer.Exit(1)


def _picked(folder: Path, rehearsal: Rehearsal, only: str) -> list[Script]:
    """Read the tests that are asked for. Raises AuthorError, or OperatorError if there is none."""
    scripts, mistakes = read_scripts(folder, rehearsal.cast)
    if mistakes:
        raise AuthorError(mistakes)
    if not scripts:
        example = f"{folder / TESTS_FOLDER}/welcome.yaml"
        raise OperatorError(f"there are no tests in {folder}; write one into {example}")
    picked = [script for script in scripts if only in script.scenario.test or only in script.file]
    if not picked:
        raise OperatorError(f"none of {len(scripts):,} tests has {only!r} in its name or file")
    return picked


def show_result(result: Result) -> None:
    """Print a line for a test; for one that failed, what was expected and what was instead."""
    sign, style = ("✓", "green") if result.passed else ("✗", "red")
    count = (
        f"{result.expectations} met" if result.passed else f"failed after {result.expectations} met"
    )
    line = Text.assemble(
        (f"  {sign} ", style),
        (result.test, "" if result.passed else "red"),
        (f"  {count}, {result.seconds:.3f} s", "dim"),
    )
    console.print(line, soft_wrap=True)
    if result.passed:
        return
    rows = [("at", f"{result.file} {result.path}, {result.moment}"), ("expected", result.expected)]
    rows += [("instead" if i == 0 else "", text) for i, text in enumerate(result.instead)]
    for name, text in rows:
        head, *rest = text.split("\n")
        console.print(Text.assemble((f"      {name:<10}", "bold"), head), soft_wrap=True)
        for each in rest:
            console.print(Text(f"      {'':<12}{each}", style="dim"), soft_wrap=True)
    for contact, happenings in result.timelines.items():
        console.print(Text(f"      what happened to {contact}", style="bold"), soft_wrap=True)
        for each in happenings:
            console.print(Text(f"        {each}"), soft_wrap=True)


def show_report(report: ScenarioReport) -> None:
    """Print each test below its file, and their sum."""
    file = ""
    for result in report.results:
        if result.file != file:
            file = result.file
            console.print(Text(file, style="bold"), soft_wrap=True)
        show_result(result)
    tests = "1 test" if report.tests == 1 else f"{report.tests:,} tests"
    counts = f"{tests}: {report.passed:,} passed"
    if report.failed:
        counts += f", {report.failed:,} failed"
    style = "red" if report.failed else "green"
    console.print(Text.assemble((counts, style), f" in {report.seconds:.2f} s"))


def _bar() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
