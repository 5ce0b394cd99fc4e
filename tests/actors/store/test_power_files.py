"""Power loss while whole files are written: the old or the new, and the new once it is done."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from actors.frame import Frame
from actors.store.archive import archive_files, archive_segment, prune_archive
from actors.store.block import ARCHIVE, LOG
from actors.store.history import first_position, read_history
from actors.store.rewrite import rewrite_file
from actors.store.segment import segments_of
from actors.store.snapshots import SnapshotFiles, open_snapshots
from tests.actors.store.frames import KEY, frame_at, write_segment
from tests.actors.store.power import PowerDisk
from tests.actors.store.test_rewrite import NEW, OLD, blank
from tests.actors.store.test_snapshots import head_of, read, rows_of, write

FOLDER = Path("data/shard-0")
ARCHIVE_FOLDER = FOLDER / "archive"
SEEDS = range(6)


def cut_everywhere(
    prepare: Callable[[PowerDisk], None],
    work: Callable[[PowerDisk], object],
    check: Callable[[PowerDisk, bool], None],
) -> None:
    """Cut the power before each operation of a work, and right behind it, and look what is there.

    `check` is told whether the work came to its end.
    """
    done = False
    for operations in range(200):
        for seed in SEEDS:
            disk = PowerDisk()
            disk.make_folder(FOLDER)
            disk.make_folder(ARCHIVE_FOLDER)
            prepare(disk)
            disk.operations_left = operations
            done = True
            try:
                work(disk)
            except OSError:
                assert disk.operations_left == 0
                done = False
            check(disk.crash(Random(f"{operations}, {seed}")), done)
        if done:
            assert operations > 5
            return
    raise AssertionError("it does not come to an end")


def frames(disk: PowerDisk) -> list[Frame]:
    return list(read_history(FOLDER, KEY, None, disk))


def test_a_snapshot() -> None:
    def prepare(disk: PowerDisk) -> None:
        for position in (1, 2):
            write(open_snapshots(FOLDER, KEY, disk), 3, position, rows_of(position))

    def work(disk: PowerDisk) -> None:
        SnapshotFiles(FOLDER, KEY, disk).write(head_of(3, 3, 1_003), [rows_of(1_003)])

    def check(disk: PowerDisk, done: bool) -> None:  # noqa: FBT001
        snapshots = open_snapshots(FOLDER, KEY, disk)
        found = [head.position for head in snapshots.heads(3)]
        assert found in ([[3, 2], [3, 2, 1]] if done else [[2, 1], [3, 2, 1], [3, 2]])
        assert snapshots.faults() == []
        for head in snapshots.heads(3):
            assert read(snapshots, head) == rows_of(1_003 if head.position == 3 else head.position)

    cut_everywhere(prepare, work, check)


def test_a_snapshot_that_is_rewritten() -> None:
    def prepare(disk: PowerDisk) -> None:
        write(open_snapshots(FOLDER, KEY, disk), 3, 1, rows_of(20))

    def work(disk: PowerDisk) -> None:
        snapshots = SnapshotFiles(FOLDER, KEY, disk)
        assert snapshots.rewrite_snapshot(snapshots.heads(3)[0], lambda row: row.key == "k7")

    def check(disk: PowerDisk, done: bool) -> None:  # noqa: FBT001
        snapshots = open_snapshots(FOLDER, KEY, disk)
        (head,) = snapshots.heads(3)
        assert len(read(snapshots, head)) in ([19] if done else [19, 20])

    cut_everywhere(prepare, work, check)


def test_a_segment_that_goes_to_the_archive() -> None:
    def prepare(disk: PowerDisk) -> None:
        write_segment(FOLDER, KEY, [0], [1, 2], disk=disk)
        write_segment(FOLDER, KEY, [3], disk=disk)

    def work(disk: PowerDisk) -> None:
        archive_segment(segments_of(FOLDER, disk)[0], ARCHIVE_FOLDER, KEY, disk)

    def check(disk: PowerDisk, done: bool) -> None:  # noqa: FBT001
        assert frames(disk) == [frame_at(position) for position in range(4)]
        if done:
            assert len(archive_files(ARCHIVE_FOLDER, disk)) == 1
            assert len(segments_of(FOLDER, disk)) == 1

    cut_everywhere(prepare, work, check)


@pytest.mark.parametrize("kind", [LOG, ARCHIVE], ids=["segment", "archive"])
def test_a_file_that_is_rewritten(kind: bytes) -> None:
    def prepare(disk: PowerDisk) -> None:
        segment = write_segment(FOLDER, KEY, [0, 1], [2], [3, 4], disk=disk)
        write_segment(FOLDER, KEY, [5], disk=disk)
        if kind == ARCHIVE:
            archive_segment(segment, ARCHIVE_FOLDER, KEY, disk)

    def work(disk: PowerDisk) -> None:
        path = segments_of(FOLDER, disk)[0]
        if kind == ARCHIVE:
            path = archive_files(ARCHIVE_FOLDER, disk)[0].path
        assert rewrite_file(path, kind, KEY, disk, blank)

    def check(disk: PowerDisk, done: bool) -> None:  # noqa: FBT001
        assert frames(disk) in ([NEW] if done else [OLD, NEW])

    cut_everywhere(prepare, work, check)


def test_archive_files_that_are_removed() -> None:
    def prepare(disk: PowerDisk) -> None:
        for position in range(5):
            segment = write_segment(FOLDER, KEY, [position], disk=disk)
            archive_segment(segment, ARCHIVE_FOLDER, KEY, disk)

    def work(disk: PowerDisk) -> None:
        prune_archive(ARCHIVE_FOLDER, 1_014, 10, disk)

    def check(disk: PowerDisk, done: bool) -> None:  # noqa: FBT001
        first = first_position(FOLDER, disk)
        assert first in ([4] if done else range(5))
        assert frames(disk) == [frame_at(position) for position in range(first, 5)]

    cut_everywhere(prepare, work, check)
