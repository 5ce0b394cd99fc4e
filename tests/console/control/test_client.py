"""The command through the control API says what it says on the machine itself."""

import json
import re
from pathlib import Path

import pytest
from msgspec.yaml import encode as yaml
from typer.testing import CliRunner

from actors.errors import OperatorError
from actors.store.block import HEAD, HEADER
from console.__main__ import app
from engine.errors import AuthorError
from tests.console.control.afar import Anlass, here
from tests.console.control.served import ANNA, NOON_MS, Served
from tests.console.control.test_changes import draft, waiting
from tests.engine.situation import mail
from tests.publications import journey

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
    (hello,) = json.loads(anlass("status", "--json"))["journeys"]
    assert (hello["journey"], hello["version"]) == ("hello", 1)


def test_an_erasure_is_made_there(there: tuple[Served, Anlass]) -> None:
    shop, anlass = there
    shop.event("ada")
    assert "ada is erased" in anlass("contact", "erase", "ada", "--keep-out", "1d")
    text = anlass("contact", "show", "ada", fails=OperatorError)
    assert text.startswith("nothing is known of contact 'ada'; look for its id")
    ended = CliRunner().invoke(app, ["contact", "show", "ada", "--data", str(shop.data)])
    assert str(ended.exception) == text


def test_refusals_have_the_words_of_the_command(there: tuple[Served, Anlass]) -> None:
    _, anlass = there
    text = anlass("pause", "helo", fails=OperatorError)
    assert text == "no journey 'helo' is in force; there is none yet"
    assert "leave it out" in anlass("pause", "helo", "--by", "me", fails=OperatorError)


def test_a_folder_is_checked_against_what_is_seen_and_known_there(
    there: tuple[Served, Anlass], folder: Path
) -> None:
    shop, anlass = there
    shop.event("ada", "helo")
    said = CliRunner().invoke(app, ["validate", str(folder), "--data", str(shop.data)])
    note = "no event 'hi' was seen yet; known here: helo"
    assert note in said.stderr
    assert (anlass("validate", str(folder)), anlass.errors) == (said.stdout, said.stderr)
    (folder / "hello.yaml").write_text("journey: hello\n")
    local = CliRunner().invoke(app, ["validate", str(folder)])
    assert anlass("validate", str(folder), fails=AuthorError) == str(local.exception)


def test_mistakes_that_only_the_system_there_can_see_are_told_as_mistakes_of_files(
    there: tuple[Served, Anlass], folder: Path
) -> None:
    shop, anlass = there
    shop.system.operator["channels"] = {"webhook": {"hosts": ["api.example"]}}
    hook = {"id": "a", "webhook": "https://erp.example/hook"}
    (folder / "hello.yaml").write_bytes(yaml(journey("hello", nodes=[hook, mail()])))
    assert CliRunner().invoke(app, ["validate", str(folder)]).exit_code == 0
    text = anlass("validate", str(folder), fails=AuthorError)
    assert "hello.yaml: this server is not allowed - at `$.nodes[0].webhook`" in text


@pytest.fixture
def mailed(there: tuple[Served, Anlass]) -> tuple[Served, Anlass]:
    """Ada and Bob got two messages each, within a minute."""
    shop, anlass = there
    body = {"draft": draft(journey(nodes=[mail()]))}
    bearer = {"authorization": f"Bearer {ANNA.key}"}
    shop.asks("POST", "/v1/publish", json=body, headers=bearer)
    for contact in ("ada", "bob"):
        for minute in range(2):
            shop.event(contact, at_ms=NOON_MS + minute * 60_000)
    return shop, anlass


