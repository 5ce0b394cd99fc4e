"""Verifying a store in Redis whose partitions moved: as it is, and harmed."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.settings import RedisSettings
from actors.verify.finding import Counts, Finding
from actors.verify.redis import verify_redis
from engine.limits import PARTITIONS
from tests.actors.redis_slots import MOVED, Two


@pytest.fixture
def two(redis_settings: RedisSettings, tmp_path: Path) -> Iterator[Two]:
    with ExitStack() as stack:
        yield Two(redis_settings, str(tmp_path / "archive"), stack)


def verify(two: Two, folder: Path, counts: Counts | None = None) -> list[Finding]:
    found = verify_redis(two.settings, two.archive, folder, None, counts or Counts())
    return [each for each in found if each.damage]


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
    assert verify(two, tmp_path) == []
    two.snapshots()
    counts = Counts()
    assert verify(two, tmp_path, counts) == []
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
    (found, *_) = verify(two, tmp_path)
    assert found.partition == MOVED
    assert "follows input" in found.text


def test_an_entry_that_is_missing_is_found(two: Two, tmp_path: Path) -> None:
    live(two)
    name = two.server.key("log", 1)
    entries = two.server.run("XRANGE", name, "-", "+")
    two.server.run("XDEL", name, entries[-3][0])
    assert any("goes on at position" in each.text for each in verify(two, tmp_path))


def test_a_snapshot_that_is_another_is_found(two: Two, tmp_path: Path) -> None:
    live(two)
    shard, _, _ = two.opened.shards[MOVED]
    head, rows = shard.snapshot(MOVED)
    less = [row for each in rows for row in each if row.key != "c-7"]
    two.slots[shard.slot].snapshots.write(replace(head, rows=len(less)), [less])
    (found,) = verify(two, tmp_path)
    assert (found.partition, found.contact) == (MOVED, "c-7")
