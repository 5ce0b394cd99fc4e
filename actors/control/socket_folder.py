"""The folder of a shard's sockets: it goes with its process, or when the next one comes.

A process that is killed, or refused and ended at once, takes nothing away.
"""

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Final

from actors.errors import OperatorError
from actors.processes import RUNTIME_PREFIX
from actors.store.lock import FileLock, take_lock

SHARD_PREFIX: Final = f"{RUNTIME_PREFIX}shard-"
LOCK_NAME: Final = "lock"


class SocketFolder:
    """A folder of one's own, as long as this process lives; `path` is short enough for sockets."""

    def __init__(self) -> None:
        """Make it, and take away those whose processes are gone."""
        remove_leftovers()
        folder = Path(tempfile.mkdtemp(prefix=RUNTIME_PREFIX))
        self._lock: FileLock = take_lock(folder / LOCK_NAME)
        # Under its name it is seen by others only now: whoever sees it finds the lock held.
        name = folder.name.removeprefix(RUNTIME_PREFIX)
        self.path = folder.rename(folder.with_name(f"{SHARD_PREFIX}{name}"))

    def close(self) -> None:
        """Take it away."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def remove_leftovers() -> int:
    """Take away what belongs to no process any more; return how many that were."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{SHARD_PREFIX}*"):
        with contextlib.suppress(OperatorError, OSError):  # It is held, or another's, or just gone.
            lock = take_lock(folder / LOCK_NAME)
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
            removed += 1
    return removed
