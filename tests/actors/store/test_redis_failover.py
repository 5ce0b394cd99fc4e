"""A replica takes over that has less than was acknowledged: the owner has it, and writes it again.

"Less" is made by promoting the replica first: what the primary takes after that, it never hears of.
"""

import time
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from actors.errors import LogCorruptError
from actors.frame import AdvanceRecord, Frame, Record, encode_frame
from actors.settings import RedisSettings
from actors.store import redis_log, redis_ring
from actors.store.newfile import no_pause
from actors.store.port import FencedError, StoreLostError
from actors.store.redis_log import RedisLog, StreamArchive, open_redis_log
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from tests.actors.store.contract import append, frame_at, positions
from tests.actors.store.frames import KEY
from tests.actors.store.proxy import Proxy, proxying
from tests.actors.store.redis_server import Server, free_port, new_settings, serving
from tests.actors.store.test_snapshots import write


class Pair:
    """A primary, its replica, and the way by which owners come to whichever serves."""

    def __init__(self, primary: Server, replica: Server, way: Proxy) -> None:
        self.primary = primary
        self.replica = replica
        self.way = way
        self.settings: RedisSettings = replace(
            new_settings(primary), url=way.url, prefix="failover", timeout_s=2.0
        )

    def part(self) -> None:
        """From now on the replica hears nothing more; what it has is all that will be left."""
        self.replica.until(self._has_all, "has all")
        self.replica.promote()

    def _has_all(self) -> bool:
        primary, replica = (
            each.client.info("replication") for each in (self.primary, self.replica)
        )
        return bool(primary["master_repl_offset"] == replica["slave_repl_offset"])

    def fail_over(self) -> None:
        self.primary.kill()
        self.way.lead_to(self.replica.port)

    def open(self, **more) -> RedisLog:
        return open_redis_log(RedisServer(self.settings), 3, KEY, **more)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with (
        serving(port=free_port()) as primary,
        serving(port=free_port()) as replica,
        proxying(primary.port) as way,
    ):
        replica.follow(primary)
        yield Pair(primary, replica, way)


def test_what_a_failover_has_lost_is_written_again_by_its_owner(pair: Pair) -> None:
    log = pair.open()
    append(log, 1, 2)
    pair.part()
    append(log, 3, 1, 2, position=3)
    pair.fail_over()
    append(log, 1, position=9)
    assert log.written_again == 3
    assert positions(log) == [0, 1, 3, 6, 7, 9]
    log.close()
    log = pair.open()
    assert positions(log) == [0, 1, 3, 6, 7, 9]
    log.close()


def test_an_owner_that_has_nothing_to_append_heals_the_log_when_it_looks(pair: Pair) -> None:
    log = pair.open()
    append(log, 1)
    pair.part()
    append(log, 3, position=1)
    pair.fail_over()
    log.check()
    assert log.written_again == 1
    assert positions(log) == [0, 1]
    log.close()


def test_a_failover_that_lost_nothing_changes_nothing(pair: Pair) -> None:
    log = pair.open()
    append(log, 1, 2)
    pair.part()
    pair.fail_over()
    append(log, 1, position=3)
    assert log.written_again == 0
    assert positions(log) == [0, 1, 3]
    log.close()


def test_an_append_that_was_under_way_is_there_once_after_a_failover(pair: Pair) -> None:
    log = pair.open()
    append(log, 1)
    pair.way.lose = redis_log._APPEND.digest.encode()
    pair.way.target = 0
    with pytest.raises(StoreLostError):
        log.append(1, [encode_frame(frame_at(1))])
    pair.part()
    pair.fail_over()
    append(log, 1, position=1)
    assert positions(log) == [0, 1]
    log.close()


def test_an_owner_that_a_failover_forgot_is_owner_again_and_the_one_before_stays_fenced(
    pair: Pair,
) -> None:
    older = pair.open()
    append(older, 1)
    pair.part()
    newer = pair.open()
    append(newer, 1, 1, position=1)
    pair.fail_over()
    append(newer, 1, position=3)
    assert newer.epoch > older.epoch
    assert positions(newer) == [0, 1, 2, 3]
    with pytest.raises(FencedError, match=f"has epoch {newer.epoch}"):
        append(older, 1, position=1)
    assert positions(newer) == [0, 1, 2, 3]
    older.close()
    newer.close()


