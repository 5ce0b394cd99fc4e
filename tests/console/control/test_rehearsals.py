"""A draft tried out through the API: its tests, and events sent along; and the command there."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.yaml import encode as yaml
from typer.testing import CliRunner

from console.__main__ import app
from console.control import rehearsals
from tests.console.control.served import ANNA, NOON_MS, Served, served
from tests.console.control.test_changes import draft
from tests.console.control.test_replays import ended
from tests.engine.situation import mail, wait
from tests.publications import journey

DRAFT = draft(journey(nodes=[wait("1h"), mail()]))
COMES = [{"event": "hi"}, {"after": "1h", "expect": {"message": {"journey": "hello"}}}]
SOON = [{"event": "hi"}, {"expect": {"message": {"journey": "hello"}}}]
FILE = "tests/hello.yaml"


def played(**given: Any) -> dict[str, Any]:
    return {FILE: {"tests": [{"test": name, "given": each} for name, each in given.items()]}}


def events_of(*contacts: str) -> list[dict[str, Any]]:
    return [
        {"id": f"e-{i}", "contact": each, "name": "hi", "at_ms": NOON_MS + i}
        for i, each in enumerate(contacts)
    ]


def test_tests_of_a_draft_are_played_and_noted(shop: Served) -> None:
    body: dict[str, Any] = {"draft": DRAFT, "tests": played(comes=COMES, soon=SOON)}
    found = shop.asks("POST", "/v1/tests", json=body)
    assert (found["tests"], found["passed"], found["failed"]) == (2, 1, 1)
    fails = found["results"][1]
    assert (fails["test"], fails["path"]) == ("soon", "$.tests[1].given[1]")
    assert fails["expected"] == "a message from hello"
    assert shop.asks("GET", "/v1/audit")[0]["what"] == "test"
    body["only"] = "come"
    assert shop.asks("POST", "/v1/tests", json=body)["passed"] == 1
    shop.asks("PUT", "/v1/draft", json=DRAFT)
    kept = shop.asks("POST", "/v1/tests", json={"tests": played(comes=COMES)})
    assert (kept["tests"], kept["passed"]) == (1, 1)


@pytest.mark.parametrize(
    ("tests", "status", "file", "problem"),
    [
        ({FILE: {"tests": [{"test": "t", "given": [{"evnt": "hi"}]}]}}, 422, FILE, "cannot tell"),
        ({"hello.yaml": {}}, 422, "hello.yaml", "no file of a folder is called that"),
        ({"tests/a/b.yaml": {}}, 422, "tests/a/b.yaml", "no file of a folder is called that"),
        ({}, 400, "", "there are no tests"),
    ],
)
def test_tests_that_cannot_be_played_are_told_with_their_places(
    shop: Served, tests: dict[str, Any], status: int, file: str, problem: str
) -> None:
    body = {"draft": DRAFT, "tests": tests}
    (error,) = shop.asks("POST", "/v1/tests", json=body, status=status)["errors"]
    assert (error["file"], error["problem"][: len(problem)]) == (file, problem)
    assert error["fix"]


def test_tests_have_a_time_to_be_played_in(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsals, "PLAYING_S", -1.0)
    body = {"draft": DRAFT, "tests": played(comes=COMES)}
    (error,) = shop.asks("POST", "/v1/tests", json=body, status=413)["errors"]
    assert (error["path"], error["fix"]) == ("$.tests", "send fewer")


def test_events_are_folded_with_a_draft_as_a_job(shop: Served) -> None:
    body = {"draft": DRAFT, "events": [*events_of("ada", "bob"), {"nme": "hi"}, 7]}
    begun = shop.asks("POST", "/v1/replays/events", json=body, status=202)
    job = ended(shop, begun["id"])
    assert (job["what"], job["state"], job["problem"]) == ("events", "done", "")
    found = job["summary"]
    assert (found["events"], found["contacts"], found["rejected"]) == (2, 2, 2)
    assert found["outcomes"] == {"hello": {"sent": 2}}
    assert [each["line"] for each in found["rejections"]] == [3, 4]
    lines = shop.answer("GET", f"/v1/jobs/{begun['id']}/outcomes").text.splitlines()
    assert [json.loads(each)["contact"] for each in lines] == ["ada", "bob"]
    assert shop.asks("GET", "/v1/audit")[0]["what"] == "replay events"
    assert shop.asks("GET", "/v1/journeys")["journeys"] == [], "nothing is published"


def test_events_may_be_more_than_other_bodies(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = next(each for each in rehearsals.ENDPOINTS if each.path == "/v1/replays/events")
    assert endpoint.body_bytes_max == rehearsals.EVENTS_BYTES_MAX
    said = {"headers": {"content-type": "application/json"}}
    large = b'{"events": ["' + b"a" * rehearsals.EVENTS_BYTES_MAX + b'"]}'
    (error,) = shop.asks("POST", "/v1/replays/events", status=413, content=large, **said)["errors"]
    assert error["problem"] == "a body has 64 MiB at most"


@pytest.mark.parametrize(("consent", "came"), [("asked", "no_consent"), ("all", "sent")])
def test_every_contact_may_be_taken_to_opt_in_first(shop: Served, consent: str, came: str) -> None:
    marketing = draft(journey(nodes=[mail(purpose="marketing")]))
    body = {"draft": marketing, "events": events_of("ada"), "consent": consent}
    begun = shop.asks("POST", "/v1/replays/events", json=body, status=202)
    found = ended(shop, begun["id"])["summary"]
    assert (found["events"], found["outcomes"]) == (1, {"hello": {came: 1}})


def test_the_command_has_tests_played_there_as_it_does_here(tmp_path: Path, folder: Path) -> None:
    (folder / "hello.yaml").write_bytes(yaml(journey(nodes=[wait("1h"), mail()])))
    (folder / "tests").mkdir()
    (folder / FILE).write_bytes(yaml(played(comes=COMES, soon=SOON)[FILE]))
    told = []
    with served(tmp_path / "data", [ANNA]) as shop:
        there = ["--control", shop.listen(), "--control-key", ANNA.key]
        for options in ([], there):
            ran = CliRunner().invoke(app, ["test", str(folder), "--json", *options])
            assert ran.exit_code == 1, (ran.output, ran.exception)
            report = json.loads(ran.stdout)
            for each in (report, *report["results"]):
                del each["seconds"]
            told.append(report)
    assert told[0] == told[1]
    assert (told[0]["passed"], told[0]["failed"]) == (1, 1)
