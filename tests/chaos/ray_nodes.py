"""A Ray cluster of several raylets on this machine, whose nodes die and come."""

import os
import signal
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any
from unittest.mock import patch

from ray.cluster_utils import Cluster as RayCluster

from actors.settings import set_ray_environment
from tests.chaos.clock import ShiftedClock
from tests.chaos.kernel import send_signal
from tests.system.other_machine import OtherMachine

NODES = 2
OBJECT_STORE_BYTES = 80 << 20


class RayNodes:
    """A head that offers no CPU, and nodes that do: those of `ray start`, without the command.

    They may outlive a world: clusters come and go on them, each with a store and a namespace of
    its own. Their time of day is one for all.
    """

    def __init__(self, folder: Path, machine: OtherMachine | None = None) -> None:
        """Its clock is in `folder`; nothing is started yet.

        One of the nodes is on `machine`, which is ended with them.
        """
        self.machine = machine
        self.clock = ShiftedClock(folder / "clock")
        environment = {**os.environ, **self.clock.environment}
        self._environment = {
            name: value for name, value in environment.items() if not name.startswith("RAY_")
        }
        self._cluster: Any = None

    def __enter__(self) -> "RayNodes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def start(self) -> None:
        """Start all, if nothing is there."""
        if self._cluster is not None:
            return
        with patch.dict(os.environ, self._environment, clear=True):
            set_ray_environment()
            head = {"num_cpus": 0, "include_dashboard": False}
            head["object_store_memory"] = OBJECT_STORE_BYTES
            self._cluster = RayCluster(initialize_head=True, head_node_args=head)
        for _ in range(NODES - bool(self.machine)):
            self._add(wait=False)
        self._add_machine()
        self._cluster.wait_for_nodes()

    def lose_one(self, random: Random) -> str:
        """Kill -9 of a raylet, or of all of a node at once, or of a machine; another node comes."""
        if self.machine is not None and random.random() < 0.5:
            self.machine.end()
            self._add_machine()
            return "all there was on the other machine"
        node = random.choice(sorted(self._cluster.worker_nodes, key=lambda each: each.node_id))
        whole = random.random() < 0.5
        if not whole:
            send_signal(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
        self._cluster.remove_node(node, allow_graceful=False)
        self._add()
        return "a node" if whole else "a raylet, and then its node"

    def close(self) -> None:
        """End all, and what runs on it."""
        if self._cluster is not None:
            if self.machine is not None:
                self.machine.end()
            self._cluster.shutdown()
            self._cluster = None

    def _add_machine(self) -> None:
        if self.machine is not None:
            self.machine.start_ray(self.address, self._environment)

    def _add(self, *, wait: bool = True) -> None:
        with patch.dict(os.environ, self._environment, clear=True):
            set_ray_environment()
            of_store = {"object_store_memory": OBJECT_STORE_BYTES}
            self._cluster.add_node(wait, num_cpus=2, **of_store)
