"""A store that was moved to Redis, or back, goes on as one that never was."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from copy import copy
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.control.roster import decode_roster
from actors.errors import OperatorError
from actors.frame import EventRecord
from actors.map import shard_of
from actors.publications import PublicationNote
from actors.relocation import files as relocation_files
from actors.relocation import redis as relocation_redis
from actors.relocation import relocation
from actors.relocation.chronicle import earlier_chronicles
from actors.relocation.ledger import Ledger
from actors.relocation.relocation import (
    STEPS,
    Places,
    Relocated,
    move_to_files,
    move_to_redis,
)
from actors.settings import RedisSettings
from actors.slot_files import SlotFiles
from actors.store.disk import REAL_DISK
from actors.store.erased import Erasure, ErasureNotes
from actors.store.keyfile import KEY_FILE
from actors.store.log import open_log
from actors.store.manifest import open_store, read_store, shard_folder
from actors.store.port import Row, SnapshotHead
from actors.store.published import PublishedFiles
from actors.store.redis_map import RedisMap
from actors.store.redis_published import PublishedRedis
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from actors.store.redis_store import open_redis_store
from actors.store.snapshots import SnapshotFiles
from actors.verify.files import verify_store
from actors.verify.finding import Counts
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.input import Verdict
from tests.actors.made_store import CONTACTS, MadeStore, made_store, no_power_cut
from tests.actors.opened_store import Store
from tests.actors.shards.test_eraser import everything

NOTE = PublicationNote(number=1, at_ms=5, by="ada", what="publish", digest="d")


@pytest.fixture(autouse=True)
def unsynced() -> Iterator[None]:
    with no_power_cut():
        yield


@pytest.fixture
def opens() -> Iterator[Store]:
    with ExitStack() as stack:
        yield Store(stack)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> MadeStore:
    store = made_store(tmp_path_factory.mktemp("template") / "made")
    PublishedFiles(store.data, store.key).add(NOTE, b"source")
    return store


@pytest.fixture
def made(template: MadeStore, tmp_path: Path) -> MadeStore:
    """A store of the test's own; its shard is for all tests, to read."""
    store = copy(template)
    store.data = tmp_path / "made"
    store.folder = shard_folder(store.data, 0)
    shutil.copytree(template.data, store.data)
    return store


@pytest.fixture
def places(made: MadeStore, quick_redis_settings: RedisSettings, tmp_path: Path) -> Places:
    archive = str(tmp_path / "archive")
    return Places(data=made.data, redis=quick_redis_settings, archive=archive)


def to_redis(places: Places) -> Relocated:
    steps: list[int] = []
    moved = move_to_redis(places, steps.append)
    assert sum(steps) == STEPS
    return moved


def to_files(places: Places, data: Path, **options: Any) -> Relocated:
    data.mkdir()
    shutil.copy(places.data / KEY_FILE, data / KEY_FILE)
    steps: list[int] = []
    back = Places(data=data, redis=places.redis, archive=places.archive)
    moved = move_to_files(back, steps.append, **options)
    assert sum(steps) == STEPS
    return moved


@pytest.mark.parametrize("shards", [0, 3])
def test_a_store_moved_there_and_back_is_as_one_that_never_was(
    places: Places, made: MadeStore, opens: Store, tmp_path: Path, shards: int
) -> None:
    stayed = tmp_path / "stayed"
    shutil.copytree(made.data, stayed)
    control = opens.files(stayed)
    moved = to_redis(places)
    assert moved.contacts == CONTACTS
    assert moved.records == made.shard.position
    there = opens.in_redis(places, made.key)
    assert there.states() == control.states()
    again = range(700, 760)  # Of these some were taken before the move.
    verdicts = control.play(again)
    assert {Verdict.REPEAT, Verdict.APPLIED} <= set(verdicts)
    assert there.play(again) == verdicts
    assert there.states() == control.states()
    back = tmp_path / "back"
    returned = to_files(places, back, shards=shards)
    assert returned.shards == (shards or 1)
    assert returned.same_logs == (shards != 3)
    here = opens.files(back)
    assert here.states() == control.states()
    more = range(750, 800)
    assert here.play(more) == control.play(more)
    assert here.states() == control.states()
    assert PublishedFiles(back, made.key).notes() == [NOTE]
    assert PublishedFiles(back, made.key).source(1) == b"source"
    findings = list(verify_store(back, made.key, Counts(), lambda _: None))
    assert [each for each in findings if each.damage] == []


