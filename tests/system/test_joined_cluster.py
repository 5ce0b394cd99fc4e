"""A Ray cluster of several raylets: members join, nodes die and come, drivers go, shards stay."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster as RayCluster

from actors.settings import set_ray_environment
from tests.actors.store.redis_server import free_port
from tests.publications import journey
from tests.system.clustered import (
    Cluster,
    alive,
    cluster,
    end_process,
    process_named,
    wait_for,
)
from tests.system.process import Ledger
from tests.system.test_recovery import write_journeys

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

ROOT = Path(__file__).parent.parent.parent
BYTES = 80 << 20


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that offers no CPU, and two nodes that do; what runs there is known by `tmp_path`."""
    for name in list(os.environ):
        if name.startswith("RAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TESTED_IN", str(tmp_path))
    set_ray_environment()
    head = {"num_cpus": 0, "object_store_memory": BYTES, "include_dashboard": False}
    ray_cluster = RayCluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            ray_cluster.add_node(num_cpus=1, object_store_memory=BYTES)
        yield ray_cluster
    finally:
        ray_cluster.shutdown()


def on_nodes(here: Cluster) -> list[int]:
    """Return how many shards there are on each node that has some."""
    on = [post.node for post in here.roster.posts.values()]
    return sorted(on.count(node) for node in set(on))


def test_members_join_nodes_die_and_come_drivers_go_and_shards_stay(
    tmp_path: Path, nodes: Any
) -> None:
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    with cluster(tmp_path, journeys) as here:
        options = ["--address", nodes.address]
        port = free_port()
        with (
            here.run(*options, "--shards", "2", port=port) as one,
            here.run(*options, name="two") as two,
        ):
            wait_for(lambda: here.settled(2), "two shards")
            assert on_nodes(here) == [1, 1], "spread, and none at the head"
            ledger = Ledger(one.url, contacts=40, name="tick")
            ledger.start()
            other = Ledger(two.url, contacts=40, name="tick", first=1_000_000)
            other.start()
            ledger.reach(50)
            other.reach(50)
            assert two.stop() == 0
            other.end()
            before = set(here.roster.posts)

            doomed = next(iter(here.roster.posts.values())).node
            node = next(each for each in nodes.worker_nodes if each.node_id == doomed)
            nodes.remove_node(node, allow_graceful=False)
            wait_for(lambda: doomed not in {p.node for p in here.roster.posts.values()}, "lost")
            ledger.reach(len(ledger.acknowledged) + 50)
            wait_for(lambda: here.settled(2), "two shards again")
            nodes.add_node(num_cpus=1, object_store_memory=BYTES)
            wait_for(lambda: here.settled(2) and on_nodes(here) == [1, 1], "one on each node")
            assert set(here.roster.posts) != before

            here.command("scale", "3", "--no-wait")
            end_process(process_named("ray::ControllerActor", tmp_path))
            wait_for(lambda: here.settled(3), "three, with another Controller process")
            ledger.reach(len(ledger.acknowledged) + 50)

            status = here.command("status")
            assert [line["state"] for line in status["shards"]] == ["serves"] * 3
            assert sum(line["partitions"] for line in status["shards"]) == 256
            assert status["moving"] == 0
            assert status["unserved"] == []
            pids = asyncio.run(here.pids())
            one.kill_driver()
        assert asyncio.run(here.pids()) == pids, "they outlive a driver"
        with here.run(*options, name="again", port=port) as again:
            ledger.reach(len(ledger.acknowledged) + 50)
            ledger.end()
            assert asyncio.run(here.pids()) == pids
            here.command("stop")
            assert again.wait() == 0, "it ends by itself"
        assert not any(alive(pid) for pid in pids.values())
        here.check_ledger([*ledger.acknowledged, *other.acknowledged])
