"""A store in Redis as the target of a move: half made until the end, and marked so."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.clock import CLOCKS
from actors.control.charter import new_roster
from actors.control.roster import Roster, decode_roster, encode_roster
from actors.errors import OperatorError
from actors.map import partitions_of
from actors.redis_slot import archive_place
from actors.relocation.chronicle import Chronicle
from actors.relocation.copied import copied
from actors.settings import ClockName
from actors.shards.outbox import Outbox
from actors.shards.recovery import recovered
from actors.shards.shard import Shard
from actors.slot_files import SlotFiles
from actors.store.archive import archive_files, archive_frames
from actors.store.archive_place import open_archive
from actors.store.erased import ErasureNotes
from actors.store.manifest import MOVING, Store
from actors.store.redis_files import files_disk
from actors.store.redis_log import open_redis_log
from actors.store.redis_map import NOBODY, Map, RedisMap
from actors.store.redis_owner import RedisOwner, take_slot
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from actors.store.sighted import SightingsFile, encode_sightings
from actors.store.slots import slots_in

PAGE: Final = 1_000


class Mark(Struct, frozen=True):
    """Stands in the server while a store is made there."""

    archive: str


class RedisTarget:
    """Makes a store in Redis. All methods raise OperatorError, StoreStalledError, OSError."""

    def __init__(self, server: RedisServer, archive: str, key: bytes | None) -> None:
        self.records = 0
        """Of the history."""
        self.next_slot = 0
        """Behind all that have a history."""
        self._server = server
        self._archive = archive
        self._key = key
        self._owners: dict[int, RedisOwner] = {}
        self._serial = 0

    def begin(self) -> None:
        """Mark it, and clear what a move that did not end has left. Raises where it holds more."""
        server = self._server
        disk, root = open_archive(self._archive)
        slots = slots_in(disk, root)
        names = self._keys()
        mark = server.run("GET", server.key("store", MOVING))
        if server.run("EXISTS", server.key("store")) or (mark is None and names):
            text = f"{server.name} holds a store under {{{server.settings.prefix}}}"
            raise OperatorError(f"{text} already; take another --redis-prefix")
        if mark is None:
            if slots:
                text = f"the archive {self._archive} holds slot {slots[0]} of a store already"
                raise OperatorError(f"{text}; name another --archive")
        elif msgspec.json.decode(mark, type=Mark).archive != self._archive:
            was = msgspec.json.decode(mark, type=Mark).archive
            raise OperatorError(f"a move to --archive {was} has not ended; go on with that one")
        server.run("SET", server.key("store", MOVING), msgspec.json.encode(Mark(self._archive)))
        for name in names:
            if name != server.key("store", MOVING):
                server.run("UNLINK", name)
        for slot in slots:
            place = archive_place(self._archive, slot)
            for file in archive_files(place.folder, place.disk):
                place.disk.remove(file.path)

    def keep_history(self, history: Chronicle, slot: int, erased: dict[str, int]) -> None:
        """Put a history into the archive of a slot, without contacts that are to be erased."""
        place = archive_place(self._archive, slot)
        place.disk.make_folder(place.folder)
        for first, frames in history.portions():
            kept = copied(frames, erased)
            archive_frames(first, kept, place.folder, self._key, place.disk)
            self.records += kept.records
        self.next_slot = max(self.next_slot, slot + 1)

    def take(
        self, shard: Shard, slot: int, files: SlotFiles, progress: Callable[[int], None]
    ) -> None:
        """Take over what a shard holds: its partitions, and notes of what is to be erased."""
        server = self._server
        owner = take_slot(server, slot, 0)
        server.run("HSET", owner.key, "position", shard.position, "first", shard.position)
        snapshots = RedisSnapshots(server, self._key, owner)
        for number in shard.partitions:
            head, rows = shard.snapshot(number)
            snapshots.write(replace(head, slot=slot), rows)
            self._serial = max(self._serial, head.serial)
            progress(1)
        disk = files_disk(server, owner)
        folder = Path(f"slot-{slot}")
        notes = ErasureNotes(folder, disk)
        for each in files.notes.open:
            if each.position >= shard.position:  # Its record is not in the log: it begins anew.
                notes.add(replace(each, position=shard.position))
        sightings = None if files.notes.open else files.sightings.read()
        if sightings is not None:
            SightingsFile(folder, self._key, disk).write(encode_sightings(sightings), 0)
        self._owners[slot] = owner

    def place(self, shards: int, first: int) -> None:
        """Say which slot owns each partition, and what a cluster begins with."""
        owners = {n: first + slot for slot in range(shards) for n in partitions_of(slot, shards)}
        roster = new_roster(shards)
        roster.next_slot = first + shards
        roster.serial = self._serial
        roster.holders = dict.fromkeys(range(first, first + shards), "")
        RedisMap(self._server).change(0, owners, encode_roster(roster))

    def reopened(self, slot: int, clock: ClockName) -> Shard:
        """Recover a slot from the store, as its next owner will."""
        owners = RedisMap(self._server).read().owners
        numbers = [number for number, each in enumerate(owners) if each == slot]
        shard = Shard(slot, 0, CLOCKS[clock](), numbers)
        with closing(open_redis_log(RedisServer(self._server.settings), slot, self._key)) as log:
            snapshots = RedisSnapshots(self._server, self._key, log.owner)
            recovered(shard, Outbox(), None, log, snapshots)
        return shard

    def finish(self, store: Store) -> None:
        """Let it count."""
        server = self._server
        server.run("SET", server.key("store"), msgspec.json.encode(store))
        server.run("UNLINK", server.key("store", MOVING))

    def _keys(self) -> list[str]:
        prefix = self._server.key("")
        found: set[str] = set()
        cursor = b"0"
        while True:
            cursor, names = self._server.run("SCAN", cursor, "COUNT", PAGE)
            found.update(name.decode() for name in names if name.startswith(prefix.encode()))
            if cursor == b"0":
                return sorted(found)


def read_roster(server: RedisServer, told: Map, *, dead: bool) -> Roster:
    """Return the roster of a store that is to be moved. Raises OperatorError where it runs."""
    roster = decode_roster(told.document)
    if roster is None or NOBODY in told.owners:
        raise OperatorError(f"no cluster has begun in {server.name}; there is nothing to move")
    if roster.posts and not dead:
        text = f"the store in {server.name} has {len(roster.posts)} shards that run; end it with"
        raise OperatorError(f"{text} `anlass stop`, or where all processes are dead say --dead")
    return roster
