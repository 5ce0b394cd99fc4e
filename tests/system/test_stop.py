"""SIGTERM: the shards take snapshots, so that the next start folds nothing again."""

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from actors.frame import PublishRecord
from actors.running import running_system
from actors.store.key import store_key
from actors.store.log import read_log
from tests.chaos.kernel import title_of
from tests.publications import journey
from tests.system.process import AnlassProcess, Ledger
from tests.system.test_recovery import check_ledger, write_journeys

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


def metric(url: str, name: str) -> list[float]:
    """Return a metric of all shards."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    return [float(each) for each in re.findall(rf"^{name}{{[^}}]*}} (\S+)$", text, re.MULTILINE)]


def test_after_a_stop_in_good_order_the_next_start_folds_nothing_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    with AnlassProcess(data, journeys) as system:
        running = running_system(data)
        assert running is not None
        assert (running.pid, running.url, len(running.sockets)) == (system.pid, system.url, 2)
        assert list(Path(running.runtime).glob("ray/session_latest/logs/worker-*"))
        ledger = Ledger(system.url, contacts=40, name="tick")
        ledger.start()
        ledger.reach(200)
        ledger.end()
        assert system.stop() == 0
    assert not (data / "system.json").exists()
    assert not Path(running.runtime).exists(), "with all that Ray wrote there"
    with AnlassProcess(data, journeys) as again:
        assert metric(again.url, "anlass_shard_refolded") == [0, 0]
        applied = metric(again.url, "anlass_shard_events_applied")
        assert sum(applied) == len(ledger.acknowledged)
        assert again.stop() == 0
    check_ledger(data, ledger.acknowledged)
    lines = (data / "messages.jsonl").read_text().splitlines()
    keys = [json.loads(line)["key"] for line in lines]
    assert len(keys) == len(set(keys)) == len(ledger.acknowledged)


def test_it_ends_with_a_word_where_its_ray_does(tmp_path: Path) -> None:
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    with AnlassProcess(tmp_path / "data", journeys) as system:
        raylets = [pid for pid in system.family() if "raylet/raylet" in title_of(pid)]
        os.kill(raylets[0], signal.SIGKILL)
        assert system.wait() == 2
        assert "Ray's raylet has ended" in "".join(system.lines)
        assert system.start().stop() == 0


def test_a_start_that_is_refused_publishes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    journeys = write_journeys(tmp_path / "journeys", journey())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        system = AnlassProcess(data, journeys, port=taken.getsockname()[1])
        ended = subprocess.run(
            system.command, capture_output=True, text=True, timeout=90, check=False
        )
    assert ended.returncode != 0
    assert "stop what listens there" in " ".join(ended.stderr.split())
    for folder in data.glob("shard-*"):
        for frame in read_log(folder, store_key(data)):
            assert not any(isinstance(each, PublishRecord) for each in frame.records)