def test_a_draft_is_compared_there_as_it_is_here(
    mailed: tuple[Served, Anlass], folder: Path, tmp_path: Path
) -> None:
    shop, anlass = mailed
    capped = journey("hello", nodes=[mail()], caps=[{"messages": 1, "per": "1d"}])
    (folder / "hello.yaml").write_bytes(yaml(capped))
    asked = ["replay", "--against", str(folder), "--vary", "hello.yaml:caps[0].messages=1,2"]
    lines, page = tmp_path / "there.jsonl", tmp_path / "there.html"
    told = anlass(*asked, "--out", str(lines), "--html", str(page))
    ours, own = tmp_path / "here.jsonl", tmp_path / "here.html"
    known = invoked(*asked, "--from-log", shop.data, "--out", ours, "--html", own)
    assert (alike(told), lines.read_text()) == (alike(known), ours.read_text())
    assert len(lines.read_text().splitlines()) == 2
    assert page.read_text() == own.read_text()
    said = [json.loads(anlass(*asked, "--json"))]
    said.append(json.loads(invoked(*asked, "--from-log", shop.data, "--json")))
    for each in said:
        for name in ("wall_s", "events_per_s"):
            del each[name]
    assert said[0] == said[1]
    assert anlass(*asked, "--same", fails=SystemExit) == "1"


@pytest.mark.parametrize("until", [[], ["--until", str(NOON_MS + 30_000)]], ids=["all", "until"])
def test_what_went_out_is_read_there_as_it_is_here(
    mailed: tuple[Served, Anlass], tmp_path: Path, until: list[str]
) -> None:
    shop, anlass = mailed
    lines, ours = tmp_path / "there.jsonl", tmp_path / "here.jsonl"
    told = anlass("replay", *until, "--out", str(lines))
    known = invoked("replay", *until, "--from-log", shop.data, "--out", ours)
    assert table_of(told) == table_of(known)
    assert lines.read_bytes() == ours.read_bytes()
    assert len(lines.read_bytes().splitlines()) == (2 if until else 4)
    said = [json.loads(anlass("replay", *until, "--json"))]
    said.append(json.loads(invoked("replay", *until, "--from-log", shop.data, "--json")))
    for each in said:
        for name in ("wall_s", "events_per_s"):
            del each[name]
    assert said[0] == said[1]


def test_a_file_of_events_is_replayed_here_whatever_system_is_named(
    mailed: tuple[Served, Anlass], folder: Path
) -> None:
    shop, anlass = mailed
    asked = ["replay", "--journeys", str(folder), "--events", str(folder / "none.jsonl")]
    assert "none.jsonl" in anlass(*asked, fails=OperatorError)
    assert "Missing option '--events'" in anlass(*asked[:3], fails=OperatorError)
    assert shop.system.jobs.all() == []


