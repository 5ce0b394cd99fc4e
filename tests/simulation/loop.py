"""Scheduler and Process: event loops of simulated processes, one seed for all that is left open.

Each simulated process has an event loop of its own, as in life: what it calls soon is called in
that order. Which process is next, how long a thing takes and what breaks, the seed says. Time is
virtual: it goes on where nobody has anything to do.
"""

import asyncio
import contextvars
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from random import Random
from typing import Any, Final
from zlib import crc32

CALL_S: Final = 20e-6
"""Virtual time that a call takes."""

TRACE_LINES_MAX: Final = 400
DIGEST_MASK: Final = (1 << 64) - 1


class KilledError(BaseException):
    """The process is gone: nothing of it may catch this."""


class Call:
    """Something to be called, soon or at a moment."""

    __slots__ = ("args", "callback", "context", "moment", "process", "void")

    def __init__(
        self,
        process: "Process",
        moment: float,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> None:
        self.process = process
        self.moment = moment
        self.callback = callback
        self.args = args
        self.context = context or process.context
        self.void = False

    def cancel(self) -> None:
        """See asyncio.Handle."""
        self.void = True

    def cancelled(self) -> bool:
        """See asyncio.Handle."""
        return self.void

    def when(self) -> float:
        """See asyncio.TimerHandle."""
        return self.moment


class Scheduler:
    """Runs the calls of all processes, one at a time, in an order that follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 0.0
        """Seconds since the beginning."""
        self.turns = 0
        self.digest = seed & DIGEST_MASK
        """Two runs with equal digests went the same way."""
        self.trace: deque[tuple[float, str, str]] = deque(maxlen=TRACE_LINES_MAX)
        self.faults: list[str] = []
        """What no process may do: it broke in a callback, or ended itself without a cause."""
        self._ready: list[Process] = []
        self._heap: list[tuple[float, int, Call]] = []
        self._calls = 0
        self._processes: list[Process] = []
        self._numbers = 0

    def next_number(self) -> int:
        """Return a number for a thing that is kept in sets: by it, their order is the seed's."""
        self._numbers += 1
        return self._numbers

    def process(self, name: str) -> "Process":
        """Begin a process."""
        process = Process(self, name, len(self._processes))  # type: ignore[abstract]
        self._processes.append(process)
        return process

    def note(self, who: str, what: str) -> None:
        """Add a line to the trace."""
        self.trace.append((self.now, who, what))
        self.digest = (self.digest * 1_000_003 ^ crc32(what.encode())) & DIGEST_MASK

    def fault(self, who: str, what: str) -> None:
        """Note what breaks the promises, whatever becomes of the rest."""
        self.note(who, f"FAULT {what}")
        self.faults.append(f"{who}: {what}")

    def at(self, moment: float, call: Call) -> None:
        """Let a call be made at a moment."""
        self._calls += 1
        heappush(self._heap, (moment, self._calls, call))

    def add(self, call: Call) -> None:
        """Let a call be made when its process gets to it."""
        process = call.process
        if not process.calls and process.alive and not process.stalled:
            self._ready.append(process)
        process.calls.append(call)

    def stall(self, process: "Process", span_s: float) -> None:
        """Let a process stand still for a while."""
        if process.stalled or not process.alive:
            return
        self.note(process.name, f"stands still for {span_s:.2f} s")
        process.stalled = True
        if process in self._ready:
            self._ready.remove(process)
        waker = self._processes[0]
        self.at(self.now + span_s, Call(waker, 0.0, self._go_on, (process,), None))

    def kill(self, process: "Process") -> None:
        """End a process where it stands: nothing of it runs again."""
        if not process.alive:
            return
        process.alive = False
        if process in self._ready:
            self._ready.remove(process)
        if process.died is not None:
            process.died()

    def turn(self) -> bool:
        """Make one call; False where nothing is left to do."""
        heap, ready = self._heap, self._ready
        while True:
            while heap and heap[0][0] <= self.now:
                call = heappop(heap)[2]
                if not call.void and call.process.alive:
                    self.add(call)
            if ready:
                break
            if not heap:
                return False
            self.now = heap[0][0]
        index = int(self.random.random() * len(ready))
        process = ready[index]
        call = process.calls.popleft()
        if not process.calls:
            ready[index] = ready[-1]
            ready.pop()
        self.turns += 1
        self.now += CALL_S
        self.digest = (self.digest * 1_000_003 ^ process.number) & DIGEST_MASK
        if not call.void:
            self._make(process, call)
        return True

    def run_until(self, done: Callable[[], bool], turns_max: int) -> bool:
        """Go on until it is done; False where that took too many turns, or nothing is left."""
        end = self.turns + turns_max
        while not done():
            if self.turns >= end or self.faults or not self.turn():
                return done()
        return True

    def dispose(self) -> None:
        """Let the tasks of all processes end, so that none is destroyed pending."""
        for process in self._processes:
            process.ending = True
        self._heap.clear()
        for process in self._processes:
            for task in process.tasks:
                task.cancel()
        for _ in range(200_000):
            ready = [process for process in self._processes if process.calls]
            if not ready:
                return
            for process in ready:
                self._make(process, process.calls.popleft())
        raise AssertionError("tasks that do not end when they are cancelled")

    def _go_on(self, process: "Process") -> None:
        process.stalled = False
        if process.alive and process.calls:
            self._ready.append(process)

    def _make(self, process: "Process", call: Call) -> None:
        events._set_running_loop(process)
        try:
            call.context.run(call.callback, *call.args)
        except KilledError:
            self.kill(process)
        except Exception as error:  # noqa: BLE001 - asyncio would log it and go on
            if not process.ending:
                self.fault(process.name, f"a callback raised {error!r}")
        finally:
            events._set_running_loop(None)


class Task(asyncio.Task[Any]):
    """A task with a number: asyncio keeps sets of tasks, whose order must not change."""

    def __init__(self, coro: Coroutine[Any, Any, Any], loop: "Process", **options: Any) -> None:
        self.number = loop.scheduler.next_number()
        super().__init__(coro, loop=loop, **options)

    def __hash__(self) -> int:
        return self.number


class Process(asyncio.AbstractEventLoop):
    """A simulated process, seen by its code as the running event loop."""

    def __init__(self, scheduler: Scheduler, name: str, number: int) -> None:
        self.scheduler = scheduler
        self.name = name
        self.number = number
        self.alive = True
        self.stalled = False
        self.ending = False
        """Whether the simulation is over: what is said now counts for nothing."""
        self.calls: deque[Call] = deque()
        self.tasks: dict[Task, None] = {}
        self.network: Any = None
        self.died: Callable[[], None] | None = None
        """Called when it was killed."""
        self.context = contextvars.copy_context()

    # What asyncio and our own code ask of an event loop.

    def time(self) -> float:
        """See asyncio."""
        return self.scheduler.now

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Call:
        """See asyncio."""
        call = Call(self, 0.0, callback, args, context)
        if self.alive and not self.ending:
            self.scheduler.add(call)
        else:  # For the end of the simulation, when its tasks are let end.
            self.calls.append(call)
        return call

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Call:
        """See asyncio."""
        return self.call_at(self.scheduler.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Call:
        """See asyncio."""
        call = Call(self, when, callback, args, context)
        if self.alive and not self.ending:
            self.scheduler.at(when, call)
        return call

    def create_future(self) -> asyncio.Future[Any]:
        """See asyncio."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
    ) -> Task:
        """See asyncio."""
        task = Task(coro, self, name=name, context=context)
        self.tasks[task] = None
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """See asyncio. A thread's work is one call, at some later moment."""
        future = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001 - it is the caller's
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

        self.call_later(self.scheduler.random.random() * 0.01, work)
        return future

    async def create_unix_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], path: str, **_: Any
    ) -> tuple[Any, Any]:
        """See asyncio."""
        ends: tuple[Any, Any] = await self.network.connect(self, protocol_factory, str(path))
        return ends

    async def create_unix_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], path: str, **_: Any
    ) -> Any:
        """See asyncio."""
        return self.network.listen(self, protocol_factory, str(path))

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], Any],
        host: str,
        port: int,
        *,
        start_serving: bool = True,
        **_: Any,
    ) -> Any:
        """See asyncio."""
        address = f"{host}:{port}"
        return self.network.listen(self, protocol_factory, address, at_once=start_serving)

    def get_debug(self) -> bool:
        """See asyncio."""
        return False

    def is_running(self) -> bool:
        """See asyncio."""
        return True

    def is_closed(self) -> bool:
        """See asyncio."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Take what asyncio would log: an exception that nobody has looked at."""
        if self.alive and not self.ending:
            error = context.get("exception")
            self.scheduler.fault(self.name, f"{context.get('message')}: {error!r}")
