"""The command through the control API says what it says on the machine itself."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.yaml import encode as yaml
from typer.testing import CliRunner

from actors.errors import OperatorError
from console.__main__ import app
from console.control_client import ControlClient
from engine.errors import AuthorError
from tests.console.control.served import ANNA, Served, served
from tests.console.control.test_changes import LETTER, waiting
from tests.publications import journey

Anlass = Callable[..., str]


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[Served, Anlass]]:
    """A system with keys, and the command of somebody who has one."""
    with served(tmp_path / "data", [ANNA]) as shop:
        url = shop.listen()

        def anlass(*said: str, fails: type[Exception] | None = None, asked: str = "") -> str:
            options = ["--control", url, "--control-key", ANNA.key]
            ended = CliRunner().invoke(app, [*said, *options], input=asked)
            if fails is None:
                assert ended.exit_code == 0, (ended.output, ended.exception)
                return ended.stdout
            assert isinstance(ended.exception, fails), ended.output
            return str(ended.exception)

        yield shop, anlass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "journeys"
    (found / "templates").mkdir(parents=True)
    (found / "templates" / "hello.en.liquid").write_text(LETTER)
    (found / "hello.yaml").write_bytes(yaml(waiting("1h")))
    return found


def here(shop: Served, *said: str) -> str:
    ended = CliRunner().invoke(app, [*said, "--data", str(shop.data)])
    assert ended.exit_code == 0, (ended.output, ended.exception)
    return ended.stdout


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
    assert json.loads(anlass("status", "--json"))["journeys"] == ["hello"]


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
    anlass("publish", *where, "--yes", "--in-flight", "stay")
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


def test_an_erasure_is_made_there(there: tuple[Served, Anlass]) -> None:
    shop, anlass = there
    shop.event("ada")
    assert "ada is erased" in anlass("contact", "erase", "ada", "--keep-out", "1d")
    text = anlass("contact", "show", "ada", fails=OperatorError)
    assert text == "Nothing is known of ada."


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


def client(status: int, content: bytes) -> ControlClient:
    answer = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    return ControlClient("http://shop.example", transport=answer)


def test_mistakes_of_files_come_back_as_they_are() -> None:
    fault = {"file": "a.yaml", "path": "$.nodes", "problem": "no", "fix": "mend it"}
    with pytest.raises(AuthorError, match=r"a.yaml: no - at `\$.nodes`; mend it"):
        client(422, json.dumps({"errors": [fault]}).encode()).raw("GET", "/v1/history")


def test_what_is_no_control_api_is_said_so() -> None:
    with pytest.raises(OperatorError, match="answers 502, and is no control API"):
        client(502, b"<html>").raw("GET", "/v1/history")
    with pytest.raises(OperatorError, match="does not answer"):
        ControlClient("http://127.0.0.1:1").raw("GET", "/v1/history")
    with pytest.raises(OperatorError, match="is no URL"):
        ControlClient("127.0.0.1:8081")


def test_names_with_any_signs_are_one_part_of_a_path(there: tuple[Served, Anlass]) -> None:
    shop, anlass = there
    shop.put_in_force(journey())
    odd = "anonymous/a?b#c%2F d"
    shop.event(odd)
    assert json.loads(anlass("contact", "show", odd, "--json"))["contact"] == odd
