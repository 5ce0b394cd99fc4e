"""The command through the control API says what it says on the machine itself."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.yaml import encode as yaml
from typer.testing import CliRunner

from actors.errors import OperatorError
from console.__main__ import app
from console.entrants import Entrants
from engine.errors import AuthorError
from tests.console.control.remote import Anlass, here
from tests.console.control.served import Served
from tests.console.control.test_changes import waiting
from tests.engine.situation import mail, wait
from tests.publications import journey

TOLD = [
    ["history"],
    ["history", "--json"],
    ["events"],
    ["events", "--json"],
    ["events", "hi"],
    ["numbers"],
    ["numbers", "hello", "--json"],
    ["explain", "ada"],
    ["explain", "ada", "--json"],
    ["explain", "anonymous/a b", "--journey", "hello"],
    ["contact", "show", "ada"],
    ["contact", "show", "ada", "--json"],
    ["contact", "export", "ada"],
]


def test_what_is_told_is_the_same_there_as_here(there: tuple[Served, Anlass], folder: Path) -> None:
    shop, anlass = there
    anlass("publish", "--journeys", str(folder), "--yes")
    for contact in ("ada", "anonymous/a b"):
        shop.event(contact, colour="red", total=2)
    for said in TOLD:
        told, known = anlass(*said), here(shop, *said)
        if "--json" in said or "export" in said:
            assert json.loads(told) == json.loads(known), said
        else:
            assert told == known, said
    (hello,) = json.loads(anlass("status", "--json"))["journeys"]
    assert (hello["journey"], hello["version"]) == ("hello", 1)


def test_changes_are_shown_asked_for_and_made_there(
    there: tuple[Served, Anlass], folder: Path
) -> None:
    shop, anlass = there
    where = ["--journeys", str(folder)]
    assert "hello: new, version 1" in anlass("diff", *where, "--days", "0")
    anlass("publish", *where, asked="n\n", fails=SystemExit)
    assert shop.system.notes() == []
    assert "Publication 1 is in force." in anlass("publish", *where, asked="y\n")
    assert anlass("pause", "hello", "--note", "wrong").startswith("hello: paused")
    assert "hello is paused already" in anlass("pause", "hello", fails=OperatorError)
    anlass("resume", "hello")
    (folder / "hello.yaml").write_bytes(yaml(waiting("2h")))
    told = anlass("publish", *where, "--yes", "--in-flight", "stay")
    assert "would have entered in the last 7 days" in told
    anlass("roll-back", "hello", "--to", "1", "--yes")
    anlass("end", "hello", "--yes")
    notes = [(each.what, each.by, each.note) for each in shop.system.notes()]
    assert notes == [
        ("publish", "anna", ""),
        ("pause", "anna", "wrong"),
        ("resume", "anna", ""),
        ("publish", "anna", ""),
        ("roll-back", "anna", ""),
        ("end", "anna", ""),
    ]


def test_who_would_have_entered_is_looked_at_once_though_there_are_two_requests(
    there: tuple[Served, Anlass], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    there[1]("publish", "--journeys", str(folder), "--yes")
    (folder / "hello.yaml").write_bytes(yaml(waiting("2h")))

    def look(lookback: Any, *_: Any) -> Entrants:
        looked.append(lookback.most_s)
        return Entrants()

    monkeypatch.setattr("console.publication.entrants_of", look)
    there[1]("publish", "--journeys", str(folder), "--yes")
    assert len(looked) == 1


def test_an_erasure_is_made_there(there: tuple[Served, Anlass]) -> None:
    shop, anlass = there
    shop.event("ada")
    assert "ada is erased" in anlass("contact", "erase", "ada", "--keep-out", "1d")
    text = anlass("contact", "show", "ada", fails=OperatorError)
    assert text.startswith("nothing is known of contact 'ada'; look for its id")
    ended = CliRunner().invoke(app, ["contact", "show", "ada", "--data", str(shop.data)])
    assert str(ended.exception) == text


def test_what_stands_in_the_way_names_the_options_of_the_command(
    there: tuple[Served, Anlass], folder: Path
) -> None:
    shop, anlass = there
    said = ["--journeys", str(folder), "--in-flight", "migrate"]
    anlass("publish", *said, "--yes")
    shop.event("ada")
    moved = journey(nodes=[wait("1h", "b"), mail()])
    (folder / "hello.yaml").write_bytes(yaml(moved))
    fix = "say where they go: --map hello:a=NODE (nothing behind `=`: they end)"
    assert fix in anlass("publish", *said, "--yes", fails=OperatorError)
    told = anlass("diff", *said, "--days", "0") + anlass.errors
    assert fix in " ".join(told.split())
    text = anlass("publish", *said, "--map", "helo:a=b", "--yes", fails=OperatorError)
    assert text.startswith("--map: 'helo' is no journey that changes")


def test_what_is_agreed_to_is_what_was_shown(
    there: tuple[Served, Anlass], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, anlass = there
    anlass("publish", "--journeys", str(folder), "--yes")

    def meanwhile(_: Any) -> bool:
        here(shop, "pause", "hello")
        return True

    monkeypatch.setattr("console.publish_command.typer.confirm", meanwhile)
    (folder / "hello.yaml").write_bytes(yaml(waiting("2h")))
    text = anlass("publish", "--journeys", str(folder), fails=OperatorError)
    assert "publication 2 is in force, not 1" in text


def test_refusals_have_the_words_of_the_command(there: tuple[Served, Anlass]) -> None:
    _, anlass = there
    text = anlass("pause", "helo", fails=OperatorError)
    assert text == "no journey 'helo' is in force; there is none yet"
    assert "leave it out" in anlass("pause", "helo", "--by", "me", fails=OperatorError)


def test_a_folder_is_checked_against_what_is_seen_and_known_there(
    there: tuple[Served, Anlass], folder: Path
) -> None:
    shop, anlass = there
    shop.event("ada", "helo")
    said = CliRunner().invoke(app, ["validate", str(folder), "--data", str(shop.data)])
    note = "no event 'hi' was seen yet; known here: helo"
    assert note in said.stderr
    assert (anlass("validate", str(folder)), anlass.errors) == (said.stdout, said.stderr)
    (folder / "hello.yaml").write_text("journey: hello\n")
    local = CliRunner().invoke(app, ["validate", str(folder)])
    assert anlass("validate", str(folder), fails=AuthorError) == str(local.exception)


def test_mistakes_that_only_the_system_there_can_see_are_told_as_mistakes_of_files(
    there: tuple[Served, Anlass], folder: Path
) -> None:
    shop, anlass = there
    shop.system.operator["channels"] = {"webhook": {"hosts": ["api.example"]}}
    hook = {"id": "a", "webhook": "https://erp.example/hook"}
    (folder / "hello.yaml").write_bytes(yaml(journey("hello", nodes=[hook, mail()])))
    assert CliRunner().invoke(app, ["validate", str(folder)]).exit_code == 0
    text = anlass("validate", str(folder), fails=AuthorError)
    assert "hello.yaml: this server is not allowed - at `$.nodes[0].webhook`" in text


def test_names_with_any_signs_are_one_part_of_a_path(there: tuple[Served, Anlass]) -> None:
    shop, anlass = there
    shop.put_in_force(journey())
    odd = "anonymous/a?b#c%2F d"
    shop.event(odd)
    assert json.loads(anlass("contact", "show", odd, "--json"))["contact"] == odd
