"""Reading: what the logs of a data folder say went out, read by several processes at once.

Each reads a stretch of one slot's files, in order; of stretches put together in order the last
outcome of each key holds, as of one that reads all. Nothing is folded, so partitions do not matter:
to share those out, each process would have to read all files.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.frame import Frame
from actors.kept.kept import StorePlace
from actors.kept.opening import open_kept
from actors.store.history import read_again
from actors.store.key import store_key
from actors.verify.files import sources_of
from console.replay.crew import parts_of
from console.replay.logbook import shard_folders
from console.replay.recorded import Recorded
from engine.decision import Outcome

SMALL_BYTES: Final = 8 << 20
"""So little is read before another process has started."""
STRETCHES_EACH: Final = 4
"""For each process, so that none waits long for the last one."""
TOLD_EVERY: Final = 5_000
"""Progress is told once in so many records."""
CHUNK: Final = 10_000
"""Outcomes, or contacts, that are written at once."""

Progress = Callable[[float], None]


class Stretch(Struct, kw_only=True):
    """Files of one slot that follow each other, for one process."""

    folder: Path
    first: int
    end: int | None = None
    """Position behind its last record; None: to the end of the log."""
    size: int = 0
    """Of its files, in bytes."""
    key: bytes | None
    until_ms: int
    out: Path
    """File for what it comes to."""


class Read(Struct, kw_only=True):
    """What a stretch came to; its outcomes and contacts are in its file."""

    verdicts: list[int]
    out: Path


def read_at_once(
    data: StorePlace, until_ms: int, key_file: Path | None, processes: int, progress: Progress
) -> tuple[Recorded, float]:
    """Read all logs of a store, archives first; return that, and the seconds it took.

    `processes`: 0 is one for each core; a store in Redis is read by this one, as its
    partitions moved. `progress` is told records. Raises OperatorError.
    """
    began = time.perf_counter()
    recorded = Recorded(until_ms)
    with closing(open_kept(data, key_file)) as kept:
        if not isinstance(data, Path) or kept.joined:
            _take(recorded, (frame for _, frame in kept.frames()), progress)
            return recorded, time.perf_counter() - began
    key = store_key(data, key_file)
    at_once = processes or os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="anlass-reading-") as folder:
        stretches = stretches_of(data, key, until_ms, at_once, Path(folder))
        small = sum(each.size for each in stretches) < SMALL_BYTES and not processes
        if at_once == 1 or len(stretches) == 1 or small:
            for each in stretches:
                take_stretch(recorded, each, progress)
        else:
            for read in parts_of(read_stretch, stretches, at_once, progress):
                _add(recorded, read)
    return recorded, time.perf_counter() - began


def records_in(data: StorePlace, key_file: Path | None) -> int:
    """Return how many records all logs of a store have. Raises OperatorError."""
    with closing(open_kept(data, key_file)) as kept:
        return kept.records


def stretches_of(
    data: Path, key: bytes | None, until_ms: int, processes: int, out: Path
) -> list[Stretch]:
    """Share the files of all slots out, in order. Raises OperatorError where there is no store."""
    files = [(folder, sources_of(folder)) for folder in shard_folders(data)]
    total = sum(_size(source.path) for _, sources in files for source in sources)
    share = total // (processes * STRETCHES_EACH) + 1
    found: list[Stretch] = []
    for folder, sources in files:
        before: Stretch | None = None
        for source in sources:
            if before is None or before.size >= share:
                if before is not None:
                    before.end = source.first
                before = Stretch(
                    folder=folder,
                    first=source.first,
                    key=key,
                    until_ms=until_ms,
                    out=out / str(len(found)),
                )
                found.append(before)
            before.size += _size(source.path)
    return found


def read_stretch(stretch: Stretch, progress: Progress) -> Read:
    """Read one stretch. What a process of the crew does."""
    recorded = Recorded(stretch.until_ms)
    take_stretch(recorded, stretch, progress)
    encode = msgspec.msgpack.Encoder().encode
    with stretch.out.open("wb") as file:
        for each in (list(recorded.outcomes.values()), sorted(recorded.contacts)):
            for first in range(0, len(each), CHUNK):
                data = encode(each[first : first + CHUNK])
                file.write(len(data).to_bytes(4, "big") + data)
            file.write(bytes(4))
    return Read(verdicts=recorded.verdicts, out=stretch.out)


def take_stretch(recorded: Recorded, stretch: Stretch, progress: Progress) -> None:
    """Take in what a stretch says; `progress` is told records."""
    _take(recorded, _frames(stretch), progress)


def _take(recorded: Recorded, frames: Iterable[Frame], progress: Progress) -> None:
    told = 0
    for frame in frames:
        recorded.take(frame)
        told += len(frame.records)
        if told >= TOLD_EVERY:
            progress(told)
            told = 0
    progress(told)


def _add(recorded: Recorded, read: Read) -> None:
    with read.out.open("rb") as file:
        for chunk in _chunks(file.read):
            for outcome in msgspec.msgpack.decode(chunk, type=list[Outcome]):
                recorded.outcomes[outcome.key] = outcome
        for chunk in _chunks(file.read):
            recorded.contacts.update(msgspec.msgpack.decode(chunk, type=list[str]))
    for verdict, count in enumerate(read.verdicts):
        recorded.verdicts[verdict] += count
    read.out.unlink()


def _frames(stretch: Stretch) -> Iterator[Frame]:
    for frame in read_again(stretch.folder, stretch.key, stretch.first):
        if stretch.end is not None and frame.position >= stretch.end:
            return
        yield frame


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # It went to the archive just now.


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while size := int.from_bytes(read(4), "big"):
        yield read(size)
