"""What is kept may go by its age while it is read: the rest is read, or it is said what went."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from actors.errors import PrunedError
from actors.frame import Frame
from actors.kept.files import KeptFiles
from actors.relocation.chronicle import Chronicle
from actors.store.archive import ARCHIVE_FOLDER, ArchiveFile, archive_files, prune_archive
from actors.store.disk import RealDisk, RealFile
from actors.store.earlier import EARLIER
from actors.store.history import read_history
from actors.store.scan import Piece, scan_blocks
from actors.verify.files import verify_store
from actors.verify.finding import Counts, Finding
from engine.contacts.identity import partition_of
from tests.actors.made_store import MadeStore, made_store

CONTACT = "c-7"
Frames = Callable[[MadeStore], Iterator[Frame]]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> MadeStore:
    """A store of one shard with many files in its archive."""
    store = made_store(tmp_path_factory.mktemp("store"), encrypted=False)
    store.archive(len(store.segments()) - 1)
    return store


@pytest.fixture
def store(original: MadeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeStore:
    monkeypatch.setattr(RealFile, "sync", lambda *_, **__: None)
    monkeypatch.setattr(RealDisk, "sync_folder", lambda *_: None)
    store = MadeStore(tmp_path / "data", encrypted=False)
    shutil.rmtree(store.data)
    shutil.copytree(original.data, store.data)
    return store


@pytest.fixture
def moved(store: MadeStore, tmp_path: Path) -> MadeStore:
    """A new store in files, which was in Redis when it did what is in its archive of then."""
    new = MadeStore(tmp_path / "moved", encrypted=False)
    new.folder = new.data / EARLIER / "shard-0"
    shutil.copytree(store.folder / ARCHIVE_FOLDER, new.folder / ARCHIVE_FOLDER)
    return new


def files_of(store: MadeStore) -> list[ArchiveFile]:
    return archive_files(store.folder / ARCHIVE_FOLDER)


def prune(last: ArchiveFile) -> None:
    """Let files go by their age, up to this one."""
    prune_archive(last.path.parent, last.last_ms + 1, 0)


def prune_when(monkeypatch: pytest.MonkeyPatch, opened: ArchiveFile, last: ArchiveFile) -> None:
    """Let files up to `last` go right before `opened` is."""
    read = RealDisk.read

    def prune_and_read(disk: RealDisk, path: Path) -> BinaryIO:
        if path == opened.path:
            prune(last)
        return read(disk, path)

    monkeypatch.setattr(RealDisk, "read", prune_and_read)


def scan_when(monkeypatch: pytest.MonkeyPatch, scanned: ArchiveFile, last: ArchiveFile) -> None:
    """The same, right before a verification reads `scanned`."""

    def prune_and_scan(path: Path, kind: bytes, key: bytes | None) -> Iterator[Piece]:
        if path == scanned.path:
            prune(last)
        return scan_blocks(path, kind, key)

    monkeypatch.setattr("actors.verify.files.scan_blocks", prune_and_scan)


def of_the_archive(store: MadeStore) -> Iterator[Frame]:
    return read_history(store.folder, store.key)


def of_the_time_before_a_move(store: MadeStore) -> Iterator[Frame]:
    return Chronicle(slot=0, folder=store.folder, key=store.key).frames()


each_reader = pytest.mark.parametrize("read", [of_the_archive, of_the_time_before_a_move])


@each_reader
def test_what_goes_before_it_is_read_is_left_out_and_the_rest_is_read(
    store: MadeStore, monkeypatch: pytest.MonkeyPatch, read: Frames
) -> None:
    files = files_of(store)
    whole = list(read(store))
    assert whole[0].position == 0
    prune_when(monkeypatch, files[0], files[2])
    assert list(read(store)) == [each for each in whole if each.position >= files[3].first]
    assert [each.first for each in files_of(store)] == [each.first for each in files[3:]]


@each_reader
def test_a_file_that_is_read_goes_and_what_follows_is_read_too(
    store: MadeStore, read: Frames
) -> None:
    whole = list(read(store))
    frames = read(store)
    first = next(frames)
    prune(files_of(store)[0])
    assert [first, *frames] == whole


@each_reader
@pytest.mark.parametrize("last", [2, -1])
def test_a_hole_behind_what_was_read_is_no_silence_and_no_damage(
    store: MadeStore, monkeypatch: pytest.MonkeyPatch, read: Frames, last: int
) -> None:
    files = files_of(store)
    prune_when(monkeypatch, files[1], files[last])
    before: list[Frame] = []
    with pytest.raises(PrunedError, match=r"went by their age \(--keep\).*run it again"):
        before.extend(read(store))
    assert next(read(store)).position == files[last].next


@each_reader
def test_a_file_that_is_listed_and_never_there_is_an_error_and_no_endless_search(
    store: MadeStore, monkeypatch: pytest.MonkeyPatch, read: Frames
) -> None:
    real = RealDisk.read

    def missing(disk: RealDisk, path: Path) -> BinaryIO:
        if path.suffix == ".zst":
            raise FileNotFoundError(path)
        return real(disk, path)

    monkeypatch.setattr(RealDisk, "read", missing)
    with pytest.raises(FileNotFoundError):
        list(read(store))


def test_a_past_that_was_whole_when_it_was_asked_is_not_read_with_its_beginning_gone(
    store: MadeStore,
) -> None:
    kept = KeptFiles(store.data)
    number = partition_of(CONTACT)
    assert kept.is_whole(number)
    prune(files_of(store)[0])
    with pytest.raises(PrunedError, match="run it again"):
        list(kept.history(number))
    assert not KeptFiles(store.data).is_whole(number)


@pytest.mark.parametrize("last", [0, 2, -1])
def test_what_was_before_a_move_is_read_as_it_was_found_or_not_at_all(
    moved: MadeStore, last: int
) -> None:
    number = partition_of(CONTACT)
    kept = KeptFiles(moved.data)
    found = [frame for _, frame in kept.frames()]
    assert found == list(of_the_time_before_a_move(moved))
    assert list(kept.history(number))
    prune(files_of(moved)[last])
    for ask in (kept.frames, lambda: kept.history(number)):
        with pytest.raises(PrunedError, match="run it again"):
            list(ask())
    anew = KeptFiles(moved.data)
    left = [frame for _, frame in anew.frames()]
    assert left == found[len(found) - len(left) :] != found


def test_a_verification_reads_what_is_left_and_takes_nothing_for_damage(
    store: MadeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(store)
    scan_when(monkeypatch, files[0], files[1])
    findings = list(verify_store(store.data, store.key, Counts(), lambda _: None))
    assert [each for each in findings if each.damage] == []
    assert files_of(store) == files[2:]


@pytest.mark.parametrize("when", ["scan", "fold"])
def test_a_verification_says_where_what_it_read_or_folds_again_went(
    store: MadeStore, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    files = files_of(store)
    if when == "scan":
        scan_when(monkeypatch, files[1], files[2])
    else:
        prune_when(monkeypatch, files[0], files[2])
    findings: list[Finding] = []
    with pytest.raises(PrunedError, match="run it again"):
        findings.extend(verify_store(store.data, store.key, Counts(), lambda _: None))
    assert findings == []
