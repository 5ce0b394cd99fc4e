"""Who runs on a data folder: one driver, by a lock; and its processes, so that leftovers can end.

`DATA/lock` is held for the driver's life; `DATA/processes.json` notes what it started.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.clock import process_start
from actors.errors import OperatorError
from actors.running import note_whole
from actors.store.disk import REAL_DISK
from actors.store.lock import FileLock, kill_process, take_lock

KILL_WAIT_S: Final = 5.0
RUNTIME_PREFIX: Final = "anlass-"
RAY_FOLDER: Final = "ray"
SOCKET_BYTES: Final = len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
"""Of the longest name of a socket below the runtime folder; Ray's are."""

SOCKET_BYTES_MAX: Final = 100
"""The kernel takes 107 bytes."""


class Noted(Struct, kw_only=True):
    """What a start has made and must be gone before the next."""

    processes: dict[int, str] = {}
    """Pid -> when it started; the driver first."""
    runtime: str = ""
    """The folder of its sockets."""


def new_runtime() -> Path:
    """Make a folder for the sockets of this start, and for what Ray writes.

    It cannot lie in the data folder, which may have a longer name than a socket's can be.
    """
    short = len(os.fsencode(tempfile.gettempdir())) + len("/anlass-12345678") + SOCKET_BYTES
    folder = None if short <= SOCKET_BYTES_MAX else "/tmp"  # noqa: S108 - a folder of its own in it
    return Path(tempfile.mkdtemp(prefix=RUNTIME_PREFIX, dir=folder))


class Processes:
    """The processes of this start, and of the last one where a kill -9 left some behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "processes.json"
        self._noted = Noted()
        self._lock: FileLock | None = None

    def hold(self) -> None:
        """Take the folder for this driver, until `release` or its end. Raises OperatorError."""
        try:
            REAL_DISK.make_folder(self._folder)
            self._lock = take_lock(self._folder / "lock")
        except OSError as error:
            text = f"{self._folder} cannot be used: {error.strerror}; name another --data"
            raise OperatorError(text) from None

    def release(self) -> None:
        """Let another driver in."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def end_leftovers(self) -> int:
        """Kill what the last start left running, after `hold`; return how many that were.

        A process is ours only if it began at the very moment noted: pids are given anew. Raises
        OperatorError where one does not end.
        """
        try:
            noted = msgspec.json.decode(self._path.read_bytes(), type=Noted)
        except FileNotFoundError:
            return 0
        except msgspec.DecodeError:
            noted = Noted()  # Torn by the crash itself: a shard that is left is ended by its next.
        noted.processes.pop(os.getpid(), None)
        killed = {pid: start for pid, start in noted.processes.items() if kill_process(pid, start)}
        end = time.monotonic() + KILL_WAIT_S
        while left := [pid for pid, start in killed.items() if _runs(pid, start)]:
            if time.monotonic() > end:
                text = f"process {left[0]} of the last start on {self._folder} was killed"
                raise OperatorError(f"{text} and does not end; find out what holds it")
            time.sleep(0.01)
        if Path(noted.runtime).name.startswith(RUNTIME_PREFIX):
            shutil.rmtree(noted.runtime, ignore_errors=True)
        self._path.unlink()
        return len(killed)

    def note(self, pids: list[int], runtime: Path | None = None) -> None:
        """Write down processes of this start, and the folder of its sockets.

        Raises OperatorError.
        """
        self._noted.processes |= {pid: process_start(pid) for pid in pids}
        if runtime is not None:
            self._noted.runtime = str(runtime)
        note_whole(self._path, msgspec.json.encode(self._noted))

    def forget(self) -> None:
        """All ended in good order."""
        self._path.unlink(missing_ok=True)
        self.release()


def _runs(pid: int, start: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    return state[19] == start and state[0] != "Z"
