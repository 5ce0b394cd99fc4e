"""What a store in files keeps of its time in Redis goes by its age, and erased contacts from it."""

import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from actors.erasure import contact_of
from actors.relocation.chronicle import earlier_chronicles
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.archive import ARCHIVE_FOLDER, archive_files
from actors.store.disk import REAL_DISK, RealDisk, RealFile
from actors.store.earlier import (
    EARLIER,
    earlier_bytes,
    earlier_folders,
    held_earlier,
    prune_earlier,
)
from actors.store.erased import Erasure
from actors.store.manifest import shard_folder
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from tests.actors.made_store import MadeStore, made_store
from tests.actors.shards.test_eraser import everything

ERASED, OTHER = "c-7", "c-8"
ALL_MS = 1 << 60


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeStore:
    """A store of one shard, and archives of two slots of the time when it was in Redis."""
    monkeypatch.setattr(RealFile, "sync", lambda *_, **__: None)
    monkeypatch.setattr(RealDisk, "sync_folder", lambda *_: None)
    before, store = made_store(tmp_path / "before"), MadeStore(tmp_path / "after")
    before.archive(len(before.segments()) - 1)
    for slot in (0, 3):
        folder = store.data / EARLIER / f"shard-{slot}" / ARCHIVE_FOLDER
        shutil.copytree(before.folder / ARCHIVE_FOLDER, folder)
    shutil.copy(before.data / "store.key", store.data / "store.key")
    store.key = before.key
    return store


def contacts(store: MadeStore) -> set[str | None]:
    chronicles = earlier_chronicles(store.data, store.key)
    assert [each.slot for each in chronicles] == [0, 3]
    frames = [frame for each in chronicles for frame in each.frames()]
    told = {contact_of(record) for frame in frames for record in frame.records}
    return told | {each.contact for frame in frames for each in frame.outcomes}


def erase(store: MadeStore, contact: str, pause: Callable[[], None] = lambda: None) -> int:
    """Erase a contact as its shard does; return how many files changed."""
    log, snapshots = open_slot(store.folder, store.key, ALL_MS, lambda: 0)
    erasure = Erasure(
        digest=digest_of(contact), partition=partition_of(contact), position=1, keep_out_ms=0
    )
    with closing(log):
        files = SlotFiles(store.folder, log=log, snapshots=snapshots, key=store.key)
        return files.erase([erasure], pause).files


def last_moments(store: MadeStore) -> dict[int, list[int]]:
    folders = earlier_folders(store.data)
    return {
        slot: [each.last_ms for each in archive_files(folder / ARCHIVE_FOLDER)]
        for slot, folder in folders.items()
    }


def test_an_erased_contact_leaves_no_trace_in_any_slot_of_before(store: MadeStore) -> None:
    folders = earlier_folders(store.data)
    left = folders[3] / ARCHIVE_FOLDER / "archive-00000000000000000000.new"
    left.write_bytes(b"half of a file, where a process died")
    assert {ERASED, OTHER} <= contacts(store)
    said = b"\xa3" + ERASED.encode()  # As msgpack has it: c-70 is another.
    assert said in everything(store.data / EARLIER, store.key)
    assert erase(store, ERASED) > 2
    assert OTHER in contacts(store)
    assert ERASED not in contacts(store)
    assert said not in everything(store.data / EARLIER, store.key)
    assert not left.exists()
    assert erase(store, ERASED) == 0, "to do it again changes nothing"


def test_two_that_erase_at_once_lose_nothing_of_what_the_other_did(store: MadeStore) -> None:
    tries = []

    def pause() -> None:
        tries.append(1)
        raise InterruptedError("the shard stops")

    with held_earlier(store.data, REAL_DISK) as folders:
        assert len(folders) == 2
        with pytest.raises(InterruptedError):
            erase(store, ERASED, pause)
        assert ERASED in contacts(store)
        waiting = threading.Thread(target=erase, args=(store, ERASED))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        assert ERASED in contacts(store)
    waiting.join(30)
    assert tries == [1]
    assert ERASED not in contacts(store)


def test_what_is_older_than_is_kept_goes_unless_it_is_being_rewritten(store: MadeStore) -> None:
    moments = last_moments(store)[0]
    assert len(moments) > 3
    size = earlier_bytes(store.data)
    now_ms = moments[-1]
    with held_earlier(store.data, REAL_DISK):
        prune_earlier(store.data, now_ms, now_ms - moments[1])
    assert last_moments(store) == {0: moments, 3: moments}
    log, _ = open_slot(shard_folder(store.data, 0), store.key, now_ms - moments[1], lambda: now_ms)
    with closing(log):
        log.release(0)
    assert last_moments(store) == {0: moments[1:], 3: moments[1:]}
    assert earlier_bytes(store.data) < size
    prune_earlier(store.data, now_ms + 1, 0)
    assert earlier_bytes(store.data) == 0


def test_a_store_that_never_was_in_redis_has_nothing_of_it(tmp_path: Path) -> None:
    prune_earlier(tmp_path, 1, 0)
    with held_earlier(tmp_path, REAL_DISK) as folders:
        assert folders == []
    assert earlier_bytes(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []
