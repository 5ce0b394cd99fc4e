"""Snapshots in files: cut, damaged and half written ones are never taken as whole."""

import errno
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.errors import LogCorruptError, OperatorError
from actors.store.block import HEAD, HEADER
from actors.store.disk import REAL_DISK
from actors.store.newfile import NEW, STEP_BYTES
from actors.store.port import Row, StoreFullError
from actors.store.snapshots import SnapshotFiles, open_snapshots
from tests.actors.store.frames import KEY, FailingDisk, FullDisk, PowerCutError
from tests.actors.store.test_snapshots import head_of, read, rows_of, write

each_key = pytest.mark.parametrize("key", [None, KEY], ids=["plain", "sealed"])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def big_row(key: str, size: int) -> Row:
    """Return a row that does not compress, the same each time."""
    return Row(key, 1, 1, pending=False, state=random.Random(key).randbytes(size))


@each_key
def test_a_changed_byte_anywhere_is_named_and_the_snapshot_before_is_the_latest(
    tmp_path: Path, key: bytes | None
) -> None:
    snapshots = open_snapshots(tmp_path, key)
    before = write(snapshots, 3, 1, rows_of(1))
    head = write(snapshots, 3, 2, rows_of(4))
    path = snapshots.path(head)
    whole = path.read_bytes()
    seen_by_head = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(LogCorruptError, match=path.name):
            read(SnapshotFiles(tmp_path, key), head)
        heads = SnapshotFiles(tmp_path, key).heads(3)
        assert heads in ([before], [head, before])
        faults = SnapshotFiles(tmp_path, key).faults()
        assert len(faults) == 2 - len(heads)
        assert all(path.name in str(fault) for fault in faults)
        seen_by_head += len(faults)
    assert len(whole) / 2 < seen_by_head < len(whole)  # Not those of the rows: heads are cheap.


@each_key
def test_a_file_that_ends_early_or_goes_on_is_never_whole(
    tmp_path: Path, key: bytes | None
) -> None:
    snapshots = open_snapshots(tmp_path, key)
    head = write(snapshots, 3, 2, rows_of(4))
    path = snapshots.path(head)
    whole = path.read_bytes()
    for wrong in [*(whole[:size] for size in range(len(whole))), whole + b"\0", whole + whole[32:]]:
        path.write_bytes(wrong)
        assert snapshots.heads(3) == []
        with pytest.raises(LogCorruptError, match=path.name):
            read(snapshots, head)


def test_rows_that_are_missing_between_whole_ones_are_named(tmp_path: Path) -> None:
    """Without a key, blocks could be cut out: the end says how many rows there were."""
    snapshots = open_snapshots(tmp_path, None)
    head = write(snapshots, 3, 2, rows_of(1_001))
    path = snapshots.path(head)
    whole = path.read_bytes()
    starts = [HEADER.size]
    while starts[-1] < len(whole):
        starts.append(starts[-1] + HEAD.size + HEAD.unpack_from(whole, starts[-1])[0])
    assert len(starts) == 5  # Head, two slices, end; and where the file ends.
    path.write_bytes(whole[: starts[2]] + whole[starts[3] :])
    assert snapshots.heads(3) == []
    with pytest.raises(LogCorruptError, match="ends early, after 1000 rows"):
        read(snapshots, head)


@each_key
def test_a_file_under_the_name_of_another_is_named(tmp_path: Path, key: bytes | None) -> None:
    snapshots = open_snapshots(tmp_path, key)
    head, other = head_of(3, 2, 0), head_of(4, 2, 0)
    snapshots.write(head, [])
    snapshots.path(head).rename(snapshots.path(other))
    assert snapshots.heads(4) == []
    with pytest.raises(LogCorruptError, match=r"holds snapshot-003-"):
        read(snapshots, other)


def test_another_key_is_named_and_no_key_too(tmp_path: Path) -> None:
    head = write(open_snapshots(tmp_path, KEY), 3, 2, rows_of(4))
    with pytest.raises(LogCorruptError, match="sealed with another key"):
        read(SnapshotFiles(tmp_path, bytes(32)), head)
    with pytest.raises(OperatorError, match="name the store's key"):
        SnapshotFiles(tmp_path, None).heads(3)
    assert b"state" not in SnapshotFiles(tmp_path, KEY).path(head).read_bytes()


def crashes(folder: Path, work: Callable[[FailingDisk], object], check: Callable[[], None]) -> int:
    """Do a work with a crash at its first operation of the disk, its second ... until none comes.

    Check after each. Return how many there were.
    """
    for count in range(1_000):
        try:
            work(FailingDisk(count))
        except PowerCutError:
            check()
        else:
            check()
            return count
    raise AssertionError("it does not come to an end")


@each_key
def test_a_crash_at_any_operation_leaves_the_old_or_the_new_snapshot_whole(
    tmp_path: Path, key: bytes | None
) -> None:
    snapshots = open_snapshots(tmp_path, key)
    rows = [big_row(f"k{each}", 160_000) for each in range(5)]
    write(snapshots, 3, 1, rows[:1])
    write(snapshots, 3, 2, rows[:2])
    seen = set()

    def check() -> None:
        heads = open_snapshots(tmp_path, key).heads(3)
        seen.add(tuple(head.position for head in heads))
        for head in heads:
            assert read(snapshots, head) == rows[: 5 if head.position == 3 else head.position]
        assert not [name for name in names(tmp_path) if name.endswith(".new")]

    def work(disk: FailingDisk) -> None:
        SnapshotFiles(tmp_path, key, disk).write(head_of(3, 3, 5), [rows])

    assert crashes(tmp_path, work, check) > 10
    assert seen == {(2, 1), (3, 2, 1), (3, 2)}


