"""Rewriting: what is to go is gone, the rest as it was, and a crash leaves one or the other."""

from pathlib import Path

import msgspec
import pytest

from actors.errors import LogCorruptError
from actors.frame import AdvanceRecord, EventRecord, Frame, encode_frame
from actors.links.link import LinkEvent
from actors.store.archive import archive_segment, read_archive
from actors.store.block import ARCHIVE, LOG, read_blocks
from actors.store.body import body_of, frames_in
from actors.store.disk import REAL_DISK
from actors.store.history import read_history
from actors.store.newfile import NewFile, no_pause
from actors.store.port import StoreFullError
from actors.store.rewrite import rewrite_file
from actors.store.segment import segment_name
from tests.actors.store.frames import (
    KEY,
    FailingDisk,
    FullDisk,
    PowerCutError,
    frame_at,
    write_frames,
    write_segment,
)

each_kind = pytest.mark.parametrize("kind", [LOG, ARCHIVE], ids=["segment", "archive"])
each_key = pytest.mark.parametrize("key", [None, KEY], ids=["plain", "sealed"])


def prepare(folder: Path, kind: bytes, key: bytes | None) -> Path:
    """Write frames 0 to 4 into the file that is returned, and 5 into a last segment."""
    path = write_segment(folder, key, [0, 1], [2], [3, 4])
    write_segment(folder, key, [5])
    if kind == LOG:
        return path
    (folder / "archive").mkdir(exist_ok=True)
    archive = archive_segment(path, folder / "archive", key)
    assert archive is not None
    return archive


def blank(frame: Frame) -> Frame | None:
    """Replace what frame 2 says."""
    if frame.position != 2:
        return None
    return msgspec.structs.replace(frame, records=[AdvanceRecord(1_002, 3, 0)])


OLD = [frame_at(position) for position in range(6)]
NEW = [blank(frame) or frame for frame in OLD]


@each_kind
@each_key
def test_what_is_replaced_is_gone_and_the_rest_stays_byte_for_byte(
    tmp_path: Path, kind: bytes, key: bytes | None
) -> None:
    path = prepare(tmp_path, kind, key)
    before = path.read_bytes()
    bodies = list(read_archive(path, key) if kind == ARCHIVE else read_blocks(path, LOG, key))
    assert rewrite_file(path, kind, key, REAL_DISK, blank)
    assert list(read_history(tmp_path, key)) == NEW
    assert path.read_bytes()[:32] != before[:32]  # Another salt, so that no nonce comes twice.
    if kind == LOG:
        after = list(read_blocks(path, LOG, key))
        assert [after[0], after[2]] == [bodies[0], bodies[2]]
    assert not rewrite_file(path, kind, key, REAL_DISK, lambda _: None)
    assert sorted(each.name for each in path.parent.iterdir() if each.suffix == ".new") == []


@each_kind
def test_a_file_in_which_nothing_changes_is_left_alone(tmp_path: Path, kind: bytes) -> None:
    path = prepare(tmp_path, kind, KEY)
    before = path.read_bytes(), path.stat().st_ino
    assert not rewrite_file(path, kind, KEY, REAL_DISK, lambda _: None)
    assert (path.read_bytes(), path.stat().st_ino) == before


def test_frames_that_stay_keep_what_a_later_version_wrote_into_them(tmp_path: Path) -> None:
    later = [*msgspec.msgpack.decode(encode_frame(OLD[0])), "of a later version"]
    first = msgspec.msgpack.encode(later)
    path = tmp_path / segment_name(0, 1)
    with NewFile(path, LOG, None, REAL_DISK, no_pause) as file:
        file.add(body_of([first, *(encode_frame(frame) for frame in OLD[1:])]))
        file.finish()
    assert rewrite_file(path, LOG, None, REAL_DISK, blank)
    (body,) = read_blocks(path, LOG, None)
    assert list(frames_in(path, body)) == [first, *(encode_frame(frame) for frame in NEW[1:])]


@each_kind
def test_only_frames_that_hold_the_key_are_looked_at(tmp_path: Path, kind: bytes) -> None:
    events = [EventRecord(1, LinkEvent(3, key, "id", "view", 1, b"{}")) for key in ("anna", "bert")]
    frames = [Frame(each, 1, [event], b"\0", [], []) for each, event in enumerate(events)]
    path = write_frames(tmp_path, *frames)
    if kind == ARCHIVE:
        (tmp_path / "archive").mkdir()
        path = archive_segment(path, tmp_path / "archive", None) or path
    seen = []

    def look(frame: Frame) -> Frame:
        seen.append(frame)
        return frame

    assert not rewrite_file(path, kind, None, REAL_DISK, look, holding=b"nobody")
    assert seen == []
    assert rewrite_file(path, kind, None, REAL_DISK, look, holding=b"bert")
    assert seen == [frames[1], frames[1]]
    assert list(read_history(tmp_path, None)) == frames


@each_kind
@each_key
def test_a_crash_at_any_operation_leaves_the_old_or_the_new_file(
    tmp_path: Path, kind: bytes, key: bytes | None
) -> None:
    seen = []
    for operations in range(100):
        path = prepare(tmp_path, kind, key)
        try:
            rewrite_file(path, kind, key, FailingDisk(operations), blank)
        except PowerCutError:
            frames = list(read_history(tmp_path, key))
            assert frames in (OLD, NEW)
            seen.append(frames == NEW)
            rewrite_file(path, kind, key, REAL_DISK, blank)
            assert list(read_history(tmp_path, key)) == NEW
        else:
            assert set(seen) == {False, True}
            assert list(read_history(tmp_path, key)) == NEW
            return
    raise AssertionError("it does not come to an end")


@each_kind
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, kind: bytes) -> None:
    path = prepare(tmp_path, kind, None)
    with pytest.raises(StoreFullError, match="make some"):
        rewrite_file(path, kind, None, FullDisk(50), blank)
    assert list(read_history(tmp_path, None)) == OLD
    assert not list(path.parent.glob("*.new"))


@each_kind
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, kind: bytes) -> None:
    path = prepare(tmp_path, kind, None)
    path.write_bytes(path.read_bytes()[:-1])
    before = path.read_bytes()
    with pytest.raises(LogCorruptError, match=path.name):
        rewrite_file(path, kind, None, REAL_DISK, blank)
    assert path.read_bytes() == before


def test_a_replacement_that_would_leave_a_gap_is_refused(tmp_path: Path) -> None:
    path = prepare(tmp_path, LOG, None)
    with pytest.raises(AssertionError, match="positions must stay"):
        rewrite_file(
            path, LOG, None, REAL_DISK, lambda frame: msgspec.structs.replace(frame, records=[])
        )
    assert list(read_history(tmp_path, None)) == OLD
