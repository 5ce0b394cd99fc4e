"""The archive: each frame readable exactly once whatever happens, and its bytes as they were."""

import random
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from actors.errors import LogCorruptError
from actors.frame import AdvanceRecord, Frame, decode_frame, encode_frame
from actors.store.archive import (
    ArchiveFile,
    archive_bytes,
    archive_files,
    archive_segment,
    prune_archive,
    read_archive,
    segments_in,
)
from actors.store.archiver import Archiver
from actors.store.block import HEADER
from actors.store.body import frames_in
from actors.store.disk import REAL_DISK, DiskFile
from actors.store.history import first_position, read_history
from actors.store.port import StoreFullError
from tests.actors.store.frames import (
    KEY,
    FailingDisk,
    FullDisk,
    PowerCutError,
    frame_at,
    write_frames,
    write_segment,
)

each_key = pytest.mark.parametrize("key", [None, KEY], ids=["plain", "sealed"])


def positions(folder: Path, key: bytes | None = None) -> list[int]:
    return [frame.position for frame in read_history(folder, key)]


def archive_of(folder: Path) -> Path:
    archive = folder / "archive"
    archive.mkdir(exist_ok=True)
    return archive


@each_key
def test_a_segment_becomes_an_archive_file_with_the_same_bytes_of_frames(
    tmp_path: Path, key: bytes | None
) -> None:
    segment = write_segment(tmp_path, key, [5], [6, 7], [8])
    archive = archive_of(tmp_path)
    path = archive_segment(segment, archive, key)
    assert path == archive / f"archive-{5:020}-{9:020}-1008.zst"
    assert sorted(tmp_path.iterdir()) == [archive]
    assert list(archive.iterdir()) == [path]
    assert archive_files(archive) == [ArchiveFile(path, 5, 9, 1_008)]
    assert archive_bytes(archive) == path.stat().st_size
    frames = [frame for body in read_archive(path, key) for frame in frames_in(path, body)]
    assert frames == [encode_frame(frame_at(position)) for position in (5, 6, 7, 8)]


def test_blocks_of_an_archive_file_hold_a_megabyte_of_frames_at_most(tmp_path: Path) -> None:
    frames = [encode_frame(frame_at(each * 20_000, 20_000)) for each in range(12)]
    frames.append(encode_frame(frame_at(240_000, 200_000)))
    assert len(frames[-1]) > 1 << 20 > 4 * len(frames[0])
    segment = write_frames(tmp_path, *map(decode_frame, frames))
    path = archive_segment(segment, archive_of(tmp_path), None)
    assert path is not None
    blocks = [list(frames_in(path, body)) for body in read_archive(path, None)]
    assert [frame for block in blocks for frame in block] == frames
    assert len(blocks[-1]) == 1
    for block, following in pairwise(blocks):
        assert sum(map(len, block)) <= 1 << 20 < sum(map(len, block)) + len(following[0])
    assert archive_files(path.parent)[0].last_ms == 1_000 + 439_999


def test_a_segment_without_frames_only_goes(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, None, [3])
    segment.write_bytes(segment.read_bytes()[: HEADER.size])
    assert archive_segment(segment, archive_of(tmp_path), None) is None
    assert archive_files(tmp_path / "archive") == []
    assert not segment.exists()


@pytest.mark.parametrize("rest", [b"\0" * 50, b"torn"])
def test_a_segment_that_is_not_as_written_stays(tmp_path: Path, rest: bytes) -> None:
    segment = write_segment(tmp_path, None, [5], [6])
    segment.write_bytes(segment.read_bytes() + rest)
    with pytest.raises(LogCorruptError, match=segment.name):
        archive_segment(segment, archive_of(tmp_path), None)
    assert segment.exists()
    assert list((tmp_path / "archive").iterdir()) == []


@pytest.mark.parametrize("blocks", [([5], [7]), ([6],)])
def test_a_segment_with_a_gap_stays_and_names_it(
    tmp_path: Path, blocks: tuple[list[int], ...]
) -> None:
    segment = write_segment(tmp_path, None, *blocks)
    segment = segment.rename(tmp_path / f"log-{5:020}.seg")
    with pytest.raises(LogCorruptError, match=r"goes on at position \d where \d should follow"):
        archive_segment(segment, archive_of(tmp_path), None)
    assert segment.exists()


