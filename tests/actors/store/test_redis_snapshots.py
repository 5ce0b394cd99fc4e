"""Snapshots in Redis: torn, fenced, damaged and of several slots; their memory is given back."""

from collections.abc import Callable, Iterator

import pytest

from actors.errors import LogCorruptError
from actors.settings import RedisSettings
from actors.store import redis_parts
from actors.store.port import FencedError, Row, StoreLostError
from actors.store.redis_map import RedisMap
from actors.store.redis_owner import take_slot
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from tests.actors.store.frames import KEY
from tests.actors.store.test_snapshots import head_of, read, rows_of, write


@pytest.fixture
def server(redis_settings: RedisSettings) -> Iterator[RedisServer]:
    made = RedisServer(redis_settings)
    yield made
    made.close()


Open = Callable[[int], RedisSnapshots]


@pytest.fixture
def opened(server: RedisServer) -> Open:
    return lambda slot: RedisSnapshots(server, KEY, take_slot(server, slot))


def lists(server: RedisServer) -> list[str]:
    """Return the keys that hold parts of snapshots."""
    return sorted(key.decode() for key in server.run("KEYS", server.key("snap", "*")))


class PowerCutError(Exception):
    """The writer is gone."""


def test_a_snapshot_whose_writer_died_does_not_count_and_its_memory_is_given_back(
    server: RedisServer, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_parts, "PUSH_BYTES", 1)
    before = write(opened(3), 5, 1, rows_of(1))

    def broken() -> Iterator[list[Row]]:
        yield rows_of(1_000)
        raise PowerCutError

    for _ in range(3):
        with pytest.raises(PowerCutError):
            opened(3).write(head_of(5, 2, 2_000), broken())
        assert len(lists(server)) == 2
        assert opened(3).heads(5) == [before]
        assert opened(3).faults() == []
    head = write(opened(3), 5, 2, rows_of(3))
    assert opened(3).heads(5) == [head, before]
    assert len(lists(server)) == 2


def test_the_memory_of_those_that_go_is_given_back(server: RedisServer, opened: Open) -> None:
    snapshots = opened(3)
    for position in (1, 2, 2, 3, 4, 4):
        write(snapshots, 5, position, rows_of(500))
    assert len(lists(server)) == 2
    in_server = sum(len(part) for key in lists(server) for part in server.run("LRANGE", key, 0, -1))
    assert snapshots.size_bytes == in_server


