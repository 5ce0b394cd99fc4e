"""Relocation: a stopped store goes from files to Redis, or from Redis to files, as a whole.

The source is recovered as by a start, and each partition written as a snapshot into the target; the
history goes to the target's archive. Then the target is recovered too, and compared. Until that is
done it is marked as half made: no start takes it, and to do all of it again begins anew.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from actors.clock import CLOCKS
from actors.errors import OperatorError
from actors.frame import OpenedRecord
from actors.map import shard_of
from actors.processes import Processes
from actors.publications import Publications
from actors.redis_slot import open_redis_slot
from actors.relocation.chronicle import Chronicle, earlier_chronicles, redis_chronicles
from actors.relocation.files import FilesTarget
from actors.relocation.ledger import Ledger
from actors.relocation.redis import RedisTarget, read_roster
from actors.settings import RedisSettings
from actors.shards.outbox import Outbox
from actors.shards.recovery import recovered
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import END, SlotFiles
from actors.store.disk import REAL_DISK
from actors.store.erased import ErasureNotes
from actors.store.key import store_key
from actors.store.keyfile import find_key
from actors.store.manifest import MOVED, Store, read_store, shard_folder
from actors.store.port import StoreStalledError
from actors.store.published import PublishedFiles
from actors.store.redis_erasures import OpenErasures, erased_elsewhere
from actors.store.redis_map import RedisMap
from actors.store.redis_published import PublishedRedis
from actors.store.redis_server import RedisServer
from actors.store.redis_settings import check_redis_settings
from actors.store.redis_store import check_key, read_redis_store
from engine.limits import PARTITIONS

KEEP_ALL_MS: Final = 1 << 60
"""Nothing of an archive goes by age here: how long it is kept is said to `anlass run`."""

STEPS: Final = 2 * PARTITIONS
"""What `progress` is told in all: each partition once when written, once when compared."""

Progress = Callable[[int], None]


class Places(Struct, frozen=True, kw_only=True):
    """The two stores, one of which is there."""

    data: Path
    redis: RedisSettings
    archive: str
    """URL of the archive of the store in Redis."""
    key_file: Path | None = None


class Relocated(Struct, frozen=True, kw_only=True):
    """What a move of a store came to."""

    shards: int
    contacts: int
    records: int
    """Of the history that was copied."""
    same_logs: bool
    """Whether logs go on where they were; else new ones begin, and what was lies beside them."""


def move_to_redis(places: Places, progress: Progress) -> Relocated:
    """Bring a stopped store from files to Redis; that in files counts no more then.

    Raises OperatorError, also where the target holds something or the source runs.
    """
    data = places.data
    store, key = read_store(data), store_key(data, places.key_file)
    with _held(data), _served(places.redis) as server:
        check_redis_settings(server)
        target = RedisTarget(server, places.archive, key)
        target.begin()
        gone = _to_be_erased(data, store.shards)
        for each in earlier_chronicles(data, key):
            target.keep_history(each, each.slot, gone)
        first = target.next_slot
        ledger = Ledger()
        for number in range(store.shards):
            folder = shard_folder(data, number)
            shard = Shard(number, store.shards, CLOCKS[store.clock]())
            log, snapshots = open_slot(folder, key, KEEP_ALL_MS, shard.now_ms)
            with closing(log):
                files = SlotFiles(folder, log=log, snapshots=snapshots, key=key)
                recovered(shard, Outbox(), files, log, snapshots)
                ledger.note(shard)
                history = Chronicle(slot=number, folder=folder, key=key)
                target.keep_history(history, first + number, files.notes.erased)
                target.take(shard, first + number, files, progress)
        _copy_publications(PublishedFiles(data, key), PublishedRedis(server, key))
        target.place(store.shards, first)
        for slot in range(first, first + store.shards):
            _compare(ledger, target.reopened(slot, store.clock), progress)
        target.finish(store)
        _retire_files(data)
    return Relocated(
        shards=store.shards, contacts=ledger.contacts, records=target.records, same_logs=True
    )


def move_to_files(
    places: Places, progress: Progress, *, shards: int = 0, dead: bool = False
) -> Relocated:
    """Bring a stopped store from Redis to files, of so many shards; 0: as many as it has.

    That in Redis counts no more then. `dead` says that its processes have ended without having
    said so; whoever of them lives all the same is fenced. Raises as `move_to_redis`.
    """
    data = places.data
    with _served(places.redis) as server, _held(data):
        store = read_redis_store(server)
        key = find_key(data, places.key_file) if store.encrypted else None
        check_key(server, store, key)
        told = RedisMap(server).read()
        roster = read_roster(server, told, dead=dead)
        slots = sorted(set(told.owners))
        store = Store(
            shards=shards or len(slots),
            clock=store.clock,
            encrypted=store.encrypted,
            key_fingerprint=store.key_fingerprint,
        )
        histories = redis_chronicles(server, places.archive, key, slots[-1], roster.next_slot)
        same = _goes_on(told.owners, store.shards, histories)
        target = FilesTarget(data, store, key)
        target.begin()
        ledger = Ledger()
        elsewhere = erased_elsewhere(OpenErasures(server).read())
        for count, slot in enumerate(slots):
            numbers = [number for number, owner in enumerate(told.owners) if owner == slot]
            shard = Shard(slot, 0, CLOCKS[store.clock](), numbers)
            opened = open_redis_slot(
                places.redis, slot, key, KEEP_ALL_MS, shard.now_ms, archive=places.archive
            )
            with closing(opened):
                recovered(shard, Outbox(), opened.files, opened.log, opened.snapshots)
                ledger.note(shard)
                if same:
                    erased = opened.files.notes.erased
                    target.go_on(histories.pop(slot), count, erased, elsewhere)
                elif slot in histories:
                    erased = opened.files.notes.erased
                    target.keep_earlier(histories.pop(slot), erased, elsewhere)
                target.take(shard, count if same else None, opened.files, progress)
                target.take_sightings(count, opened.files)
        for each in histories.values():
            target.keep_earlier(each, {}, elsewhere)
        if not same:
            target.open_logs()
        _copy_publications(PublishedRedis(server, key), PublishedFiles(data, key))
        for number in range(store.shards):
            _compare(ledger, target.reopened(number), progress)
        target.finish()
        server.run("RENAME", server.key("store"), server.key("store", MOVED))
    return Relocated(
        shards=store.shards, contacts=ledger.contacts, records=target.records, same_logs=same
    )


@contextmanager
def _held(data: Path) -> Iterator[None]:
    processes = Processes(data)
    processes.hold()
    try:
        processes.end_leftovers()
        yield
    finally:
        processes.release()


@contextmanager
def _served(settings: RedisSettings) -> Iterator[RedisServer]:
    server = RedisServer(settings)
    try:
        yield server
    except StoreStalledError as error:
        raise OperatorError(f"{error}; the move is not done: say it again") from None
    finally:
        server.close()


def _to_be_erased(data: Path, shards: int) -> dict[str, int]:
    """Return whom to leave out of what was before all shards' logs, by digest of the key."""
    noted = (ErasureNotes(shard_folder(data, number), REAL_DISK) for number in range(shards))
    return {digest: END for notes in noted for digest in notes.erased}


