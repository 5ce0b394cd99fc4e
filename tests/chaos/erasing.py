"""Erasing contacts by `anlass contact erase` while all else goes on, harm or not."""

import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

RETRY_S = 0.2
GRACE_S = 2.0
"""How long a command in hand has to end before it is killed."""
COMMAND_S = 100.0
"""Longer than any harm keeps a shard from answering."""
DONE_S = 90.0


class Erasures:
    """Which contacts are being erased, and which are: told by the command's exit code alone.

    A command that fails is tried again until it does not. Sets are replaced, never changed: what
    a thread has read stays as it was.
    """

    def __init__(self, data: Path, environment: Mapping[str, str]) -> None:
        self.begun: frozenset[str] = frozenset()
        self.done: frozenset[str] = frozenset()
        self.tries = 0
        self.faults: list[str] = []
        self._data = data
        self._environment = environment
        self._door = threading.RLock()
        """Held while a command runs: one that finds no system opens the store as its owner."""
        self._command: subprocess.Popen[str] | None = None
        self._threads: list[threading.Thread] = []
        self._said = ""

    def begin(self, contacts: Collection[str]) -> None:
        """Erase these, one after the other, in the background."""
        self.begun |= set(contacts)
        thread = threading.Thread(target=self._erase, args=[list(contacts)], daemon=True)
        self._threads.append(thread)
        thread.start()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no command run meanwhile; one that does not end soon is killed, as by an operator."""
        give_up = time.monotonic() + GRACE_S
        while not self._door.acquire(timeout=0.05):
            command = self._command
            if command is not None and time.monotonic() > give_up:
                command.kill()
        try:
            yield
        finally:
            self._door.release()

    def end(self) -> None:
        """Wait until all are erased; a fault if that never comes."""
        end = time.monotonic() + DONE_S
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0))
        left = sorted(self.begun - self.done)
        if left:
            self.faults.append(f"{left} cannot be erased: {self._said}")

    def _erase(self, contacts: list[str]) -> None:
        for contact in contacts:
            while not self._try(contact):
                time.sleep(RETRY_S)
            self.done |= {contact}

    def _try(self, contact: str) -> bool:
        command = [sys.executable, "-m", "console", "contact", "erase", contact]
        with self._door:
            self.tries += 1
            self._command = subprocess.Popen(
                [*command, "--data", str(self._data), "--json"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self._environment,
            )
            try:
                said, why = self._command.communicate(timeout=COMMAND_S)
            except subprocess.TimeoutExpired:
                self._command.kill()
                said, why = self._command.communicate()
                self.faults.append(f"{contact}: the command hangs: {said}{why}")
            code, self._command = self._command.returncode, None
        self._said = why
        if "Traceback" in why:
            self.faults.append(f"{contact}: the command breaks: {why[-500:]}")
        return code == 0
