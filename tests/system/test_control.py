"""The control API of a running system: in its own process, with keys, and replaced when it dies."""

import json
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.console.command import anlass
from tests.publications import journey
from tests.system.process import AnlassProcess
from tests.system.test_contact import post
from tests.system.test_recovery import write_journeys

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

KEY = "a-key-of-anna-that-is-long"


def url_of(system: AnlassProcess) -> str:
    (line,) = [each for each in system.lines if "control API is at" in each]
    return line.split()[-1]


def pid_of(system: AnlassProcess) -> int:
    (pid,) = [
        pid
        for pid in system.family()
        if b"console.control.process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return pid


def test_a_running_system_is_changed_and_asked_through_its_control_api(tmp_path: Path) -> None:
    data = tmp_path / "data"
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    keys = {"ANLASS_CONTROL_KEYS": f"anna:read+publish+contacts+operate:{KEY}"}
    options = ["--control", "127.0.0.1:0"]
    with AnlassProcess(data, journeys, *options, environment=keys) as system:
        url = url_of(system)
        there = ["--control", url, "--control-key", KEY]
        assert httpx.get(f"{url}/v1/status", trust_env=False).status_code == 401
        assert post(system.url, "ada").status_code == 202
        (hello,) = json.loads(anlass("status", "--json", *there).stdout)["journeys"]
        assert hello["journey"] == "hello"
        paused = anlass("pause", "hello", *there)
        assert paused.returncode == 0, paused.stderr
        died = pid_of(system)
        os.kill(died, signal.SIGKILL)
        story = anlass("explain", "ada", "--json", *there)  # It waits for the one that follows.
        assert json.loads(story.stdout)["contact"] == "ada", story.stderr
        assert pid_of(system) != died
        bearer = {"authorization": f"Bearer {KEY}"}
        audited = httpx.get(f"{url}/v1/audit", headers=bearer, trust_env=False).json()
        assert [(each["by"], each["what"], each["outcome"]) for each in audited] == [
            ("anna", "pause", "done"),
            ("unknown", "refused", "refused"),
        ]
        pid = pid_of(system)
        system.kill_driver()
        end = time.monotonic() + 30
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < end, "it ends with the driver"
            time.sleep(0.05)
    with AnlassProcess(data, journeys, *options, environment=keys) as system:
        assert system.stop() == 0


def test_it_is_not_there_unless_asked_for_nor_for_others_without_keys(tmp_path: Path) -> None:
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    said = ["run", "--journeys", journeys, "--data", tmp_path / "data", "--control"]
    refused = anlass(*said, "0.0.0.0:0")
    assert refused.returncode == 2
    assert "others can reach it and there are no keys" in refused.stderr
    assert not (tmp_path / "data" / "store.json").exists()
