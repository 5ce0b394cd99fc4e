"""The log in files keeps the contract, on a real disk and on one in memory, sealed and open."""

import errno
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.errors import LogCorruptError, OperatorError
from actors.frame import Frame, encode_frame
from actors.store.block import HEADER
from actors.store.disk import REAL_DISK, Disk, DiskFile, RealDisk, RealFile
from actors.store.lock import FileLock, take_lock
from actors.store.log import Archive, FileLog, open_log, read_log
from actors.store.port import Log, StoreFullError
from actors.store.segment import position_of, segment_name, segments_of
from tests.actors.store.contract import LogContract, LogPlace, append, frame_at, positions
from tests.actors.store.power import SMALL, NoLock, PowerDisk

KEY = bytes(range(32))


class FilePlace:
    """A folder, see LogPlace."""

    def __init__(self, folder: Path, key: bytes | None, disk: Disk) -> None:
        self.folder = folder
        self.key = key
        self.disk = disk
        self.lock: FileLock | NoLock | None = None
        self.archived: list[Path] = []

    def open(self) -> Log:
        if self.disk is not REAL_DISK:
            if isinstance(self.lock, NoLock) and self.lock.held:
                raise OperatorError("in use")
            self.lock = NoLock()
        else:
            self.disk.make_folder(self.folder)
            self.lock = take_lock(self.folder / "lock")
        return open_log(
            self.folder,
            self.key,
            self.disk,
            lock=self.lock,
            archive=Archive(self.archive),
            sizes=SMALL,
        )

    def archive(self, segment: Path) -> None:
        self.archived.append(segment)
        self.disk.remove(segment)

    def crash(self, log: Log) -> None:
        assert self.lock is not None
        self.lock.release()

    def tear(self) -> None:
        path = segments_of(self.folder, self.disk)[-1]
        file = self.disk.open(path)
        with self.disk.read(path) as reader:
            end = len(reader.read().rstrip(b"\0"))
        file.write(bytes(9), end - 9)
        file.sync()
        file.close()

    def corrupt(self, position: int) -> str:
        begin = position // 6 * 6
        (path,) = (p for p in segments_of(self.folder, self.disk) if position_of(p) == begin)
        with self.disk.read(path) as reader:
            data = reader.read()
        block_bytes = (len(data) - HEADER.size) // 3
        offset = HEADER.size + (position - begin) // 2 * block_bytes
        file = self.disk.open(path)
        file.write(bytes([data[offset + 20] ^ 4]), offset + 20)
        file.sync()
        file.close()
        return re.escape(f"{path} is damaged at byte {offset}; restore it from a copy")

    def lose(self, position: int) -> str:
        paths = segments_of(self.folder, self.disk)
        begins = [position_of(path) for path in paths]
        at = begins.index(position)
        self.disk.remove(paths[at])
        return re.escape(f"{paths[at + 1]} goes on at position {begins[at + 1]}, not {position}")


class TestFileLog(LogContract):
    @pytest.fixture(params=["real", "real, sealed", "memory", "memory, sealed"])
    def place(self, tmp_path: Path, request: pytest.FixtureRequest) -> LogPlace:
        disk = REAL_DISK if request.param.startswith("real") else PowerDisk()
        return FilePlace(tmp_path, KEY if "sealed" in request.param else None, disk)


def write(folder: Path, *sizes: int, position: int = 0, key: bytes | None = None) -> int:
    log = open_log(folder, key, sizes=SMALL)
    end = append(log, *sizes, position=position)
    log.close()
    return end


def test_a_segment_is_named_by_position_and_epoch(tmp_path: Path) -> None:
    write(tmp_path, 3, position=write(tmp_path, 7))
    names = ["log-00000000000000000000-000001.seg", "log-00000000000000000007-000002.seg"]
    assert [path.name for path in segments_of(tmp_path)] == names


def test_reading_from_a_position_opens_no_segment_before_it(tmp_path: Path) -> None:
    end = 0
    for _ in range(3):
        end = write(tmp_path, 2, 2, position=end)
    for path in segments_of(tmp_path)[:2]:
        path.write_bytes(b"nothing that can be read")
    log = open_log(tmp_path)
    assert positions(log, 9) == [8, 10]
    with pytest.raises(LogCorruptError):
        positions(log, 7)
    log.close()