@each_key
def test_a_crash_at_any_operation_leaves_each_frame_readable_once(
    tmp_path: Path, key: bytes | None
) -> None:
    archive = archive_of(tmp_path)
    states = set()
    for operations in range(100):
        for path in (*archive.iterdir(), *tmp_path.glob("log*")):
            path.unlink()
        segment = write_segment(tmp_path, key, [0], [1, 2])
        write_segment(tmp_path, key, [3])
        disk = FailingDisk(operations)
        crashed = True
        try:
            archive_segment(segment, archive, key, disk)
            crashed = False
        except PowerCutError:
            states.add((len(archive_files(archive)), len(segments_in(tmp_path))))
        assert positions(tmp_path, key) == [0, 1, 2, 3]
        if segment.exists():
            archive_segment(segment, archive, key)
        assert positions(tmp_path, key) == [0, 1, 2, 3]
        assert len(archive_files(archive)) == 1
        if not crashed:
            assert states == {(0, 2), (1, 2), (1, 1)}
            return
    raise AssertionError("it does not come to an end")


def test_a_full_disk_leaves_the_segment_and_no_half_file(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, None, [0], [1])
    disk = FullDisk(60)
    with pytest.raises(StoreFullError, match="make some"):
        archive_segment(segment, archive_of(tmp_path), None, disk)
    assert list((tmp_path / "archive").iterdir()) == []
    assert positions(tmp_path) == [0, 1]


def fill_archive(folder: Path, key: bytes | None = None) -> Path:
    archive = archive_of(folder)
    for position in range(5):
        archive_segment(write_segment(folder, key, [position]), archive, key)
    write_segment(folder, key, [5])
    return archive


def test_files_older_than_they_are_kept_go_from_the_oldest_on(tmp_path: Path) -> None:
    archive = fill_archive(tmp_path)
    assert prune_archive(archive, 1_010, 10) == []
    removed = prune_archive(archive, 1_012, 10)
    assert [file.first for file in removed] == [0, 1]
    assert first_position(tmp_path) == 2
    assert positions(tmp_path) == [2, 3, 4, 5]
    # A younger one before older ones, as with a clock that was set back: no hole is left.
    first = archive_files(archive)[0]
    first.path.rename(archive / f"archive-{2:020}-{3:020}-9999.zst")
    assert prune_archive(archive, 2_000, 10) == []
    assert prune_archive(archive, 20_000, 10) != []
    assert positions(tmp_path) == [5]


def test_a_crash_while_files_go_leaves_no_hole(tmp_path: Path) -> None:
    for operations in range(20):
        archive = fill_archive(tmp_path)
        try:
            prune_archive(archive, 1_013, 10, FailingDisk(operations))
        except PowerCutError:
            first = first_position(tmp_path)
            assert positions(tmp_path) == list(range(first, 6))
        else:
            assert operations > 3
            return
    raise AssertionError("it does not come to an end")


class Listener:
    """What an archiver says."""

    def __init__(self) -> None:
        self.archived: list[Path] = []
        self.failed: list[tuple[Path, Exception]] = []
        self._said = threading.Condition()

    def on_archived(self, segment: Path) -> None:
        with self._said:
            self.archived.append(segment)
            self._said.notify_all()

    def on_failed(self, segment: Path, error: Exception) -> None:
        with self._said:
            self.failed.append((segment, error))
            self._said.notify_all()

    def wait(self, until: Callable[[], bool], timeout_s: float = 20) -> bool:
        with self._said:
            return self._said.wait_for(until, timeout_s)


def archiver_of(folder: Path, listener: Listener, disk: FullDisk | None = None) -> Archiver:
    return Archiver(
        folder,
        None,
        disk=disk or REAL_DISK,
        archived=listener.on_archived,
        failed=listener.on_failed,
        retry_s=0.01,
    )


