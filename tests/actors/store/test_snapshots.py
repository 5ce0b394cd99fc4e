"""What each adapter of port.Snapshots promises: whole or not at all, and the latest two stay."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.store.port import Row, SnapshotHead, Snapshots
from actors.store.redis_owner import take_slot
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from actors.store.snapshots import SnapshotFiles, open_snapshots
from engine.numbers import Numbers
from tests.actors.store.frames import KEY
from tests.engine.situation import Situation, mail, wait
from tests.publications import journey

Open = Callable[[], Snapshots]


@pytest.fixture(params=["files", "files, sealed", "redis", "redis, sealed"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open the same store again with each call, as its owner."""
    key = KEY if "sealed" in request.param else None
    if "redis" not in request.param:
        yield lambda: open_snapshots(tmp_path / "snapshots", key)
        return
    server = RedisServer(request.getfixturevalue("redis_settings"))
    yield lambda: RedisSnapshots(server, key, take_slot(server, 3))
    server.close()


def head_of(partition: int, position: int, rows: int) -> SnapshotHead:
    published = b"journeys and templates " * 1_000
    counts = {"events": position, "sessions": 2}
    outcomes = {"welcome": {"sent": 3, "capped": 1}}
    tombstones = {"digest": 99}
    return SnapshotHead(
        partition, position, position + 5, 1_000, published, tombstones, counts, outcomes, rows
    )


def rows_of(count: int, text: str = "state") -> list[Row]:
    return [Row(f"k{each}", each, each + 7, each % 2 == 1, text.encode()) for each in range(count)]


def write(snapshots: Snapshots, partition: int, position: int, rows: list[Row]) -> SnapshotHead:
    head = head_of(partition, position, len(rows))
    snapshots.write(head, [rows[start : start + 1_000] for start in range(0, len(rows), 1_000)])
    return head


def read(snapshots: Snapshots, head: SnapshotHead) -> list[Row]:
    return [row for rows in snapshots.rows(head) for row in rows]


@pytest.mark.parametrize("count", [0, 1, 2_500])
def test_a_snapshot_comes_back_as_it_was_written(store: Open, count: int) -> None:
    head = write(store(), 3, 10, rows_of(count))
    assert store().heads(3) == [head]
    assert read(store(), head) == rows_of(count)


def test_rows_come_in_slices_of_a_thousand_at_most_however_they_were_given(store: Open) -> None:
    rows = rows_of(2_001)
    head = head_of(0, 1, len(rows))
    store().write(head, [rows[:2_000], [], rows[2_000:]])
    slices = list(store().rows(head))
    assert max(map(len, slices)) <= 1_000
    assert [row for each in slices for row in each] == rows


def test_the_latest_two_of_a_partition_stay_the_latest_first(store: Open) -> None:
    snapshots = store()
    other = write(snapshots, 4, 1, rows_of(1))
    heads = [write(snapshots, 3, position, rows_of(position)) for position in (9, 10, 100)]
    for each in (snapshots, store()):
        assert each.heads(3) == [heads[2], heads[1]]
        assert each.heads(4) == [other]
        assert [read(each, head) for head in each.heads(3)] == [rows_of(100), rows_of(10)]


def test_a_partition_without_a_snapshot_has_none(store: Open) -> None:
    snapshots = store()
    write(snapshots, 3, 1, [])
    assert snapshots.heads(2) == []
    assert snapshots.heads(30) == []


def test_a_snapshot_whose_rows_do_not_come_to_an_end_does_not_count(store: Open) -> None:
    snapshots = store()
    before = write(snapshots, 3, 1, rows_of(1))

    def broken() -> Iterator[list[Row]]:
        yield rows_of(1_000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        snapshots.write(head_of(3, 2, 2_000), broken())
    for each in (snapshots, store()):
        assert each.heads(3) == [before]
        assert read(each, before) == rows_of(1)


def test_a_snapshot_with_other_rows_than_its_head_says_does_not_count(store: Open) -> None:
    snapshots = store()
    with pytest.raises(AssertionError, match="2 rows came for a snapshot of 3"):
        snapshots.write(head_of(3, 2, 3), [rows_of(2)])
    assert store().heads(3) == []


def test_a_snapshot_of_the_same_position_takes_the_place_of_the_one_before(store: Open) -> None:
    snapshots = store()
    write(snapshots, 3, 1, rows_of(1))
    head = write(snapshots, 3, 2, rows_of(2))
    head = write(snapshots, 3, 2, rows_of(3))
    assert [each.position for each in snapshots.heads(3)] == [2, 1]
    assert read(snapshots, head) == rows_of(3)


def test_partitions_with_other_publications_do_not_mix_them(store: Open) -> None:
    snapshots = store()
    heads = []
    for partition, published in enumerate([b"", b"first", b"second", b"first", b""]):
        head = head_of(partition, 1, 0)
        head = SnapshotHead(partition, 1, 1, 1, published, {}, {}, {}, head.rows)
        snapshots.write(head, [])
        heads.append(head)
    for each in (snapshots, store()):
        assert [each.heads(partition) for partition in range(5)] == [[head] for head in heads]


def test_visits_of_rows_that_are_taken_out_wait_nowhere(store: Open) -> None:
    situation = Situation(journey("j", nodes=[wait("1h"), mail()]))
    for contact in ("ada", "bob"):
        situation.event(contact=contact)
    states = situation.partition.states()
    rows = [Row(key, 1, 7, pending=False, state=state) for key, state in states.items()]
    snapshots = store()
    assert isinstance(snapshots, SnapshotFiles | RedisSnapshots)
    head = replace(head_of(5, 1, 2), numbers=situation.partition.numbers.save())
    snapshots.write(head, [rows])
    assert snapshots.rewrite_snapshot(head, lambda row: row.key == "ada")
    numbers = Numbers(saved=snapshots.heads(5)[0].numbers)
    assert numbers.waiting() == {("j", "wait"): 1}
    left = ("j", "wait", "", "left/erased")
    assert dict(numbers.totals()) == {("j", "", "wait", ""): 2, left: 1}
