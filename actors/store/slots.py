"""Slots: which ones a store in Redis has a history of, also those that nobody holds any more."""

import re
from pathlib import Path
from typing import Final

from actors.store.disk import Disk
from actors.store.redis_server import RedisServer

SLOT_FOLDER: Final = re.compile(r"shard-(\d+)")


def slots_in(disk: Disk, root: Path) -> list[int]:
    """Return the slots that have a folder in an archive, or in a data folder."""
    matches = (SLOT_FOLDER.fullmatch(name) for name in disk.names(root))
    return sorted(int(match[1]) for match in matches if match)


def slots_of(server: RedisServer, disk: Disk, root: Path, count: int) -> list[int]:
    """Return the slots below `count` that were ever owned, and those in the archive at `root`."""
    named = server.run_all([("EXISTS", server.key("slot", slot)) for slot in range(count)])
    return sorted({slot for slot, there in enumerate(named) if there} | set(slots_in(disk, root)))
