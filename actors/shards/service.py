"""ShardService: a shard on its link: folds slices, commits them, then answers and releases."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import structlog

from actors.frame import Frame, encode_frame
from actors.limits import (
    FRAMES_UNCOMMITTED_MAX,
    FULL,
    INBOX_REQUESTS_MAX,
    INBOX_SHORT,
    SETTLE_S,
    SLICE_INPUTS_MAX,
    SLICE_NS_MAX,
    STOPPING,
    TICK_S,
)
from actors.links.counted import AskNumbers, AskVisits
from actors.links.credentials import Credentials
from actors.links.door import Door, forbidden
from actors.links.link import (
    Accept,
    AskMap,
    AskSightings,
    AskStatus,
    Done,
    Drain,
    EraseContact,
    Link,
    MapIs,
    OpenPartition,
    Pull,
    Refused,
    Request,
    Settle,
    Status,
    decode_request,
)
from actors.running import memory_bytes
from actors.settings import SnapshotSettings
from actors.shards.answer import Answer, give_all
from actors.shards.census import Census
from actors.shards.committer import Committer
from actors.shards.eraser import Eraser
from actors.shards.inbox import Inbox
from actors.shards.mover import Mover, Moving
from actors.shards.outbox import Outbox
from actors.shards.pulls import Pulls
from actors.shards.recovery import recovered
from actors.shards.shard import Shard
from actors.shards.sightings import ShardSightings
from actors.shards.snapshotter import Snapshotter
from actors.shards.timers import Timers
from actors.slot_files import SlotFiles
from actors.store.port import Log, Snapshots
from engine.decision import Outcome

log = structlog.get_logger()


class ShardService:
    """Serves one shard. All on one event loop, but for the commit thread."""

    def __init__(
        self,
        shard: Shard,
        log: Log,
        failed: Callable[[Exception], None] | None = None,
        *,
        snapshots: Snapshots | None = None,
        settings: SnapshotSettings | None = None,
        files: SlotFiles | None = None,
        moving: Moving | None = None,
    ) -> None:
        """Without `snapshots` none are taken, without `files` no contact can be erased.

        Without `moving` partitions stay where they are.
        """
        self.shard = shard
        self.log = log
        self.outbox = Outbox()
        self.recovered_ms = 0
        self.refolded = 0
        """Records of the log that the start has folded."""
        self.stalled = ""
        """Why the log cannot take more just now."""
        self._snapshots = snapshots
        self._settings = settings or SnapshotSettings()
        self._snapshotter: Snapshotter | None = None
        self._draining: asyncio.Task[None] | None = None
        self._committer: Committer | None = None
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self.door = Door(self._received, self._lost)
        self.mover: Mover | None = None
        self.more_status: Callable[[], dict[str, Any]] = dict
        """What its process has to say of itself, in a cluster."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._moving = moving
        self._files = files
        self._sightings = ShardSightings(files, self._settings.interval_s)
        self._eraser: Eraser | None = None
        self._pulls = Pulls(shard, self.outbox)
        self._inbox = Inbox(shard, self.outbox, self._pulls)
        self._census = Census(shard)
        self._uncommitted: deque[tuple[list[Answer], list[Outcome], int]] = deque()
        """Of each frame: what waits for it, and the position behind it."""
        self._scheduled = False
        self._timers = Timers(shard, self._loop, partial(self._do_or_end, self._schedule))
        self._closing = False
        self._quiet = asyncio.Event()
        """Set while nothing waits to be folded or to become durable."""

    async def start(self, *addresses: str, credentials: Credentials | None = None) -> None:
        """Recover from snapshots and log, then serve links at these addresses."""
        began = time.perf_counter()
        parts = (self.shard, self.outbox, self._files, self.log, self._snapshots)
        if self._moving is None:
            recovery = recovered(*parts)
        else:  # This process may serve other slots meanwhile, and has to say that it lives.
            recovery = await self._loop.run_in_executor(None, recovered, *parts)
        self._sightings.load()
        self.refolded = recovery.refolded
        self.recovered_ms = int((time.perf_counter() - began) * 1000)
        if self._snapshots is not None:
            self._snapshotter = Snapshotter(
                self.shard,
                self.log,
                self._snapshots,
                recovery.positions,
                self._settings,
                recovery.floors,
            )
            self._snapshotter.note(self.log.size_bytes if self.refolded else 0)
            if self._moving is not None:
                self.mover = self._inbox.mover = self._new_mover(self._moving)
        committed = partial(self._do_or_end, self._committed)
        self._committer = Committer(self.log, committed, self._failed, self._stall)
        if self._files is not None:
            self._eraser = self._inbox.eraser = Eraser(
                self._files,
                self._snapshotter,
                self.shard.partitions.__contains__,
                None if self._moving is None else self._moving.elsewhere,
                self._sightings.forget,
            )
            for frame, answer in self._eraser.resume(self.shard, self.outbox):
                self.commit(frame, [answer])
        if self.mover is not None:
            self.mover.open_all(recovery.unopened)
            self.shard.catch_up(self.shard.clock.read())
            if (late := self.shard.cut()) is not None:
                self.commit(late)
        for address in addresses:
            await self.door.open(address, credentials)
        self._loop.call_later(TICK_S, self._do_or_end, self._tick)

    async def stop(self) -> None:
        """Finish what is folded, commit it, answer, and close the log."""
        self._closing = True
        self.door.close()
        if (self._inbox or self._uncommitted) and not self.stalled:
            self._quiet.clear()
            await self._quiet.wait()
        self.door.close_links()
        if self._draining is not None:
            await self._draining
        if self._snapshotter is not None:
            await self._snapshotter.close()
        if self._eraser is not None:
            await self._eraser.close()
        await self._sightings.save()
        if self._committer is not None:
            self._committer.close()
        self.log.close()

    def _lost(self, link: Link) -> None:
        if self.outbox.knows(link):  # Any other leaves nothing: they come and go by the thousand.
            self._inbox.put(link, None)  # What it has settled already is folded before.
        self._pulls.lose(link)
        self._schedule()

    def _received(self, link: Link, data: bytes) -> None:
        try:
            request = decode_request(data)
        except msgspec.DecodeError:
            link.close()
            return
        if refusal := forbidden(link, request):
            link.refuse(request, refusal)
        elif isinstance(request, AskStatus):
            link.send(Status(request.seq, self.status()))
        elif isinstance(request, AskSightings):
            link.send(self._sightings.answer(request))
        elif isinstance(request, AskMap | OpenPartition):
            self._answer_mover(link, request)
        elif isinstance(request, AskVisits | AskNumbers):
            self._census.answer(link, request)
        elif refusal := self._refusal(link, request):
            link.refuse(request, refusal)
        elif isinstance(request, Pull):
            self._pulls.put(link, request)
            self._loop.call_later(request.wait_ms / 1000, self._pulls.end, link, request)
        elif isinstance(request, Drain):
            self._timers.due = False
            self._draining = asyncio.create_task(self._drain(link, request))
        else:
            self._inbox.put(link, request)
        self._schedule()

    @property
    def links(self) -> set[Link]:
        """All links there are now."""
        return self.door.links

    def _answer_mover(self, link: Link, request: AskMap | OpenPartition) -> None:
        if self.mover is None:
            link.send(Refused(request.seq, "partitions do not move in this store"))
        elif isinstance(request, AskMap):
            link.send(MapIs(request.seq, self.mover.map))
        else:
            task = self._loop.create_task(self.mover.answer(link, request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _new_mover(self, moving: Moving) -> Mover:
        assert self._snapshots is not None
        assert self._snapshotter is not None
        return Mover(self, self.shard, self._snapshots, self._snapshotter, moving)

    def _refusal(self, link: Link, request: Request) -> str:
        """Say why a request is not taken in; empty where it is. Nothing grows without a bound."""
        if isinstance(request, Pull):
            return FULL if self._pulls.full(request.channel) else ""
        if len(self._inbox) >= INBOX_REQUESTS_MAX:
            return FULL
        if self._draining is not None and not isinstance(request, Settle):
            return "it is being drained already" if isinstance(request, Drain) else STOPPING
        if isinstance(request, Accept):
            if request.attempt <= link.attempt_refused:
                return link.refused_why
            if self.stalled:
                return self.stalled
        if isinstance(request, EraseContact) and self._eraser is None:
            return "this store cannot erase"
        if isinstance(request, EraseContact) and self.stalled:
            return f"nothing can be erased just now: {self.stalled}"
        return ""

    async def _drain(self, link: Link, request: Drain) -> None:
        """Finish what is there, wait a while for receipts of what is out, and take snapshots."""
        end_s = self._loop.time() + SETTLE_S
        while (
            self._inbox or self._uncommitted or (self.outbox.handed and self._loop.time() < end_s)
        ):
            if self._closing:
                return
            await asyncio.sleep(TICK_S)
        error = "" if self._snapshotter is None else await self._snapshotter.drain()
        await self._sightings.save()
        link.send(Refused(request.seq, error) if error else Done(request.seq))

    def _stall(self, text: str) -> None:
        """Take note that there is no space for the log, and why; empty where there is again.

        What is folded stays, and is answered when it is durable after all.
        """
        self.stalled = text
        if not text:
            return
        self._quiet.set()
        self._inbox.refuse_events(text)

    def _tick(self) -> None:
        if self._closing:
            return
        self._sightings.turn(self._loop.time())
        if self._draining is None:
            self._timers.look()
            if self._snapshotter is not None:
                self._snapshotter.turn(busy=len(self._inbox) > INBOX_SHORT)
        self._loop.call_later(TICK_S, self._do_or_end, self._tick)

    def _schedule(self) -> None:
        """Fold a slice soon, if there is something to fold and the disk keeps up."""
        if self._scheduled or len(self._uncommitted) >= FRAMES_UNCOMMITTED_MAX:
            return
        pulled = self._draining is None and self._pulls.ready
        if self._inbox or self._timers.ready or pulled:
            self._scheduled = True
            self._loop.call_soon(self._do_or_end, self._fold_slice)

    def _do_or_end(self, do: Callable[..., None], *args: Any) -> None:
        """Do this; a fault outside the fold's own care ends the process, as a commit's does.

        To go on would leave a frame half made, senders without an answer, or no timer ever again.
        """
        try:
            do(*args)
        except Exception:
            log.exception("the shard is at fault, and stops", at=do.__name__)
            os._exit(70)

    def _fold_slice(self) -> None:
        self._scheduled = False
        shard = self.shard
        read_ms = shard.clock.read()
        answers: list[Answer] = []
        end_ns = time.perf_counter_ns() + SLICE_NS_MAX
        inputs_left = SLICE_INPUTS_MAX
        while self._inbox and inputs_left > 0 and time.perf_counter_ns() < end_ns:
            inputs_left -= self._inbox.fold(inputs_left, end_ns, read_ms, answers)
        if self._timers.ready:
            self._timers.apply(read_ms)
        if self._draining is None:
            answers.extend(Answer(*handed) for handed in self._pulls.fold(read_ms))
        frame = shard.cut()
        if frame is not None:
            self.commit(frame, answers)
        elif self._uncommitted:  # It may tell of what these frames hold.
            self._uncommitted[-1][0].extend(answers)
        else:
            give_all(answers)
            if not self._inbox:
                self._quiet.set()
        self._schedule()

    def commit(self, frame: Frame, answers: list[Answer] | None = None) -> None:
        """Let a frame become durable, and then these be answered."""
        assert self._committer is not None
        self._uncommitted.append(
            (answers or [], frame.outcomes, frame.position + len(frame.records))
        )
        data = encode_frame(frame)
        self._committer.put(frame.position, data)
        self._sightings.take(frame)  # While the disk is at it.
        if self._snapshotter is not None:
            self._snapshotter.note(len(data))

    def _committed(self, count: int) -> None:
        """Take note that the next `count` frames are durable: now answer, and release messages."""
        for _ in range(count):
            answers, outcomes, position = self._uncommitted.popleft()
            if self._snapshotter is not None:
                self._snapshotter.durable_position = position
            for outcome in outcomes:
                self.outbox.put(outcome)
            give_all(answers)
        if not self._inbox and not self._uncommitted:
            self._quiet.set()
        self._schedule()

    def status(self) -> dict[str, Any]:
        """Return counters and gauges by name; what they count may not be durable yet."""
        status = self.shard.status() | {
            "pid": os.getpid(),
            "commits": self.log.commits,
            "log_bytes": self.log.size_bytes,
            "outbox": self.outbox.depth,
            "queue": len(self._inbox),
            "timers_late_ms": self.shard.timers_late_ms(self.shard.clock.read()),
            "couriers": self._pulls.links,
            "memory_bytes": memory_bytes(os.getpid()),
            "recovered_ms": self.recovered_ms,
            "refolded": self.refolded,
            "stalled": self.stalled,
            "published": self.shard.published,
            "serial": self.shard.serial,
        }
        status |= self.more_status()
        if self._snapshotter is not None:
            status |= self._snapshotter.status(self.shard.position)
        if self.mover is not None:
            status["move_pauses_ms"] = [1000 * each for each in self.mover.pauses_s]
        if self._eraser is not None:
            status |= {"erasures_open": self._eraser.open, "erasure_error": self._eraser.error}
        return status
