"""Another machine for tests: a network namespace with a cable to this one, which can be cut.

What a cut does here no signal and no closed socket does: neither side hears of it, not even the
kernel, and all that was on its way is gone.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

HERE, THERE = "10.231.77.1", "10.231.77.2"
"""Addresses of both ends of the cable."""

NAME = "anlass-there"
ENDS = {"anlass-here": "anlass-a", "anlass-there": "anlass-b"}
"""Of both cables: where each is plugged in at a machine, and at the bridge between them."""

BRIDGE = "anlass-bridge"


class OtherMachine:
    """Processes of it have their own network, and so no loopback of ours; the disk is shared.

    A cable is cut in the middle, at the bridge: both machines see theirs plugged in.
    """

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def command(*words: str) -> list[str]:
        """Return what runs a command there; it has a mount namespace of its own, too."""
        return ["ip", "netns", "exec", NAME, *words]

    def start_ray(self, address: str, environment: Mapping[str, str]) -> None:
        """Let it join a Ray cluster as one more node, and return at once."""
        options = ["--address", address, "--node-ip-address", THERE, "--num-cpus", "1", "--block"]
        code = "from ray.scripts.scripts import main; main()"
        options += ["--object-store-memory", str(80 << 20)]
        command = self.command(sys.executable, "-c", code, "start", *options)
        quiet = subprocess.DEVNULL
        self._started.append(subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet))

    def end(self) -> None:
        """End all that runs there by kill -9."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._started:
            process.wait()

    def cut(self) -> None:
        """Cut the cable: what either side sends is lost, and nobody is told."""
        _ip("link", "set", "anlass-b", "nomaster")

    def join(self) -> None:
        """Mend the cable."""
        _ip("link", "set", "anlass-b", "master", BRIDGE)

    def pids(self) -> list[int]:
        """Return what runs there."""
        return [int(pid) for pid in _ip("netns", "pids", NAME).split()]


@contextlib.contextmanager
def other_machine() -> Iterator[OtherMachine]:
    """Have one, or skip the test where none can be had; its processes end with it."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace takes root")
    if shutil.which("ip") is None:
        pytest.skip("no `ip` here: install iproute2 for a network namespace")
    try:
        _ip("netns", "add", NAME)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr}")
    machine = OtherMachine()
    try:
        try:
            _plug_in()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no cable to a network namespace can be had here: {error.stderr}")
        machine.join()
        yield machine
    finally:
        machine.end()
        _ip("netns", "delete", NAME)
        for name in (*ENDS.values(), BRIDGE):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("link", "delete", name)


def _plug_in() -> None:
    _ip("link", "add", "name", BRIDGE, "up", "type", "bridge")
    for end, port in ENDS.items():
        _ip("link", "add", "name", port, "up", "type", "veth", "peer", "name", end)
    _ip("link", "set", "anlass-a", "master", BRIDGE)
    _ip("address", "add", f"{HERE}/30", "dev", "anlass-here")
    _ip("link", "set", "anlass-here", "up")
    _ip("link", "set", "anlass-there", "netns", NAME)
    for words in (
        ["address", "add", f"{THERE}/30", "dev", "anlass-there"],
        ["link", "set", "anlass-there", "up"],
        ["link", "set", "lo", "up"],
        ["route", "add", "default", "via", HERE],
    ):
        _ip("-netns", NAME, *words)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    return done.stdout
