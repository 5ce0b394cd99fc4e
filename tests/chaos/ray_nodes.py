"""A Ray cluster of several raylets on this machine, whose nodes die and come."""

import os
import signal
from collections.abc import Mapping
from random import Random
from typing import Any
from unittest.mock import patch

from ray.cluster_utils import Cluster as RayCluster

from actors.settings import set_ray_environment
from tests.chaos.kernel import send_signal

NODES = 2
OBJECT_STORE_BYTES = 80 << 20


class RayNodes:
    """A head that offers no CPU, and nodes that do: those of `ray start`, without the command."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {
            name: value for name, value in environment.items() if not name.startswith("RAY_")
        }
        self._cluster: Any = None

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def start(self) -> None:
        with patch.dict(os.environ, self._environment, clear=True):
            set_ray_environment()
            head = {"num_cpus": 0, "include_dashboard": False}
            head["object_store_memory"] = OBJECT_STORE_BYTES
            self._cluster = RayCluster(initialize_head=True, head_node_args=head)
        for _ in range(NODES):
            self._add()

    def lose_one(self, random: Random) -> str:
        """Kill -9 of a raylet, or of all of a node at once; another node comes."""
        node = random.choice(sorted(self._cluster.worker_nodes, key=lambda each: each.node_id))
        whole = random.random() < 0.5
        if not whole:
            send_signal(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
        self._cluster.remove_node(node, allow_graceful=False)
        self._add()
        return "a node" if whole else "a raylet, and then its node"

    def close(self) -> None:
        if self._cluster is not None:
            self._cluster.shutdown()
            self._cluster = None

    def _add(self) -> None:
        with patch.dict(os.environ, self._environment, clear=True):
            set_ray_environment()
            self._cluster.add_node(num_cpus=2, object_store_memory=OBJECT_STORE_BYTES)