def test_an_owner_long_silent_lets_one_that_a_failover_forgot_come_first(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The zombie wakes before the true owner notices anything: it waits, and is fenced."""
    monkeypatch.setattr(redis_log, "LEASE_S", 0.05)
    zombie = pair.open()
    append(zombie, 1)
    pair.part()
    newer = pair.open()
    append(newer, 1, position=1)
    pair.fail_over()
    time.sleep(0.06)
    graces: list[float] = []

    def meanwhile(seconds: float) -> None:
        if seconds == redis_log.GRACE_S:
            graces.append(seconds)
            if len(graces) == 1:
                append(newer, 1, position=2)

    monkeypatch.setattr(time, "sleep", meanwhile)
    with pytest.raises(FencedError, match=f"has epoch {newer.epoch}"):
        append(zombie, 1, position=1)
    assert graces
    assert positions(newer) == [0, 1, 2]
    zombie.close()
    newer.close()


def test_an_owner_that_waits_has_said_before_that_the_slot_is_its_own(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    zombie = pair.open()
    append(zombie, 1)
    pair.part()
    newer = pair.open()
    append(newer, 1, position=1)
    pair.fail_over()
    monkeypatch.setattr(redis_log, "LEASE_S", 0.0)
    tried: list[Exception] = []

    def meanwhile(seconds: float) -> None:
        if seconds == redis_log.GRACE_S and not tried:
            tried.append(ZeroDivisionError())
            with pytest.raises(FencedError):
                append(zombie, 1, position=1)

    monkeypatch.setattr(time, "sleep", meanwhile)
    append(newer, 1, position=2)
    assert tried
    assert positions(newer) == [0, 1, 2]
    zombie.close()
    newer.close()


def test_what_a_server_has_lost_without_a_sign_is_written_again(pair: Pair) -> None:
    log = pair.open()
    append(log, 1)
    client = pair.primary.client
    before = client.hgetall("{failover}:slot:3")
    append(log, 1, position=1)
    client.xdel("{failover}:log:3", "2-0")
    client.hset("{failover}:slot:3", mapping=before)
    client.execute_command("XSETID", "{failover}:log:3", "1-0")
    append(log, 1, position=2)
    assert log.written_again == 1
    assert positions(log) == [0, 1, 2]
    log.close()


def test_what_an_owner_before_wrote_is_written_again_too(pair: Pair) -> None:
    older = pair.open()
    append(older, 1, 1)
    pair.part()
    append(older, 1, 1, position=2)
    older.close()
    newer = pair.open()
    append(newer, 1, position=4)
    pair.fail_over()
    append(newer, 1, position=5)
    assert positions(newer) == [0, 1, 2, 3, 4, 5]
    assert newer.written_again == 3
    newer.close()


def test_what_nobody_has_in_memory_is_named_and_nothing_is_written_behind_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_ring, "KEPT_BYTES_MAX", 500)
    log = pair.open()
    append(log, 1)
    pair.part()
    append(log, *[1] * 9, position=1)
    pair.fail_over()
    with pytest.raises(LogCorruptError, match="ends at position 1, but was written up to 10"):
        append(log, 1, position=10)
    client = pair.replica.client
    assert client.xlen("{failover}:log:3") == 1
    log.close()


def test_two_histories_are_never_made_one(pair: Pair) -> None:
    """Who owned the slot by the old server's word wrote there: the true owner does not go on."""
    older = pair.open()
    append(older, 1)
    pair.part()
    newer = pair.open()
    append(newer, 1, 1, position=1)
    other = open_redis_log(RedisServer(replace(pair.settings, url=pair.replica.url)), 3, KEY)
    append(other, 1, position=1)
    pair.fail_over()
    with pytest.raises((LogCorruptError, FencedError)):
        append(newer, 1, position=3)
    assert positions(other) == [0, 1]
    for log in (older, newer, other):
        log.close()


def test_the_log_stays_where_a_failover_lost_the_snapshots_it_was_released_for(pair: Pair) -> None:
    archived: list[int] = []
    log = pair.open(archive=StreamArchive(lambda first, frames: archived.append(first)))
    snapshots = RedisSnapshots(RedisServer(pair.settings), KEY, log.owner)
    log.before_release = snapshots.check_release
    append(log, 1, 1, 1)
    write(snapshots, 5, 1, [])
    pair.part()
    write(snapshots, 5, 2, [])
    write(snapshots, 5, 3, [])
    pair.fail_over()
    log.check()
    with pytest.raises(StoreLostError, match="lost the latest snapshot of partition 5"):
        log.release(2)
    assert positions(log) == [0, 1, 2]
    log.release(1)
    write(snapshots, 5, 3, [])
    log.release(3)
    assert archived == [0, 1]
    log.close()


def test_a_failover_to_before_a_rewriting_loses_nothing_and_keeps_it(pair: Pair) -> None:
    """The server comes back with the stream as it was: the rest is written as it should be."""
    log = pair.open()
    append(log, *[1] * 4)
    pair.part()

    def changed(frame: Frame) -> Frame:
        return frame_at(frame.position, 1) if frame.position % 2 else other(frame)

    def other(frame: Frame) -> Frame:
        records: list[Record] = [AdvanceRecord(frame.position, 3, 1 << 40)]
        return Frame(frame.position, 1, records, b"\0", [], [])

    append(log, *[1] * 4, position=4)
    assert log.rewrite(8, changed, no_pause)
    pair.fail_over()
    append(log, 1, position=8)
    assert log.written_again == 4
    found = list(log.frames())
    assert found[:4] == [frame_at(position) for position in range(4)], "as it was: erase it again"
    assert found[4:] == [changed(frame_at(position)) for position in range(4, 8)] + [frame_at(8)]
    log.close()
