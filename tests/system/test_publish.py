"""A journey paused in a running system stays so over kill -9, and lets go what waited."""

import json
import time
from pathlib import Path

import pytest

from tests.console.command import anlass
from tests.publications import journey
from tests.system.process import AnlassProcess
from tests.system.test_contact import post
from tests.system.test_recovery import messages, write_journeys

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


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
    history = [
        json.loads(each) for each in anlass("history", "--data", data, "--json").stdout.splitlines()
    ]
    assert [each["what"] for each in history] == ["run", "pause", "resume"]
