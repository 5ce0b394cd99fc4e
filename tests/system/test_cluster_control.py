"""`anlass run --redis --control`: a whole cluster through its control API."""

import json
from pathlib import Path

import pytest

from tests.console.command import anlass
from tests.publications import journey
from tests.system.clustered import cluster, wait_for
from tests.system.process import Ledger
from tests.system.test_control import url_of
from tests.system.test_recovery import write_journeys

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


def test_a_cluster_is_changed_and_asked_through_its_control_api(tmp_path: Path) -> None:
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    options = ["--shards", "2", "--control", "127.0.0.1:0"]
    with cluster(tmp_path, journeys) as here, here.run(*options) as system:
        wait_for(lambda: here.settled(2), "two shards")
        there = ["--control", url_of(system)]
        ledger = Ledger(system.url, contacts=10, name="tick")
        ledger.start()
        ledger.reach(20)
        status = json.loads(anlass("status", "--json", *there).stdout)
        assert [each["journey"] for each in status["journeys"]] == ["hello"]
        assert status["total"]["partitions"] == 256
        paused = anlass("pause", "hello", *there)
        assert paused.returncode == 0, paused.stderr
        assert here.command("scale", "1")["shards"] == 1
        ledger.reach(len(ledger.acknowledged) + 20)
        ledger.end()
        story = json.loads(anlass("explain", "c-3", "--json", *there).stdout)
        told = [each["input"] for each in story["entries"] if "input" in each]
        events = [each["id"] for each in told if each["what"] == "event"]
        assert events == [id for contact, id in ledger.acknowledged if contact == "c-3"]
        assert sum(each["what"] == "publish" for each in told) == 2
        assert anlass("resume", "hello", *there).returncode == 0
        assert '"what":"resume"' in anlass("history", "--json", *there).stdout
        assert system.stop() == 0
