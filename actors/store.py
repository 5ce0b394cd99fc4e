"""The data folder of a system: what it was made with, and who works in it."""

import os
import signal
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.clock import process_start
from actors.errors import OperatorError
from actors.log import sync_folder
from actors.settings import SHARDS_MAX, ClockName
from engine.limits import PARTITIONS

STORE_VERSION: Final = 1
KILL_WAIT_S: Final = 5.0


class Store(Struct, frozen=True, kw_only=True):
    """What a store was made with, and cannot change; `store.json` in its folder."""

    version: int = STORE_VERSION
    partitions: int = PARTITIONS
    shards: int
    clock: ClockName


def open_store(folder: Path, shards: int | None, clock: ClockName) -> Store:
    """Read what the store was made with, or make it. Raises OperatorError if it does not fit."""
    path = folder / "store.json"
    try:
        store = msgspec.json.decode(path.read_bytes(), type=Store)
    except FileNotFoundError:
        return _make_store(folder, path, 2 if shards is None else shards, clock)
    except (msgspec.DecodeError, OSError) as error:
        raise OperatorError(f"{path} cannot be read: {error}; restore it from a copy") from None
    if store.version != STORE_VERSION or store.partitions != PARTITIONS:
        raise OperatorError(f"{folder} was made by another version of Anlass; use that one")
    if shards is not None and shards != store.shards:
        text = f"{folder} has {store.shards} shards, not {shards}; start with --shards"
        raise OperatorError(f"{text} {store.shards}, or name another --data")
    if clock != store.clock:
        text = f"{folder} runs on the clock `{store.clock}`; start with --clock {store.clock}"
        raise OperatorError(f"{text}, or name another --data")
    return store


def shard_folder(folder: Path, slot: int) -> Path:
    """Return the folder of one shard's log."""
    return folder / f"shard-{slot}"


def _make_store(folder: Path, path: Path, shards: int, clock: ClockName) -> Store:
    if not 1 <= shards <= SHARDS_MAX:
        raise OperatorError(f"--shards {shards} is out of range; use 1 to {SHARDS_MAX}")
    store = Store(shards=shards, clock=clock)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / "store.json.new"
        new.write_bytes(msgspec.json.format(msgspec.json.encode(store)))
        new.rename(path)
        sync_folder(folder)
    except OSError as error:
        raise OperatorError(f"{folder} cannot be written: {error.strerror}") from None
    return store


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