def test_a_torn_tail_is_an_error_in_any_but_the_last_segment(tmp_path: Path) -> None:
    write(tmp_path, 2, position=write(tmp_path, 2, 2))
    first = segments_of(tmp_path)[0]
    os.truncate(first, first.stat().st_size - 3)
    log = open_log(tmp_path)
    with pytest.raises(LogCorruptError, match=f"{first.name} is damaged at byte"):
        positions(log)
    log.close()
    with pytest.raises(LogCorruptError, match="is damaged at byte"):
        list(read_log(tmp_path))


def test_a_segment_under_another_name_is_found_out(tmp_path: Path) -> None:
    write(tmp_path, 2, 2)
    (path,) = segments_of(tmp_path)
    path.rename(tmp_path / segment_name(1, 1))
    with pytest.raises(LogCorruptError, match="goes on at position 0, not 1"):
        list(read_log(tmp_path))


def test_a_later_segment_under_another_name_is_found_out(tmp_path: Path) -> None:
    write(tmp_path, 2, position=write(tmp_path, 2))
    segments_of(tmp_path)[1].rename(tmp_path / segment_name(3, 2))
    with pytest.raises(LogCorruptError, match="goes on at position 3, not 2"):
        list(read_log(tmp_path))


def test_another_key_reads_nothing(tmp_path: Path) -> None:
    write(tmp_path, 2, 2, key=KEY)
    with pytest.raises(LogCorruptError, match="sealed with another key, or changed"):
        list(read_log(tmp_path, bytes(32)))
    with pytest.raises(OperatorError, match="is encrypted; name the store's key"):
        list(read_log(tmp_path))
    assert len(list(read_log(tmp_path, KEY))) == 2


def test_released_segments_go_to_the_archive_whole_and_in_order(tmp_path: Path) -> None:
    place = FilePlace(tmp_path, None, REAL_DISK)
    end = 0
    for _ in range(4):
        log = place.open()
        end = append(log, 3, position=end)
        log.close()
    log = place.open()
    size = log.size_bytes
    log.release(5)
    assert [position_of(path) for path in place.archived] == [0]
    assert log.size_bytes == size * 3 // 4
    log.release(11)
    assert [position_of(path) for path in place.archived] == [0, 3, 6]
    with pytest.raises(LogCorruptError, match="is the log's first, but position 8 is needed"):
        positions(log, 8)
    log.release(end)
    assert len(place.archived) == 3, "the last one stays"
    assert [frame.position for frame in read_log(tmp_path)] == [9]
    log.close()


def test_nothing_is_archived_while_closed_segments_are_held(tmp_path: Path) -> None:
    archived: list[Path] = []
    log = open_log(tmp_path, archive=Archive(archived.append))
    append(log, 3, 3)
    with log.closed() as segments:
        append(log, 3, position=6)
        releasing = threading.Thread(target=log.release, args=[6])
        releasing.start()
        releasing.join(0.2)
        assert archived == []
    releasing.join(20)
    assert archived == segments
    log.close()


def test_a_segment_whose_archive_fails_stays(tmp_path: Path) -> None:
    def fail(segment: Path) -> None:
        raise OSError(errno.ENOSPC, "no space")

    write(tmp_path, 3, position=write(tmp_path, 3))
    log = open_log(tmp_path, archive=Archive(fail))
    with pytest.raises(OSError, match="no space"):
        log.release(6)
    assert positions(log) == [0, 3]
    log.close()


def test_without_an_archive_nothing_goes(tmp_path: Path) -> None:
    write(tmp_path, 3, position=write(tmp_path, 3))
    log = open_log(tmp_path)
    log.release(6)
    assert positions(log) == [0, 3]
    log.close()


class Limited(RealDisk):
    """A disk with so many bytes left for its files to grow by."""

    def __init__(self, left: int) -> None:
        self.left = left

    def create(self, path: Path) -> DiskFile:
        return LimitedFile(self, super().create(path))

    def open(self, path: Path) -> DiskFile:
        return LimitedFile(self, super().open(path))

    def remove(self, path: Path) -> None:
        if path.exists():
            self.left += path.stat().st_size
        super().remove(path)


