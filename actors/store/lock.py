"""Who owns a folder: a lock that ends with its process, and a number raised with each owner.

Locks are taken from the system itself, not through the Disk: a simulation has one of its own.
"""

import contextlib
import fcntl
import os
import re
import signal
import time
from pathlib import Path
from typing import Final, Protocol

from actors.clock import process_start
from actors.errors import OperatorError
from actors.store.disk import Disk

NEXT_OWNER_WAIT_S: Final = 1.0
"""How long a successor waits for an owner that is about to end by itself."""

NOTE_WAIT_S: Final = 0.5
"""How long an owner that has the lock may need to write down who it is."""

KILL_WAIT_S: Final = 5.0
TRY_S: Final = 0.01

EPOCH_NAME: Final = re.compile(r"log-\d{20}-(\d{6,})\..*")


class Lock(Protocol):
    """A lock that is held."""

    def release(self) -> None:
        """Let another owner in."""
        ...


class FileLock:
    """A lock on a file, in which pid and start time of its owner stand. Made by `take_lock`."""

    def __init__(self, file: int) -> None:
        self._file = file

    def release(self) -> None:
        """See Lock."""
        os.close(self._file)


def take_lock(path: Path, *, successor: bool = False) -> FileLock:
    """Take the lock on a file, made if it is not there. Raises OperatorError where it is held.

    A successor knows that its predecessor must end, be it stopped (SIGSTOP) or hung: after a
    second it kills the recorded owner.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _locked(file, NEXT_OWNER_WAIT_S if successor else 0):
            _end_owner(path, file, successor=successor)
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()} {process_start(os.getpid())}".encode(), 0)
    except BaseException:
        os.close(file)
        raise
    return FileLock(file)


def _end_owner(path: Path, file: int, *, successor: bool) -> None:
    pid, start = _owner(file)
    if not successor:
        text = f"{path.parent} is in use by process {pid or '?'}"
        raise OperatorError(f"{text}; stop it, or name another --data")
    killed = kill_process(pid, start)
    if not _locked(file, KILL_WAIT_S):
        who = f"process {pid}, killed, which does not end" if killed else "a process unknown"
        text = f"{path} is held by {who}"
        raise OperatorError(f"{text}; find out who has the file open, and end it")


def kill_process(pid: int, start: str) -> bool:
    """Kill a process if it began at the very moment noted; say whether that was so.

    Pids are given anew: so the start is compared when the process is already held by a descriptor
    that stays with it. Raises OperatorError where it may not be killed.
    """
    try:
        held = os.pidfd_open(pid) if pid > 0 else -1
    except ProcessLookupError:
        return False
    if held < 0:
        return False
    try:
        if not start or process_start(pid) != start:
            return False
        signal.pidfd_send_signal(held, signal.SIGKILL)
    except ProcessLookupError:
        return False
    except PermissionError:
        raise OperatorError(f"process {pid} is another account's; end it there") from None
    finally:
        os.close(held)
    return True


def next_epoch(folder: Path, disk: Disk) -> int:
    """Return a number higher than any owner of this folder had, durably taken. Raises OSError.

    Names of segments and of what was made of them count too: a copy may lack the file.
    """
    path = folder / "epoch"
    epochs = [0]
    for place in (folder, folder / "archive"):
        matches = (EPOCH_NAME.fullmatch(name) for name in disk.names(place))
        epochs += [int(match[1]) for match in matches if match]
    with contextlib.suppress(FileNotFoundError), disk.read(path) as file:
        text = file.read()
        if not text.isdigit():
            raise OperatorError(f"{path} holds no number; remove it")
        epochs.append(int(text))
    epoch = max(epochs) + 1
    new = folder / "epoch.new"
    writer = disk.create(new)
    try:
        writer.write(b"%d" % epoch, 0)
        writer.sync()
    finally:
        writer.close()
    disk.rename(new, path)
    disk.sync_folder(folder)
    return epoch


def _locked(file: int, wait_s: float) -> bool:
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(TRY_S)
        else:
            return True


def _owner(file: int) -> tuple[int, str]:
    """Return pid and start time of the recorded owner; 0 where there is none that runs."""
    end = time.monotonic() + NOTE_WAIT_S
    while True:
        recorded = os.pread(file, 64, 0).decode(errors="replace").split()
        if len(recorded) == 2 and recorded[0].isdigit():
            pid, start = int(recorded[0]), recorded[1]
            if process_start(pid) == start:
                return pid, start
        if time.monotonic() >= end:
            return 0, ""
        time.sleep(TRY_S)
