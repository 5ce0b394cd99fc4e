"""What the kernel lets a test do to other processes: signals, cut sockets, a small disk."""

import contextlib
import ctypes
import os
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

PIDFD_GETFD = 438
_libc = ctypes.CDLL(None, use_errno=True)


def send_signal(pid: int, number: signal.Signals) -> bool:
    """Send a signal; False where the process is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def freeze(pid: int, seconds: float) -> bool:
    """Stop a process, and let it go on so many seconds later, in the background."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False

    def resume() -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGCONT)
        os.close(handle)

    signal.pidfd_send_signal(handle, signal.SIGSTOP)
    threading.Timer(seconds, resume).start()
    return True


def cut_links(pid: int, ending: str) -> int:
    """Cut a process's Unix connections to sockets with such a path; return how many."""
    return _cut(pid, lambda peer: isinstance(peer, str) and peer.endswith(ending))


def cut_port(pid: int, host: str, port: int) -> int:
    """Cut a process's TCP connections to an address; return how many."""
    return _cut(pid, lambda peer: peer == (host, port))


def _cut(pid: int, wanted: Callable[[object], bool]) -> int:
    """Both ends see it as a connection lost: the kernel hands us the process's own descriptor."""
    cut = 0
    try:
        handle = os.pidfd_open(pid)
        numbers = [int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except (ProcessLookupError, FileNotFoundError):
        return 0
    for number in numbers:
        file = _libc.syscall(PIDFD_GETFD, handle, number, 0)
        if file < 0:
            if ctypes.get_errno() == 1:
                raise PermissionError("pidfd_getfd is not permitted here")
            continue
        if not stat.S_ISSOCK(os.fstat(file).st_mode):
            os.close(file)
            continue
        with socket.socket(fileno=file) as end, contextlib.suppress(OSError):
            peer = end.getpeername()  # An error where it is not connected.
            if wanted(peer):
                end.shutdown(socket.SHUT_RDWR)
                cut += 1
    os.close(handle)
    return cut


class SmallDisk:
    """A tmpfs of so many megabytes on a folder."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._folder = folder
        self._filler = folder / "filler"
        folder.mkdir(parents=True, exist_ok=True)
        size = f"size={megabytes}m"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "anlass-chaos", folder],
            check=True,
            capture_output=True,
        )

    def fill(self) -> None:
        """Take all space that is left."""
        with self._filler.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(1 << 16))

    def make_space(self) -> None:
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", self._folder], check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Say whether a small disk can be had here: that takes root."""
    try:
        SmallDisk(folder, 1).close()
    except (subprocess.CalledProcessError, FileNotFoundError):
        return False
    return True


def title_of(pid: int) -> str:
    """Return what a process calls itself; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""
