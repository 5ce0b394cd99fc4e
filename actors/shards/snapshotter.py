"""Snapshotter: walks over a shard's partitions while it serves, and writes a snapshot of each."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import structlog

from actors.settings import SnapshotSettings
from actors.shards.shard import Shard
from actors.store.port import Log, Row, SnapshotHead, Snapshots

KEPT: Final = 2
"""Snapshots of a partition that are kept, as the port says; the log reaches back to the older."""

PATIENCE_S: Final = 0.5
"""How long a capture waits for a moment when little waits to be folded."""

PAUSE_RATIO: Final = 12
"""Writing rests this many times as long as it takes: folding and the log's commits matter more.

The end of each file counts as well: its syncs wait for the same disk as the log's commits.
"""

FILE_REST_S: Final = 0.5
"""Rest after a file at least, as long as the log has not grown by as much as began the walk: each
file's syncs hold up commits for some milliseconds, and many files a second would show in the
slowest hundredth of answers (`python -m bench snapshot` shows what is left of that)."""

REST_S_MAX: Final = 1.0
"""Rest after a file at most: one sync that hung must not put off a walk for minutes."""

RETRY_S: Final = 60.0
FIRST_RELEASE_S: Final = 5.0
RELEASE_S: Final = 3_600.0
"""The log is released so soon after the start and so often at least, also where nothing came to
it: what is in its archive grows too old by itself."""

WRITING: Final = "a snapshot cannot be written"
RELEASING: Final = "the log cannot be put into the archive"

Result = TypeVar("Result")

log = structlog.get_logger()


class Snapshotter:
    """Captures on the loop, one partition a turn; rows are made and written in a thread of its own.

    A snapshot never holds more than the log: it is written when the log is durable up to it. When
    all partitions have theirs, the log is released up to the older ones. What goes wrong is said
    in `error` and tried again: the log has everything meanwhile.
    """

    def __init__(
        self,
        shard: Shard,
        shard_log: Log,
        snapshots: Snapshots,
        positions: dict[int, list[int]],
        settings: SnapshotSettings,
        floors: dict[int, int] | None = None,
    ) -> None:
        """Begin with the snapshots that there are: their positions by partition, the latest first.

        `floors`: of partitions that came from another slot, from where on the log tells of them.
        """
        self.durable_position = shard.position
        """Up to which position the log is durable; who commits it says so."""
        self.under_way: int | None = None
        """Position of the snapshot that is captured and not written yet, if one is."""
        self.written = 0
        """Snapshots since the start."""
        self.error = "; ".join(str(fault) for fault in snapshots.faults())
        self.size_bytes = snapshots.size_bytes
        """What all snapshots hold, when it was last looked."""
        self._shard = shard
        self._log = shard_log
        self._snapshots = snapshots
        self._positions = positions
        self._floors = floors or {}
        self._held = False
        """Whether somebody else has the thread: see `hold`."""
        self._settings = settings
        self._grown_bytes = 0
        self._left: deque[int] = deque()
        """Partitions that this walk has still to come to."""
        self._captured: tuple[SnapshotHead, Iterator[list[Row]]] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "snapshots")
        self._hurry = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._walked_at_s = self._loop.time()
        self._patient_until_s = 0.0
        self._retry_at_s = 0.0
        self._release_at_s = self._walked_at_s + FIRST_RELEASE_S
        self._rest_until_s = 0.0
        """No further capture before this."""
        self._rows_done_s = 0.0
        """When the last rows of the file in hand were written, by the process's own counter."""
        if self.error:
            log.error("snapshots are damaged; older ones and the log serve", error=self.error)

    @property
    def needed_position(self) -> int:
        """From where on a recovery needs the log, if it begins with the older snapshots."""
        needed = (
            each[KEPT - 1] if len(each) >= KEPT else self._floors.get(number, 0)
            for number, each in self._positions.items()
        )
        return min(needed, default=self.durable_position)

    def note(self, size: int) -> None:
        """Note that the log has grown by so many bytes."""
        self._grown_bytes += size

    def turn(self, *, busy: bool) -> None:
        """Do what is next, if anything: to be called between two slices, often."""
        if self._writing is not None or self._held:
            return
        now_s = self._loop.time()
        if self._captured is None:
            if now_s >= max(self._release_at_s, self._retry_at_s):
                self._writing = asyncio.create_task(self._release_alone())
                return
            if not self._left and self._is_due(now_s):
                self._begin(now_s)
            if now_s < self._rest_until_s:
                return
            if not self._left or (busy and now_s < self._patient_until_s):
                return
            self._capture(self._left.popleft(), now_s)
        if self._captured and self._captured[0].position <= self.durable_position:
            head, rows = self._captured
            self._captured = None
            self._writing = asyncio.create_task(self._write(head, rows))

    def _capture(self, number: int, now_s: float) -> None:
        """Capture a partition, unless it has moved meanwhile or nothing is new in the log."""
        if number not in self._shard.partitions:
            return
        if self._positions[number][:1] == [self._shard.position]:
            return
        try:
            self._captured = self._shard.snapshot(number)
        except ValueError as error:
            self._put_off(f"{WRITING}: {error}", number)
            return
        self.under_way = self._captured[0].position
        self._patient_until_s = now_s + PATIENCE_S

    def status(self, position: int) -> dict[str, Any]:
        """Return counters and gauges by name; `position` is that of the next record."""
        return {
            "uncommitted": position - self.durable_position,
            "snapshot_bytes": self.size_bytes,
            "snapshots": self.written,
            "snapshot_error": self.error,
            "needed_position": self.needed_position,
        }

    async def hold(self) -> None:
        """Finish what is being written, and begin nothing more until `let_go`."""
        self._held = True
        if self._captured is not None:
            self._left.appendleft(self._captured[0].partition)
        self._captured = self.under_way = None
        self._hurry.set()
        if self._writing is not None:
            await self._writing

    def let_go(self) -> None:
        """Go on after a `hold`."""
        self._held = False
        self._hurry.clear()

    async def write_last(self, head: SnapshotHead, rows: Iterator[list[Row]]) -> None:
        """Write the snapshot of a partition that leaves; only while held.

        Raises what the store raises: then it did not happen.
        """
        await self._durable(head.position)
        await self._run(self._snapshots.write, head, rows)

    def forget(self, number: int) -> None:
        """Forget a partition that has left."""
        self._positions.pop(number, None)
        self._floors.pop(number, None)

    def add(self, number: int, floor: int) -> None:
        """Care for a partition that came: the log tells of it from this position on."""
        self._positions[number], self._floors[number] = [], floor

    async def drain(self) -> str:
        """Write a snapshot of every partition as it is now; return what went wrong, if anything.

        Nothing but receipts should be folded meanwhile.
        """
        self._hurry.set()
        self._left.clear()
        if self._writing is not None:
            await self._writing
        self._captured = None
        self.under_way = None
        self.error = ""
        self._left.extend(
            number
            for number in self._shard.partitions
            if self._positions[number][:1] != [self._shard.position]
        )
        while self._left:
            number = self._left.popleft()
            try:
                head, rows = self._shard.snapshot(number)
            except ValueError as error:
                self._put_off(f"{WRITING}: {error}", number)
                break
            self.under_way = head.position
            await self._durable(head.position)
            await self._write(head, rows)
        return self.error

    async def close(self) -> None:
        """End the thread, when it has written what it is at."""
        self._hurry.set()
        self._left.clear()
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()

    def _is_due(self, now_s: float) -> bool:
        if now_s < self._retry_at_s:
            return False
        settings = self._settings
        if self._grown_bytes >= max(settings.log_bytes, self.size_bytes):
            return True
        latest = min((each[0] if each else 0 for each in self._positions.values()), default=0)
        grown = self._shard.position > latest
        return grown and now_s - self._walked_at_s >= settings.interval_s

    def _begin(self, now_s: float) -> None:
        self._left.extend(self._shard.partitions)
        self._grown_bytes = 0
        self._walked_at_s = now_s
        self._patient_until_s = now_s + PATIENCE_S

    async def _write(self, head: SnapshotHead, rows: Iterator[list[Row]]) -> None:
        """Write a snapshot; after the last one of a walk, release what nobody needs of the log."""
        doing = WRITING
        self._rows_done_s = time.perf_counter()
        try:
            await self._run(self._snapshots.write, head, self._paced(rows))
            took_s = time.perf_counter() - self._rows_done_s
            hurried = self._grown_bytes >= self._settings.log_bytes
            rest_s = max(took_s * PAUSE_RATIO, 0.0 if hurried else FILE_REST_S)
            self._rest_until_s = self._loop.time() + min(rest_s, REST_S_MAX)
            positions = self._positions.get(head.partition, [])
            positions[:] = [head.position, *positions][:KEPT]
            self.written += 1
            if not self._left:
                doing = RELEASING
                await self._release()
                self.error = ""
        except Exception as error:  # noqa: BLE001 - whatever it is: the log has everything
            self._put_off(f"{doing}: {error}", head.partition)
        finally:
            self._writing = None
            self.under_way = None

    async def _release_alone(self) -> None:
        """Release the log where no snapshot was written: what is too old in its archive goes."""
        try:
            await self._release()
            if self.error.startswith(RELEASING):
                self.error = ""
        except Exception as error:  # noqa: BLE001 - as above
            self._put_off(f"{RELEASING}: {error}")
        finally:
            self._writing = None

    async def _release(self) -> None:
        await self._run(self._log.release, self.needed_position)
        self.size_bytes = await self._run(self._look)
        self._release_at_s = self._loop.time() + RELEASE_S

    def _put_off(self, error: str, partition: int | None = None) -> None:
        self.error = error
        self._left.clear()
        self._retry_at_s = self._loop.time() + RETRY_S
        log.warning(
            "the log stays as it is, and it is tried again",
            partition=partition,
            seconds=RETRY_S,
            error=error,
        )

    async def _run(self, do: Callable[..., Result], *args: Any) -> Result:
        return await self._loop.run_in_executor(self._thread, do, *args)

    def _look(self) -> int:
        return self._snapshots.size_bytes

    async def _durable(self, position: int) -> None:
        while self.durable_position < position:  # noqa: ASYNC110 - once, when a shard stops
            await asyncio.sleep(0.001)

    def _paced(self, rows: Iterator[list[Row]]) -> Iterator[list[Row]]:
        began_s = time.perf_counter()
        for each in rows:
            yield each
            self._hurry.wait((time.perf_counter() - began_s) * PAUSE_RATIO)
            self._rows_done_s = began_s = time.perf_counter()
