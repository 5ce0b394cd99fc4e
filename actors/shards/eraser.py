"""Eraser: erases contacts of a shard, and has their traces in files rewritten, in a thread."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import structlog
from msgspec.structs import replace

from actors.frame import Frame
from actors.links.link import EraseContact, Erased, Link, Refused
from actors.shards.answer import Answer
from actors.shards.outbox import Outbox
from actors.shards.shard import Shard
from actors.shards.snapshotter import Snapshotter
from actors.shards.sweeper import Elsewhere, Sweeper, Told
from actors.slot_files import Here, Rewritten, SlotFiles
from actors.store.erased import Erasure
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of

RETRY_S_MIN: Final = 30.0
RETRY_S_MAX: Final = 3_600.0
PAUSE_S: Final = 0.01
"""Between steps of 256 KB: the disk is the commits' first of all."""

LOOK_S: Final = 0.01
"""How often it is looked whether a snapshot of before the erasure is written."""

NOT_HERE: Final = "another shard owns the contact's partition"
UNFINISHED: Final = "the contact is forgotten, but not in all files yet, and it is tried again"

Result = TypeVar("Result")

log = structlog.get_logger()


class Eraser:
    """Finishes erasures, those of before the start too. All on the loop, but for the rewriting."""

    def __init__(
        self,
        files: SlotFiles,
        snapshotter: Snapshotter | None,
        here: Here,
        elsewhere: Elsewhere | None = None,
        forget: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`elsewhere` is for stores whose partitions move; see Sweeper for `forget`."""
        self._error = ""
        self._files = files
        self._here = here
        self._notes = files.notes
        self._snapshotter = snapshotter
        self._ready: dict[Erasure, list[Told]] = {}
        """Those whose record is durable, and who waits to be told."""
        self._more = asyncio.Event()
        self._closing = threading.Event()
        self._thread = ThreadPoolExecutor(1, "eraser")
        self._tasks = [asyncio.create_task(self._run())]
        self._elsewhere = elsewhere
        self._sweeper: Sweeper | None = None
        if elsewhere is not None:
            self._sweeper = Sweeper(elsewhere, here, forget, self._in_thread, self._pause)
            self._tasks.append(asyncio.create_task(self._sweeper.sweep()))

    @property
    def open(self) -> int:
        """How many erasures are not finished: of this slot's partitions, in all slots."""
        elsewhere = set() if self._sweeper is None else self._sweeper.open
        return len(self._notes.erased.keys() | elsewhere)

    @property
    def error(self) -> str:
        """Why erasures are not finished; they are tried again."""
        return self._error or ("" if self._sweeper is None else self._sweeper.error)

    def take(
        self, link: Link, request: EraseContact, shard: Shard, outbox: Outbox, read_ms: int
    ) -> Answer:
        """Fold an erasure, and return what answers it; the slice must take no more requests."""
        if partition_of(request.contact) not in shard.partitions:
            return Answer(link, Refused(request.seq, NOT_HERE))
        erasure = Erasure(
            digest=digest_of(request.contact),
            partition=partition_of(request.contact),
            position=shard.next_position,
            keep_out_ms=request.keep_out_ms,
            pseq=shard.partitions[partition_of(request.contact)].pseq + 1,
        )
        try:
            self._begin(shard, erasure, read_ms)
        except OSError as error:
            text = f"the erasure cannot be noted, and nothing was done: {error}"
            return Answer(link, Refused(request.seq, text))
        return ErasureAnswer(self, erasure, outbox, link, request.seq)

    def resume(self, shard: Shard, outbox: Outbox) -> Iterator[tuple[Frame, Answer]]:
        """Go on with erasures of before the start.

        One whose record was not durable begins anew: yields a frame to commit, and whom to give
        its answer. Raises OSError.
        """
        for each in self._notes.open:
            partition = shard.partitions.get(each.partition)
            if each.position < shard.position or partition is None:  # None: it moved on since.
                self._post(each)
                self.finish(each)
                continue
            again = replace(each, position=shard.next_position, pseq=partition.pseq + 1)
            self._begin(shard, again, shard.clock.read())
            frame = shard.cut()
            assert frame is not None
            yield frame, ErasureAnswer(self, again, outbox, None, 0)

    def _begin(self, shard: Shard, erasure: Erasure, read_ms: int) -> None:
        """Note it before it is in the log, so that a crash at any moment leaves a note."""
        self._notes.add(erasure)
        self._post(erasure)  # If this fails the process ends, and the next start does it.
        shard.erase(erasure.partition, erasure.digest, erasure.keep_out_ms, read_ms)

    def _post(self, erasure: Erasure) -> None:
        if self._elsewhere is not None:
            self._elsewhere.post(erasure)

    def finish(self, erasure: Erasure, told: Told | None = None) -> None:
        """Take a contact out of all files, now that its record is durable; then `told` is called.

        With what was done, or with why it could not be: then it is tried again by and by.
        """
        self._ready.setdefault(erasure, []).extend([] if told is None else [told])
        self._more.set()

    async def close(self) -> None:
        """End when the files in hand are done with; the next start does the rest."""
        self._closing.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)
        if self._elsewhere is not None:
            self._elsewhere.close()

    async def _run(self) -> None:
        retry_s = RETRY_S_MIN
        while True:
            await self._more.wait()
            self._more.clear()
            ready, self._ready = self._ready, {}
            result = await self._rewrite(list(ready))
            self._error = result if isinstance(result, str) else ""
            if self._sweeper is not None and not isinstance(result, str):
                self._sweeper.wait(list(ready), ready, result)
            else:
                for told in [each for waiting in ready.values() for each in waiting]:
                    told(result)
            if isinstance(result, str):
                log.warning("a contact's traces stay in files; tried again", error=result)
                for erasure in ready:
                    self._ready.setdefault(erasure, [])
                with contextlib.suppress(TimeoutError):  # Another erasure does not wait that long.
                    await asyncio.wait_for(self._more.wait(), retry_s)
                retry_s = min(2 * retry_s, RETRY_S_MAX)
                self._more.set()
            else:
                retry_s = RETRY_S_MIN

    def _pause(self) -> None:
        if self._closing.wait(PAUSE_S):
            raise InterruptedError("the shard stops; the next start goes on")

    def _snapshot_of_before(self, last: int) -> bool:
        """Say whether a snapshot is not written yet that was captured at or before a position."""
        position = None if self._snapshotter is None else self._snapshotter.under_way
        return position is not None and position <= last

    async def _rewrite(self, erasures: list[Erasure]) -> Rewritten | str:
        last = max(each.position for each in erasures)
        while self._snapshot_of_before(last):  # noqa: ASYNC110 - seldom, and for a second
            await asyncio.sleep(LOOK_S)
        try:
            result = await self._in_thread(self._files.erase, erasures, self._pause, self._here)
            if self._elsewhere is not None:
                await self._in_thread(self._elsewhere.note_own, erasures, result)
            self._notes.cross_out(erasures)
        except Exception as error:  # noqa: BLE001 - whatever it is: it is said, and tried again
            return str(error) or type(error).__name__
        return result

    async def _in_thread(self, do: Callable[..., Result], *args: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do, *args)


class ErasureAnswer(Answer):
    """The answer to EraseContact: not before the contact is out of all files."""

    __slots__ = ("_eraser", "_erasure", "_outbox")

    def __init__(
        self, eraser: Eraser, erasure: Erasure, outbox: Outbox, link: Link | None, seq: int
    ) -> None:
        super().__init__(link, Erased(seq, 0, 0))
        self._eraser = eraser
        self._erasure = erasure
        self._outbox = outbox

    def give(self) -> None:
        """Drop the contact's messages, as those of frames before are in the outbox now; finish."""
        digest = self._erasure.digest
        self._outbox.forget(lambda contact: digest_of(contact) == digest)
        self._eraser.finish(self._erasure, self._tell)

    def _tell(self, result: Rewritten | str) -> None:
        seq = self.reply.seq
        if isinstance(result, str):
            self.send(Refused(seq, f"{UNFINISHED}: {result}"))
        else:
            self.send(Erased(seq, result.files, result.records))
