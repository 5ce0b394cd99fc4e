"""Crew: processes that each do tasks of a comparison, alone, and tell how far they are."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from actors.errors import OperatorError
from console.against.course import Course, Part, Task

GRACE_S: Final = 5.0
"""How long a process may take to end, once it has nothing more to do."""


class Told(Struct, array_like=True):
    """What a process says: how many records more it has read, or what came of its task."""

    records: float = 0
    part: Part | None = None
    refusal: str = ""


def _spell(value: Any) -> str:
    assert isinstance(value, Path)
    return str(value)


def _read_path(kind: type, value: Any) -> Any:
    assert kind is Path
    return Path(value)


_encode: Final = msgspec.msgpack.Encoder(enc_hook=_spell).encode
_decode_task: Final = msgspec.msgpack.Decoder(Task, dec_hook=_read_path).decode
_decode_told: Final = msgspec.msgpack.Decoder(Told, dec_hook=_read_path).decode


def parts_of(tasks: list[Task], processes: int, progress: Callable[[float], None]) -> list[Part]:
    """Do all tasks, in their order but `processes` at a time; one is done here, without another.

    Raises OperatorError where a task does, or a process dies.
    """
    if processes == 1 or len(tasks) == 1:
        return [Course(task).run(progress) for task in tasks]
    parts: list[Part | None] = [None] * len(tasks)
    left = list(enumerate(tasks))
    with _crew(min(processes, len(tasks))) as links:
        busy: dict[Connection, int] = {}
        for link in links:
            _give(link, left, busy)
        while busy:
            for ready in wait(list(busy)):
                link = cast("Connection", ready)
                told = _heard(link)
                progress(told.records)
                if told.refusal:
                    raise OperatorError(told.refusal)
                if told.part is not None:
                    parts[busy.pop(link)] = told.part
                    _give(link, left, busy)
    return [part for part in parts if part is not None]


def serve(link: Connection) -> None:
    """Do tasks as they come, until none comes any more. What a process of a crew does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Who asked ends this process.
    while True:
        try:
            task = _decode_task(link.recv_bytes())
        except EOFError:
            return
        try:
            part = Course(task).run(lambda count: link.send_bytes(_encode(Told(records=count))))
            link.send_bytes(_encode(Told(part=part)))
        except OperatorError as error:
            link.send_bytes(_encode(Told(refusal=str(error))))
        except BrokenPipeError:
            return  # Nobody waits for it any more.


@contextmanager
def _crew(size: int) -> Iterator[list[Connection]]:
    """Start processes, and end them: each begins anew and shares nothing with this one."""
    context = get_context("spawn")
    members: list[tuple[SpawnProcess, Connection]] = []
    try:
        for _ in range(size):
            ours, its = context.Pipe()
            process = context.Process(target=serve, args=(its,), daemon=True)
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


def _give(link: Connection, left: list[tuple[int, Task]], busy: dict[Connection, int]) -> None:
    if left:
        number, task = left.pop(0)
        try:
            link.send_bytes(_encode(task))
        except ConnectionError:
            raise _died() from None
        busy[link] = number


def _heard(link: Connection) -> Told:
    try:
        return _decode_told(link.recv_bytes())
    except (EOFError, ConnectionError):
        raise _died() from None


def _died() -> OperatorError:
    text = "a process of the comparison has died, maybe for lack of memory"
    return OperatorError(f"{text}; try again with --processes 1")
