"""The audit log: durable before a change, with what came of it after; bounded; of no contact."""

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.yaml import encode as yaml
from typer.testing import CliRunner, Result

import console.contacts.command
import console.control.contacts
from actors.errors import OperatorError
from actors.publisher import Publisher
from console.__main__ import app
from console.control.app import ENDPOINTS
from console.journeys import audit
from console.journeys.audit import Audit, UnnotedError
from console.journeys.publication import account
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
    files = list(tmp_path.glob(f"{audit.FILE}*"))
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
    with pytest.raises(UnnotedError, match="cannot be written"):
        log.begin("anna", "pause", "a")


def test_all_processes_number_in_one_row_and_none_writes_amid_another(tmp_path: Path) -> None:
    logs = [Audit(tmp_path, file_bytes_max=4_000) for _ in range(4)]

    def work(log: Audit) -> list[int]:
        found = []
        for number in range(25):
            found.append(line := log.begin("anna", "pause", f"j-{number}"))
            log.end(line, "done")
        return [each.number for each in found]

    with ThreadPoolExecutor(len(logs)) as threads:
        given = [number for found in threads.map(work, logs) for number in found]
    assert sorted(given) == list(range(1, 101))
    found = Audit(tmp_path).lines(1 << 53, 200)
    assert [each.number for each in found] == list(range(100, 0, -1))
    assert {each.outcome for each in found} == {"done"}


def test_who_was_stopped_with_the_lock_stops_no_other_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "LOCK_S", 0.05)
    log = Audit(tmp_path)
    with (tmp_path / audit.LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UnnotedError, match=r"another process holds control-audit\.lock"):
            log.begin("anna", "pause", "a")
    assert log.begin("anna", "pause", "a").number == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_begins_the_account_of_the_system_goes_on_with(tmp_path: Path) -> None:
    os.chown(tmp_path, 65_534, 65_534)
    Audit(tmp_path).begin("root", "pause", "a")
    assert {each.stat().st_uid for each in tmp_path.iterdir()} == {65_534}


def here(shop: Served, *said: str, answer: str = "") -> Result:
    """Run a command on the machine itself."""
    return CliRunner().invoke(app, [*said, "--data", str(shop.data)], input=answer)


def test_changes_by_commands_on_the_machine_itself_are_told_of_too(
    shop: Served, folder: Path
) -> None:
    where = ["--journeys", str(folder)]
    shop.event("ada")
    for said in (
        ["publish", *where, "--yes"],
        ["pause", "hello"],
        ["resume", "hello"],
        ["publish", *where, "--yes"],
        ["roll-back", "hello", "--to", "1", "--yes"],
        ["end", "hello", "--yes"],
        ["contact", "erase", "ada"],
    ):
        ended = here(shop, *said)
        assert ended.exit_code == 0, ended.output
        if said[0] == "pause":
            shop.asks("POST", "/v1/journeys/hello/resume", json={})
            here(shop, "pause", "hello")
            (folder / "hello.yaml").write_bytes(yaml(waiting("2h")))
    assert lines(shop)[::-1] == [
        ("publish", "", "done"),
        ("pause", "hello", "done"),
        ("resume", "hello", "done"),
        ("pause", "hello", "done"),
        ("resume", "hello", "done"),
        ("publish", "", "done"),
        ("roll-back", "hello to 1", "done"),
        ("end", "hello", "done"),
        ("erase", digest_of("ada"), "done"),
    ]
    found = shop.asks("GET", "/v1/audit")[::-1]
    assert [each["number"] for each in found] == list(range(1, 10))
    assert [each.get("command", False) for each in found] == [True] * 2 + [False] + [True] * 6
    assert {each["by"] for each in found} == {account(), "loopback"}
    assert b"ada" not in (shop.data / audit.FILE).read_bytes()


def test_what_a_command_was_not_let_do_is_not_told_of_and_what_failed_is(
    shop: Served, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ["--journeys", str(folder)]
    here(shop, "publish", *where, answer="n\n")
    here(shop, "diff", *where, "--days", "0")
    here(shop, "pause", "helo")
    assert lines(shop) == []

    async def fail(*_: Any, **__: Any) -> None:
        raise OperatorError("not all shards have it")

    monkeypatch.setattr(Publisher, "publish", fail)
    here(shop, "publish", *where, "--yes")
    assert lines(shop) == [("publish", "", "not all shards have it")]


def test_what_cannot_be_told_of_no_command_does(
    shop: Served, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.event("ada")
    (shop.data / audit.FILE).mkdir()
    for said in (["publish", "--journeys", str(folder), "--yes"], ["contact", "erase", "ada"]):
        refusal = str(here(shop, *said).exception)
        assert "Is a directory; nothing was changed, make space" in refusal
    assert shop.asks("GET", "/v1/history") == []
    assert shop.asks("GET", "/v1/contacts/ada")["state"]["key"] == "ada"


def test_where_the_log_cannot_say_how_a_change_ended_the_command_does(
    shop: Served, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Audit, "end", full)
    ended = here(shop, "publish", "--journeys", str(folder), "--yes")
    said = "publish: done, and the audit log cannot say so: No space left on device; make space"
    assert str(ended.exception) == said
    assert lines(shop) == [("publish", "", "begun")]


@pytest.mark.parametrize("contact", ["ada-7", 'o\'hara "q" \\'])
def test_what_came_of_it_names_no_contact_either(
    shop: Served, monkeypatch: pytest.MonkeyPatch, contact: str
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise OperatorError(f"{contact}: refused, {contact!r} is still there")

    monkeypatch.setattr(console.contacts.command, "erase_contact", fail)
    monkeypatch.setattr(console.control.contacts, "erase_contact", fail)
    here(shop, "contact", "erase", contact)
    shop.asks("DELETE", f"/v1/contacts/{quote(contact, safe='')}", status=409)
    digest = digest_of(contact)
    told = f"{digest}: refused, {repr(contact)[0]}{digest}{repr(contact)[-1]} is still there"
    assert lines(shop) == [("erase", digest, told)] * 2
