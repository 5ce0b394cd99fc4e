"""A running `anlass run` for tests: started, killed and started again as an operator would."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import httpx

START_S = 60.0


class AnlassProcess:
    """`anlass run` in a process of its own, and all that it started."""

    def __init__(
        self,
        data: Path,
        journeys: Path | None,
        *options: str,
        port: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.environment = {**os.environ, **(environment or {})}
        self.command = [sys.executable, "-m", "console", "run", "--data", str(data)]
        self.command += ["--port", str(port), *options]
        if journeys is not None:
            self.command += ["--journeys", str(journeys)]
        self.start_s = START_S
        self.url = ""
        self.lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> "AnlassProcess":
        """Start, and return when it listens."""
        self.url = ""
        self._process = subprocess.Popen(
            self.command,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=self.environment,
        )
        threading.Thread(target=self._read, args=[self._process], daemon=True).start()
        end = time.monotonic() + self.start_s
        while not self.url:
            assert self._process.poll() is None, "".join(self.lines)
            assert time.monotonic() < end, "".join(self.lines)
            time.sleep(0.02)
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.lines.append(line)
                listening = re.search(r"listens on (http://\S+)", line)
                if listening:
                    self.url = listening[1]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._process is not None and self._process.poll() is None

    def family(self) -> list[int]:
        """Return the pids of the process and all its descendants."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text(errors="replace")
                except OSError:
                    continue
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        family = [self.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family

    def kill_all(self) -> None:
        """End everything at once by kill -9."""
        for pid in self.family():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.wait()

    def kill_driver(self) -> None:
        """End `anlass run` alone by kill -9."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """SIGTERM, and wait; return the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(timeout=60)

    def __enter__(self) -> "AnlassProcess":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.running:
            self.kill_all()


class Ledger(threading.Thread):
    """A client that sends numbered events one after the other, and notes what was acknowledged.

    What is not answered with 202 is sent again with the same id until it is: so its order is the
    order in which one connection had them accepted.
    """

    def __init__(self, url: str, contacts: int, name: str, first: int = 0) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.acknowledged: list[tuple[str, str]] = []
        """(contact, id) in order."""
        self.refused = ""
        """What became of the last try that was not acknowledged."""
        self.refusals: list[int] = []
        """What was answered instead of 202; 0 where the connection was lost."""
        self.tries = 0
        self._contacts = contacts
        self._name = name
        self._number = first
        self._ended = threading.Event()

    def run(self) -> None:
        client = httpx.Client(trust_env=False, timeout=5)
        while not self._ended.is_set():
            contact, id = f"c-{self._number % self._contacts}", f"e-{self._number}"
            event = {"id": id, "contact": contact, "name": self._name, "payload": {}}
            while not self._ended.is_set():
                self.tries += 1
                try:
                    answer = client.post(f"{self.url}/v1/events", json=event)
                except httpx.HTTPError as error:
                    self.refused = f"{contact} {id}: {error!r}"
                    self.refusals.append(0)
                    time.sleep(0.05)
                    continue
                if answer.status_code == 202:
                    self.acknowledged.append((contact, id))
                    break
                self.refused = f"{contact} {id}: {answer.status_code} {answer.text}"
                self.refusals.append(answer.status_code)
                time.sleep(0.05)
            self._number += 1
        client.close()

    def end(self) -> None:
        self._ended.set()
        self.join()

    def reach(self, count: int, seconds: float = 60) -> None:
        """Wait until so many events are acknowledged."""
        end = time.monotonic() + seconds
        while len(self.acknowledged) < count:
            reached = f"{len(self.acknowledged)} of {count} acknowledged"
            assert time.monotonic() < end, f"{reached}; refused last: {self.refused}"
            time.sleep(0.01)
