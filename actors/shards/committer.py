"""Commits frames in a thread of its own, while the shard folds the next ones."""

import asyncio
import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

import structlog

from actors.store.port import Log, StoreStalledError

log = structlog.get_logger()

RETRY_S: Final = 1.0
"""How long a store that takes nothing is left alone before the same frames are tried again."""


class Committer:
    """Writes frames in order; all that wait when the disk is free go in one block.

    `committed(count)` is called on the loop when the next `count` frames are durable. While there
    is no space, or the store is out of reach, nothing is lost: `stalled(why)` is called on the
    loop when that begins, the same frames are tried again, and `stalled("")` is called when it
    goes on. Any other write that fails ends the process: what is on the disk is unknown, and
    recovery starts from there; so does one that another owner fences.
    """

    def __init__(
        self,
        file: Log,
        committed: Callable[[int], None],
        failed: Callable[[Exception], None] | None = None,
        stalled: Callable[[str], None] | None = None,
    ) -> None:
        self._file = file
        self._committed = committed
        self._failed = failed or _end_process
        self._stalled = stalled
        self._why = ""
        """Why it is stalled; empty where it is not."""
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def put(self, position: int, frame: bytes) -> None:
        """Queue a frame whose first record has this position."""
        self._queue.put((position, frame))

    def close(self) -> None:
        """Commit what is queued and end the thread; if the store is stalled after one more try."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        batch: list[tuple[int, bytes]] = []
        more = True
        while more or batch:
            more = self._take(batch) and more
            if not batch:
                continue
            last_try = self._closing.is_set()
            try:
                self._file.append(batch[0][0], [frame for _, frame in batch])
            except StoreStalledError as error:
                self._say(str(error))
                if last_try:
                    log.warning("frames nobody was told of are not written", frames=len(batch))
                    return
                self._closing.wait(RETRY_S)
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is: nothing more may be answered
                self._failed(error)
                return
            self._say("")
            self._loop.call_soon_threadsafe(self._committed, len(batch))
            batch.clear()

    def _take(self, batch: list[tuple[int, bytes]]) -> bool:
        """Add all that is queued, waiting only where there is none; say whether more may come."""
        while True:
            try:
                item = self._queue.get(block=not batch)
            except Empty:
                return True
            if item is None:
                return False
            batch.append(item)

    def _say(self, why: str) -> None:
        """Note that it stalls or goes on, if that is news."""
        if why == self._why:
            return
        self._why = why
        if why:
            log.error("the log cannot grow; the shard waits", error=why)
        else:
            log.warning("the log goes on")
        if self._stalled is not None:
            self._loop.call_soon_threadsafe(self._stalled, why)


def _end_process(error: Exception) -> None:
    log.error("the log cannot be written; the shard stops", error=str(error))
    os._exit(70)
