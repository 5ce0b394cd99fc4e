"""One contact through the API: as the command tells it, exported, erased, or not there."""

import json
from typing import Any

import msgspec
import pytest

from actors.store.key import store_key
from console.contacts.explain import explanation_of
from console.contacts.held import held_of
from console.contacts.show import known_of
from tests.actors.shards.test_eraser import everything
from tests.console.control.served import NOON_MS, Served
from tests.engine.situation import mail, wait
from tests.publications import journey

ODD = "anonymous/a ü?#%"
ODD_PATH = "/v1/contacts/anonymous%2Fa%20%C3%BC%3F%23%25"


@pytest.fixture
def told(shop: Served) -> Served:
    """Ada entered a journey and waits; so does somebody with an odd id."""
    shop.put_in_force(journey(nodes=[wait("1h", "a"), mail()]))
    shop.event("ada", colour="red")
    shop.event(ODD)
    return shop


def plain(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def test_what_is_known_of_a_contact_is_what_the_command_says(told: Served) -> None:
    known, _ = known_of(told.data, "ada")
    assert told.asks("GET", "/v1/contacts/ada") == plain(known)
    found = told.asks("GET", ODD_PATH)
    assert (found["contact"], found["state"]["visits"][0]["node"]) == (ODD, "a")
    before = told.asks("GET", f"/v1/contacts/ada?at={NOON_MS - 1}", status=404)
    assert "nothing is known of contact 'ada' at" in before["errors"][0]["problem"]


def test_a_story_is_the_one_of_the_command_as_data_and_as_text(told: Served) -> None:
    story = told.asks("GET", "/v1/contacts/ada/explain")
    assert story == plain(explanation_of(told.data, "ada"))
    assert any("note" in entry for entry in story["entries"])
    text = told.asks("GET", "/v1/contacts/ada/explain", headers={"accept": "text/plain"})
    assert text.startswith("ada, times of")
    assert "hello" in text
    later = told.asks("GET", f"/v1/contacts/ada/explain?since={NOON_MS + 1}")
    assert later["entries"] == []
    path = "/v1/contacts/ada/explain?journey=helo"
    (error,) = told.asks("GET", path, status=404)["errors"]
    assert error["fix"] == "did you mean `hello`?"
    shown = told.asks("GET", "/v1/contacts/ada", headers={"accept": "text/plain"})
    assert "hello waits at a" in shown


def test_all_that_is_kept_is_exported_and_an_erased_contact_is_gone(told: Served) -> None:
    held = told.asks("GET", "/v1/contacts/ada/export")
    assert held == plain(held_of(told.data, "ada"))
    assert held["inputs"][0]["payload"] == {"colour": "red"}
    report = told.asks("DELETE", "/v1/contacts/ada?keep_out=1d")
    assert (report["contact"], report["keep_out"]) == ("ada", "1d")
    assert report["records"] >= 1
    told.asks("GET", "/v1/contacts/ada", status=404)
    assert held_of(told.data, "ada").inputs == []
    files = everything(told.data / "shard-0", store_key(told.data))
    assert b"ada" not in files
    audited = (told.data / "control-audit.jsonl").read_bytes()
    assert b"ada" not in audited, "the audit log knows it by its digest"
    assert told.asks("GET", "/v1/contacts/ada/export")["kept_out_until_ms"] is not None


@pytest.mark.parametrize(
    ("path", "at", "said"),
    [
        ("/v1/contacts/ada?at=soon", "at", "at 'soon' is no moment"),
        ("/v1/contacts/ada?at=999999999999999999", "at", "is no moment"),
        ("/v1/contacts/ada/explain?since=yesterday", "since", "since 'yesterday' is no moment"),
        ("/v1/contacts/ada?when=now", "?.when", "unknown field 'when'"),
        ("/v1/contacts/ada?at=1&at=2", "at", "at is there twice"),
        ("/v1/contacts/%FF", "contact", "this is no UTF-8"),
        ("/v1/contacts/%00", "contact", "this is no contact's id"),
        (f"/v1/contacts/{'a' * 257}", "contact", "this is no contact's id"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    told: Served, path: str, at: str, said: str
) -> None:
    (error,) = told.asks("GET", path, status=400)["errors"]
    assert error["path"] == at
    assert said in error["problem"]


def test_a_span_to_keep_out_has_a_bound(told: Served) -> None:
    for said in ("long", "4000d"):
        (error,) = told.asks("DELETE", f"/v1/contacts/ada?keep_out={said}", status=400)["errors"]
        assert error["path"] == "keep_out"
    assert told.asks("GET", "/v1/contacts/ada")


def test_a_contact_that_is_not_known_is_not_found(told: Served) -> None:
    for path in ("/v1/contacts/bob", "/v1/contacts/bob/explain"):
        (error,) = told.asks("GET", path, status=404)["errors"]
        assert "bob" in error["problem"]


def test_inputs_that_failed_are_listed(told: Served) -> None:
    assert told.asks("GET", "/v1/failed?limit=5&until=2026-01-01") == {"failed": [], "left_off": 0}
    (error,) = told.asks("GET", "/v1/failed?until=noon", status=400)["errors"]
    assert error["path"] == "until"
