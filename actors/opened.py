"""Opened: the shards of a store, on their links: those that run, or opened for a moment."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from actors.clock import CLOCKS
from actors.processes import RUNTIME_PREFIX, Processes
from actors.running import running_system
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.key import store_key
from actors.store.manifest import read_store, shard_folder

KEEP_ALL_MS: Final = 1 << 60
"""Nothing of the archive goes by age here: how long it is kept is said to `anlass run`."""


@contextlib.asynccontextmanager
async def opened_store(data: Path, key_file: Path | None = None) -> AsyncIterator[list[str]]:
    """Yield the sockets of all shards of a store, by slot.

    Where no system runs, each shard recovers in this process, and is closed in good order at the
    end. Raises OperatorError where the folder is none of Anlass, or its key is missing.
    """
    store = read_store(data)
    running = running_system(data)
    if running is not None:
        yield running.sockets
        return
    processes = Processes(data)
    processes.hold()
    try:
        processes.end_leftovers()
        key = store_key(data, key_file)
        with tempfile.TemporaryDirectory(prefix=RUNTIME_PREFIX) as runtime:
            async with contextlib.AsyncExitStack() as stack:
                sockets = []
                for slot in range(store.shards):
                    folder = shard_folder(data, slot)
                    shard = Shard(slot, store.shards, CLOCKS[store.clock]())
                    log, snapshots = open_slot(folder, key, KEEP_ALL_MS, shard.now_ms)
                    files = SlotFiles(folder, log=log, snapshots=snapshots, key=key)
                    service = ShardService(shard, log, snapshots=snapshots, files=files)
                    sockets.append(str(Path(runtime) / f"shard-{slot}.sock"))
                    await service.start(sockets[-1])
                    stack.push_async_callback(service.stop)
                yield sockets
    finally:
        processes.release()
