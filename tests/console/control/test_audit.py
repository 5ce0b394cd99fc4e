"""The audit log: durable before a change, with what came of it after; bounded; of no contact."""

import os
from pathlib import Path
from typing import Any

import pytest

from console.control import audit
from console.control.app import ENDPOINTS
from console.control.audit import Audit
from console.control.faults import RefusedError
from engine.contacts.erasure import digest_of
from tests.console.control.served import ANNA, Served, served
from tests.console.control.test_changes import draft, waiting

BEARER = {"authorization": f"Bearer {ANNA.key}"}


def lines(shop: Served) -> list[tuple[str, str, str]]:
    found = shop.asks("GET", "/v1/audit", headers=BEARER)
    return [(each["what"], each.get("about", ""), each["outcome"]) for each in found]


def test_each_change_is_told_of_with_who_asked_and_what_came_of_it(tmp_path: Path) -> None:
    with served(tmp_path / "data", [ANNA]) as shop:
        body = {"draft": draft(waiting("1h"))}
        shop.asks("POST", "/v1/publish", json=body, headers=BEARER)
        shop.event("ada")
        shop.asks("POST", "/v1/journeys/helo/pause", headers=BEARER, status=404)
        shop.asks("GET", "/v1/contacts/ada/export", headers=BEARER)
        shop.asks("DELETE", "/v1/contacts/ada", headers=BEARER)
        shop.asks("GET", "/v1/journeys", headers=BEARER)
        assert lines(shop) == [
            ("erase", digest_of("ada"), "done"),
            ("export", digest_of("ada"), "done"),
            ("pause", "helo", "no journey 'helo' is in force"),
            ("publish", "", "done"),
        ]
        found = shop.asks("GET", "/v1/audit?limit=2&before=4", headers=BEARER)
        assert [each["number"] for each in found] == [3, 2]
        assert {each["by"] for each in found} == {"anna"}
        assert shop.asks("GET", "/v1/history", headers=BEARER)[0]["by"] == "anna"


def test_all_that_changes_something_is_told_of() -> None:
    quiet = {"/v1/validate", "/v1/diff"}
    for each in ENDPOINTS:
        assert bool(each.what) == (
            (each.method != "GET" and each.path not in quiet) or each.path.endswith("/export")
        ), each.path


def test_what_cannot_be_told_of_is_not_done(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    body = {"draft": draft(waiting("1h"))}
    (error,) = shop.asks("POST", "/v1/publish", json=body, status=503)["errors"]
    assert "No space left on device; nothing was changed" in f"{error['problem']}; {error['fix']}"
    monkeypatch.undo()
    assert shop.asks("GET", "/v1/history") == []


def test_a_line_is_on_the_disk_before_the_change_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def seen(file: int) -> None:
        synced.append(os.fstat(file).st_size)
        sync(file)

    monkeypatch.setattr("os.fsync", seen)
    log = Audit(tmp_path)
    log.begin("anna", "publish", "")
    size = (tmp_path / audit.FILE).stat().st_size
    assert size in synced
    assert (tmp_path / audit.FILE).stat().st_mode & 0o777 == 0o600
    (line,) = Audit(tmp_path).lines(10, 10)
    assert line.outcome == "begun", "the process ended amid it"


def test_it_is_bounded_and_numbers_go_on(tmp_path: Path) -> None:
    log = Audit(tmp_path, file_bytes_max=1_000)
    for number in range(200):
        log.end(log.begin("anna", "pause", f"j-{number}"), "done")
    files = list(tmp_path.iterdir())
    assert len(files) == audit.FILES_MAX
    assert sum(each.stat().st_size for each in files) < audit.FILES_MAX * 1_300
    again = Audit(tmp_path, file_bytes_max=1_000)
    assert again.begin("anna", "pause", "").number == 201
    found = again.lines(1 << 53, 5)
    assert [each.number for each in found] == [201, 200, 199, 198, 197]
    assert found[1].about == "j-199"


def test_a_torn_line_hides_none_after_it(tmp_path: Path) -> None:
    Audit(tmp_path).begin("anna", "pause", "a")
    with (tmp_path / audit.FILE).open("ab") as file:
        file.write(b'{"number": 2, "at_')
    Audit(tmp_path).begin("anna", "pause", "b")
    assert [each.about for each in Audit(tmp_path).lines(10, 10)] == ["b", "a"]


def test_nothing_begins_without_its_line(tmp_path: Path) -> None:
    log = Audit(tmp_path)
    (tmp_path / audit.FILE).mkdir()
    with pytest.raises(RefusedError, match="cannot be written"):
        log.begin("anna", "pause", "a")
