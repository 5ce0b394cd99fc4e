"""Drafts, and what puts them in force: checked, told before, published, noted, rolled back."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from actors.folder import read_folder
from tests.console.control.served import NOON_MS, Served, served
from tests.engine.situation import mail, wait
from tests.publications import journey

LETTER = "---\nsubject: Hi\n---\nHi\n"


def draft(*journeys: dict[str, Any], **more: Any) -> dict[str, Any]:
    named = {f"{each['journey']}.yaml": each for each in journeys}
    return {"journeys": named, "templates": {"hello.en": LETTER}} | more


def waiting(span: str, name: str = "hello") -> dict[str, Any]:
    return journey(name, nodes=[wait(span, "a"), mail()])


def states(shop: Served) -> dict[str, tuple[int, str]]:
    found = shop.asks("GET", "/v1/journeys")["journeys"]
    return {each["journey"]: (each["version"], each["state"]) for each in found}


def test_a_journey_is_published_changed_paused_and_rolled_back(shop: Served) -> None:
    first = shop.asks("POST", "/v1/publish", json={"draft": draft(waiting("1h"))})
    assert (first["published"]["number"], first["published"]["by"]) == (1, "loopback")
    for contact in ("ada", "bob"):
        shop.event(contact)
    body = {"draft": draft(waiting("2h")), "in_flight": "stay"}
    (line,) = shop.asks("POST", "/v1/diff", json=body)["diff"]["journeys"]
    assert (line["change"], line["visits"][0]["waiting"]) == ("changed", 2)
    assert line["fields"] == [{"path": "nodes.a.wait", "was": "1h", "now": "2h"}]
    assert states(shop) == {"hello": (1, "live")}, "a diff changes nothing"
    shop.asks("POST", "/v1/publish", json=body | {"note": "longer"})
    shop.asks("POST", "/v1/journeys/hello/pause", json={"note": "wrong"})
    assert states(shop) == {"hello": (2, "paused")}
    shop.asks("POST", "/v1/journeys/hello/resume")
    back = {"journey": "hello", "to": 1}
    dry = shop.asks("POST", "/v1/roll-back", json=back | {"days": 3, "dry": True})["diff"]
    assert (dry["days"], dry["entries"], dry["entries_note"]) == (3, [], "")
    shop.asks("POST", "/v1/roll-back", json=back)
    found = shop.asks("GET", "/v1/journeys/hello")
    assert (found["version"], found["document"]["nodes"][0]["wait"]) == (3, "1h")
    shop.asks("POST", "/v1/journeys/hello/end")
    assert states(shop)["hello"][1] == "ended"
    notes = [(each["what"], each["note"]) for each in shop.asks("GET", "/v1/history")]
    assert notes == [
        ("publish", ""),
        ("publish", "longer"),
        ("pause", "wrong"),
        ("resume", ""),
        ("roll-back", ""),
        ("end", ""),
    ]


def test_mistakes_are_those_of_a_folder_with_the_same_words(shop: Served, tmp_path: Path) -> None:
    bad = {"journey": "hello", "entry": {"event": "hi"}, "nodes": [{"id": "a", "wiat": "1h"}]}
    folder = tmp_path / "journeys"
    folder.mkdir()
    (folder / "hello.json").write_bytes(orjson.dumps(bad))
    said = {(each.file, each.path, each.problem, each.fix) for each in read_folder(folder).mistakes}
    for path in ("/v1/validate", "/v1/draft", "/v1/publish", "/v1/diff", "/v1/replays"):
        method = "PUT" if path == "/v1/draft" else "POST"
        sent: Any = {"journeys": {"hello.json": bad}}
        sent = sent if path in {"/v1/validate", "/v1/draft"} else {"draft": sent}
        errors = shop.asks(method, path, json=sent, status=422)["errors"]
        assert {
            tuple(each[name] for name in ("file", "path", "problem", "fix")) for each in errors
        } == said
    assert shop.asks("GET", "/v1/history") == []


@pytest.mark.parametrize(
    ("more", "file", "path"),
    [
        ({"journeys": {}}, "journeys", "$"),
        ({"journeys": {"anlass.yaml": waiting("1h")}}, "anlass.yaml", "$"),
        ({"journeys": {"../hello.yaml": waiting("1h")}}, "../hello.yaml", "$"),
        ({"segments": {"rich.yaml": {}}}, "rich.yaml", "$"),
        ({"templates": {"hello": LETTER}}, "templates/hello", "$"),
        ({"settings": {"keys": ["secret"]}}, "anlass.yaml", "$.keys"),
        ({"settings": {"languge": "de"}}, "anlass.yaml", "$.languge"),
        ({"settings_file": "other.yaml"}, "other.yaml", "$"),
    ],
)
def test_a_draft_is_what_a_folder_can_hold(
    shop: Served, more: dict[str, Any], file: str, path: str
) -> None:
    errors = shop.asks("POST", "/v1/validate", json=draft(waiting("1h")) | more, status=422)[
        "errors"
    ]
    assert (file, path) in {(each["file"], each["path"]) for each in errors}
    assert all(each["problem"] and each["fix"] for each in errors)


def test_the_draft_that_is_kept_is_meant_where_none_is_sent(shop: Served) -> None:
    errors = shop.asks("POST", "/v1/publish", json={}, status=404)["errors"]
    assert "no draft is kept" in errors[0]["problem"]
    sent = draft(waiting("1h"))
    assert shop.asks("PUT", "/v1/draft", json=sent)["journeys"] == 1
    assert shop.asks("PUT", "/v1/draft", json={"journeys": {}}, status=422)
    assert shop.asks("GET", "/v1/draft")["journeys"] == sent["journeys"]
    shop.asks("POST", "/v1/publish", json={})
    assert shop.asks("GET", "/v1/publication") == shop.asks("GET", "/v1/draft")
    kept = (shop.data / "control-draft.bin").read_bytes()
    assert b"subject" not in kept, "it is sealed as all of the store"


def test_who_publishes_may_say_after_which_publication(shop: Served) -> None:
    shop.asks("POST", "/v1/publish", json={"draft": draft(waiting("1h")), "after": 0})
    late = {"draft": draft(waiting("3h")), "after": 0}
    (error,) = shop.asks("POST", "/v1/publish", json=late, status=409)["errors"]
    assert (error["path"], error["problem"]) == ("$.after", "publication 1 is in force, not 0")
    assert shop.asks("GET", "/v1/journeys")["publication"] == 1
    nothing = shop.asks("POST", "/v1/publish", json={"draft": draft(waiting("1h")), "after": 1})
    assert nothing["published"] is None


def test_visits_without_a_place_to_go_to_stand_in_the_way(shop: Served) -> None:
    shop.asks("POST", "/v1/publish", json={"draft": draft(waiting("1h"))})
    shop.event("ada", at_ms=NOON_MS)
    moved = {
        "draft": draft(journey(nodes=[wait("1h", "b"), mail()])),
        "in_flight": "migrate",
    }
    (error,) = shop.asks("POST", "/v1/publish", json=moved, status=409)["errors"]
    assert (error["path"], error["problem"], error["fix"]) == (
        "$.map",
        "hello: 1 visits stand at a, which is gone",
        'say where they go: `map` {"hello": {"a": "NODE"}} ("" in its place: they end)',
    )
    (problem,) = shop.asks("POST", "/v1/diff", json=moved)["problems"]
    assert problem == f"{error['problem']}; {error['fix']}"
    for maps, said in (
        ({"helo": {}}, "`map`: 'helo' is no journey that changes"),
        ({"hello": {"z": "b"}}, '`map` {"hello": {"z": "b"}}: what is in force has no node'),
    ):
        (error,) = shop.asks("POST", "/v1/publish", json=moved | {"map": maps}, status=409)[
            "errors"
        ]
        assert (error["path"], error["problem"][: len(said)]) == ("$.map", said)
    shop.asks("POST", "/v1/publish", json=moved | {"map": {"hello": {"a": "b"}}})
    assert states(shop) == {"hello": (2, "live")}


@pytest.mark.parametrize("what", ["pause", "resume", "end"])
def test_a_journey_that_is_not_there_is_not_found(shop: Served, what: str) -> None:
    shop.asks("POST", "/v1/publish", json={"draft": draft(waiting("1h"))})
    (error,) = shop.asks("POST", f"/v1/journeys/helo/{what}", status=404)["errors"]
    assert error["fix"] == "did you mean `hello`?"
    (error,) = shop.asks("GET", "/v1/journeys/helo", status=404)["errors"]
    assert error["fix"] == "did you mean `hello`?"


def test_without_a_system_nothing_is_changed(tmp_path: Path) -> None:
    with served(tmp_path / "data") as shop:
        (shop.data / "system.json").unlink()
        body = {"draft": draft(waiting("1h"))}
        (error,) = shop.asks("POST", "/v1/publish", json=body, status=503)["errors"]
        assert error["problem"].startswith("nothing runs on")
        assert shop.asks("GET", "/v1/history") == []
