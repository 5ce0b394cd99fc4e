"""Crew: processes that each do tasks of one kind, alone, and tell how far they are."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final, Generic, TypeVar, cast

from actors.errors import OperatorError

GRACE_S: Final = 5.0
"""How long a process may take to end, once it has nothing more to do."""

Task = TypeVar("Task")
Part = TypeVar("Part")
Progress = Callable[[float], None]
Run = Callable[[Task, Progress], Part]
"""Does a task, and tells how many records more it has read. Of a module, so that others find it."""


class Told(Generic[Part]):
    """What a process says: how many records more it has read, or what came of its task."""

    def __init__(
        self, records: float = 0, part: Part | None = None, refusal: str = "", *, done: bool = False
    ) -> None:
        self.records = records
        self.part = part
        self.refusal = refusal
        self.done = done


def parts_of(
    run: Run[Task, Part], tasks: list[Task], processes: int, progress: Progress
) -> list[Part]:
    """Do all tasks, in their order but `processes` at a time; one is done here, without another.

    Raises OperatorError where a task does, or a process dies.
    """
    if processes == 1 or len(tasks) == 1:
        return [run(task, progress) for task in tasks]
    parts: dict[int, Part] = {}
    left = list(enumerate(tasks))
    with _crew(run, min(processes, len(tasks))) as links:
        busy: dict[Connection, int] = {}
        for link in links:
            _give(link, left, busy)
        while busy:
            for ready in wait(list(busy)):
                link = cast("Connection", ready)
                told: Told[Part] = _heard(link)
                progress(told.records)
                if told.refusal:
                    raise OperatorError(told.refusal)
                if told.done:
                    parts[busy.pop(link)] = cast("Part", told.part)
                    _give(link, left, busy)
    return [parts[number] for number in sorted(parts)]


def serve(link: Connection, run: Run[Any, Any]) -> None:
    """Do tasks as they come, until none comes any more. What a process of a crew does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Who asked ends this process.
    while True:
        try:
            task = link.recv()
        except EOFError:
            return
        try:
            part = run(task, lambda count: link.send(Told(records=count)))
            link.send(Told(part=part, done=True))
        except OperatorError as error:
            link.send(Told(refusal=str(error)))
        except BrokenPipeError:
            return  # Nobody waits for it any more.


@contextmanager
def _crew(run: Run[Any, Any], size: int) -> Iterator[list[Connection]]:
    """Start processes, and end them: each begins anew and shares nothing with this one."""
    context = get_context("spawn")
    members: list[tuple[SpawnProcess, Connection]] = []
    try:
        for _ in range(size):
            ours, its = context.Pipe()
            process = context.Process(target=serve, args=(its, run), daemon=True)
            process.start()
            its.close()
            members.append((process, ours))
        yield [link for _, link in members]
        for _, link in members:
            link.close()
        for process, _ in members:
            process.join(GRACE_S)
    finally:
        for process, _ in members:
            process.kill()
            process.join()


def _give(link: Connection, left: list[tuple[int, Any]], busy: dict[Connection, int]) -> None:
    if left:
        number, task = left.pop(0)
        try:
            link.send(task)
        except ConnectionError:
            raise _died() from None
        busy[link] = number


def _heard(link: Connection) -> Any:
    try:
        return link.recv()
    except (EOFError, ConnectionError):
        raise _died() from None


def _died() -> OperatorError:
    text = "a process that read the log has died, maybe for lack of memory"
    return OperatorError(f"{text}; try again with --processes 1")