def test_a_cluster_finds_its_slots_and_begins_none_twice(places: Places, made: MadeStore) -> None:
    to_redis(places)
    server = RedisServer(places.redis)
    told = RedisMap(server).read()
    roster = decode_roster(told.document)
    assert roster is not None
    assert set(told.owners) == {0} == set(roster.holders)
    assert (roster.next_slot, roster.wanted, roster.posts) == (1, 1, {})
    assert open_redis_store(server, 5, "events", encrypted=None, key=made.key).shards == 1
    assert PublishedRedis(server, made.key).source(1) == b"source"
    server.close()


def test_what_was_before_the_move_stays_readable(
    places: Places, made: MadeStore, opens: Store, tmp_path: Path
) -> None:
    to_redis(places)
    there = opens.in_redis(places, made.key)
    there.play(range(730, 740))
    back = tmp_path / "back"
    to_files(places, back, shards=2)
    (history,) = earlier_chronicles(back, made.key)
    events = [
        record.event.id
        for frame in history.frames()
        for record in frame.records
        if isinstance(record, EventRecord)
    ]
    assert events == [f"e-{number}" for number in [*range(1, 721), *range(730, 740)]]
    second = Places(data=back, redis=_other(places.redis), archive=str(tmp_path / "archive-2"))
    to_redis(second)
    server = RedisServer(second.redis)
    assert set(RedisMap(server).read().owners) == {1, 2}  # 0 has a history already.
    server.close()
    third = tmp_path / "third"
    to_files(second, third)
    assert [each.slot for each in earlier_chronicles(third, made.key)] == [0, 1, 2]


def _other(settings: RedisSettings) -> RedisSettings:
    return replace(settings, prefix=f"{settings.prefix}-other")


PLACES: list[tuple[Any, str]] = [
    (relocation_redis.RedisTarget, "take"),
    (relocation_redis.RedisTarget, "finish"),
]
BACK: list[tuple[Any, str]] = [
    (relocation_files.FilesTarget, "take"),
    (relocation_files.FilesTarget, "finish"),
]


