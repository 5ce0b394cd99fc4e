"""The command: a mistake in use is one line that says what to do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from actors.frame import Frame, encode_frame
from actors.store.key import store_key
from actors.store.log import open_log
from actors.store.manifest import open_store, shard_folder
from engine.decision import Fault

EXAMPLES = Path(__file__).parents[2] / "examples" / "journeys"


def anlass(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "console", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fly"], "No such command 'fly'. Try `anlass --help`."),
        (["replay", "--journeys", EXAMPLES], "Missing option '--events'. Try `anlass --help`."),
        (["replay", "--journeys", EXAMPLES, "--events", "/none"], "there is no file /none"),
        (["replay", "--from-log", "/none"], "/none is no data folder of Anlass"),
        (["replay", "--from-log", "/none", "--events", "/e"], "takes no --events; leave one"),
        (["replay", "--from-log", "/none", "--journeys", "/j"], "takes no --journeys; leave one"),
        (["replay", "--from-log", "/none", "--until", "soon"], "--until 'soon' is no moment"),
        (["replay", "--until", "0"], "--until goes with --from-log only"),
        (["status", "--data", "/none"], "/none is no data folder of Anlass; name one with --data"),
        (["verify", "/none"], "/none is no data folder of Anlass; name one with --data"),
        (["failed", "--data", "/none"], "/none is no data folder of Anlass; name one with --data"),
        (["run", "--journeys", EXAMPLES, "--host", "0.0.0.0", "--data", "/none"], "write keys"),
        (["run", "--journeys", EXAMPLES, "--clock", "sun"], "is not one of 'wall', 'events'"),
        (["validate", "/none"], "/none"),
    ],
)
def test_a_mistake_in_use_is_one_line(arguments: list[object], said: str) -> None:
    result = anlass(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("anlass: ")
    assert said in line


def test_validate_names_every_mistake_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "journey: a\nentry: {event: x}\nnodes: [{id: n, wait: 2 moons}]\n"
    )
    (tmp_path / "b.yaml").write_text("journey: b\nentri: {event: x}\nnodes: []\n")
    result = anlass("validate", tmp_path)
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
    for name in ("one", "two"):
        result = anlass(
            *["replay", "--journeys", EXAMPLES, "--events", events, "--consent", "all"],
            *["--out", tmp_path / name, "--json"],
        )
        said.append(json.loads(result.stdout))
        assert "line 10" in result.stderr
    assert (said[0]["events"], said[0]["rejected"], said[0]["contacts"]) == (9, 1, 3)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


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
    }
    assert "poison" in anlass("failed", "--data", tmp_path).stdout
