"""The archive: each frame readable exactly once whatever happens, and its bytes as they were."""

from itertools import pairwise
from pathlib import Path

import pytest

from actors.errors import LogCorruptError
from actors.frame import decode_frame, encode_frame
from actors.store.archive import (
    ArchiveFile,
    archive_bytes,
    archive_files,
    archive_segment,
    prune_archive,
    read_archive,
)
from actors.store.block import HEADER
from actors.store.body import frames_in
from actors.store.history import first_position, read_history
from actors.store.port import StoreFullError
from actors.store.segment import segment_name, segments_of
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
    segment = segment.rename(tmp_path / segment_name(5, 1))
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
            states.add((len(archive_files(archive)), len(segments_of(tmp_path))))
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
