"""Two slots of a store in Redis, whose partitions can be moved between them."""

from contextlib import ExitStack
from typing import ClassVar

from actors.clock import CLOCKS
from actors.control.roster import Roster, encode_roster
from actors.map import shard_of
from actors.redis_slot import RedisStore, open_redis_slot
from actors.settings import ClockName, RedisSettings
from actors.shards.outbox import Outbox
from actors.shards.recovery import Recovery, load_head
from actors.shards.shard import Shard
from actors.store.port import Log
from actors.store.redis_map import RedisMap
from actors.store.redis_server import RedisServer
from actors.store.redis_store import open_redis_store
from engine.contacts.identity import partition_of
from engine.limits import PARTITIONS
from tests.actors.opened_store import ALL_MS, Opened
from tests.publications import MAIL, journey, source_of

SOURCE = source_of(
    journey("now"), journey("later", nodes=[{"id": "w", "wait": "5h"}, MAIL], exit_on=["bye"])
)
MOVED = partition_of("c-7")


class Two:
    """Two slots in Redis, and what of it one can harm."""

    COUNT: ClassVar = 2

    def __init__(
        self,
        settings: RedisSettings,
        archive: str,
        stack: ExitStack,
        clock: ClockName = "events",
        now_ms: int = 0,
    ) -> None:
        self.settings, self.archive = settings, archive
        self.server = RedisServer(settings)
        self.map = RedisMap(self.server)
        self.slots: list[RedisStore] = []
        self.opened = Opened()
        stack.callback(self.server.close)
        count = self.COUNT
        open_redis_store(self.server, count, clock, encrypted=False, key=None)
        owners = {number: shard_of(number, count) for number in range(PARTITIONS)}
        self.map.change(0, owners, encode_roster(Roster(wanted=count, next_slot=count)))
        for slot in range(count):
            shard = Shard(slot, count, CLOCKS[clock]())
            store = open_redis_slot(settings, slot, None, ALL_MS, lambda: 0, archive=archive)
            stack.callback(store.close)
            self.slots.append(store)
            self.opened.add(shard, store.log, store.files, store.snapshots)
            shard.publish(SOURCE, now_ms, 1)
            self.opened.commit(shard, store.log, Outbox())

    def publish(self, slot: int, source: bytes, serial: int, now_ms: int = 0) -> None:
        """Let a publication come to one slot."""
        shard, log, outbox = self.any_of(slot)
        shard.publish(source, now_ms, serial)
        self.opened.commit(shard, log, outbox)

    def any_of(self, slot: int) -> tuple[Shard, Log, Outbox]:
        """Return the shard of a slot, with what belongs to it."""
        return next(each for each in self.opened.shards.values() if each[0].slot == slot)

    def snapshots(self) -> None:
        for number, (shard, _, _) in self.opened.shards.items():
            self.slots[shard.slot].snapshots.write(*shard.snapshot(number))

    def move(self, number: int, now_ms: int = 0, to: int | None = None) -> None:
        """Move a partition to another slot, as a Mover does."""
        shard, _, _ = self.opened.shards[number]
        store = self.slots[shard.slot]
        store.snapshots.write(*shard.snapshot(number))
        shard.withdraw(number)
        shard.serials.pop(number, None)
        to = 1 - shard.slot if to is None else to
        self.map.give(number, shard.slot, store.log.epoch, to)
        other = self.any_of(to)
        found = Recovery(other[0], other[2]).latest_whole(self.slots[to].snapshots, number)
        assert found is not None
        load_head(other[0], *found[:2])
        for outcome in found[2]:
            other[2].put(outcome)
        other[0].open(number, now_ms)
        self.opened.commit(*other)
        self.opened.shards[number] = other


class Three(Two):
    """Three slots in Redis."""

    COUNT = 3
