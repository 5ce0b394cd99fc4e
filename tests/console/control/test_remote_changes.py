"""Changes by the command through the control API: shown, asked for, and made as they were shown."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.yaml import encode as yaml

from actors.errors import OperatorError
from console.journeys.entrants import Entrants
from tests.console.control.afar import Anlass, here
from tests.console.control.served import Served
from tests.console.control.test_changes import waiting
from tests.engine.situation import mail, wait
from tests.publications import journey


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

    monkeypatch.setattr("console.journeys.publication.entrants_of", look)
    there[1]("publish", "--journeys", str(folder), "--yes")
    assert len(looked) == 1


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

    monkeypatch.setattr("console.journeys.publish_command.typer.confirm", meanwhile)
    (folder / "hello.yaml").write_bytes(yaml(waiting("2h")))
    text = anlass("publish", "--journeys", str(folder), fails=OperatorError)
    assert "publication 2 is in force, not 1" in text
