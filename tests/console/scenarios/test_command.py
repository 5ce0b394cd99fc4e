"""The command `anlass test`: its lines, its JSON and how it ends."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.errors import OperatorError
from console.__main__ import app
from engine.errors import AuthorError
from tests.console.command import anlass
from tests.console.scenarios.played import EXAMPLES, scenarios

FAILS = "- {event: product_view, times: 7}\n- {after: 1h, expect: {message: {journey: favourites}}}"


def run(*arguments: object) -> Result:
    """Run the command in this process: what it raises is the result's `exception`."""
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_a_line_for_each_test_and_a_sum() -> None:
    result = anlass("test", EXAMPLES)
    assert result.returncode == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "tests/checkout-help.yaml"
    tests = [line for line in lines if line.startswith("  ✓ ")]
    assert len(tests) == len(lines) - 3  # Two files' names and the sum.
    assert lines[-1].startswith(f"{len(tests)} tests: {len(tests)} passed in ")


def test_a_failure_says_where_what_and_why_and_ends_with_1(tmp_path: Path) -> None:
    result = anlass("test", scenarios(tmp_path / "journeys", FAILS))
    assert result.returncode == 1
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[1].startswith("✗ it  failed after 0 met")
    assert lines[2:4] == [
        "at        tests/it.yaml $.tests[0].given[1], Mon 2026-03-02 11:00",
        "expected  a message from favourites",
    ]
    reason = "no_consent (email: none, needed double_opt_in)"
    assert lines[4].startswith(f"instead   no message from favourites, node consent: {reason}")
    assert lines[5] == "what happened to c-1"
    assert lines[-1].startswith("1 test: 0 passed, 1 failed in ")


def test_a_mistake_in_a_file_ends_with_2_and_nothing_is_played(tmp_path: Path) -> None:
    folder = scenarios(tmp_path / "journeys", "- evnt: x\n- expect: nothing")
    result = anlass("test", folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "anlass: tests/it.yaml: cannot tell what this is: evnt - "
        "at `$.tests[0].given[0]`; did you mean `event`?\n"
    )


def test_the_json_has_the_same(tmp_path: Path) -> None:
    result = run("test", scenarios(tmp_path / "journeys", FAILS), "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["tests"], report["passed"], report["failed"]) == (1, 0, 1)
    (failed,) = report["results"]
    assert (failed["test"], failed["path"]) == ("it", "$.tests[0].given[1]")
    assert failed["expected"] == "a message from favourites"
    assert list(failed["timelines"]) == ["c-1"]


@pytest.mark.parametrize("only", ["six products", "checkout-help.yaml"])
def test_only_picks_by_name_or_file(only: str) -> None:
    results = json.loads(run("test", EXAMPLES, "--json", "--only", only).stdout)["results"]
    assert results
    assert all(only in each["test"] or only in each["file"] for each in results)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/none"], "/none"),
        ([EXAMPLES, "--only", "no such"], "tests has 'no such' in its name or file"),
        ([EXAMPLES / "templates"], "there is no journey in this folder"),
    ],
)
def test_what_cannot_be_tested_is_refused(arguments: list[object], said: str) -> None:
    result = run("test", *arguments)
    assert isinstance(result.exception, OperatorError | AuthorError)  # Which end with 2.
    assert said in str(result.exception)
    assert result.stdout == ""


def test_a_folder_without_tests_is_not_one_whose_tests_pass(tmp_path: Path) -> None:
    folder = scenarios(tmp_path / "journeys", "- expect: nothing")
    (folder / "tests" / "it.yaml").unlink()
    for present in (True, False):
        assert (folder / "tests").exists() is present
        result = run("test", folder)
        assert isinstance(result.exception, OperatorError)
        assert "there are no tests in " in str(result.exception)
        if present:
            (folder / "tests").rmdir()
