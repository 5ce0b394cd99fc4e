"""A Ray that one system has for itself: who started it ends where it ends."""

import asyncio
import os
from pathlib import Path
from typing import Final

import structlog

from actors.errors import OperatorError

NEEDED: Final = ("raylet", "gcs_server")
"""Ray starts actors again, but nobody starts these again; actors end with the raylet."""

log = structlog.get_logger()


class OwnRay:
    """Watches the servers of Ray that are children of this process."""

    def __init__(self) -> None:
        self.lost = ""
        """Which of them has ended."""

    async def ended(self) -> None:
        """Wait until one of them ends. Raises OperatorError then."""
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[str] = loop.create_future()

        def tell(name: str) -> None:
            if not lost.done():
                lost.set_result(name)

        handles = []
        for pid, name in _children():
            if name in NEEDED:
                handles.append(os.pidfd_open(pid))
                loop.add_reader(handles[-1], tell, name)
        try:
            self.lost = await lost
        finally:
            for handle in handles:
                loop.remove_reader(handle)
                os.close(handle)
        text = f"Ray's {self.lost} has ended, and without it nothing here can go on"
        log.error(text)
        raise OperatorError(
            f"{text}; what was acknowledged is durable: start again "
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
