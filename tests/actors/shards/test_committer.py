"""The committer: frames in order, one block for all that wait; a full disk is waited for."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.frame import AdvanceRecord, Frame, encode_frame
from actors.shards.committer import Committer
from actors.store.log import FileLog, open_log
from actors.store.port import StoreFullError
from tests.actors.store.power import SMALL, NoLock, PowerDisk

FOLDER = Path("data/shard-0")
FULL_BYTES = 1_500


class Told:
    """What a committer said, in order: counts of frames, and why it is stalled."""

    def __init__(self) -> None:
        self.all: list[int | str] = []
        self._news = asyncio.Event()

    def __call__(self, said: int | str) -> None:
        self.all.append(said)
        self._news.set()

    async def until(self, *last: int | str) -> None:
        """Wait until this was said last."""
        while tuple(self.all[-len(last) :]) != last:
            await self._hear()

    async def until_stalled(self) -> None:
        """Wait until it said that it is."""
        while not (self.all and isinstance(self.all[-1], str) and "make space" in self.all[-1]):
            await self._hear()

    async def _hear(self) -> None:
        self._news.clear()
        await asyncio.wait_for(self._news.wait(), 20)

    @property
    def committed(self) -> int:
        return sum(said for said in self.all if isinstance(said, int))


@pytest.fixture(autouse=True)
def try_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.shards.committer.RETRY_S", 0.01)


@contextmanager
def committing(log: FileLog, told: Told) -> Iterator[Committer]:
    committer = Committer(log, told, stalled=told)
    yield committer
    committer.close()


def frame_at(position: int) -> bytes:
    return encode_frame(Frame(position, 1, [AdvanceRecord(position, 3, 7)], b"\0", [], []))


def opened(disk: PowerDisk) -> FileLog:
    return open_log(FOLDER, None, disk, lock=NoLock(), sizes=SMALL)


async def test_on_a_full_disk_it_waits_says_so_and_goes_on_with_the_same_frames() -> None:
    disk, told = PowerDisk(FULL_BYTES), Told()
    log = opened(disk)
    with committing(log, told) as committer:
        for position in range(100):
            committer.put(position, frame_at(position))
        await told.until_stalled()
        assert told.committed < 100
        waiting = 100 - told.committed
        committer.put(100, frame_at(100))
        disk.space = 1 << 20
        await told.until("", waiting + 1)
    assert [frame.position for frame in log.frames()] == list(range(101))
    assert told.committed == 101
    assert len([said for said in told.all if isinstance(said, str)]) == 2, "said once, not each try"


async def test_closed_on_a_full_disk_it_ends_and_leaves_nothing_half_written() -> None:
    disk, told = PowerDisk(FULL_BYTES), Told()
    log = opened(disk)
    with committing(log, told) as committer:
        for position in range(100):
            committer.put(position, frame_at(position))
        await told.until_stalled()
    log.close()
    disk.space = None
    assert [frame.position for frame in opened(disk).frames()] == list(range(told.committed))


class Broken:
    """A log on a disk that answers each write with this error."""

    commits = 0
    size_bytes = 0
    epoch = 1

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.tries = 0

    def append(self, position: int, frames: list[bytes]) -> None:
        self.tries += 1
        raise self.error


async def test_any_other_error_is_the_end() -> None:
    log, failures, ended = Broken(OSError(5, "Input/output error")), [], threading.Event()

    def failed(error: Exception) -> None:
        failures.append(error)
        ended.set()

    told = Told()
    committer = Committer(log, told, failed, told)  # type: ignore[arg-type]
    committer.put(0, frame_at(0))
    assert await asyncio.to_thread(ended.wait, 10)
    committer.put(1, frame_at(1))
    committer.close()
    assert failures == [log.error]
    assert (log.tries, told.all) == (1, [])


async def test_without_space_it_does_not_try_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.shards.committer.RETRY_S", 60.0)
    log, told = Broken(StoreFullError("make space")), Told()
    committer = Committer(log, told, stalled=told)  # type: ignore[arg-type]
    committer.put(0, frame_at(0))
    await told.until("make space")
    committer.put(1, frame_at(1))
    await asyncio.sleep(0.05)
    assert log.tries == 1
    committer.close()
    assert log.tries == 2
