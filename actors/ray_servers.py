"""The servers of Ray that this process cannot go on without: it ends where they do."""

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import Final

import structlog

from actors.errors import OperatorError

RAYLET: Final = "raylet"
NEEDED: Final = (RAYLET, "gcs_server")
"""Ray starts actors again, but nobody starts these again; actors end with the raylet."""

PEER: Final = struct.Struct("3i")
"""What Linux says of the other end of a Unix socket: process, user, group (`man 7 unix`)."""

log = structlog.get_logger()


class RayServers:
    """Watches those that are children of this process, or the raylet of the node that it joined."""

    def __init__(self) -> None:
        self.lost = ""
        """Which of them has ended."""
        self._joined: tuple[int, str] | None = None

    def join(self, socket: str) -> None:
        """Watch the raylet that serves at this Unix socket. Raises OSError where none does."""
        pid = _pid_at(socket)
        if pid == 0:
            log.warning("Ray's raylet is in another container: its end will not be noticed here")
            return
        self._joined = (pid, RAYLET)

    async def ended(self) -> None:
        """Wait until one of them ends. Raises OperatorError then."""
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[str] = loop.create_future()

        def tell(name: str) -> None:
            if not lost.done():
                lost.set_result(name)

        handles = []
        for pid, name in [self._joined] if self._joined else _children():
            if name not in NEEDED:
                continue
            try:
                handles.append(os.pidfd_open(pid))
                loop.add_reader(handles[-1], tell, name)
            except ProcessLookupError:
                tell(name)
        try:
            self.lost = await lost
        finally:
            for handle in handles:
                loop.remove_reader(handle)
                os.close(handle)
        text = f"Ray's {self.lost} has ended, and without it nothing here can go on"
        log.error(text)
        again = "start again where Ray runs" if self._joined else "start again"
        raise OperatorError(
            f"{text}; what was acknowledged is durable: {again} "
            "(was it killed for want of memory? `dmesg` says so)"
        )


def _children() -> list[tuple[int, str]]:
    """Return the pid and name of each child, also of one that has ended and was not waited for."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text(errors="replace")
        except OSError:
            continue
        head, _, rest = stat.rpartition(")")
        if int(rest.split()[1]) == os.getpid():
            found.append((int(entry.name), head.partition("(")[2]))
    return found


def _pid_at(socket_name: str) -> int:
    """Return who serves at a Unix socket; 0 where that is a process this one cannot see."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(socket_name)
        peer = asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
    pid: int = PEER.unpack(peer)[0]
    return pid