class LimitedFile:
    def __init__(self, disk: Limited, file: DiskFile) -> None:
        assert isinstance(file, RealFile)
        self._disk = disk
        self._file = file
        self.sync, self.close = file.sync, file.close

    @property
    def size(self) -> int:
        return self._file.size

    def cut(self, size: int) -> None:
        self._disk.left += self.size - size
        self._file.cut(size)

    def write(self, data: bytes, offset: int) -> None:
        fits = self._disk.left + self.size - offset
        self._disk.left -= max(offset + len(data) - self.size, 0)
        if fits < len(data):
            self._file.write(data[: max(fits, 0)], offset)
            self._disk.left = 0
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._file.write(data, offset)


def fill_up_and_go_on(folder: Path, disk: Disk, make_space) -> None:
    """Append until the disk is full, at any byte; the same goes on with space, nothing is lost."""
    log = open_log(folder, KEY, disk, sizes=SMALL)
    end, refused = 0, 0
    expected: list[Frame] = []
    while end < 600:
        frame = frame_at(end, 1 + end % 40)
        try:
            log.append(end, [encode_frame(frame)])
        except StoreFullError:
            assert list(read_log(folder, KEY)) == expected
            refused += 1
            if refused % 2 == 0:
                make_space()
            continue
        expected.append(frame)
        end += len(frame.records)
    assert refused >= 2
    assert list(log.frames()) == expected
    salts = [path.read_bytes()[: HEADER.size] for path in segments_of(folder)]
    assert len(set(salts)) == len(salts) > 2, "a segment after each failure, each with its salt"
    log.close()
    make_space()
    again = open_log(folder, KEY, disk)
    assert list(again.frames()) == expected
    again.close()


@pytest.mark.parametrize("left", range(600, 3_000, 173))
def test_a_full_disk_is_waited_for_at_whatever_byte_it_is_full(tmp_path: Path, left: int) -> None:
    disk = Limited(left)

    def make_space() -> None:
        disk.left += 1_500

    fill_up_and_go_on(tmp_path, disk, make_space)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"there is no mount: {error}")
    if mounted.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_file_system_is_waited_for(tiny: Path) -> None:
    ballast = [tiny / f"ballast-{number}" for number in range(16)]
    for path in ballast[:13]:
        path.write_bytes(bytes(4096))

    def make_space() -> None:
        ballast.pop(0).unlink()

    fill_up_and_go_on(tiny, REAL_DISK, make_space)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_is_full_by_its_size_or_by_a_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    log = open_log(tmp_path, sizes=SMALL)
    append(log, 1)

    def fail(*_: object) -> int:
        raise OSError(number, "full")

    monkeypatch.setattr("os.pwrite", fail)
    for _ in range(2):  # The first try fails in the segment, the other when it makes another one.
        with pytest.raises(StoreFullError, match="make space"):
            append(log, 1, position=1)
    monkeypatch.undo()
    append(log, 1, position=1)
    assert positions(log) == [0, 1]
    log.close()


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
def test_any_other_error_of_a_write_is_no_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    log = open_log(tmp_path, sizes=SMALL)
    append(log, 1)

    def fail(*_: object) -> int:
        raise OSError(number, "broken")

    monkeypatch.setattr("os.pwrite", fail)
    with pytest.raises(OSError, match="broken"):
        append(log, 1, position=1)
    monkeypatch.undo()
    log.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_any_error_of_a_sync_is_fatal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Also one that says there is no space: nobody knows what is durable then."""
    log = open_log(tmp_path, sizes=SMALL)
    append(log, 1)

    def fail(_: int) -> None:
        raise OSError(number, "not synced")

    monkeypatch.setattr("os.fdatasync", fail)
    with pytest.raises(OSError, match="not synced"):
        append(log, 1, position=1)
    monkeypatch.undo()
    log.close()


def test_a_log_is_not_opened_on_a_full_disk_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is on a full disk, or its quota is used up; make"):
        open_log(tmp_path, None, Limited(0))


def test_a_log_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    """Space filled ahead and segments that begin do not look like damage."""
    log: FileLog = open_log(tmp_path, KEY, sizes=SMALL)
    end = 0
    for _ in range(60):
        end = append(log, 9, position=end)
        assert [frame.position for frame in read_log(tmp_path, KEY)] == list(range(0, end, 9))
    assert len(segments_of(tmp_path)) > 2
    log.close()
