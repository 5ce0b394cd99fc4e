"""Opened: the shards of a store, on their links: those that run, or opened for a moment."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from actors.clock import CLOCKS
from actors.errors import OperatorError
from actors.kept.kept import StorePlace
from actors.kept.served import Served, served_store
from actors.map import even_map
from actors.processes import RUNTIME_PREFIX, Processes
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.key import store_key
from actors.store.manifest import read_store, shard_folder

KEEP_ALL_MS: Final = 1 << 60
"""Nothing of the archive goes by age here: how long it is kept is said to `anlass run`."""


@contextlib.asynccontextmanager
async def opened_store(data: StorePlace, key_file: Path | None = None) -> AsyncIterator[Served]:
    """Yield where the shards of a store are.

    Where no system runs on a folder, each shard recovers in this process, and is closed in good
    order at the end. Raises OperatorError where there is no store, its key is missing, or of a
    cluster some slot is not served.
    """
    served = await asyncio.to_thread(served_store, data)
    if served is not None and set(served.owners) <= served.addresses.keys():
        yield served
        return
    if not isinstance(data, Path):
        text = f"not all of {data} is served just now"
        raise OperatorError(f"{text}; start it with `anlass run`, or see `anlass status --redis`")
    store = read_store(data)
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
                yield Served(dict(enumerate(sockets)), even_map(sockets).owners, None)
    finally:
        processes.release()
