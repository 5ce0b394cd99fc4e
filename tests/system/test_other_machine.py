"""A machine is cut off without a word: its slot goes on elsewhere, and it is refused when back."""

import os
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster as RayCluster

from actors.links.certificate import ROLES
from actors.settings import set_ray_environment
from tests.actors.links.credentials import authority
from tests.actors.store.redis_server import Server, free_port
from tests.chaos.kernel import title_of
from tests.publications import journey
from tests.system.clustered import Cluster, wait_for
from tests.system.other_machine import HERE, OtherMachine, other_machine
from tests.system.process import Ledger
from tests.system.test_recovery import write_journeys

pytestmark = [pytest.mark.ray, pytest.mark.timeout(500)]

ROOT = Path(__file__).parent.parent.parent
BYTES = 80 << 20


class ReachedServer(Server):
    """Others reach it over the cable."""

    @property
    def url(self) -> str:
        return f"redis://{HERE}:{self.port}"


def shards_on(machine: OtherMachine) -> list[int]:
    return [pid for pid in machine.pids() if "ClusterShardActor" in title_of(pid)]


def test_a_machine_that_is_cut_off_loses_its_slots_and_is_refused_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("RAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    set_ray_environment()
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    keys = authority(tmp_path / "ca").issue("cluster", ROLES, (), 30)
    (tmp_path / "redis").mkdir()
    with other_machine() as machine:
        options = ["--bind", "127.0.0.1", HERE, "--protected-mode", "no"]
        server = ReachedServer(tmp_path / "redis", *options, port=free_port())
        head = {"num_cpus": 1, "object_store_memory": BYTES, "include_dashboard": False}
        nodes: Any = RayCluster(initialize_head=True, head_node_args=head)
        try:
            machine.start_ray(nodes.address, os.environ)
            play(Cluster(tmp_path, journeys, server), machine, nodes.address, str(keys))
        finally:
            nodes.shutdown()
            server.close()


def play(here: Cluster, machine: OtherMachine, address: str, keys: str) -> None:
    options = ["--address", address, "--keys", keys, "--shards", "2"]
    there = here.run(*options, name="there")
    there.command = machine.command(*there.command)
    with there, here.run(*options) as system:  # The first has the Controller on its machine.
        wait_for(lambda: here.settled(2) and len(shards_on(machine)) == 1, "a shard on each")
        (cut_off,) = shards_on(machine)
        ledger = Ledger(system.url, contacts=40, name="tick")
        ledger.start()
        ledger.reach(100)
        machine.cut()
        ledger.reach(len(ledger.acknowledged) + 100)
        wait_for(lambda: here.settled(2) and len(hosts(here)) == 1, "two shards here")
        machine.join()
        wait_for(lambda: cut_off not in machine.pids(), "the one that was cut off ends")
        ledger.reach(len(ledger.acknowledged) + 100)
        ledger.end()
        here.command("stop")
        assert system.wait() == 0
    here.check_ledger(ledger.acknowledged)


def hosts(here: Cluster) -> set[str]:
    """Return the hosts that serve slots."""
    return {site.host for site in here.map.sites.values()}
