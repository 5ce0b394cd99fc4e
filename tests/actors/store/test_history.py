"""History: archive and log as one, each frame once and in order, also while they change."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from actors.errors import LogCorruptError, OperatorError, PrunedError
from actors.frame import encode_frame
from actors.store.archive import archive_files, archive_segment
from actors.store.disk import RealDisk
from actors.store.history import first_position, read_history
from actors.store.log import open_log
from actors.store.segment import segments_of
from tests.actors.store.frames import KEY, frame_at, write_frames, write_segment

each_key = pytest.mark.parametrize("key", [None, KEY], ids=["plain", "sealed"])


def positions(folder: Path, key: bytes | None = None, position: int | None = None) -> list[int]:
    return [frame.position for frame in read_history(folder, key, position)]


def archived(folder: Path, segment: Path, key: bytes | None = None) -> Path:
    (folder / "archive").mkdir(exist_ok=True)
    path = archive_segment(segment, folder / "archive", key)
    assert path is not None
    return path


def write_log(folder: Path, key: bytes | None, positions: range) -> None:
    log = open_log(folder, key)
    for position in positions:
        log.append(position, [encode_frame(frame_at(position))])
    log.close()


def test_where_nothing_was_written_there_is_no_history(tmp_path: Path) -> None:
    assert positions(tmp_path) == []
    assert first_position(tmp_path / "none") == 0


@each_key
def test_what_a_log_wrote_is_read_from_its_archive_and_its_segments(
    tmp_path: Path, key: bytes | None
) -> None:
    write_log(tmp_path, key, range(3))
    write_log(tmp_path, key, range(3, 6))
    log = open_log(tmp_path, key)
    for position in range(6, 9):
        log.append(position, [encode_frame(frame_at(position))])
    archived(tmp_path, segments_of(tmp_path)[0], key)
    assert len(archive_files(tmp_path / "archive")) == 1
    assert positions(tmp_path, key) == list(range(9))  # The log is open: its tail is of zeroes.
    assert list(read_history(tmp_path, key, 2)) == [frame_at(each) for each in range(2, 9)]
    log.close()
    assert positions(tmp_path, key) == list(range(9))


def test_it_begins_with_the_frame_that_holds_the_position(tmp_path: Path) -> None:
    archived(tmp_path, write_frames(tmp_path, frame_at(0, 3), frame_at(3, 2)))
    write_frames(tmp_path, frame_at(5, 3), frame_at(8, 2))
    write_frames(tmp_path, frame_at(10, 1))
    starts = {
        position: next(iter(positions(tmp_path, None, position)), None) for position in range(12)
    }
    expected = [0, 0, 0, 3, 3, 5, 5, 5, 8, 8, 10, None]
    assert starts == dict(enumerate(expected))


def test_files_before_the_position_are_not_read(tmp_path: Path) -> None:
    path = archived(tmp_path, write_segment(tmp_path, None, [0]))
    write_segment(tmp_path, None, [1])
    path.write_bytes(b"damaged")
    assert positions(tmp_path, None, 1) == [1]
    with pytest.raises(LogCorruptError, match=path.name):
        positions(tmp_path)


def test_a_segment_that_is_in_the_archive_too_is_read_once(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, None, [0], [1])
    whole = segment.read_bytes()
    archived(tmp_path, segment)
    segment.write_bytes(whole)
    write_segment(tmp_path, None, [2])
    assert positions(tmp_path) == [0, 1, 2]
    segment.write_bytes(whole[:-1])
    assert positions(tmp_path) == [0, 1, 2]  # The archive's is the one that is read.


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        ([[0], [2]], "position 2 where 1 should follow"),
        ([[0, 1, 2], [2]], "position 2 where 3 should follow"),
        ([[0, 2], [3]], "position 2 where 1 should follow"),
    ],
)
@pytest.mark.parametrize("archive", [False, True])
def test_frames_that_are_missing_or_there_twice_are_named(
    tmp_path: Path, segments: list[list[int]], text: str, *, archive: bool
) -> None:
    paths = [write_segment(tmp_path, None, segment) for segment in segments]
    if archive and segments[0] != [0, 2]:
        archived(tmp_path, paths[0])
    with pytest.raises(LogCorruptError, match=text):
        positions(tmp_path)


def test_a_position_that_is_not_kept_any_more_is_named(tmp_path: Path) -> None:
    write_segment(tmp_path, None, [7])
    assert first_position(tmp_path) == 7
    assert positions(tmp_path) == [7]
    with pytest.raises(LogCorruptError, match=r"position 7 where 0 should follow.*begin at 7"):
        positions(tmp_path, None, 0)


@pytest.mark.parametrize("archive", [False, True])
def test_a_position_behind_all_that_was_written_is_named(tmp_path: Path, *, archive: bool) -> None:
    segment = write_segment(tmp_path, None, [0], [1])
    if archive:
        archived(tmp_path, segment)
    assert positions(tmp_path, None, 2) == []
    with pytest.raises(LogCorruptError, match="ends at position 2, but position 3 is needed"):
        positions(tmp_path, None, 3)
    with pytest.raises(LogCorruptError, match="ends at position 0, but position 3 is needed"):
        positions(tmp_path / "none", None, 3)


@each_key
def test_an_archive_file_that_ends_early_is_named(tmp_path: Path, key: bytes | None) -> None:
    frames = [frame_at(each, 20_000) for each in range(0, 80_000, 20_000)]
    path = archived(tmp_path, write_frames(tmp_path, *frames, key=key), key)
    assert list(read_history(tmp_path, key)) == frames
    whole = path.read_bytes()
    for size in (0, 20, 32, *range(33, len(whole), 997), len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(LogCorruptError, match=path.name):
            positions(tmp_path, key)


def test_an_archive_file_cut_between_blocks_is_named(tmp_path: Path) -> None:
    path = archived(tmp_path, write_segment(tmp_path, None, [0], [1]))
    path.write_bytes(path.read_bytes()[:32])
    with pytest.raises(LogCorruptError, match="ends before position 0, and should before 2"):
        positions(tmp_path)


@each_key
def test_a_changed_byte_anywhere_is_named_and_at_most_the_last_block_is_taken_for_torn(
    tmp_path: Path, key: bytes | None
) -> None:
    in_archive = archived(tmp_path, write_segment(tmp_path, key, [0], [1]), key)
    closed = write_segment(tmp_path, key, [2], [3])
    last = write_segment(tmp_path, key, [4], [5])
    torn = 0
    for path in (in_archive, closed, last):
        whole = path.read_bytes()
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
            try:
                assert positions(tmp_path, key) == [0, 1, 2, 3, 4]
            except LogCorruptError as error:
                assert path.name in str(error)  # noqa: PT017 - what else may come is the point
            else:
                assert path == last
                torn += 1
        path.write_bytes(whole)
    assert torn == (last.stat().st_size - 32) // 2


def test_another_key_is_named_and_no_key_too(tmp_path: Path) -> None:
    archived(tmp_path, write_segment(tmp_path, KEY, [0]), KEY)
    with pytest.raises(LogCorruptError, match="sealed with another key"):
        positions(tmp_path, bytes(32))
    with pytest.raises(OperatorError, match="name the store's key"):
        positions(tmp_path)


class ChangingDisk(RealDisk):
    """A disk on which something happens right before each file is opened."""

    def __init__(self, happens: Callable[[Path], None]) -> None:
        self._happens = happens

    def read(self, path: Path) -> BinaryIO:
        self._happens(path)
        return super().read(path)


@each_key
def test_segments_that_go_to_the_archive_while_it_is_read_are_read_once(
    tmp_path: Path, key: bytes | None
) -> None:
    for position in range(0, 10, 2):
        write_segment(tmp_path, key, [position], [position + 1])

    def archive_it(path: Path) -> None:
        if path.suffix == ".seg" and path != segments_of(tmp_path)[-1]:
            archived(tmp_path, path, key)

    frames = read_history(tmp_path, key, 1, ChangingDisk(archive_it))
    assert [frame.position for frame in frames] == list(range(1, 10))
    assert len(segments_of(tmp_path)) == 1


def test_a_segment_that_goes_between_two_frames_is_read_to_its_end(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, None, [0], [1], [2])
    write_segment(tmp_path, None, [3])
    frames = read_history(tmp_path, None)
    assert next(frames).position == 0
    archived(tmp_path, segment)
    assert [frame.position for frame in frames] == [1, 2, 3]


def test_a_file_that_is_listed_and_never_there_is_an_error_and_no_endless_search(
    tmp_path: Path,
) -> None:
    write_segment(tmp_path, None, [0])

    def missing(path: Path) -> None:
        raise FileNotFoundError(path)

    with pytest.raises(FileNotFoundError):
        list(read_history(tmp_path, None, 0, ChangingDisk(missing)))


def test_history_that_goes_while_it_is_read_is_named(tmp_path: Path) -> None:
    path = archived(tmp_path, write_segment(tmp_path, None, [0]))
    write_segment(tmp_path, None, [1])
    frames = read_history(tmp_path, None, 0, ChangingDisk(lambda _: path.unlink(missing_ok=True)))
    with pytest.raises(PrunedError, match="while they were read; run it again"):
        list(frames)


def test_a_torn_tail_is_left_out_of_the_last_segment_only(tmp_path: Path) -> None:
    first = write_segment(tmp_path, None, [0], [1])
    last = write_segment(tmp_path, None, [2], [3])
    os.truncate(last, last.stat().st_size - 5)
    assert positions(tmp_path) == [0, 1, 2]
    os.truncate(first, first.stat().st_size - 5)
    with pytest.raises(LogCorruptError, match=first.name):
        positions(tmp_path)
