"""A journey paused in a running system stays so over kill -9, and lets go what waited."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.console.command import anlass
from tests.engine.situation import mail, wait
from tests.publications import journey
from tests.system.process import AnlassProcess
from tests.system.test_contact import post
from tests.system.test_recovery import messages, write_journeys

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


def history_of(data: Path) -> list[Any]:
    said = anlass("history", "--data", data, "--json").stdout
    return [json.loads(each) for each in said.splitlines()]


def test_a_pause_outlives_a_crash_and_no_entry_is_lost(tmp_path: Path) -> None:
    data = tmp_path / "data"
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    with AnlassProcess(data, journeys) as system:
        paused = anlass("pause", "hello", "--data", data)
        assert "hello: paused, version 1" in paused.stdout, paused.stderr
        assert post(system.url, "ada", "bob").status_code == 202
        system.kill_all()
    with AnlassProcess(data, journeys) as system:
        assert post(system.url, "cleo").status_code == 202
        assert messages(data) == []
        resumed = anlass("resume", "hello", "--data", data)
        assert "hello: live, version 1; 3 entries wait" in resumed.stdout, resumed.stderr
        end = time.monotonic() + 30
        while len(messages(data)) < 3:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert system.stop() == 0
    assert [each["what"] for each in history_of(data)] == ["run", "pause", "resume"]


def test_a_start_with_another_folder_ends_no_visit_unasked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    waits = journey(entry={"event": "tick"}, nodes=[wait("1d", "a"), mail()])
    journeys = write_journeys(tmp_path / "journeys", waits)
    other = write_journeys(tmp_path / "other", journey(entry={"event": "tick"}))
    with AnlassProcess(data, journeys) as system:
        assert post(system.url, "ada", "bob").status_code == 202
        assert system.stop() == 0
    refused = subprocess.run(
        AnlassProcess(data, other).command, capture_output=True, text=True, timeout=90, check=False
    )
    assert refused.returncode == 2
    assert "would end 2 visits in flight:\nanlass: - hello (changed): 2 at a" in refused.stderr

    def stand() -> list[str]:
        said = anlass("contact", "show", "ada", "--data", data, "--json").stdout
        return [each["node"] for each in json.loads(said)["state"]["visits"]]

    with AnlassProcess(data, None) as system:
        assert "What is in force goes on" in "".join(system.lines)
        assert stand() == ["a"]
        assert system.stop() == 0
    with AnlassProcess(data, other, "--publish") as system:
        assert system.stop() == 0
    assert [each["change"] for each in history_of(data)[-1]["journeys"]] == ["changed"]
