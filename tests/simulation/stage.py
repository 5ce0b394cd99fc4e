"""Stage: what the real code meets in a simulation in place of clocks, threads and its process.

Nothing here changes what the code does: it puts in what is outside, and makes what is large small.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn
from unittest.mock import patch

from actors.clock import WallClock
from actors.links.link import Link
from actors.shards.committer import Committer
from actors.store.port import StoreFullError
from ingest.protocol import HttpConnection
from tests.simulation.loop import KilledError, Process, Scheduler

BASE_MS = 1_700_000_000_000
PARTITIONS = 8
FULL_RETRY_S = 0.1

SMALL: dict[str, Any] = {
    "actors.map.PARTITIONS": PARTITIONS,
    "engine.contacts.identity.PARTITIONS": PARTITIONS,
    "actors.shards.service.TICK_S": 0.05,
    "actors.shards.service.SLICE_INPUTS_MAX": 4,
    "actors.shards.service.SETTLE_S": 0.2,
    "actors.shards.service.INBOX_REQUESTS_MAX": 2,
    "actors.shards.service.FRAMES_UNCOMMITTED_MAX": 1,
    "actors.shards.snapshotter.PATIENCE_S": 0.1,
    "actors.shards.snapshotter.FILE_REST_S": 0.0,
    "actors.shards.snapshotter.RETRY_S": 0.2,
    "actors.shards.eraser.RETRY_S_MIN": 0.2,
    "actors.courier.PULL_MESSAGES_MAX": 3,
    "actors.courier.PULL_WAIT_MS": 200,
    "actors.courier.RECONNECT_S": 0.02,
    "actors.courier.RETRY_S_MIN": 0.02,
    "actors.courier.RETRY_S_MAX": 0.2,
    "ingest.lane.SECOND_FRAME_EVENTS_MIN": 1,
    "ingest.waiting.FRAME_EVENTS_MAX": 4,
    "ingest.lane.RECONNECT_S_MAX": 0.1,
    "engine.fold.intake.EVENT_IDS_MAX": 128,
}
"""Bounds that are never met in a short life, made so small that they are, and pauses so short
that a seed takes few of them. But one is larger: senders repeat ids of any age, hours pass in a
second, and the verdict wants each of them known."""


class SimulatedClock(WallClock):
    """The time of day in the simulation: it runs at a pace of its own, and may jump."""

    def __init__(self, scheduler: Scheduler, pace: int) -> None:
        self._scheduler = scheduler
        self._pace = pace
        self.offset_ms = 0

    def read(self) -> int:
        """See actors.clock.Clock."""
        return BASE_MS + self.offset_ms + int(self._scheduler.now * 1000 * self._pace)


class Stopwatch:
    """In place of the module `time`: what something took, as the seed says."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._ns = 0

    def perf_counter_ns(self) -> int:
        """Return a count of nanoseconds; now and then a slice's whole time is gone."""
        self._ns += 2_000_000 if self._scheduler.random.random() < 0.02 else 1_000
        return self._ns

    def perf_counter(self) -> float:
        """Return the same in seconds."""
        return self.perf_counter_ns() / 1e9

    def monotonic(self) -> float:
        """Return the virtual time."""
        return self._scheduler.now


class System:
    """In place of the module `os`, as far as a shard's service asks it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def _exit(self, code: int) -> NoReturn:
        """End the process that is running: nothing but a commit may do that here."""
        self._scheduler.fault("process", f"ends itself with {code}")
        raise KilledError

    def getpid(self) -> int:
        """Return some number."""
        return 1

    def unlink(self, path: str) -> NoReturn:
        """Say that there is no such socket in the way."""
        raise FileNotFoundError(path)


class Logbook:
    """In place of a logger: into the trace; what is logged with its traceback is a fault."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def info(self, text: str, **more: Any) -> None:
        """Note it."""
        self._scheduler.note("log", f"{text} {more or ''}")

    warning = error = info

    def exception(self, text: str, **more: Any) -> None:
        """Note it as a fault."""
        self._scheduler.fault("log", f"{text} {more or ''}\n{traceback.format_exc()}")


