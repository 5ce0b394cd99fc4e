"""How the system is, what it was sent, its numbers, and what files may say: as the command says."""

import asyncio
import threading

import pytest

from console.control import turns
from console.control.endpoint import BODY_BYTES_MAX
from console.control.faults import RefusedError
from engine.language.schema import schema_of
from tests.console.control.served import Served
from tests.engine.situation import mail, wait
from tests.publications import journey


def test_the_status_is_that_of_the_command(shop: Served) -> None:
    shop.put_in_force(journey())
    found = shop.asks("GET", "/v1/status")
    (hello,) = found["journeys"]
    assert (found["running"], hello["journey"], found["total"]["contacts"]) == (True, "hello", 0)


def test_event_names_and_fields_are_those_that_were_seen(shop: Served) -> None:
    shop.event("ada", "purchase", total=12)
    names = shop.asks("GET", "/v1/events")
    assert [each["name"] for each in names["events"]] == ["purchase"]
    assert names["faults"] == []
    assert shop.asks("GET", "/v1/events/purchase")["fields"][0]["field"] == "total"
    (error,) = shop.asks("GET", "/v1/events/purchas", status=404)["errors"]
    assert error["fix"] == "did you mean `purchase`?"


def test_numbers_are_those_of_the_command(shop: Served) -> None:
    shop.put_in_force(journey(nodes=[wait("1h", "a"), mail()]))
    shop.event("ada")
    (found,) = shop.asks("GET", "/v1/numbers")["journeys"]
    assert (found["journey"], found["total"]["waiting"]) == ("hello", 1)
    (error,) = shop.asks("GET", "/v1/numbers?journey=helo", status=404)["errors"]
    assert error["fix"] == "did you mean `hello`?"
    (error,) = shop.asks("GET", "/v1/numbers?since=long", status=400)["errors"]
    assert error["problem"].startswith("since 'long' cannot be read")
    (error,) = shop.asks("GET", "/v1/numbers?by=year", status=400)["errors"]
    assert error["path"] == "?.by"


def test_what_files_may_say_is_told_as_a_schema(shop: Served) -> None:
    assert shop.asks("GET", "/v1/schema/journey") == schema_of("journey")
    shop.asks("GET", "/v1/schema/journal", status=404)


@pytest.mark.parametrize("sent", [b"{", b"[1]", b'{"draft": 7}', b'{"notes": ""}', b"[" * 5_000])
def test_a_body_that_is_no_such_is_refused_with_its_place(shop: Served, sent: bytes) -> None:
    said = {"content": sent, "headers": {"content-type": "application/json"}}
    (error,) = shop.asks("POST", "/v1/publish", status=400, **said)["errors"]
    assert error["path"].startswith("$")


def test_a_body_has_a_bound_and_is_json(shop: Served) -> None:
    large = b'{"note": "' + b"a" * BODY_BYTES_MAX + b'"}'
    said = {"content": large, "headers": {"content-type": "application/json"}}
    (error,) = shop.asks("POST", "/v1/publish", status=413, **said)["errors"]
    assert error["problem"] == "a body has 8 MiB at most"
    said = {"content": b"{}", "headers": {"content-type": "text/plain"}}
    shop.asks("POST", "/v1/publish", status=415, **said)


def test_paths_and_methods_that_are_not_there_are_said_so(shop: Served) -> None:
    (error,) = shop.asks("GET", "/v2/status", status=404)["errors"]
    assert "see /openapi.json" in f"{error['problem']}; {error['fix']}"
    answer = shop.answer("PATCH", "/v1/draft")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PUT")
    shop.asks("POST", "/openapi.json", status=405)


async def test_what_takes_too_long_is_answered_and_holds_its_place_until_it_ends() -> None:
    goes_on = threading.Event()
    few = turns.Turns(at_once=1, waiting=1)
    with pytest.raises(RefusedError) as late:
        await few.take(goes_on.wait, 0.01)
    assert late.value.status == 504
    waits = asyncio.ensure_future(few.take(lambda: "done", 30))
    await asyncio.sleep(0)
    with pytest.raises(RefusedError, match="as many requests as may wait") as full:
        await few.take(lambda: "done", 30)
    assert full.value.status == 503
    goes_on.set()
    assert await waits == "done"
    assert await few.take(lambda: "again", 30) == "again"
    few.close()


def test_one_change_waits_for_another_but_not_for_ever(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.control.system.CHANGING_S", 0.01)
    with shop.system.changing():
        answer = shop.answer("POST", "/v1/journeys/hello/pause")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "another change goes on" in answer.text


def test_a_fault_of_ours_is_told_without_its_words(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(shop.system, "in_force", fail)
    answer = shop.answer("GET", "/v1/journeys")
    assert answer.status_code == 500
    assert "secret" not in answer.text
