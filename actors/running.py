"""Running: how a command finds the system that runs on a data folder."""

import os
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.clock import process_start
from actors.errors import OperatorError

SYSTEM_FILE: Final = "system.json"


class Running(Struct, frozen=True, kw_only=True):
    """A system that runs, as its driver wrote it down in `system.json`."""

    pid: int
    """Of the driver."""
    start: str
    """When that process began, as the kernel says it: pids are given anew."""
    url: str
    """Of the gateway."""
    sockets: list[str]
    """Of the shards, by slot."""
    runtime: str = ""
    refusals: dict[str, str] = {}
    """Why an actor could not start, the last time it tried, by its name; see `shard_name`."""
    gateways: list[str] = []
    """The sockets of several gateways, by number; empty where the driver is the only one."""
    keys: str = ""
    """Folder of this host's certificate; empty where there is none."""


def shard_name(slot: int) -> str:
    """Return the name of a shard's actor."""
    return f"shard-{slot}"


def note_running(data: Path, url: str, sockets: list[str], runtime: str, **more: Any) -> None:
    """Write down that this process runs a system on a data folder. Raises OperatorError.

    `more` are other fields of Running.
    """
    pid = os.getpid()
    running = Running(
        pid=pid, start=process_start(pid), url=url, sockets=sockets, runtime=runtime, **more
    )
    note_whole(data / SYSTEM_FILE, msgspec.json.encode(running))


def note_whole(path: Path, data: bytes) -> None:
    """Write a note of this start, which is there as a whole or not at all. Raises OperatorError."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(data)
        new.rename(path)
    except OSError as error:
        text = f"{path} cannot be written: {error.strerror}"
        raise OperatorError(f"{text}; make space, or let this account write there") from None


def forget_running(data: Path) -> None:
    """Note that no system runs on a data folder any more."""
    (data / SYSTEM_FILE).unlink(missing_ok=True)


def running_system(data: Path) -> Running | None:
    """Return the system that runs on a data folder, None where there is none.

    What a crash left of one counts for none. Raises OperatorError where the file is no such file.
    """
    path = data / SYSTEM_FILE
    try:
        running = msgspec.json.decode(path.read_bytes(), type=Running)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError) as error:
        raise OperatorError(f"{path} cannot be read: {error}; remove it if nothing runs") from None
    return running if process_start(running.pid) == running.start != "" else None


def memory_bytes(pid: int) -> int:
    """Return how much memory a process holds resident; 0 where there is no such process."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
