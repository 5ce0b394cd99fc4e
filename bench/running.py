"""A running `anlass run` to measure, in a process of its own with all that it starts."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.request import urlopen

import msgspec
from prometheus_client.parser import text_string_to_metric_families

EXAMPLES: Final = Path(__file__).parent.parent / "examples" / "journeys"
STOP_S: Final = 120


class RunningSystem:
    """`anlass run` on a folder; a context, within which it runs."""

    def __init__(
        self, data: Path, *options: str, module: str = "console", journeys: Path = EXAMPLES
    ) -> None:
        self.data = data
        self.url = ""
        self.started_s = 0.0
        """From the command to the word that it listens."""
        self._command = [sys.executable, "-m", module, "run", "--data", str(data)]
        self._command += ["--journeys", str(journeys), "--port", "0", *options]
        self._log = data.parent / f"{data.name}.log"

    def __enter__(self) -> Self:
        """Start, and return when it listens. Raises RuntimeError with its last words if it ends."""
        began = time.perf_counter()
        with self._log.open("w") as log:  # A pipe that nobody reads would stop it in the end.
            self._process = subprocess.Popen(
                self._command, stderr=log, stdout=subprocess.DEVNULL, start_new_session=True
            )
        while not self.url:
            said = self._log.read_text()
            listening = re.search(r"listens on (http://\S+)", said)
            if listening:
                self.url = listening[1]
            elif self._process.poll() is not None:
                raise RuntimeError(f"anlass run ended with {self._process.returncode}: {said}")
            else:
                time.sleep(0.005)
        self.started_s = time.perf_counter() - began
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it in good order; after a failure of the measurement, at once."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise

    @property
    def pid(self) -> int:
        """The process of the gateway, which drives all the others."""
        return self._process.pid

    def pid_of_shard(self, slot: int) -> int:
        """Return the process of a shard."""
        return int(self.status()["shards"][slot]["pid"])

    def resident_bytes(self) -> int:
        """Return what all shards hold resident, added up."""
        return int(self.status()["total"]["memory_bytes"])

    def snapshots_written(self) -> int:
        """Return how many snapshots the shards have written since they started."""
        return int(self.status()["total"]["snapshots_written"])

    def commits(self) -> int:
        """Return how many commits the logs of the shards have had since they started."""
        with urlopen(f"{self.url}/metrics", timeout=STOP_S) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return sum(
            int(sample.value)
            for family in families
            if family.name == "anlass_shard_commits"
            for sample in family.samples
        )

    def status(self) -> Any:
        """Return what `anlass status` says."""
        command = [sys.executable, "-m", "console", "status", "--data", str(self.data), "--json"]
        said = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
        return msgspec.json.decode(said)


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used, all its threads together, in ticks of 10 ms."""
    return sum(cpu_times_s(pid))


def cpu_times_s(pid: int) -> tuple[float, float]:
    """Return the same in two parts: by the process itself, and by the system for it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system = (int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in fields[11:13])
    return user, system
