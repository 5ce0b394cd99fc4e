"""Another machine for tests: a network namespace with a cable to this one, to be cut or be slow.

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

from tests.system import wire

MACHINES_MAX = 64
"""At a time, those that a killed test left behind among them."""


class NoMachineError(Exception):
    """No other machine can be had here; the text says why."""


class OtherMachine:
    """Processes of it have their own network, and so no loopback of ours; the disk is shared.

    A cable is cut, and slowed down, in the middle, at the bridge: both machines see theirs plugged
    in.
    """

    def __init__(self) -> None:
        """Raises NoMachineError."""
        self._number = _take_number()
        self.here, self.there = (f"10.231.{self._number}.{end}" for end in (1, 2))
        """Addresses of both ends of the cable."""
        self._started: list[subprocess.Popen[bytes]] = []
        self._wire: subprocess.Popen[bytes] | None = None
        try:
            self._plug_in()
        except subprocess.CalledProcessError as error:
            self.close()
            text = f"no cable to a network namespace can be had here: {error.stderr}"
            raise NoMachineError(text) from None

    def _name(self, what: str) -> str:
        return f"anlass-{what}{self._number}"

    def command(self, *words: str) -> list[str]:
        """Return what runs a command there; it has a mount namespace of its own, too."""
        return ["ip", "netns", "exec", _namespace(self._number), *words]

    def start_ray(self, address: str, environment: Mapping[str, str]) -> None:
        """Let it join a Ray cluster as one more node, and return at once."""
        options = [
            "--address",
            address,
            "--node-ip-address",
            self.there,
            "--num-cpus",
            "1",
            "--block",
        ]
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

    def close(self) -> None:
        """End all that runs there, and it is gone."""
        self.end()
        self._end_wire()
        _ip("netns", "delete", _namespace(self._number))
        for what in ("here", "there", "b", "bridge"):  # The namespace may keep an end of its own.
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("link", "delete", self._name(what))

    def cut(self) -> None:
        """Cut the cable: what either side sends is lost, and nobody is told."""
        self._end_wire()
        _ip("link", "set", self._name("b"), "nomaster")

    def join(self) -> None:
        """Mend the cable: it is whole, and as quick as it can be."""
        self._end_wire()
        _ip("link", "set", self._name("b"), "master", self._name("bridge"))

    def slow(self, delay_s: float, jitter_s: float = 0.0) -> None:
        """Let all be so late, by chance up to `jitter_s` more, each way and in order.

        When it begins, and when `join` ends it, what is on its way is lost.
        """
        if self._wire is None:
            _ip("link", "set", self._name("b"), "nomaster")
            command = [sys.executable, "-I", wire.__file__, self._name("a"), self._name("b")]
            pipe = subprocess.PIPE
            self._wire = subprocess.Popen(command, stdin=pipe, stdout=pipe)
            assert self._wire.stdout is not None
            assert self._wire.stdout.readline() == b"ready\n", "the wire ends at once"
        assert self._wire.stdin is not None
        self._wire.stdin.write(f"{delay_s} {jitter_s}\n".encode())
        self._wire.stdin.flush()

    @property
    def wire_pid(self) -> int:
        """The process that slows the cable down; 0 where none does."""
        return 0 if self._wire is None else self._wire.pid

    def _plug_in(self) -> None:
        name = self._name
        _ip("link", "add", "name", name("bridge"), "up", "type", "bridge")
        # Else it answers for this machine's address too, and what is sent to it comes to nobody.
        _ip("link", "set", name("bridge"), "arp", "off")
        for end, port in (("here", "a"), ("there", "b")):
            ends = ["type", "veth", "peer", "name", name(end)]
            _ip("link", "add", "name", name(port), "up", *ends)
            _ip("link", "set", name(port), "master", name("bridge"))
        _ip("address", "add", f"{self.here}/30", "dev", name("here"))
        _ip("link", "set", name("here"), "up")
        _ip("link", "set", name("there"), "netns", _namespace(self._number))
        for words in (
            ["address", "add", f"{self.there}/30", "dev", name("there")],
            ["link", "set", name("there"), "up"],
            ["link", "set", "lo", "up"],
            ["route", "add", "default", "via", self.here],
        ):
            _ip("-netns", _namespace(self._number), *words)

    def _end_wire(self) -> None:
        process, self._wire = self._wire, None
        if process is not None:
            process.kill()
            process.communicate()

    def pids(self) -> list[int]:
        """Return what runs there."""
        return [int(pid) for pid in _ip("netns", "pids", _namespace(self._number)).split()]


@contextlib.contextmanager
def other_machine() -> Iterator[OtherMachine]:
    """Have one; its processes end with it. Raises NoMachineError."""
    with contextlib.closing(OtherMachine()) as machine:
        yield machine


def _namespace(number: int) -> str:
    return f"anlass-{number}"


def _take_number() -> int:
    """Make a network namespace; return the number in its name. Raises NoMachineError."""
    if os.geteuid() != 0:
        raise NoMachineError("a network namespace takes root")
    if shutil.which("ip") is None:
        raise NoMachineError("no `ip` here: install iproute2 for a network namespace")
    for number in range(MACHINES_MAX):
        try:
            _ip("netns", "add", _namespace(number))
        except subprocess.CalledProcessError as error:
            if "File exists" in error.stderr:
                continue  # Another test's.
            text = f"no network namespace can be made here: {error.stderr}"
            raise NoMachineError(text) from None
        return number
    raise NoMachineError(
        "too many network namespaces here: delete those of `ip netns` named anlass-"
    )


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    return done.stdout