def test_an_archiver_takes_what_it_is_given_in_order(tmp_path: Path) -> None:
    listener = Listener()
    segments = [write_segment(tmp_path, None, [each]) for each in range(3)]
    leftover = archive_of(tmp_path) / "archive-x.new"
    leftover.touch()
    archiver = archiver_of(tmp_path, listener)
    assert not leftover.exists()
    for segment in segments:
        archiver.submit(segment)
    assert listener.wait(lambda: len(listener.archived) == 3)
    assert listener.archived == segments
    assert positions(tmp_path) == [0, 1, 2]
    archiver.submit(segments[0])  # Once more, as after a restart: it is there.
    assert listener.wait(lambda: len(listener.archived) == 4)
    assert [file.first for file in archiver.prune(2_000, 999)] == [0]
    archiver.close()
    assert archiver.pending == 0
    assert listener.failed == []
    with pytest.raises(AssertionError, match="has ended"):
        archiver.submit(segments[0])


def test_a_full_disk_is_reported_and_tried_again_until_there_is_space(tmp_path: Path) -> None:
    listener = Listener()
    disk = FullDisk(0)
    segments = [write_segment(tmp_path, None, [each]) for each in range(2)]
    archiver = archiver_of(tmp_path, listener, disk)
    for segment in segments:
        archiver.submit(segment)
    assert listener.wait(lambda: len(listener.failed) >= 3)
    assert {path for path, _ in listener.failed} == {segments[0]}
    assert all(isinstance(error, StoreFullError) for _, error in listener.failed)
    assert archiver.pending == 2
    assert positions(tmp_path) == [0, 1]
    disk.space = None
    assert listener.wait(lambda: len(listener.archived) == 2)
    archiver.close()
    assert positions(tmp_path) == [0, 1]
    assert segments_in(tmp_path) == []


def test_a_damaged_or_missing_segment_is_reported_once_and_the_next_one_taken(
    tmp_path: Path,
) -> None:
    listener = Listener()
    damaged, whole = (write_segment(tmp_path, None, [each]) for each in range(2))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    missing = tmp_path / f"log-{7:020}.seg"
    archiver = archiver_of(tmp_path, listener)
    for segment in (damaged, missing, whole):
        archiver.submit(segment)
    assert listener.wait(lambda: listener.archived == [whole])
    archiver.close()
    assert [path for path, _ in listener.failed] == [damaged, missing]
    assert damaged.exists()


def test_while_it_is_held_no_segment_moves(tmp_path: Path) -> None:
    listener = Listener()
    segment = write_segment(tmp_path, None, [0])
    archiver = archiver_of(tmp_path, listener)
    with archiver.held():
        archiver.submit(segment)
        assert not listener.wait(lambda: bool(listener.archived), 0.3)
        assert segment.exists()
    assert listener.wait(lambda: listener.archived == [segment])
    archiver.close()


def test_closing_does_not_wait_for_a_disk_that_is_full(tmp_path: Path) -> None:
    listener = Listener()
    segment = write_segment(tmp_path, None, [0])
    archiver = archiver_of(tmp_path, listener, FullDisk(0))
    archiver.submit(segment)
    assert listener.wait(lambda: bool(listener.failed))
    archiver.close()
    assert archiver.pending == 1
    assert segment.exists()


def test_closing_leaves_a_segment_in_hand_as_it_is(tmp_path: Path) -> None:
    noise = random.Random(1)
    records = [AdvanceRecord(1, 3, noise.getrandbits(62)) for _ in range(60_000)]
    frame = Frame(0, 1, list(records), b"", [], [])
    segment = write_frames(tmp_path, frame)
    started = threading.Event()

    class SlowDisk(FullDisk):
        def create(self, path: Path) -> DiskFile:
            started.set()
            assert archiver._closing.wait(20)
            return super().create(path)

    listener = Listener()
    archiver = archiver_of(tmp_path, listener, SlowDisk(None))
    archiver.submit(segment)
    assert started.wait(20)
    archiver.close()
    assert (listener.archived, listener.failed) == ([], [])
    assert list((tmp_path / "archive").iterdir()) == []
    assert list(read_history(tmp_path, None)) == [frame]
    archiver = archiver_of(tmp_path, listener)
    archiver.submit(segment)
    assert listener.wait(lambda: listener.archived == [segment])
    archiver.close()
    assert list(read_history(tmp_path, None)) == [frame]
