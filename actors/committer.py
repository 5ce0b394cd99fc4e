"""Commits frames in a thread of its own, while the shard folds the next ones."""

import asyncio
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

import structlog

from actors.store.port import Log

log = structlog.get_logger()


class Committer:
    """Writes frames in order; all that wait when the disk is free go in one block.

    `committed(count)` is called on the loop when the next `count` frames are durable. A write
    that fails ends the process: what is on the disk is unknown, and recovery starts from there.
    """

    def __init__(
        self,
        file: Log,
        committed: Callable[[int], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        self._file = file
        self._committed = committed
        self._failed = failed or _end_process
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def put(self, position: int, frame: bytes) -> None:
        """Queue a frame whose first record has this position."""
        self._queue.put((position, frame))

    def close(self) -> None:
        """Commit what is queued and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        queue = self._queue
        more = True
        while more:
            item = queue.get()
            batch: list[tuple[int, bytes]] = []
            while item is not None:
                batch.append(item)
                if queue.empty():
                    break
                item = queue.get()
            more = item is not None
            if not batch:
                continue
            try:
                self._file.append(batch[0][0], [frame for _, frame in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is: nothing more may be answered
                self._failed(error)
                return
            self._loop.call_soon_threadsafe(self._committed, len(batch))


def _end_process(error: Exception) -> None:
    log.error("the log cannot be written; the shard stops", error=str(error))
    os._exit(70)