def _copy_publications(source: Publications, target: Publications) -> None:
    for note in source.notes():
        target.add(note, source.source(note.number))


def _compare(ledger: Ledger, shard: Shard, progress: Progress) -> None:
    """Raises OperatorError where a shard of the target is not what the source was."""
    differences = ledger.differences(shard)
    if differences:
        text = f"the store that was made is not the one that was: {differences[0]}"
        raise OperatorError(f"{text}, and {len(differences) - 1} more; the source is as it was")
    progress(len(shard.partitions))


def _retire_files(data: Path) -> None:
    (data / "store.json").rename(data / f"store.json.{MOVED}")


def _goes_on(owners: list[int], shards: int, histories: dict[int, Chronicle]) -> bool:
    """Say whether no partition ever moved, and each log can go on in files as it is."""
    first = min(owners)
    even = [first + shard_of(number, shards) for number in range(PARTITIONS)]
    if owners != even or set(histories) != set(range(first, first + shards)):
        return False
    return all(_is_one_slots(history) for history in histories.values())


def _is_one_slots(history: Chronicle) -> bool:
    """Say whether a history is not empty, and no partition came from elsewhere."""
    empty = True
    for frame in history.frames():
        empty = False
        if any(isinstance(record, OpenedRecord) for record in frame.records):
            return False
    return not empty