def test_of_too_many_outcomes_the_first_are_kept_and_it_says_so(
    mailed: tuple[Served, Anlass], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, anlass = mailed
    out = tmp_path / "out.jsonl"
    anlass("replay", "--out", str(out))
    whole = out.read_text()
    monkeypatch.setattr("console.control.replays.RESULT_BYTES_MAX", len(whole) - 1)
    anlass("replay", "--out", str(out))
    assert "note: only the first 3 of 4 outcomes are kept there" in anlass.errors
    assert out.read_text() == "".join(whole.splitlines(keepends=True)[:3])


def test_what_stands_in_the_way_of_a_comparison_is_told_in_the_same_words(
    mailed: tuple[Served, Anlass], folder: Path
) -> None:
    shop, anlass = mailed
    vary = ["--vary", "hello.yaml:nodes[x].wait=1h,2h"]
    asked = ["replay", "--against", str(folder), *vary]
    local = CliRunner().invoke(app, [*asked, "--from-log", str(shop.data)])
    assert isinstance(local.exception, AuthorError)
    assert anlass(*asked, fails=AuthorError) == str(local.exception)
    missing = CliRunner().invoke(app, asked)
    assert "name its store with --from-log, or its system with --control" in str(missing.exception)


def test_of_too_many_differences_the_first_are_kept_and_it_says_so(
    mailed: tuple[Served, Anlass], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, anlass = mailed
    (folder / "hello.yaml").write_bytes(yaml(waiting("1h")))
    out = tmp_path / "out.jsonl"
    asked = ["replay", "--against", str(folder), "--out", str(out)]
    anlass(*asked)
    whole = out.read_text()
    monkeypatch.setattr("console.control.replays.RESULT_BYTES_MAX", len(whole) - 1)
    anlass(*asked)
    assert "note: only the first 3 of 4 differences are kept there" in anlass.errors
    assert out.read_text() == "".join(whole.splitlines(keepends=True)[:3])


def test_a_store_is_verified_there_as_it_is_here(there: tuple[Served, Anlass]) -> None:
    shop, anlass = there
    for number in range(20):
        shop.event(f"c-{number}")
    known = json.loads(invoked("verify", str(shop.data), "--json"))
    assert json.loads(anlass("verify", "--json")) == known
    assert known["counts"]["records"] >= 20
    assert anlass("verify") == invoked("verify", str(shop.data))


def test_damage_there_is_a_line_each_and_exit_1(there: tuple[Served, Anlass]) -> None:
    shop, anlass = there
    for contact in ("ada", "bob"):  # A last block that is damaged may be one cut short.
        shop.event(contact)
    (path,) = (shop.data / "shard-0").glob("*.seg")
    data = bytearray(path.read_bytes())
    data[HEADER.size + HEAD.size] ^= 1
    path.write_bytes(bytes(data))
    assert anlass("verify", fails=SystemExit) == "1"
    assert f"shard-0/{path.name}, byte {HEADER.size}: not as it was written" in anlass.errors
    path.unlink()
    (shop.data / "store.json").unlink()
    text = anlass("verify", fails=OperatorError)
    assert text == str(CliRunner().invoke(app, ["verify", str(shop.data)]).exception)


def test_inputs_that_failed_are_listed_there_as_here(
    there: tuple[Served, Anlass], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(*_: object) -> None:
        raise ZeroDivisionError("poison")

    shop, anlass = there
    anlass("publish", "--journeys", str(folder), "--yes")
    monkeypatch.setattr("engine.fold.step.happen", poisoned)
    for minute in range(3):
        shop.event("ada", at_ms=NOON_MS + minute * 60_000)
    assert "poison" in anlass("failed")
    for more in ([], ["--json"], ["--limit", "1"], ["--until", str(NOON_MS + 60_000)]):
        assert anlass("failed", *more) == here(shop, "failed", *more)
    (line,) = anlass("failed", "--json", "--limit", "1").splitlines()
    assert json.loads(line)["at_ms"] == NOON_MS + 120_000
    assert "note: 2 older ones are left off" in anlass.errors
    assert "no moment" in anlass("failed", "--until", "noon", fails=OperatorError)


def test_who_gives_up_waiting_ends_the_job_there(
    mailed: tuple[Served, Anlass], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, anlass = mailed

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("console.remote.job.time.sleep", interrupted)
    anlass("verify", fails=SystemExit)
    (job,) = shop.system.jobs.all()
    assert (job.what, job.state) == ("verify", "ended")


def invoked(*said: object) -> str:
    ended = CliRunner().invoke(app, [str(each) for each in said])
    assert ended.exit_code == 0, (ended.output, ended.exception)
    return ended.stdout


def alike(text: str) -> str:
    """Leave out how fast it was."""
    return re.sub(r"; [\d,]+ events/s", "", text)


def table_of(text: str) -> str:
    """Leave out what it was read of and how fast it was."""
    return text[text.index("┏") :]


def test_names_with_any_signs_are_one_part_of_a_path(there: tuple[Served, Anlass]) -> None:
    shop, anlass = there
    shop.put_in_force(journey())
    odd = "anonymous/a?b#c%2F d"
    shop.event(odd)
    assert json.loads(anlass("contact", "show", odd, "--json"))["contact"] == odd
