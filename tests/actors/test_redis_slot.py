"""A slot in Redis as a whole: what its log releases is in the archive, readable by all there is."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from actors.errors import OperatorError
from actors.frame import Frame, encode_frame
from actors.redis_slot import RedisStore, archive_place, open_redis_slot
from actors.settings import RedisSettings
from actors.store import redis_log
from actors.store.archive import archive_files
from actors.store.archive_place import open_archive
from actors.store.history import read_history
from actors.store.newfile import NewFile
from actors.store.port import FencedError, StoreFullError
from actors.store.redis_log import RedisLog
from tests.actors.store.frames import KEY, frame_at

_names = itertools.count()


@pytest.fixture(params=["folder", "memory"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL of an archive that nobody has used."""
    if request.param == "folder":
        return str(tmp_path / "archive")
    return f"memory://archive-{next(_names)}"


@pytest.fixture
def opened(redis_settings: RedisSettings, archive: str) -> Iterator[Callable[..., RedisLog]]:
    slots: list[RedisStore] = []

    def opens(now_ms: int = 0) -> RedisLog:
        slots.append(
            open_redis_slot(redis_settings, 1, KEY, 1_000, lambda: now_ms, archive=archive)
        )
        return slots[-1].log

    yield opens
    for each in slots:
        each.close()


def append(log: RedisLog, *sizes: int) -> list[Frame]:
    frames = []
    for size in sizes:
        frames.append(frame_at(log.position, size))
        log.append(log.position, [encode_frame(frames[-1])])
    return frames


def archived(archive: str) -> list[Frame]:
    disk, folder = archive_place(archive, 1)
    return list(read_history(folder.parent, KEY, disk=disk))


def test_what_a_log_releases_is_in_its_archive_as_it_was(
    opened: Callable[..., RedisLog], archive: str
) -> None:
    log = opened()
    frames = append(log, 1, 2, 3)
    log.release(3)
    assert archived(archive) == frames[:2]
    assert list(log.frames(3)) == frames[2:]
    frames += append(log, 1, 1)
    log.release(8)
    assert archived(archive) == frames
    assert log.size_bytes == 0
    disk, folder = archive_place(archive, 1)
    names = [file.path.name for file in archive_files(folder, disk)]
    assert names == [f"archive-{0:020}-{3:020}-1002.zst", f"archive-{3:020}-{8:020}-1007.zst"]
    assert disk.names(folder) == names


def test_a_release_goes_by_files_of_a_bounded_size(
    opened: Callable[..., RedisLog], archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_log, "RELEASE_BYTES", 300)
    log = opened()
    frames = append(log, *[1] * 20)
    log.release(20)
    disk, folder = archive_place(archive, 1)
    files = archive_files(folder, disk)
    assert len(files) >= 4
    assert [file.first for file in files[1:]] == [file.next for file in files[:-1]]
    assert archived(archive) == frames


def test_a_crash_before_the_log_is_cut_leaves_each_frame_in_the_history_once(
    opened: Callable[..., RedisLog], archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened()
    frames = append(log, 1, 2, 3)

    def crash(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(log._reader_server, "call", crash)
    with pytest.raises(ZeroDivisionError):
        log.release(3)
    monkeypatch.undo()
    assert archived(archive) == frames[:2]
    assert list(log.frames()) == frames
    log = opened()
    log.release(6)
    assert archived(archive) == frames
    disk, folder = archive_place(archive, 1)
    assert [(file.first, file.next) for file in archive_files(folder, disk)] == [(0, 6)]


def test_who_no_longer_owns_the_slot_cuts_nothing(
    opened: Callable[..., RedisLog], archive: str
) -> None:
    zombie = opened()
    frames = append(zombie, 1, 2)
    log = opened()
    with pytest.raises(FencedError):
        zombie.release(3)
    assert list(log.frames()) == frames
    log.release(3)
    assert archived(archive) == frames


def test_what_is_not_in_the_archive_stays_in_the_log(
    opened: Callable[..., RedisLog], archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened()
    frames = append(log, 1, 2)

    def full(*_: object, **__: object) -> None:
        raise StoreFullError("there is no space")

    monkeypatch.setattr(NewFile, "finish", full)
    with pytest.raises(StoreFullError):
        log.release(3)
    assert list(log.frames()) == frames
    monkeypatch.undo()
    disk, folder = archive_place(archive, 1)
    assert disk.names(folder) == []


def test_the_archive_lets_go_what_is_too_old(opened: Callable[..., RedisLog], archive: str) -> None:
    log = opened(now_ms=2_001)
    frames = append(log, 1)
    log.release(1)
    frames += append(log, 1)
    log.release(2)
    assert archived(archive) == frames[1:]


def test_storage_keeps_nothing_under_its_name_that_is_not_whole() -> None:
    disk, root = open_archive("memory://whole")
    path = root / "file"
    file = disk.create(root / "file.new")
    file.write(b"all of", 0)
    assert disk.names(root) == []
    file.write(b" it", 6)
    file.sync()
    disk.rename(root / "file.new", path)
    assert disk.names(root) == ["file"]
    with disk.read(path) as read:
        assert read.read() == b"all of it"
    assert disk.size(path) == 9
    disk.remove(path)
    disk.remove(path)
    assert disk.names(root) == []
    with pytest.raises(FileNotFoundError):
        disk.rename(root / "file.new", path)
    with pytest.raises(OSError, match="only takes whole files"):
        disk.open(path)


@pytest.mark.parametrize("url", ["/var/anlass", "file:///var/anlass"])
def test_a_folder_is_a_folder_however_it_is_named(url: str) -> None:
    assert open_archive(url)[1] == Path("/var/anlass")


def test_storage_that_nothing_here_can_read_is_named() -> None:
    with pytest.raises(OperatorError, match="--archive gopher://x cannot be used"):
        open_archive("gopher://x")
    assert "memory" in fsspec.available_protocols()
