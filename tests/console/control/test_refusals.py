"""Who is not let in is in the audit log: at once, without the key, and never more than so much."""

from pathlib import Path
from typing import Any

import pytest

from console.control import refusals
from console.control.refusals import ADDRESSES_MAX, OTHERS, WINDOW_S, Refusal, Refusals
from console.control.settings import ControlKey
from console.journeys import audit
from console.journeys.audit import Audit
from tests.console.control.served import ANNA, Served, served

READER = ControlKey(name="rita", key="a-key-of-rita-that-is-long", scopes=["read"])
WRONG = "a-secret-that-is-no-key-here"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def noted(shop: Served) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.asks("GET", "/v1/audit", headers=bearer(ANNA.key))
    return found


def test_who_is_not_let_in_is_noted_and_no_key_or_contact_is_named(tmp_path: Path) -> None:
    with served(tmp_path / "data", [ANNA, READER]) as shop:
        for _ in range(30):
            shop.asks("GET", "/v1/contacts/ada", headers=bearer(WRONG), status=401)
        shop.asks("GET", "/v1/status", status=401)
        shop.asks("GET", "/v1/contacts/ada", headers=bearer(READER.key), status=403)
        forbidden, unknown = noted(shop)
        assert (unknown["by"], unknown["what"]) == ("unknown", "refused")
        assert unknown["about"] == "401 to 127.0.0.1: GET /v1/contacts/{contact}"
        assert unknown["outcome"] == "refused 31 times within a minute"
        assert (forbidden["by"], forbidden["outcome"]) == ("rita", "refused")
        assert forbidden["about"].startswith("403 to 127.0.0.1: ")
        shop.asks("GET", "/v1/status", status=401)
    said = (tmp_path / "data" / audit.FILE).read_bytes()
    assert b"refused 32 times" in said, "noted when the system ends"
    for secret in (WRONG, ANNA.key, READER.key, "ada"):
        assert secret.encode() not in said


def test_the_first_is_on_the_disk_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path / "data", [ANNA]) as shop:
        shop.asks("GET", "/v1/status", status=401)
        (line,) = Audit(tmp_path / "data").lines(10, 10)
        assert (line.what, line.outcome) == ("refused", "refused")


def test_what_followed_is_noted_when_the_minute_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.control.app.WINDOW_S", 0.2)
    monkeypatch.setattr(refusals, "WINDOW_S", 0.2)
    with served(tmp_path / "data", [ANNA]) as shop:
        for _ in range(3):
            shop.asks("GET", "/v1/status", status=401)
        log = Audit(tmp_path / "data")
        while "times" not in log.lines(10, 10)[-1].outcome:
            shop.asks("GET", "/openapi.json")


def test_without_the_disk_nobody_is_let_in_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path / "data", [ANNA]) as shop:
        (shop.data / audit.FILE).mkdir()
        shop.asks("GET", "/v1/status", status=401)
        (shop.data / audit.FILE).rmdir()
        (line,) = noted(shop)
        assert line["outcome"] == "refused"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_lines_are_bounded_however_many_try_from_wherever(tmp_path: Path) -> None:
    clock, log = Clock(), Audit(tmp_path)
    counted = Refusals(log, clock)
    minutes = 3
    for _ in range(minutes):
        for i in range(1_000):
            if counted.add(Refusal(f"10.0.{i % 250}.1", "unknown", 401, "GET /v1/status")):
                counted.write()
        counted.write()
        clock.now_s += WINDOW_S
    written = (tmp_path / audit.FILE).read_bytes().splitlines()
    assert len([each for each in written if each]) == minutes * 2 * (ADDRESSES_MAX + 1)
    lines = log.lines(1 << 53, 1_000)
    assert len(lines) == minutes * (ADDRESSES_MAX + 1)
    others = [each for each in lines if OTHERS in each.about]
    assert {each.outcome for each in others} == {"refused 968 times within a minute"}
    assert sum(int(each.outcome.split()[1].replace(",", "")) for each in lines) == 1_000 * minutes


def test_a_minute_later_it_is_noted_anew_and_what_was_counted_is_not_lost(tmp_path: Path) -> None:
    clock, log = Clock(), Audit(tmp_path)
    counted = Refusals(log, clock)
    again = Refusal("10.0.0.1", "unknown", 401, "GET /v1/status")
    assert counted.add(again)
    counted.write()
    assert not counted.add(again)
    clock.now_s += WINDOW_S
    assert counted.add(again)
    counted.write()
    outcomes = [each.outcome for each in log.lines(10, 10)]
    assert outcomes == ["refused", "refused 2 times within a minute"]
