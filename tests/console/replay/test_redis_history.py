"""What went out and why is told the same of files and of Redis, wherever partitions were when."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from actors.errors import LogCorruptError, OperatorError
from actors.frame import PublishRecord, partition_number
from actors.kept.redis import KeptRedis
from actors.settings import RedisSettings
from console.contacts.explain import explanation_of
from console.replay.against.lane import Lane
from console.replay.against.reader import JoinedReader
from console.replay.against.spool import Spool
from engine.contacts.identity import partition_of
from tests.actors.made_store import CONTACTS
from tests.actors.redis_slots import Two
from tests.console.twins import (
    CONTACT,
    HERE,
    OTHER,
    SECOND,
    Twins,
    Where,
    at_hour,
    check_the_same,
    in_files,
    in_redis,
    place_of,
    run,
    told,
)
from tests.engine.situation import NOON_MS
from tests.publications import journey
from tests.system.test_recovery import write_journeys


@pytest.fixture
def twins(redis_settings: RedisSettings, tmp_path: Path) -> Iterator[Twins]:
    with ExitStack() as stack:
        two = Two(redis_settings, str(tmp_path / "archive"), stack, "wall", NOON_MS)
        assert partition_of(CONTACT) // 128 == 0
        yield Twins(two, tmp_path / "data", stack)


def where_of(two: Two, folder: Path) -> Where:
    return in_redis(two.settings, two.archive, folder)


@pytest.mark.parametrize(("slot", "contact"), [(0, CONTACT), (1, OTHER)])
def test_a_partition_that_moved_before_anything_happened_brings_what_was_in_force(
    twins: Twins, tmp_path: Path, slot: int, contact: str
) -> None:
    twins.publish(slot, SECOND, 2)
    twins.move(partition_of(contact))  # With the second, to where the first is in force still.
    twins.publish(1 - slot, SECOND, 2)
    twins.play(40)
    place, redis = where_of(twins.two, tmp_path)
    first, *rest = told(twins.data, contact)
    assert first["input"]["what"] == rest[0]["input"]["what"] == "publish"
    assert told(place, contact) == rest, "it came with the second alone"
    draft = tmp_path / "draft"
    write_journeys(draft, journey("now"))
    reports = []
    for words in (in_files(twins.data).log, redis):
        said = json.loads(run("replay", *words, "--against", str(draft), "--json"))
        reports.append((said["refolded_otherwise"], said["variants"][0]["total"]))
    assert reports[0] == reports[1]
    assert reports[1][0] == 0


def test_replays_stories_and_what_is_kept_are_the_same(twins: Twins, tmp_path: Path) -> None:
    twins.live()
    there = where_of(twins.two, tmp_path)
    for number in range(CONTACTS):
        contact = f"c-{number}"
        assert told(there.place, contact) == told(twins.data, contact), number
    assert sum("input" in each for each in told(there.place, CONTACT)) > 10
    check_the_same(in_files(twins.data), there, tmp_path)


def test_where_the_archive_is_pruned_a_story_begins_with_a_snapshot(
    twins: Twins, tmp_path: Path
) -> None:
    twins.live()
    place, words = where_of(twins.two, tmp_path)
    (archived,) = (tmp_path / "archive" / "shard-0" / "archive").iterdir()
    archived.unlink()  # Its time was over.
    whole = told(twins.data, CONTACT)
    assert explanation_of(place, CONTACT).begin.from_snapshot
    kept = told(place, CONTACT)
    assert kept == whole[-len(kept) :]
    with pytest.raises(OperatorError, match="name a later moment"):
        run("contact", "show", CONTACT, "--at", at_hour(1), *words)
    assert told(place, OTHER), "it was elsewhere then"


def test_what_is_there_twice_or_missing_is_said(twins: Twins, tmp_path: Path) -> None:
    twins.live()
    two = twins.two
    with pytest.raises(OperatorError, match=r"no store \{other\}:store; look at --redis"):
        run("failed", "--redis", two.settings.url, "--redis-prefix", "other")
    shard, _, _ = two.opened.shards[HERE]
    other = two.any_of(1 - shard.slot)
    other[0].restore(shard.partitions[HERE], shard.tallies[HERE])
    two.opened.shards[HERE] = other
    twins.play(30)
    kept = KeptRedis(place_of(two, tmp_path))
    with pytest.raises(LogCorruptError, match="nothing says how it came there; see what `anlass"):
        list(kept.history(HERE))
    kept.close()


def test_a_partition_counts_where_it_was_and_nowhere_else(twins: Twins, tmp_path: Path) -> None:
    twins.live()
    kept = KeptRedis(place_of(twins.two, tmp_path))
    reader = JoinedReader(kept)
    assert reader.load([Lane(HERE, [], 0, 16, Spool(tmp_path))]) == b""
    own, others = set(), set()
    for slot, frame in reader.frames():
        for position, record in enumerate(frame.records, frame.position):
            if isinstance(record, PublishRecord):
                others.add((slot, reader.is_there(HERE, slot, position), record.serial))
            elif partition_number(record) == HERE:
                own.add(slot)
                assert reader.is_there(HERE, slot, position)
    assert own == {0, 1}, "it was in both"
    assert {(0, True, 1), (1, False, 1), (0, True, 2), (0, False, 3)} <= others
    kept.close()
