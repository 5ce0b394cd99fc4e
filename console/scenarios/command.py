"""The command `anlass test`, and how its results look to a person."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from actors.errors import OperatorError
from actors.folder import Folder, checked_folder
from console.options import AsJson, print_json
from console.remote.client import ControlClient, ControlKeyOption, draft_of_folder
from console.scenarios.reader import TESTS_FOLDER, picked, read_scripts, read_tests
from console.scenarios.rehearsal import Rehearsal, Result, ScenarioReport, report_of
from console.screen import console, errors
from engine.errors import AuthorError

There = Annotated[
    str, typer.Option(help="URL of a system's control API that is to play them; else it is here.")
]
"""As `--control` of other commands, but for ANLASS_CONTROL: who tests needs no system."""


def run_tests(
    folder: Annotated[Path, typer.Argument(help="Folder of journeys.", metavar="DIR")],
    only: Annotated[str, typer.Option(help="Only tests with this text in name or file.")] = "",
    control: There = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Run the tests that lie beside journeys, DIR/tests/*.yaml; exit 1 where one fails.

    Nothing is started and nothing is sent: the engine plays each in simulated time.
    """
    checked = checked_folder(folder)
    if control:
        report = _played_there(ControlClient(control, control_key), folder, checked, only)
    else:
        report = _played(folder, checked, only)
    if json:
        print_json(report)
    else:
        show_report(report)
    if report.failed:
        raise typer.Exit(1)


def _played(folder: Path, checked: Folder, only: str) -> ScenarioReport:
    """Play the tests of a folder that are asked for. Raises AuthorError, OperatorError."""
    rehearsal = Rehearsal(checked)
    with _bar() as bar:
        task = bar.add_task("reading tests", total=None)
        scripts, mistakes = read_scripts(folder, rehearsal.cast)
        if mistakes:
            raise AuthorError(mistakes)
        if not scripts:
            raise _no_tests(folder)
        scripts = picked(scripts, only)
        bar.update(task, description="tests", total=len(scripts))
        began = time.perf_counter()
        results: list[Result] = []
        for script in scripts:
            results.append(rehearsal.play(script))
            bar.advance(task)
        return report_of(str(folder), results, time.perf_counter() - began)


def _played_there(
    client: ControlClient, folder: Path, checked: Folder, only: str
) -> ScenarioReport:
    """Have them played by the system elsewhere. Raises AuthorError, OperatorError."""
    documents, mistakes = read_tests(folder)
    if mistakes:
        raise AuthorError(mistakes)
    if not documents:
        raise _no_tests(folder)
    body = {"draft": draft_of_folder(checked), "tests": documents, "only": only}
    report = client.ask("POST", "/v1/tests", ScenarioReport, body)
    report.folder = str(folder)
    return report


def _no_tests(folder: Path) -> OperatorError:
    example = f"{folder / TESTS_FOLDER}/welcome.yaml"
    return OperatorError(f"there are no tests in {folder}; write one into {example}")


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
