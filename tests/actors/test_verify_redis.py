"""Verifying a store in Redis whose partitions moved: as it is, and harmed."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.clock import EventClock
from actors.control.roster import Roster, encode_roster
from actors.map import shard_of
from actors.redis_slot import RedisStore, open_redis_slot
from actors.settings import RedisSettings
from actors.shards.outbox import Outbox
from actors.shards.recovery import Recovery, load_head
from actors.shards.shard import Shard
from actors.store.redis_map import RedisMap
from actors.store.redis_server import RedisServer
from actors.store.redis_store import open_redis_store
from actors.verify.finding import Counts, Finding
from actors.verify.redis import verify_redis
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

    def __init__(self, settings: RedisSettings, archive: str, stack: ExitStack) -> None:
        self.settings, self.archive = settings, archive
        self.server = RedisServer(settings)
        self.map = RedisMap(self.server)
        self.slots: list[RedisStore] = []
        self.opened = Opened()
        stack.callback(self.server.close)
        open_redis_store(self.server, 2, "events", encrypted=False, key=None)
        owners = {number: shard_of(number, 2) for number in range(PARTITIONS)}
        self.map.change(0, owners, encode_roster(Roster(wanted=2, next_slot=2)))
        for slot in (0, 1):
            shard = Shard(slot, 2, EventClock())
            store = open_redis_slot(settings, slot, None, ALL_MS, lambda: 0, archive=archive)
            stack.callback(store.close)
            self.slots.append(store)
            self.opened.add(shard, store.log, store.files, store.snapshots)
            shard.publish(SOURCE, 0, 1)
            self.opened.commit(shard, store.log, Outbox())

    def snapshots(self) -> None:
        for number, (shard, _, _) in self.opened.shards.items():
            self.slots[shard.slot].snapshots.write(*shard.snapshot(number))

    def move(self, number: int) -> None:
        """Move a partition to the other slot, as a Mover does."""
        shard, _, _ = self.opened.shards[number]
        store = self.slots[shard.slot]
        store.snapshots.write(*shard.snapshot(number))
        shard.withdraw(number)
        to = 1 - shard.slot
        self.map.give(number, shard.slot, store.log.epoch, to)
        other = next(each for each in self.opened.shards.values() if each[0].slot == to)
        found = Recovery(other[0], other[2]).latest_whole(self.slots[to].snapshots, number)
        assert found is not None
        load_head(other[0], *found[:2])
        for outcome in found[2]:
            other[2].put(outcome)
        other[0].open(number, 0)
        self.opened.commit(*other)
        self.opened.shards[number] = other

    def verify(self, folder: Path, counts: Counts | None = None) -> list[Finding]:
        found = verify_redis(self.settings, self.archive, folder, None, counts or Counts())
        return [each for each in found if each.damage]


@pytest.fixture
def two(redis_settings: RedisSettings, tmp_path: Path) -> Iterator[Two]:
    with ExitStack() as stack:
        yield Two(redis_settings, str(tmp_path / "archive"), stack)


def live(two: Two) -> None:
    """Let the partition of a contact go there and back, with events in between."""
    two.opened.play(range(1, 15))
    two.snapshots()
    needed = two.slots[0].log.position
    two.opened.play(range(15, 30))
    two.move(MOVED)
    two.opened.play(range(30, 62))
    two.slots[0].log.release(needed)
    two.move(MOVED)
    two.opened.play(range(62, 93))


def test_a_store_whose_partitions_moved_is_whole(two: Two, tmp_path: Path) -> None:
    live(two)
    assert two.verify(tmp_path) == []
    two.snapshots()
    counts = Counts()
    assert two.verify(tmp_path, counts) == []
    assert counts.partitions_compared == PARTITIONS
    assert counts.contacts_compared == 30
    positions = sum(each.log.position for each in two.slots)
    assert counts.records == positions
    assert 0 < counts.refolded < positions


def test_a_partition_that_two_slots_had_at_once_is_found(two: Two, tmp_path: Path) -> None:
    live(two)
    shard, _, _ = two.opened.shards[MOVED]
    other = next(each for each in two.opened.shards.values() if each[0].slot != shard.slot)
    other[0].restore(shard.partitions[MOVED], shard.tallies[MOVED])
    two.opened.shards[MOVED] = other
    two.opened.play(range(93, 124))
    (found, *_) = two.verify(tmp_path)
    assert found.partition == MOVED
    assert "follows input" in found.text


def test_an_entry_that_is_missing_is_found(two: Two, tmp_path: Path) -> None:
    live(two)
    name = two.server.key("log", 1)
    entries = two.server.run("XRANGE", name, "-", "+")
    two.server.run("XDEL", name, entries[-3][0])
    assert any("goes on at position" in each.text for each in two.verify(tmp_path))


def test_a_snapshot_that_is_another_is_found(two: Two, tmp_path: Path) -> None:
    live(two)
    shard, _, _ = two.opened.shards[MOVED]
    head, rows = shard.snapshot(MOVED)
    less = [row for each in rows for row in each if row.key != "c-7"]
    two.slots[shard.slot].snapshots.write(replace(head, rows=len(less)), [less])
    (found,) = two.verify(tmp_path)
    assert (found.partition, found.contact) == (MOVED, "c-7")
