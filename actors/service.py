"""ShardService: a shard on its link: folds slices, commits them, then answers and releases."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from actors.answer import Answer, give_all
from actors.census import Census
from actors.committer import Committer
from actors.eraser import Eraser
from actors.frame import Frame, encode_frame
from actors.limits import (
    FRAMES_UNCOMMITTED_MAX,
    FULL,
    INBOX_REQUESTS_MAX,
    INBOX_SHORT,
    LINKS_MAX,
    SETTLE_S,
    SLICE_INPUTS_MAX,
    SLICE_NS_MAX,
    STOPPING,
    TICK_S,
)
from actors.link import (
    Accept,
    Accepted,
    AskSightings,
    AskStatus,
    AskVisits,
    Done,
    Drain,
    EraseContact,
    Folded,
    Link,
    Pull,
    Refused,
    Request,
    RunOut,
    Settle,
    Status,
    decode_request,
)
from actors.outbox import Outbox
from actors.pulls import Pulls
from actors.recovery import recovered
from actors.running import memory_bytes
from actors.settings import SnapshotSettings
from actors.shard import Shard
from actors.sightings import ShardSightings
from actors.slot_files import SlotFiles
from actors.snapshotter import Snapshotter
from actors.store.port import Log, Snapshots
from actors.timers import Timers
from engine.decision import Outcome
from engine.identity import partition_of

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
    ) -> None:
        """Without `snapshots` none are taken; without `files` no contact can be erased."""
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
        self._server: asyncio.Server | None = None
        self._loop = asyncio.get_running_loop()
        self._links: set[Link] = set()
        self._files = files
        self._sightings = ShardSightings(files, self._settings.interval_s)
        self._eraser: Eraser | None = None
        self._inbox: deque[tuple[Link, Folded | None]] = deque()
        """Requests in the order of arrival; None where the link was lost."""
        self._part: bytearray | None = None
        """Verdicts so far of the Accept in front, where a slice ended amid it."""
        self._pulls = Pulls(shard, self.outbox)
        self._census = Census(shard)
        self._uncommitted: deque[tuple[list[Answer], list[Outcome], int]] = deque()
        """Of each frame: what waits for it, and the position behind it."""
        self._scheduled = False
        self._timers = Timers(shard, self._loop, partial(self._do_or_end, self._schedule))
        self._closing = False
        self._quiet = asyncio.Event()
        """Set while nothing waits to be folded or to become durable."""

    async def start(self, socket: str) -> None:
        """Recover from snapshots and log, then serve the link at this path."""
        began = time.perf_counter()
        recovery = recovered(self.shard, self.outbox, self._files, self.log, self._snapshots)
        self._sightings.load()
        self._pulls.take_publication()
        self.refolded = recovery.refolded
        self.recovered_ms = int((time.perf_counter() - began) * 1000)
        if self._snapshots is not None:
            self._snapshotter = Snapshotter(
                self.shard, self.log, self._snapshots, recovery.positions, self._settings
            )
            self._snapshotter.note(self.log.size_bytes if self.refolded else 0)
        committed = partial(self._do_or_end, self._committed)
        self._committer = Committer(self.log, committed, self._failed, self._stall)
        if self._files is not None:
            self._eraser = Eraser(self._files, self._snapshotter)
            for frame, answer in self._eraser.resume(self.shard, self.outbox):
                self._commit(frame, [answer])
        Path(socket).unlink(missing_ok=True)  # noqa: ASYNC240 - before anything is served
        self._server = await self._loop.create_unix_server(self._new_link, socket)
        self._loop.call_later(TICK_S, self._do_or_end, self._tick)

    async def stop(self) -> None:
        """Finish what is folded, commit it, answer, and close the log."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        if (self._inbox or self._uncommitted) and not self.stalled:
            self._quiet.clear()
            await self._quiet.wait()
        for link in list(self._links):
            link.close()
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

    def _new_link(self) -> Link:
        link = Link(self._received, self._lost)
        self._links.add(link)
        if len(self._links) > LINKS_MAX:
            log.warning("too many links to a shard; the new one is closed", links=LINKS_MAX)
            self._loop.call_later(TICK_S, link.close)  # It is not made yet.
        return link

    def _lost(self, link: Link) -> None:
        self._links.discard(link)
        if self.outbox.knows(link):  # Any other leaves nothing: they come and go by the thousand.
            self._inbox.append((link, None))  # What it has settled already is folded before.
        self._pulls.lose(link)
        self._schedule()

    def _received(self, link: Link, data: bytes) -> None:
        try:
            request = decode_request(data)
        except msgspec.DecodeError:
            link.close()
            return
        if isinstance(request, AskStatus):
            link.send(Status(request.seq, self.status()))
        elif isinstance(request, AskSightings):
            link.send(self._sightings.answer(request))
        elif isinstance(request, AskVisits):
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
            self._inbox.append((link, request))
        self._schedule()

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
            if not self.shard.owns(request.events):
                return "events of partitions that another shard owns"
        if isinstance(request, EraseContact) and self._eraser is None:
            return "this store cannot erase"
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
        waiting = [self._inbox.popleft() for _ in range(len(self._inbox))]
        for index, (link, request) in enumerate(waiting):
            if (index or self._part is None) and isinstance(request, Accept):
                link.refuse(request, text)
            else:
                self._inbox.append((link, request))

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
            inputs_left -= self._fold_request(inputs_left, end_ns, read_ms, answers)
        if self._timers.ready:
            self._timers.apply(read_ms)
        if self._draining is None:
            answers.extend(Answer(*handed) for handed in self._pulls.fold(read_ms))
        frame = shard.cut()
        if frame is not None:
            self._commit(frame, answers)
        elif self._uncommitted:  # It may tell of what these frames hold.
            self._uncommitted[-1][0].extend(answers)
        else:
            give_all(answers)
            if not self._inbox:
                self._quiet.set()
        self._schedule()

    def _fold_request(
        self, inputs_left: int, end_ns: int, read_ms: int, answers: list[Answer]
    ) -> int:
        """Fold the request in front, or a part of it; return how many inputs that were."""
        link, request = self._inbox[0]
        if request is None:
            self._inbox.popleft()
            self.outbox.lose(link)
            return 1
        if isinstance(request, Accept):
            return self._fold_events(link, request, inputs_left, end_ns, read_ms, answers)
        if isinstance(request, EraseContact):
            self._inbox.popleft()
            assert self._eraser is not None, "refused before"
            answers.append(self._eraser.take(link, request, self.shard, self.outbox, read_ms))
            return inputs_left  # What tells of the contact stands before it, in this frame too.
        reply: Done | Refused = Done(request.seq)
        if isinstance(request, RunOut):
            if self.shard.advance(request.until_ms, read_ms):
                return 1
        elif isinstance(request, Settle):
            for receipt in request.receipts:
                self.shard.settle(partition_of(receipt.contact), receipt, read_ms)
                self.outbox.settle(link, receipt.key)
        else:
            reply = self._pulls.publish(request, read_ms)
        self._inbox.popleft()
        answers.append(Answer(link, reply))
        return 1

    def _fold_events(
        self,
        link: Link,
        request: Accept,
        inputs_left: int,
        end_ns: int,
        read_ms: int,
        answers: list[Answer],
    ) -> int:
        verdicts = bytearray() if self._part is None else self._part
        events, begun = request.events, len(verdicts)
        apply_event = self.shard.apply_event
        for event in events[begun : begun + inputs_left]:
            verdicts.append(apply_event(event, read_ms))
            if self.shard.folded_at_ns >= end_ns:
                break
        folded = len(verdicts) - begun
        if len(verdicts) < len(events):
            self._part = verdicts
        else:
            self._part = None
            self._inbox.popleft()
            answers.append(Answer(link, Accepted(request.seq, bytes(verdicts))))
        return folded

    def _commit(self, frame: Frame, answers: list[Answer]) -> None:
        """Let a frame become durable, and then these be answered."""
        assert self._committer is not None
        self._uncommitted.append((answers, frame.outcomes, frame.position + len(frame.records)))
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
        }
        if self._snapshotter is not None:
            status |= self._snapshotter.status(self.shard.position)
        if self._eraser is not None:
            status |= {"erasures_open": self._eraser.open, "erasure_error": self._eraser.error}
        return status