@each_key
def test_a_crash_while_rewriting_leaves_the_rows_as_they_were_or_as_they_should_be(
    tmp_path: Path, key: bytes | None
) -> None:
    snapshots = open_snapshots(tmp_path, key)
    head = write(snapshots, 3, 1, rows_of(1_500))
    seen = set()

    def check() -> None:
        (now,) = open_snapshots(tmp_path, key).heads(3)
        keys = [row.key for row in read(snapshots, now)]
        assert len(keys) == now.rows
        assert keys in (
            [f"k{each}" for each in range(1_500)],
            [f"k{each}" for each in range(1_500) if each != 7],
        )
        seen.add(len(keys))

    def work(disk: FailingDisk) -> None:
        SnapshotFiles(tmp_path, key, disk).rewrite_snapshot(head, lambda row: row.key == "k7")

    assert crashes(tmp_path, work, check) > 5
    assert seen == {1_500, 1_499}


def test_erased_rows_are_gone_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    snapshots = open_snapshots(tmp_path, None)
    head = write(snapshots, 3, 1, rows_of(3))
    path = snapshots.path(head)
    before = path.read_bytes()
    assert not snapshots.rewrite_snapshot(head, lambda row: row.key == "nobody")
    assert path.read_bytes() == before
    assert snapshots.rewrite_snapshot(head, lambda row: row.key == "k1")
    (now,) = snapshots.heads(3)
    assert (now.rows, now.published, now.position) == (2, head.published, 1)
    assert read(snapshots, now) == [rows_of(3)[0], rows_of(3)[2]]
    assert path.read_bytes()[:32] != before[:32]  # Another salt, so that no nonce comes twice.


def test_a_damaged_snapshot_does_not_push_out_a_whole_one(tmp_path: Path) -> None:
    snapshots = open_snapshots(tmp_path, None)
    first = write(snapshots, 3, 1, rows_of(1))
    second = write(snapshots, 3, 2, rows_of(1))
    snapshots.path(second).write_bytes(b"damaged")
    third = write(snapshots, 3, 3, rows_of(1))
    assert snapshots.heads(3) == [third, first]
    fourth = write(snapshots, 3, 4, rows_of(1))
    assert snapshots.heads(3) == [fourth, third]
    assert len(names(tmp_path)) == 2


def test_it_is_written_in_steps_with_a_pause_after_each(tmp_path: Path) -> None:
    sizes: list[int] = []

    def pause() -> None:
        (path,) = tmp_path.glob("*.new")
        sizes.append(path.stat().st_size)

    snapshots = open_snapshots(tmp_path, None, pause=pause)
    snapshots.write(head_of(0, 1, 1), [[big_row("k", 1 << 20)]])
    assert sizes == [STEP_BYTES * each for each in range(1, 5)]


def test_what_the_pause_raises_ends_the_writing_and_leaves_nothing(tmp_path: Path) -> None:
    def pause() -> None:
        raise KeyboardInterrupt

    snapshots = open_snapshots(tmp_path, None, pause=pause)
    with pytest.raises(KeyboardInterrupt):
        snapshots.write(head_of(0, 1, 1), [[big_row("k", 1 << 20)]])
    assert names(tmp_path) == []


def test_a_full_disk_is_called_so_and_leaves_no_half_file(tmp_path: Path) -> None:
    disk = FullDisk(None)
    snapshots = open_snapshots(tmp_path, None, disk)
    before = write(snapshots, 3, 1, rows_of(1))
    for disk.space in (0, 10, 200):
        with pytest.raises(StoreFullError, match=r"\.snap\.new; make some"):
            write(snapshots, 3, 2, rows_of(1))
        assert names(tmp_path) == [snapshots.path(before).name]
    disk.space = None
    after = write(snapshots, 3, 2, rows_of(1))
    assert snapshots.heads(3) == [after, before]


def test_a_disk_that_is_full_for_names_is_full_too(tmp_path: Path) -> None:
    class FullError(OSError):
        def __init__(self) -> None:
            super().__init__(errno.EDQUOT, "quota")

    open_snapshots(tmp_path, None)
    with pytest.raises(StoreFullError, match="there is no space"):
        write(SnapshotFiles(tmp_path, None, FailingDisk(0, FullError)), 3, 2, [])


def test_who_only_reads_leaves_a_running_writers_file_alone(tmp_path: Path) -> None:
    tmp_path.joinpath("snapshot-003-1.snap.new").write_bytes(b"being written")
    assert SnapshotFiles(tmp_path, None).latest_heads() == {}
    assert names(tmp_path) == ["snapshot-003-1.snap.new"]
    open_snapshots(tmp_path, None)
    assert names(tmp_path) == []


def test_heads_of_all_partitions_and_sizes(tmp_path: Path) -> None:
    snapshots = open_snapshots(tmp_path, KEY)
    heads = {
        partition: [write(snapshots, partition, position, rows_of(1)) for position in (2, 1)]
        for partition in (0, 25, 255)
    }
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    last = snapshots.path(heads[0][0])
    last.with_name(last.name + NEW).write_bytes(last.read_bytes())  # As a crash leaves it.
    again = SnapshotFiles(tmp_path, KEY)
    assert again.all_heads() == heads
    assert again.latest_heads() == {partition: each[0] for partition, each in heads.items()}
    assert again.size_bytes == size
    assert len({id(head.published) for head in again.latest_heads().values()}) == 1
    assert SnapshotFiles(tmp_path / "none", KEY).size_bytes == 0


def test_a_snapshot_that_was_removed_meanwhile_is_named(tmp_path: Path) -> None:
    snapshots = open_snapshots(tmp_path, None)
    head = write(snapshots, 0, 1, [])
    REAL_DISK.remove(snapshots.path(head))
    with pytest.raises(LogCorruptError, match="is gone"):
        read(snapshots, head)
