"""The whole system with two gateways, and with certificates that end soon."""

import json
import os
import signal
from pathlib import Path

import pytest

from actors.links.certificate import ROLES
from actors.running import running_system
from tests.actors.links.credentials import authority
from tests.console.command import anlass
from tests.publications import journey
from tests.system.process import AnlassProcess, Ledger
from tests.system.test_recovery import check_ledger, write_journeys
from tests.system.test_stop import metric

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


def test_two_gateways_serve_one_port_and_end_with_the_system(tmp_path: Path) -> None:
    data = tmp_path / "data"
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    keys = authority(tmp_path / "ca", days_ago=10).issue("here", ROLES, (), 20)
    with AnlassProcess(data, journeys, "--gateways", "2", "--keys", str(keys)) as system:
        assert any("the certificate of 'here' ends on" in line for line in system.lines)
        running = running_system(data)
        assert running is not None
        ledger = Ledger(system.url, contacts=40, name="tick")
        ledger.start()
        ledger.reach(100)
        ours = [pid for pid in system.family() if b"gateway_process" in command_of(pid)]
        assert len(ours) == 2
        os.kill(ours[0], signal.SIGKILL)
        ledger.reach(300)
        status = json.loads(anlass("status", "--data", data, "--json").stdout)
        assert (status["gateways"], status["gateways_silent"]) == (2, [])
        assert "'here' ends on" in status["notices"][0]
        assert len(metric(system.url, "anlass_gateway_connections")) == 2
        ledger.end()
        family = system.family()
        assert system.stop() == 0
    assert not [pid for pid in family if b"gateway_process" in command_of(pid)]
    check_ledger(data, ledger.acknowledged)


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