@pytest.mark.parametrize("step", ["_BEGIN", "_PUSH", "_FINISH"])
def test_a_lost_answer_at_any_step_leaves_one_whole_snapshot(
    server: RedisServer, opened: Open, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(redis_parts, "PUSH_BYTES", 1)
    snapshots = opened(3)
    write(snapshots, 5, 1, [])
    digest = getattr(redis_parts, step).digest
    whole = server.send
    lost: list[str] = []

    def watching(commands):
        if commands[0][1] == digest and not lost:
            lost.append(step)
            whole(commands)
            server.drop()
            raise ConnectionResetError("lost")
        return whole(commands)

    monkeypatch.setattr(server, "send", watching)
    head = write(snapshots, 5, 2, rows_of(1_500))
    assert lost == [step]
    assert read(snapshots, head) == rows_of(1_500)
    assert snapshots.heads(5)[0] == head
    assert len(lists(server)) == 2


def test_an_owner_that_is_none_any_more_finishes_no_snapshot(
    server: RedisServer, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_parts, "PUSH_BYTES", 1)
    zombie = opened(3)
    newer: list[RedisSnapshots] = []

    def rows() -> Iterator[list[Row]]:
        yield rows_of(1_000)
        newer.append(opened(3))
        yield rows_of(1)

    with pytest.raises(FencedError):
        zombie.write(head_of(5, 2, 1_001), rows())
    assert newer[0].heads(5) == []


def test_a_snapshot_of_a_partition_that_was_given_away_meanwhile_does_not_count(
    server: RedisServer, opened: Open
) -> None:
    RedisMap(server).change(0, {5: 3, 6: 3})
    snapshots = opened(3)
    write(snapshots, 5, 1, [])
    RedisMap(server).change(1, {5: 4})
    with pytest.raises(FencedError, match="partition 5 belongs to slot 4 by now"):
        write(snapshots, 5, 2, [])
    write(snapshots, 6, 2, [])
    assert [head.position for head in opened(4).heads(5)] == [1]


def test_of_two_slots_the_one_that_wrote_last_has_the_latest(opened: Open) -> None:
    """Positions of two logs cannot be compared."""
    before, after = opened(3), opened(4)
    heads = [write(before, 5, position, []) for position in (1_000, 2_000)]
    heads.append(write(after, 5, 7, []))
    assert after.heads(5) == [heads[2], heads[1]]
    heads.append(write(after, 5, 9, []))
    assert before.heads(5) == [heads[3], heads[2]]
    assert before.size_bytes == 0 < after.size_bytes


def test_a_damaged_snapshot_is_named_and_does_not_count_among_those_kept(
    server: RedisServer, opened: Open
) -> None:
    snapshots = opened(3)
    heads = [write(snapshots, 5, position, rows_of(1)) for position in (1, 2)]
    damaged = lists(server)[1]
    server.run("LSET", damaged, 1, b"x" * 60)
    assert snapshots.heads(5) == heads[:1]
    (fault,) = snapshots.faults()
    assert "snaps:5/3:2 is damaged" in str(fault)
    heads.append(write(snapshots, 5, 3, rows_of(1)))
    assert snapshots.heads(5) == [heads[2], heads[0]]
    heads.append(write(snapshots, 5, 4, rows_of(1)))
    assert snapshots.heads(5) == [heads[3], heads[2]]
    assert snapshots.faults() == []
    assert len(lists(server)) == 2


@pytest.mark.parametrize("part", [2, 3])
def test_damage_and_loss_among_the_rows_are_named(
    server: RedisServer, opened: Open, part: int
) -> None:
    snapshots = opened(3)
    head = write(snapshots, 5, 1, rows_of(1_500))
    (key,) = lists(server)
    value = server.run("LINDEX", key, part)
    server.run("LSET", key, part, value[:-1] + bytes([value[-1] ^ 1]))
    with pytest.raises(LogCorruptError, match="snaps:5/3:1 is damaged"):
        read(snapshots, head)
    server.run("RPOP", key)
    (fault,) = snapshots.faults()
    assert "has 4 of its 5 parts" in str(fault)
    assert snapshots.heads(5) == []
    snapshots._server.run("DEL", key)
    with pytest.raises(LogCorruptError, match="ends early, after 0 rows"):
        read(snapshots, head)


def test_a_snapshot_that_is_gone_says_so(opened: Open) -> None:
    snapshots = opened(3)
    with pytest.raises(LogCorruptError, match="is gone; list the snapshots again"):
        read(snapshots, head_of(5, 1, 0))


def test_who_writes_the_same_partition_at_once_is_told(
    server: RedisServer, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_parts, "PUSH_BYTES", 1)
    one, other = opened(3), opened(4)

    def rows() -> Iterator[list[Row]]:
        yield rows_of(1_000)
        write(other, 5, 9, [])
        yield rows_of(1)

    with pytest.raises(StoreLostError, match="another process writes one of this partition"):
        one.write(head_of(5, 2, 1_001), rows())
    assert [head.position for head in one.heads(5)] == [9]


def test_rows_are_taken_out_in_place_and_the_order_stays(server: RedisServer, opened: Open) -> None:
    snapshots = opened(3)
    heads = [write(snapshots, 5, position, rows_of(2_500)) for position in (1, 2)]
    assert not snapshots.rewrite_snapshot(heads[0], lambda row: row.key == "nobody")
    assert snapshots.rewrite_snapshot(heads[0], lambda row: row.key == "k7")
    found = snapshots.heads(5)
    assert [head.position for head in found] == [2, 1]
    assert [head.rows for head in found] == [2_500, 2_499]
    assert read(snapshots, found[1]) == [row for row in rows_of(2_500) if row.key != "k7"]
    assert len(lists(server)) == 2


def test_a_release_waits_for_snapshots_that_are_not_there_unless_another_slot_owns_them(
    server: RedisServer, opened: Open
) -> None:
    snapshots = opened(3)
    write(snapshots, 5, 1, [])
    snapshots.check_release(1)
    for _ in range(2):
        with pytest.raises(StoreLostError, match="lost the latest snapshot of partition 5"):
            snapshots.check_release(2)
        snapshots = opened(3)
        assert snapshots.heads(5)
    RedisMap(server).change(0, {5: 4})
    snapshots.check_release(2)
