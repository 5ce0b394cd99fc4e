"""ShardService: a shard on its link: folds slices, commits them, then answers and releases."""

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from actors.committer import Committer
from actors.frame import encode_frame
from actors.link import (
    Accept,
    Accepted,
    AskStatus,
    Done,
    Handed,
    Link,
    PublishNow,
    Pull,
    Refused,
    Reply,
    RunOut,
    Settle,
    Status,
    decode_request,
)
from actors.outbox import Outbox
from actors.shard import Shard
from actors.store.port import Log
from engine.compile import programs_of
from engine.decision import Outcome
from engine.errors import AuthorError
from engine.identity import partition_of
from engine.journey import Publication

SLICE_INPUTS_MAX: Final = 128
SLICE_NS_MAX: Final = 1_000_000
"""A slice ends after so many inputs or 1 ms, so that the commit thread gets its turn."""

FRAMES_UNCOMMITTED_MAX: Final = 4
TICK_S: Final = 0.01
"""How often timers are looked after: what is due waits 10 ms at most."""


log = structlog.get_logger()


class Answer:
    """A reply, held back until the frames it depends on are durable."""

    __slots__ = ("link", "reply")

    def __init__(self, link: Link, reply: Reply) -> None:
        self.link = link
        self.reply = reply


class ShardService:
    """Serves one shard. All on one event loop, but for the commit thread."""

    def __init__(
        self, shard: Shard, log: Log, failed: Callable[[Exception], None] | None = None
    ) -> None:
        self.shard = shard
        self.log = log
        self.outbox = Outbox()
        self.recovered_ms = 0
        self._committer: Committer | None = None
        self._failed = failed
        self._server: asyncio.Server | None = None
        self._loop = asyncio.get_running_loop()
        self._links: set[Link] = set()
        self._inbox: deque[tuple[Link, Accept | Settle | PublishNow | RunOut | None]] = deque()
        """Requests in the order of arrival; None where the link was lost."""
        self._part: bytearray | None = None
        """Verdicts so far of the Accept in front, where a slice ended amid it."""
        self._pulls: dict[str, deque[tuple[Link, Pull]]] = {}
        self._uncommitted: deque[tuple[list[Answer], list[Outcome]]] = deque()
        self._scheduled = False
        self._timers_due = False
        self._templates: dict[str, str] = {}
        self._templates_sent: dict[Link, dict[str, str]] = {}
        self._language = ""
        self._closing = False
        self._quiet = asyncio.Event()
        """Set while nothing waits to be folded or to become durable."""

    async def start(self, socket: str) -> None:
        """Recover from the log, then serve the link at this path."""
        began = time.perf_counter()
        self.shard.recover(self.log.frames(), self.outbox)
        self._take_publication()
        self.recovered_ms = int((time.perf_counter() - began) * 1000)
        self._committer = Committer(self.log, self._committed, self._failed)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(socket)  # noqa: PTH108 - one call before anything is served
        self._server = await self._loop.create_unix_server(self._new_link, socket)
        self._loop.call_later(TICK_S, self._tick)

    async def stop(self) -> None:
        """Finish what is folded, commit it, answer, and close the log."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        if self._inbox or self._uncommitted:
            self._quiet.clear()
            await self._quiet.wait()
        for link in list(self._links):
            link.close()
        if self._committer is not None:
            self._committer.close()
        self.log.close()

    def _new_link(self) -> Link:
        link = Link(self._received, self._lost)
        self._links.add(link)
        return link

    def _lost(self, link: Link) -> None:
        self._links.discard(link)
        self._templates_sent.pop(link, None)
        self._inbox.append((link, None))  # What it has settled already is folded before.
        for pulls in self._pulls.values():
            for pull in [each for each in pulls if each[0] is link]:
                pulls.remove(pull)
        self._schedule()

    def _received(self, link: Link, data: bytes) -> None:
        try:
            request = decode_request(data)
        except msgspec.DecodeError:
            link.close()
            return
        if isinstance(request, AskStatus):
            link.send(Status(request.seq, self.status()))
        elif isinstance(request, Pull):
            self._pulls.setdefault(request.channel, deque()).append((link, request))
            self._loop.call_later(request.wait_ms / 1000, self._end_pull, link, request)
        elif isinstance(request, Accept) and not self.shard.owns(request.events):
            link.send(Refused(request.seq, "events of partitions that another shard owns"))
        else:
            self._inbox.append((link, request))
        self._schedule()

    def _end_pull(self, link: Link, pull: Pull) -> None:
        pulls = self._pulls.get(pull.channel)
        if pulls and (link, pull) in pulls:
            pulls.remove((link, pull))
            link.send(Handed(pull.seq, [], {}, self._language))

    def _tick(self) -> None:
        if self._closing:
            return
        if not self._timers_due and self.shard.timers_due(self.shard.clock.read()):
            self._timers_due = True
            self._schedule()
        self._loop.call_later(TICK_S, self._tick)

    def _schedule(self) -> None:
        """Fold a slice soon, if there is something to fold and the disk keeps up."""
        if self._scheduled or len(self._uncommitted) >= FRAMES_UNCOMMITTED_MAX:
            return
        if self._inbox or self._timers_due or self._pull_ready():
            self._scheduled = True
            self._loop.call_soon(self._fold_or_end)

    def _pull_ready(self) -> bool:
        return any(pulls and self.outbox.waiting(name) for name, pulls in self._pulls.items())

    def _fold_or_end(self) -> None:
        """Fold a slice; a fault outside the fold's own care ends the process, as a commit's does.

        To go on would leave a frame half made, and its senders without an answer for ever.
        """
        try:
            self._fold_slice()
        except Exception:
            log.exception("a slice cannot be folded; the shard stops")
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
        if self._timers_due:
            self._timers_due = shard.advance(None, read_ms)
        for name, pulls in self._pulls.items():
            if pulls and self.outbox.waiting(name):
                self._fold_pull(*pulls.popleft(), read_ms, answers)
        frame = shard.cut()
        if frame is not None:
            assert self._committer is not None
            self._uncommitted.append((answers, frame.outcomes))
            self._committer.put(frame.position, encode_frame(frame))
        elif self._uncommitted:  # It may tell of what these frames hold.
            self._uncommitted[-1][0].extend(answers)
        else:
            self._answer(answers)
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
        if isinstance(request, RunOut):
            if self.shard.advance(request.until_ms, read_ms):
                return 1
        elif isinstance(request, Settle):
            for receipt in request.receipts:
                self.shard.settle(partition_of(receipt.contact), receipt, read_ms)
                self.outbox.settle(link, receipt.key)
        else:
            try:
                programs_of(request.source)
            except (AuthorError, ValueError) as error:
                self._inbox.popleft()
                answers.append(Answer(link, Refused(request.seq, str(error))))
                return 1
            self.shard.publish(request.source, read_ms)
            self._take_publication()
        self._inbox.popleft()
        answers.append(Answer(link, Done(request.seq)))
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

    def _fold_pull(self, link: Link, pull: Pull, read_ms: int, answers: list[Answer]) -> None:
        shard = self.shard
        taken = self.outbox.take(pull.channel, min(pull.limit, SLICE_INPUTS_MAX))
        for outcome in taken:
            shard.hand_over(partition_of(outcome.contact), outcome, read_ms)
        deliveries, shard.deliveries = shard.deliveries, []
        packed = {delivery.key for delivery in deliveries}
        self.outbox.hand(link, [outcome for outcome in taken if outcome.key in packed])
        sent = self._templates_sent.setdefault(link, {})
        needed = {delivery.template for delivery in deliveries}
        templates = {
            name: text
            for name, text in self._templates.items()
            if name.rpartition(".")[0] in needed and sent.get(name) != text
        }
        sent.update(templates)
        answers.append(Answer(link, Handed(pull.seq, deliveries, templates, self._language)))

    def _committed(self, count: int) -> None:
        """Take note that the next `count` frames are durable: now answer, and release messages."""
        for _ in range(count):
            answers, outcomes = self._uncommitted.popleft()
            for outcome in outcomes:
                self.outbox.put(outcome)
            self._answer(answers)
        if not self._inbox and not self._uncommitted:
            self._quiet.set()
        self._schedule()

    def _answer(self, answers: list[Answer]) -> None:
        for answer in answers:
            answer.link.send(answer.reply)

    def _take_publication(self) -> None:
        if self.shard.published:
            publication = msgspec.json.decode(self.shard.published, type=Publication)
            self._templates = publication.templates
            self._language = str(publication.settings.get("language", "en"))

    def status(self) -> dict[str, Any]:
        """Return counters and gauges by name; what they count may not be durable yet."""
        return self.shard.status() | {
            "pid": os.getpid(),
            "commits": self.log.commits,
            "log_bytes": self.log.size_bytes,
            "outbox": self.outbox.depth,
            "queue": len(self._inbox),
            "recovered_ms": self.recovered_ms,
            "published": self.shard.published,
        }