def crash_after(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    whole: Callable[..., Any] = getattr(owner, name)

    def crashing(*args: Any, **kwargs: Any) -> None:
        if name != "finish":
            whole(*args, **kwargs)
        raise ZeroDivisionError

    monkeypatch.setattr(owner, name, crashing)


@pytest.mark.parametrize(("owner", "name"), PLACES)
def test_a_move_that_broke_off_is_no_store_and_begins_anew(
    places: Places, made: MadeStore, opens: Store, monkeypatch: pytest.MonkeyPatch, owner, name
) -> None:
    crash_after(monkeypatch, owner, name)
    with pytest.raises(ZeroDivisionError):
        move_to_redis(places, lambda _: None)
    monkeypatch.undo()
    server = RedisServer(places.redis)
    with pytest.raises(OperatorError, match="half of a store"):
        open_redis_store(server, 1, "events", encrypted=None, key=made.key)
    server.close()
    assert read_store(made.data).shards == 1
    to_redis(places)
    noted = Ledger()
    noted.note(made.shard)
    shard, _, _ = opens.in_redis(places, made.key).shards[0]
    assert noted.differences(shard) == []


@pytest.mark.parametrize(("owner", "name"), BACK)
def test_a_way_back_that_broke_off_begins_anew(
    places: Places, made: MadeStore, opens: Store, tmp_path: Path, monkeypatch, owner, name
) -> None:
    to_redis(places)
    states = opens.in_redis(places, made.key).states()
    back = Places(data=tmp_path / "back", redis=places.redis, archive=places.archive)
    back.data.mkdir()
    shutil.copy(made.data / KEY_FILE, back.data / KEY_FILE)
    crash_after(monkeypatch, owner, name)
    with pytest.raises(ZeroDivisionError):
        move_to_files(back, lambda _: None, shards=2)
    monkeypatch.undo()
    with pytest.raises(OperatorError, match="half of a store"):
        open_store(back.data, 2, "events")
    move_to_files(back, lambda _: None, shards=2)
    assert opens.files(back.data).states() == states


def test_what_holds_a_store_is_not_written_over(
    places: Places, made: MadeStore, tmp_path: Path
) -> None:
    other = made_store(tmp_path / "other", encrypted=False)
    to_redis(places)
    with pytest.raises(OperatorError, match="holds a store under"):
        move_to_redis(Places(data=other.data, redis=places.redis, archive="x"), lambda _: None)
    full = Places(data=other.data, redis=_other(places.redis), archive=places.archive)
    with pytest.raises(OperatorError, match="holds slot 0 of a store already"):
        move_to_redis(full, lambda _: None)
    into = Places(
        data=other.data, redis=places.redis, archive=places.archive, key_file=made.data / KEY_FILE
    )
    with pytest.raises(OperatorError, match="holds a store already"):
        move_to_files(into, lambda _: None)


def test_a_store_that_was_moved_is_not_started(
    places: Places, made: MadeStore, tmp_path: Path
) -> None:
    to_redis(places)
    with pytest.raises(OperatorError, match=r"was moved to Redis; start with --redis"):
        open_store(made.data, None, "events")
    to_files(places, tmp_path / "back")
    server = RedisServer(places.redis)
    with pytest.raises(OperatorError, match=r"was moved to files; start without --redis"):
        open_redis_store(server, 1, "events", encrypted=None, key=made.key)
    server.close()


def test_a_store_that_runs_is_not_moved(places: Places, made: MadeStore, tmp_path: Path) -> None:
    with relocation._held(made.data), pytest.raises(OperatorError, match="in use by process"):
        move_to_redis(places, lambda _: None)
    to_redis(places)
    server = RedisServer(places.redis)
    told = RedisMap(server).read()
    document = told.document.replace(
        b'"posts":{}', b'"posts":{"shard-0":{"node":"","generation":0,"home":0}}'
    )
    RedisMap(server).change(told.version, document=document)
    server.close()
    with pytest.raises(OperatorError, match="`anlass stop`"):
        to_files(places, tmp_path / "back")
    to_files(places, tmp_path / "back-2", dead=True)


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_copy_that_is_another_does_not_count(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way != "there":
        to_redis(places)
    for kind in (RedisSnapshots, SnapshotFiles):
        monkeypatch.setattr(kind, "write", without_last_row(kind.write))
    moves = {
        "there": lambda: to_redis(places),
        "back": lambda: to_files(places, tmp_path / "back", shards=2),
    }
    with pytest.raises(OperatorError, match=r"is not the one that was: partition \d+: `contacts`"):
        moves[way]()


def without_last_row(write: Callable[..., None]) -> Callable[..., None]:
    def writes(self: Any, head: SnapshotHead, rows: Iterable[list[Row]]) -> None:
        kept = [row for each in rows for row in each][:-1]
        write(self, replace(head, rows=len(kept)), [kept])

    return writes


def test_who_was_to_be_erased_is_in_no_copy(
    places: Places, made: MadeStore, tmp_path: Path
) -> None:
    digest = digest_of("c-7")
    position = made.shard.position
    with closing(open_log(made.folder, made.key)) as log:
        SlotFiles(made.folder, log=log, key=made.key).notes.add(
            Erasure(
                digest=digest,
                partition=partition_of("c-7"),
                position=position - 1,
                keep_out_ms=0,
            )
        )
    to_redis(places)
    to_files(places, tmp_path / "back", shards=2)
    (history,) = earlier_chronicles(tmp_path / "back", made.key)
    left = [
        record.event.contact
        for frame in history.frames()
        for record in frame.records
        if isinstance(record, EventRecord)
    ]
    assert "c-8" in left
    assert "c-7" not in left


def test_who_was_to_be_erased_is_not_taken_along_from_earlier_either(
    places: Places, made: MadeStore, tmp_path: Path
) -> None:
    to_redis(places)
    back = tmp_path / "back"
    to_files(places, back, shards=2)
    number = partition_of("c-7")
    folder = shard_folder(back, shard_of(number, 2))
    erasure = Erasure(digest=digest_of("c-7"), partition=number, position=2, keep_out_ms=0)
    ErasureNotes(folder, REAL_DISK).add(erasure)
    archive = str(tmp_path / "archive-2")
    to_redis(Places(data=back, redis=_other(places.redis), archive=archive))
    left = everything(tmp_path / "archive-2", made.key)
    assert b"\xa3c-8" in left
    assert b"\xa3c-7" not in left
