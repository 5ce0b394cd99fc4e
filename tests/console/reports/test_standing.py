"""How a journey is: version, state, test mode and entries that wait, wherever it is shown."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.links.link import Drain
from console.reports.standing import Standing, in_force_words, standing_words
from tests.console.command import anlass
from tests.console.control.served import NOON_MS, Served, served
from tests.engine.situation import HOUR_MS, mail, wait
from tests.publications import journey

PAUSED = {"journey": "hello", "version": 1, "state": "paused", "in_test": True, "queued": 2}
HELLO = journey(
    "hello", entry={"event": "hi"}, nodes=[wait("1h"), mail()], test={"contacts": ["ada"]}
)


LETTER = {"hello.en": "---\nsubject: s\n---\nt"}


@pytest.fixture(scope="module")
def paused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A journey in test mode that was paused when one had entered and two more wanted to."""
    with served(tmp_path_factory.mktemp("standing") / "data") as shop:
        publish(shop)
        shop.event("bob")
        shop.asks("POST", "/v1/journeys/hello/pause")
        for contact in ("ada", "cid"):
            shop.event(contact)
        shop.event("bob", at_ms=NOON_MS + 2 * HOUR_MS)
        yield shop


def publish(shop: Served) -> None:
    draft = {"journeys": {"hello.yaml": HELLO}, "templates": LETTER}
    shop.asks("POST", "/v1/publish", json={"draft": draft})


def of_hello(found: list[dict[str, Any]]) -> dict[str, Any]:
    (hello,) = found
    return {name: hello[name] for name in PAUSED}


@pytest.mark.parametrize("path", ["numbers", "status", "journeys", "journeys/hello"])
def test_the_api_tells_how_a_journey_is(paused: Served, path: str) -> None:
    found = paused.asks("GET", f"/v1/{path}")
    assert of_hello(found.get("journeys", [found])) == PAUSED


@pytest.mark.parametrize("path", ["numbers", "status"])
def test_commands_tell_how_a_journey_is(paused: Served, path: str) -> None:
    found = json.loads(anlass(path, "--data", paused.data, "--json").stdout)
    assert of_hello(found["journeys"]) == PAUSED
    shown = anlass(path, "--data", paused.data).stdout
    assert "hello (version 1, paused, in test mode, 2 entries wait to be let in)" in shown


def test_a_contact_is_shown_with_what_its_journeys_are_and_what_of_it_waits(
    paused: Served,
) -> None:
    data = ("--data", paused.data)
    (own,) = json.loads(anlass("contact", "show", "ada", *data, "--json").stdout)["journeys"]
    assert own == PAUSED | {"queued": 1}
    shown = " ".join(anlass("contact", "show", "ada", *data).stdout.replace("│", "").split())
    assert "entries that wait hello on hi e-2, since Tue 14 Nov 2023 22:13:20" in shown
    assert "hello: version 1, paused, in test mode, 1 entry waits to be let in" in shown
    shown = " ".join(anlass("contact", "show", "bob", *data).stdout.replace("│", "").split())
    assert "hello waits at wait of version 1, without messages as it is no test contact's" in shown
    assert "until the journey is resumed (due Tue 14 Nov 2023 23:13:20)" in shown


def test_of_a_stopped_store_the_last_snapshots_tell_it(tmp_path: Path) -> None:
    with served(tmp_path / "data") as shop:
        publish(shop)
        shop.asks("POST", "/v1/journeys/hello/pause")
        for contact in ("ada", "cid"):
            shop.event(contact)
        shop.ask(Drain(0))
    (tmp_path / "data" / "system.json").unlink()
    found = json.loads(anlass("numbers", "--data", tmp_path / "data", "--json").stdout)
    assert (found["running"], of_hello(found["journeys"])) == (False, PAUSED)


def test_a_journey_that_was_ended_is_told_of_as_that(tmp_path: Path) -> None:
    with served(tmp_path / "data") as shop:
        publish(shop)
        shop.asks("POST", "/v1/journeys/hello/end")
        for path in ("numbers", "status", "journeys"):
            (hello,) = shop.asks("GET", f"/v1/{path}")["journeys"]
            assert (hello["state"], hello["queued"]) == ("ended", 0), path


def test_what_goes_without_saying_is_not_said() -> None:
    plain = Standing(journey="j", version=0, state="live", in_test=False, queued=0)
    assert standing_words(plain) == ""
    assert in_force_words([plain]) == "Journeys in force: j"
    assert in_force_words([]) == "Journeys in force: none"
    assert in_force_words(None) == "Journeys in force: not known"
