"""The commands of docs/versions.md, run as they stand there."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from msgspec.yaml import encode as yaml
from typer.testing import CliRunner

from actors.publisher import Visits
from actors.store.manifest import open_store
from console.__main__ import app
from console.journeys.diff import diff_of
from console.journeys.diff_screen import show_diff
from console.screen import console
from engine.fold.succession import Known, succeed
from engine.language.journey import Publication
from engine.limits import QUEUED_MAX, TIMERS_PER_ADVANCE_MAX
from tests.engine.situation import mail, wait
from tests.publications import journey

PAGE = Path(__file__).parents[3] / "docs" / "versions.md"


def commands() -> list[list[str]]:
    block = PAGE.read_text(encoding="utf-8").split("```sh\n")[1].split("```")[0]
    return [shlex.split(line)[1:] for line in block.splitlines()]


def test_the_commands_do_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    templates = tmp_path / "journeys" / "templates"
    templates.mkdir(parents=True)
    (templates / "hello.en.liquid").write_text("---\nsubject: Hi\n---\nHi\n")
    open_store(tmp_path / "data", 1, "events")
    runner = CliRunner()

    def write(node: str) -> None:
        said = journey("welcome", nodes=[wait("1h", node), mail()])
        (tmp_path / "journeys" / "welcome.yaml").write_bytes(yaml(said))

    write("patience")
    first = ["publish", "--journeys", "journeys", "--data", "data", "--yes"]
    assert runner.invoke(app, first).exit_code == 0
    write("pause")
    told = {}
    for command in commands():
        result = runner.invoke(app, command)
        assert result.exit_code == 0, (command, result.output, result.exception)
        told[command[0]] = result.output
    assert list(told) == ["diff", "publish", "pause", "resume", "roll-back", "end", "history"]
    assert "welcome: changed, version 2" in told["diff"]
    assert "in flight: migrate" in told["publish"]
    assert "welcome: changed, version 3" in told["roll-back"]
    assert "welcome: ended, version 4" in told["end"]
    assert told["history"].count("welcome") == 6


def test_the_page_shows_a_diff_as_it_is_printed() -> None:
    def said(price: int, span: str, **fields: Any) -> Publication:
        entry = [{"event": "hi"}, {"event": "buy", "when": {"field": "price", "at_least": price}}]
        document = journey(entry=entry, nodes=[wait(span, "patience"), mail()], **fields)
        return Publication(journeys={"hello.yaml": document})

    before = said(10, "2h", test={"contacts": ["ada"]})
    after = succeed(before, said(12, "3h"), {}, Known({"hello": 1}))
    with console.capture() as shown:
        show_diff(diff_of(before, after, Visits([], {}), {"hello": 1}))
    assert f"```text\n{shown.get()}```" in PAGE.read_text(encoding="utf-8")


def test_the_page_names_the_bounds_that_there_are() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"slices of {TIMERS_PER_ADVANCE_MAX} contacts" in page
    assert f"{QUEUED_MAX} at most for all journeys" in page
