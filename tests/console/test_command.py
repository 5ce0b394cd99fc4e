"""The command: a mistake in use is one line that says what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.frame import AdvanceRecord, Frame, encode_frame
from actors.processes import Processes
from actors.store.archive import ARCHIVE_FOLDER, archive_segment
from actors.store.disk import REAL_DISK
from actors.store.key import store_key
from actors.store.log import open_log
from actors.store.manifest import open_store, shard_folder
from actors.store.segment import segments_of
from engine.decision import Fault
from tests.console.command import anlass, fresh_anlass

EXAMPLES = Path(__file__).parents[2] / "examples" / "journeys"
CONTACTS = Path(__file__).parents[2] / "examples" / "contacts" / "contacts.csv"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fly"], "No such command 'fly'. Try `anlass --help`."),
        (
            ["replay", "--journeys", EXAMPLES],
            "Missing option '--events'. Try `anlass replay --help`.",
        ),
        (["contact", "fly"], "No such command 'fly'. Try `anlass contact --help`."),
        (["contact", "show"], "Missing argument 'ID'. Try `anlass contact show --help`."),
        (["run", "--port", "99999"], "less than or equal to 65535. Try `anlass run --help`."),
        (["replay", "--journeys", EXAMPLES, "--events", "/none"], "there is no file /none"),
        (["replay", "--journeys", EXAMPLES, "--events", EXAMPLES], "is a folder; name a file in"),
        (["replay", "--from-log", "/none"], "/none is no data folder of Anlass"),
        (["replay", "--from-log", "/none", "--events", "/e"], "takes no --events; leave one"),
        (["replay", "--from-log", "/none", "--journeys", "/j"], "takes no --journeys; leave one"),
        (["replay", "--from-log", "/none", "--until", "soon"], "--until 'soon' is no moment"),
        (["replay", "--until", "0"], "--until goes with --from-log or --control only"),
        (["status", "--data", "/none"], "/none is no data folder of Anlass; name one with --data"),
        (["verify", "/none"], "/none is no data folder of Anlass; name one with --data"),
        (["failed", "--data", "/none"], "/none is no data folder of Anlass; name one with --data"),
        (["run", "--journeys", EXAMPLES, "--host", "0.0.0.0", "--data", "/none"], "write keys"),
        (
            ["run", "--journeys", EXAMPLES, "--clock", "sun"],
            ": 'sun' is not one of 'wall', 'events'",
        ),
        (["run", "--journeys", EXAMPLES, "--keep", "long"], "--keep 'long' is no span; write"),
        (["validate", "/none"], "/none"),
        (["import", "/none.csv"], "there is no file /none.csv"),
        (["import", CONTACTS, "--contact-column", "id"], "no column `id`, only `contact`, `email`"),
        (["import", CONTACTS, "--delimiter", "semicolon"], "write one sign, such as ; or tab"),
        (["import", CONTACTS, "--list", "a", "--remove-from", "a"], "'a' is named twice"),
        (["import", CONTACTS, "--report", "/none/r"], "--report /none/r cannot be written"),
    ],
)
def test_a_mistake_in_use_is_one_line(arguments: list[object], said: str) -> None:
    result = anlass(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("anlass: ")
    assert said in line


@pytest.mark.parametrize("arguments", [[], ["contact"], ["keys"]])
def test_a_command_of_commands_alone_shows_them(arguments: list[object]) -> None:
    result = anlass(*arguments)
    assert result.returncode == 2
    assert result.stderr == anlass(*arguments, "--help").stdout


def test_validate_names_every_mistake_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "journey: a\nentry: {event: x}\nnodes: [{id: n, wait: 2 moons}]\n"
    )
    (tmp_path / "b.yaml").write_text("journey: b\nentri: {event: x}\nnodes: []\n")
    result = fresh_anlass("validate", tmp_path)
    assert result.returncode == 2
    assert [line.split(" - at ")[0] for line in result.stderr.splitlines()] == [
        "anlass: a.yaml: cannot read '2 moons' as a span",
        "anlass: b.yaml: the field 'entry' is missing",
        "anlass: b.yaml: unknown field 'entri'",
    ]
    assert anlass("validate", EXAMPLES).returncode == 0


def test_replay_counts_the_files_events_and_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    line = '{"contact": "c-%d", "name": "page_view", "at_ms": 1700000000000}\n'
    events.write_text("".join(line % (i % 3) for i in range(9)) + "no event\n")
    said = []
    for name, run in (("one", anlass), ("two", fresh_anlass)):
        result = run(
            *["replay", "--journeys", EXAMPLES, "--events", events, "--consent", "all"],
            *["--out", tmp_path / name, "--json"],
        )
        said.append(json.loads(result.stdout))
        assert "line 10" in result.stderr
    assert (said[0]["events"], said[0]["rejected"], said[0]["contacts"]) == (9, 1, 3)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_example_events_come_to_a_mail_of_each_journey(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    events = EXAMPLES.parent / "events.jsonl"
    result = anlass("replay", "--journeys", EXAMPLES, "--events", events, "--out", out)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["contact"], line["journey"], line["outcome"]) for line in lines] == [
        ("c-43", "checkout-help", "sent"),
        ("c-42", "favourites", "sent"),
    ]


def test_failed_lists_what_the_log_says(tmp_path: Path) -> None:
    open_store(tmp_path, 1, "wall")
    log = open_log(shard_folder(tmp_path, 0), store_key(tmp_path))
    fault = Fault("c-1", "e-1", "ZeroDivisionError: poison")
    log.append(0, [encode_frame(Frame(0, 1, [], b"", [], [fault]))])
    log.close()
    result = anlass("failed", "--data", tmp_path, "--json")
    assert json.loads(result.stdout) == {
        "shard": "shard-0",
        "position": 0,
        "contact": "c-1",
        "what": "e-1",
        "error": "ZeroDivisionError: poison",
        "at_ms": 0,
    }
    assert "poison" in anlass("failed", "--data", tmp_path).stdout


def test_failed_says_what_to_do_when_the_key_is_missing_or_another(tmp_path: Path) -> None:
    open_store(tmp_path, 1, "wall")
    kept = (tmp_path / "store.key").rename(tmp_path / "kept")
    result = anlass("failed", "--data", tmp_path)
    assert result.returncode == 2
    assert "store.key is missing; put it back, name it with --key-file" in result.stderr
    assert anlass("failed", "--data", tmp_path, "--key-file", kept).returncode == 0
    kept.write_text("A" * 43 + "=")
    result = anlass("failed", "--data", tmp_path, "--key-file", kept)
    assert (result.returncode, "made with another key" in result.stderr) == (2, True)


def test_a_start_that_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    data, temporary = tmp_path / "data", tmp_path / "temporary"
    temporary.mkdir()
    run = ["run", "--data", data, "--journeys", EXAMPLES]
    driver = Processes(data)
    driver.hold()
    result = anlass(*run, temporary=temporary)
    assert result.returncode == 2
    assert f"{data} is in use by process {os.getpid()}; stop it" in result.stderr
    assert sorted(path.name for path in data.iterdir()) == ["lock"]
    driver.release()
    open_store(data, 1, "wall")
    before = sorted(data.iterdir())
    result = anlass(*run, "--encryption", "off", temporary=temporary)
    assert result.returncode == 2
    assert "was made with --encryption on; start with that" in result.stderr
    assert sorted(data.iterdir()) == before
    assert list(temporary.iterdir()) == []


def test_failed_reads_what_is_encrypted_and_in_the_archive(tmp_path: Path) -> None:
    open_store(tmp_path, 1, "wall")
    folder, key = shard_folder(tmp_path, 0), store_key(tmp_path)
    record = AdvanceRecord(5, 0, 5, 1)
    for position in range(3):
        log = open_log(folder, key)
        fault = Fault("c-1", f"e-{position}", "poison")
        log.append(position, [encode_frame(Frame(position, 1, [record], b"\0", [], [fault]))])
        log.close()
    first, second, _ = segments_of(folder)
    REAL_DISK.make_folder(folder / ARCHIVE_FOLDER)
    for segment in (first, second):
        archive_segment(segment, folder / ARCHIVE_FOLDER, key)
    (tmp_path / "store.key").rename(tmp_path / "elsewhere")
    result = anlass("failed", "--data", tmp_path, "--json", "--key-file", tmp_path / "elsewhere")
    said = [json.loads(line)["what"] for line in result.stdout.splitlines()]
    assert said == ["e-0", "e-1", "e-2"]
    refused = anlass("failed", "--data", tmp_path)
    assert (refused.returncode, "its key" in refused.stderr) == (2, True)


def test_a_command_that_starts_nothing_does_not_wait_for_ray_to_be_imported() -> None:
    late = "['ray' in sys.modules, 'console.system.run' in sys.modules]"
    code = f"import console.__main__, sys; print(*{late})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "False"]


def test_replay_of_a_file_without_any_event_fails_and_says_so(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text("no event\nnor this\n")
    result = anlass("replay", "--journeys", EXAMPLES, "--events", events, "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["rejected"] == 2
    assert f"none of the 2 lines of {events} is an event; see --format" in result.stderr
