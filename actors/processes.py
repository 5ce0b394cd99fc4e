"""The processes of a start, noted in the data folder, so that the next one can end leftovers."""

import os
import signal
import time
from pathlib import Path
from typing import Final

import msgspec

from actors.clock import process_start
from actors.errors import OperatorError

KILL_WAIT_S: Final = 5.0


class Processes:
    """The processes of the last start, so that the next one can end what a kill -9 left behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "processes.json"
        self._started: dict[int, str] = {}
        """Pid -> when it started; the driver first."""

    def end_leftovers(self) -> int:
        """Kill what the last start left running; return how many that were.

        A process is ours only if it began at the very moment noted: pids are given anew. Raises
        OperatorError if the last start's driver is well: then the folder is in use.
        """
        try:
            noted = msgspec.json.decode(self._path.read_bytes(), type=dict[int, str])
        except FileNotFoundError:
            return 0
        except msgspec.DecodeError:
            return 0  # Torn by the crash itself: its shards hold their locks, and say so.
        alive = [pid for pid, start in noted.items() if start and _runs(pid, start)]
        driver = next(iter(noted), 0)
        if driver in alive and driver != os.getpid():
            text = f"{self._folder} is in use by process {driver}"
            raise OperatorError(f"{text}; stop it, or name another --data")
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + KILL_WAIT_S
        while any(_runs(pid, noted[pid]) for pid in alive) and time.monotonic() < end:
            time.sleep(0.01)
        self._path.unlink()
        return len(alive)

    def note(self, pids: list[int]) -> None:
        """Write down processes of this start."""
        self._started.update((pid, process_start(pid)) for pid in pids)
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(self._started))
        new.rename(self._path)

    def forget(self) -> None:
        """All ended in good order."""
        self._path.unlink(missing_ok=True)


def _runs(pid: int, start: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    return state[19] == start and state[0] != "Z"
