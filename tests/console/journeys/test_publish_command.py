"""`anlass publish` and the others as commands, on a store that nothing runs on."""

import json
from pathlib import Path

import pytest
from msgspec.yaml import encode as yaml
from typer.testing import CliRunner

from actors.publications import PublicationNote
from actors.store.key import store_key
from actors.store.manifest import open_store
from actors.store.published import PublishedFiles
from console.__main__ import app
from console.journeys.publish_command import show_history
from console.screen import console
from tests.console.command import anlass
from tests.engine.situation import mail, wait
from tests.publications import journey


def test_a_journey_is_published_and_paused_and_the_history_tells(
    tmp_path: Path,
) -> None:
    data, folder = tmp_path / "data", tmp_path / "journeys"
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "hello.en.liquid").write_text("---\nsubject: Hi\n---\nHi\n")
    open_store(data, 1, "events")

    def said(*arguments: str, code: int = 0) -> str:
        ended = anlass(*arguments, "--data", data)
        assert ended.returncode == code, ended.stderr
        return ended.stdout + ended.stderr

    def write(span: str) -> None:
        (folder / "hello.yaml").write_bytes(yaml(journey(nodes=[wait(span, "a"), mail()])))

    write("1h")
    where = ["--journeys", str(folder)]
    assert "hello: new, version 1" in said("publish", *where, "--yes", "--by", "ada")
    write("2h")
    line = json.loads(said("diff", *where, "--json"))["journeys"][0]
    assert (line["change"], line["number"]) == ("changed", 2)
    asked = said("publish", *where, code=130)
    assert "Publish this?" in asked
    assert "would have entered in the last 7 days" in asked
    assert asked.endswith("Nothing was published; say --yes where nobody can answer.\n")
    assert "would have entered" not in said("publish", *where, "--days", "0", code=130)
    assert "hello: paused, version 1" in said("pause", "hello", "--note", "wrong")
    history = [json.loads(each) for each in said("history", "--json").splitlines()]
    whats = [(each["number"], each["what"], each["note"], each["by"]) for each in history]
    assert whats[0] == (1, "publish", "", "ada")
    assert whats[1][:3] == (2, "pause", "wrong")


@pytest.mark.parametrize("command", [["publish"], ["roll-back", "--to", "1"], ["end", "hello"]])
def test_who_says_no_is_told_that_nothing_was_published(tmp_path: Path, command: list[str]) -> None:
    data, folder = tmp_path / "data", tmp_path / "journeys"
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "hello.en.liquid").write_text("---\nsubject: Hi\n---\nHi\n")
    open_store(data, 1, "events")
    runner, publish = CliRunner(), ["publish", "--journeys", str(folder), "--data", str(data)]
    for span in ("1h", "2h"):
        (folder / "hello.yaml").write_bytes(yaml(journey(nodes=[wait(span, "a"), mail()])))
        assert runner.invoke(app, [*publish, "--yes"]).exit_code == 0
    (folder / "hello.yaml").write_bytes(yaml(journey(nodes=[mail()])))
    asked = publish if command == ["publish"] else [*command, "--data", str(data)]
    answered = runner.invoke(app, asked, input="n\n")
    assert answered.exit_code == 1, answered.output
    assert answered.stderr.splitlines()[-1] == "Nothing was published."
    assert len(PublishedFiles(data, store_key(data)).notes()) == 2


def test_the_history_says_what_it_does_not_tell_any_more(tmp_path: Path) -> None:
    open_store(tmp_path, 1, "events", encrypted=False)
    kept = PublishedFiles(tmp_path, None)
    for number in (42, 43):
        kept.add(PublicationNote(number=number, at_ms=0, by="a", what="pause", digest=""), b"")
    with console.capture() as said:
        show_history(kept.notes())
    assert "The first 41 are not kept any more" in said.get()