class NoEvent:
    """See threading.Event: to wait for one takes no time, and nobody sets it meanwhile."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        """See threading.Event."""
        self._set = True

    def is_set(self) -> bool:
        """See threading.Event."""
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        """See threading.Event."""
        return self._set


class NoThread:
    """In place of threads: one that never begins. What an executor is given, the loop does."""

    Event = NoEvent

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def start(self) -> None:
        """See threading.Thread."""

    def shutdown(self) -> None:
        """See ThreadPoolExecutor."""


NoThread.Thread = NoThread  # type: ignore[attr-defined]


class SimulatedCommitter(Committer):
    """What the real one's thread does, in calls on the loop: each ends before another begins."""

    scheduler: Scheduler
    durable: Callable[[Process, list[bytes]], None]
    """Told of frames that are durable, before anybody knows."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._taken: list[tuple[int, bytes]] = []
        self._busy = False

    def put(self, position: int, frame: bytes) -> None:
        """See Committer."""
        super().put(position, frame)
        self._begin()

    def close(self) -> None:
        """See Committer: its thread is waited for."""
        while not self._queue.empty() or self._taken:
            self._take(self._taken)
            if not self._append():
                return

    def _begin(self) -> None:
        """Take what is queued; the write ends a while later, and more may be queued by then."""
        if self._busy or (self._queue.empty() and not self._taken):
            return
        self._busy = True
        self._take(self._taken)
        random = self.scheduler.random.random
        delay = random() * 0.001 if random() < 0.9 else random() * 0.1
        self._loop.call_later(delay, self._commit)

    def _commit(self) -> None:
        self._busy = False
        if self._append():
            self._begin()
        else:
            self._busy = True
            self._loop.call_later(FULL_RETRY_S, self._again)

    def _again(self) -> None:
        self._busy = False
        self._begin()

    def _append(self) -> bool:
        frames = [frame for _, frame in self._taken]
        try:
            self._file.append(self._taken[0][0], frames)
        except StoreFullError as error:
            self._say(str(error))
            return False
        except Exception as error:  # noqa: BLE001 - as the real one
            self._failed(error)
            return False
        self._say("")
        type(self).durable(self._loop, frames)  # type: ignore[arg-type]
        self._loop.call_soon_threadsafe(self._committed, len(frames))
        self._taken.clear()
        return True


@contextmanager
def stage(scheduler: Scheduler, **more: Any) -> Iterator[None]:
    """Put the real code on the stage of this scheduler."""
    watch, logbook = Stopwatch(scheduler), Logbook(scheduler)
    numbers: Callable[[Any], int] = lambda self: _number(self, scheduler)  # noqa: E731
    put_in = SMALL | {
        "actors.shards.service.time": watch,
        "actors.shards.shard.time": watch,
        "actors.shards.timers.time": watch,
        "ingest.gateway.monotonic": watch.monotonic,
        "ingest.lane.monotonic": watch.monotonic,
        "ingest.gateway.rss_bytes": lambda *_: 1,
        "ingest.gateway.shard_rss_bytes": lambda *_: 1,
        "actors.shards.service.os": System(scheduler),
        "actors.shards.service.log": logbook,
        "actors.courier.log": logbook,
        "actors.shards.service.memory_bytes": lambda *_: 1,
        "actors.shards.snapshotter.time": watch,
        "actors.shards.snapshotter.threading": NoThread,
        "actors.shards.snapshotter.ThreadPoolExecutor": NoThread,
        "actors.shards.snapshotter.log": logbook,
        "actors.shards.eraser.threading": NoThread,
        "actors.shards.eraser.ThreadPoolExecutor": NoThread,
        "actors.shards.eraser.log": logbook,
        "actors.shards.committer.threading": NoThread,
        "actors.shards.committer.log": logbook,
        "actors.shards.service.Committer": SimulatedCommitter,
    }
    with ExitStack() as stack:
        for name, value in (put_in | more).items():
            stack.enter_context(patch(name, value))
        for kind in (Link, HttpConnection):  # They are kept in sets, whose order must not change.
            stack.enter_context(patch.object(kind, "__hash__", numbers))
        stack.enter_context(patch.object(SimulatedCommitter, "scheduler", scheduler, create=True))
        stack.enter_context(
            patch.object(SimulatedCommitter, "durable", lambda *_: None, create=True)
        )
        yield


def _number(thing: Any, scheduler: Scheduler) -> int:
    number: int | None = thing.__dict__.get("_number")
    if number is None:
        number = thing.__dict__["_number"] = scheduler.next_number()
    return number
