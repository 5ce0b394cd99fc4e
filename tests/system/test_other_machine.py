"""A machine is cut off without a word, or slow: its slot goes on elsewhere, and it is refused."""

import os
from collections.abc import Callable
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
from tests.system.other_machine import OtherMachine
from tests.system.process import Ledger
from tests.system.test_recovery import write_journeys

pytestmark = [pytest.mark.ray, pytest.mark.timeout(500)]

ROOT = Path(__file__).parent.parent.parent
BYTES = 80 << 20


def shards_on(machine: OtherMachine) -> list[int]:
    return [pid for pid in machine.pids() if "ClusterShardActor" in title_of(pid)]


def cut_off(machine: OtherMachine, ledger: Ledger) -> None:
    """Cut its cable: what is on its way is lost."""
    machine.cut()


def slow_down(machine: OtherMachine, ledger: Ledger) -> None:
    """Let all be late, and come: in time first, and then past the lease."""
    shards = shards_on(machine)
    machine.slow(0.02, 0.18)
    ledger.reach(len(ledger.acknowledged) + 30)
    assert shards_on(machine) == shards, "no lease was lost"
    machine.slow(4.0)


@pytest.mark.parametrize("lose", [cut_off, slow_down])
def test_a_machine_that_cannot_be_heard_in_time_loses_its_slots_and_is_refused_when_it_is_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machine: OtherMachine,
    lose: Callable[[OtherMachine, Ledger], None],
) -> None:
    for name in list(os.environ):
        if name.startswith("RAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    set_ray_environment()
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    keys = authority(tmp_path / "ca").issue("cluster", ROLES, (), 30)
    (tmp_path / "redis").mkdir()
    options = ["--bind", "127.0.0.1", machine.here, "--protected-mode", "no"]
    server = Server(tmp_path / "redis", *options, port=free_port(), host=machine.here)
    head = {"num_cpus": 1, "object_store_memory": BYTES, "include_dashboard": False}
    nodes: Any = RayCluster(initialize_head=True, head_node_args=head)
    try:
        machine.start_ray(nodes.address, os.environ)
        options = ["--address", nodes.address, "--keys", str(keys), "--shards", "2"]
        play(Cluster(tmp_path, journeys, server), machine, options, lose)
    finally:
        machine.end()
        nodes.shutdown()
        server.close()


def play(
    here: Cluster,
    machine: OtherMachine,
    options: list[str],
    lose: Callable[[OtherMachine, Ledger], None],
) -> None:
    there = here.run(*options, name="there")
    there.command = machine.command(*there.command)
    with there, here.run(*options) as system:  # The first has the Controller on its machine.
        wait_for(lambda: here.settled(2) and len(shards_on(machine)) == 1, "a shard on each")
        (lost,) = shards_on(machine)
        ledger = Ledger(system.url, contacts=40, name="tick")
        ledger.start()
        ledger.reach(100)
        lose(machine, ledger)
        ledger.reach(len(ledger.acknowledged) + 100)
        wait_for(lambda: here.settled(2) and len(hosts(here)) == 1, "two shards here")
        machine.join()
        wait_for(lambda: lost not in machine.pids(), "the one that lost its slot ends")
        ledger.reach(len(ledger.acknowledged) + 100)
        ledger.end()
        here.command("stop")
        assert system.wait() == 0
    here.check_ledger(ledger.acknowledged)


def hosts(here: Cluster) -> set[str]:
    """Return the hosts that serve slots."""
    return {site.host for site in here.map.sites.values()}
