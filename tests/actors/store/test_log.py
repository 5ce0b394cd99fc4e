"""The log in files: what was committed is read back; a torn tail goes, damage is named."""

import os
from pathlib import Path

import pytest

from actors.errors import LogCorruptError, OperatorError
from actors.frame import AdvanceRecord, Frame, encode_frame
from actors.store.block import HEAD, HEADER
from actors.store.log import Sizes, open_log, read_log
from actors.store.port import StoreFullError


def frame_at(position: int) -> Frame:
    return Frame(position, 1, [AdvanceRecord(position, 3, 7)], b"\0", [], [])


def write(folder: Path, *blocks: list[int]) -> None:
    log = open_log(folder)
    for block in blocks:
        log.append(block[0], [encode_frame(frame_at(position)) for position in block])
    log.close()


def positions(folder: Path) -> list[int]:
    return [frame.position for frame in read_log(folder)]


def segment(folder: Path) -> Path:
    (path,) = folder.glob("log-*.seg")
    return path


def test_frames_come_back_in_order_after_reopening(tmp_path: Path) -> None:
    write(tmp_path, [0], [1, 2])
    write(tmp_path, [3])
    log = open_log(tmp_path)
    assert [frame.position for frame in log.frames()] == [0, 1, 2, 3]
    log.close()


def test_a_log_has_one_writer(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    with pytest.raises(OperatorError, match=f"in use by process {os.getpid()}"):
        open_log(tmp_path)
    log.close()
    open_log(tmp_path).close()


@pytest.mark.parametrize("lost", [1, 5, 17, 30])
def test_a_torn_tail_is_cut_and_what_was_before_stays(tmp_path: Path, lost: int) -> None:
    write(tmp_path, [0], [1])
    path = segment(tmp_path)
    os.truncate(path, path.stat().st_size - lost)
    assert positions(tmp_path) == [0]
    write(tmp_path, [1], [2])
    assert positions(tmp_path) == [0, 1, 2]


def test_a_last_block_of_the_right_length_but_other_bytes_is_torn(tmp_path: Path) -> None:
    write(tmp_path, [0], [1])
    path = segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    write(tmp_path, [1])
    assert positions(tmp_path) == [0, 1]


def test_zeroes_at_the_end_are_a_torn_write(tmp_path: Path) -> None:
    write(tmp_path, [0])
    with segment(tmp_path).open("ab") as file:
        file.write(bytes(100))
    write(tmp_path, [1])
    assert positions(tmp_path) == [0, 1]


def test_a_write_that_reached_the_disk_in_part_only_is_torn(tmp_path: Path) -> None:
    """Space is filled ahead: what is missing of a block is zeroes, at its begin as at its end."""
    log = open_log(tmp_path)
    log.append(0, [encode_frame(frame_at(0))])
    log.append(1, [encode_frame(frame_at(1))])
    path = segment(tmp_path)
    log._lock.release()  # As a crash leaves it: the zeroes are there.
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0"))
    start = (end - HEADER.size) // 2 + HEADER.size
    for first, last in [(start, start + 7), (start + 5, end), (end - 9, end), (start, end)]:
        path.write_bytes(whole[:first] + bytes(last - first) + whole[last:])
        assert positions(tmp_path) == [0]
    open_log(tmp_path).close()
    assert positions(tmp_path) == [0]


@pytest.mark.parametrize("place", [0, 4, 9, HEAD.size + 3])
def test_damage_in_the_middle_is_named_and_never_skipped(tmp_path: Path, place: int) -> None:
    write(tmp_path, [0], [1], [2])
    path = segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[HEADER.size + place] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(LogCorruptError, match=f"damaged at byte {HEADER.size}"):
        open_log(tmp_path)
    with pytest.raises(LogCorruptError, match="damaged"):
        positions(tmp_path)
    assert path.read_bytes() == data


def test_a_segment_cut_before_its_first_block_is_begun_anew(tmp_path: Path) -> None:
    write(tmp_path, [0])
    os.truncate(segment(tmp_path), 3)
    write(tmp_path, [0])
    assert positions(tmp_path) == [0]


def test_a_full_segment_is_followed_by_another(tmp_path: Path) -> None:
    log = open_log(tmp_path, sizes=Sizes(segment=64))
    for position in range(10):
        log.append(position, [encode_frame(frame_at(position))])
    log.close()
    assert len(list(tmp_path.glob("log-*.seg"))) > 2
    assert positions(tmp_path) == list(range(10))


def test_after_a_write_that_did_not_fit_the_same_goes_into_another_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, [0])
    log = open_log(tmp_path)
    log.append(1, [encode_frame(frame_at(1))])
    whole = os.pwrite
    monkeypatch.setattr("os.pwrite", lambda file, data, at: whole(file, data[:10], at))
    with pytest.raises(StoreFullError, match="make space"):
        log.append(2, [encode_frame(frame_at(2))])
    monkeypatch.undo()
    assert positions(tmp_path) == [0, 1]
    log.append(2, [encode_frame(frame_at(2))])
    log.close()
    assert positions(tmp_path) == [0, 1, 2]
    assert len(list(tmp_path.glob("log-*.seg"))) == 3


def test_each_append_is_one_commit(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append(0, [encode_frame(frame_at(position)) for position in range(100)])
    assert log.commits == 1
    log.close()
    assert log.size_bytes == segment(tmp_path).stat().st_size
