"""Snapshots while a shard serves and when it is drained: never ahead of the log, nor in its way."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.clock import EventClock
from actors.links.link import (
    Accept,
    Accepted,
    Done,
    Drain,
    Handed,
    LinkClient,
    LinkError,
    LinkEvent,
    PublishNow,
    Pull,
    Settle,
)
from actors.settings import SnapshotSettings
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.shards.snapshotter import Snapshotter
from actors.store.port import Row, SnapshotHead, StoreFullError
from engine.contacts.identity import partition_of
from engine.input import Receipt
from tests.actors.memory_store import MemoryLog, MemorySnapshots
from tests.actors.shards.life import CONTACTS, PARTITIONS, SHARDS, Life
from tests.engine.situation import NOON_MS
from tests.publications import journey, source_of

AT_ONCE = SnapshotSettings(log_bytes=1, interval_s=1e9)
NEVER = SnapshotSettings(log_bytes=1 << 60, interval_s=1e9)


@asynccontextmanager
async def serving(
    folder: Path, log: MemoryLog, snapshots: MemorySnapshots, settings: SnapshotSettings = AT_ONCE
) -> AsyncIterator[tuple[ShardService, LinkClient]]:
    shard = Shard(0, SHARDS, EventClock())
    service = ShardService(shard, log, snapshots=snapshots, settings=settings)
    await service.start(str(folder / "s.sock"))
    client = await LinkClient.connect(str(folder / "s.sock"))
    try:
        yield service, client
    finally:
        client.close()
        await service.stop()


def accept(*ids: str, contact: str = CONTACTS[0], name: str = "hi") -> Accept:
    number = partition_of(contact)
    return Accept(0, [LinkEvent(number, contact, id, name, NOON_MS, b"{}") for id in ids])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.005)


def latest(snapshots: MemorySnapshots) -> set[int]:
    """Return the positions of the latest snapshots; -1 for a partition without one."""
    heads = [snapshots.heads(number) for number in PARTITIONS]
    return {each[0].position if each else -1 for each in heads}


async def test_when_the_log_has_grown_each_partition_gets_a_snapshot(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with serving(tmp_path, log, snapshots) as (service, client):
        await client.ask(accept("a", "b"))
        await until(lambda: latest(snapshots) == {2})
        assert log.released == 0, "there is one snapshot of each, the log must reach back to none"
        await client.ask(accept(*[f"c-{number}" for number in range(98)]))
        await until(lambda: latest(snapshots) == {100})
        await until(lambda: log.released == 2)
        status = service.status()
        assert status["needed_position"] == 2
        assert status["snapshots"] == 2 * len(PARTITIONS)
        assert status["snapshot_bytes"] == snapshots.size_bytes > 0
        assert status["snapshot_error"] == ""


async def test_nothing_is_written_where_nothing_came(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    settings = SnapshotSettings(log_bytes=1 << 60, interval_s=0)
    async with serving(tmp_path, log, snapshots, settings) as (service, client):
        await client.ask(accept("a"))
        await until(lambda: latest(snapshots) == {1})
        await asyncio.sleep(0.1)
        assert service.status()["snapshots"] == len(PARTITIONS)


async def test_a_snapshot_waits_until_the_log_is_durable_up_to_it(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with serving(tmp_path, log, snapshots, NEVER) as (service, client):
        await client.ask(accept("a"))
        gate = threading.Event()
        log.before_append = lambda: gate.wait(10)
        answer = client.ask(accept("b"))
        await until(lambda: service.shard.position == 2)
        assert service._snapshotter is not None
        service._snapshotter._settings = AT_ONCE
        await asyncio.sleep(0.2)
        assert snapshots.kept == {}, "it would hold what a crash now takes from the log"
        gate.set()
        await answer
        await until(lambda: latest(snapshots) == {2})


async def test_events_are_served_while_a_snapshot_is_written(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    gate, writing = threading.Event(), threading.Event()

    def hold(_: SnapshotHead) -> None:
        writing.set()
        assert gate.wait(10)

    snapshots.before_write = hold
    async with serving(tmp_path, log, snapshots) as (_, client):
        await client.ask(accept("a"))
        await until(writing.is_set)
        for number in range(50):
            assert isinstance(await client.ask(accept(f"b-{number}")), Accepted)
        assert snapshots.kept == {}
        gate.set()
        await until(lambda: -1 not in latest(snapshots))


async def test_a_capture_waits_while_much_waits_to_be_folded_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.shards.snapshotter.PATIENCE_S", 0.1)
    life = Life()
    life.event(CONTACTS[0], "hi")
    life.commit()
    positions: dict[int, list[int]] = {number: [] for number in PARTITIONS}
    snapshotter = Snapshotter(life.shard, life.log, life.snapshots, positions, AT_ONCE)
    snapshotter.note(10)
    snapshotter.turn(busy=True)
    await asyncio.sleep(0)
    assert life.snapshots.kept == {}
    await asyncio.sleep(0.11)
    snapshotter.turn(busy=True)
    snapshotter.turn(busy=True)
    await snapshotter.close()
    assert len(life.snapshots.kept) == 1, "one a turn, and none while that is written"


async def test_a_snapshot_that_fails_is_shown_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    monkeypatch.setattr("actors.shards.snapshotter.RETRY_S", 0.05)
    full = True

    def refuse(head: SnapshotHead) -> None:
        if full and head.partition == PARTITIONS[2]:
            raise StoreFullError("the disk is full")

    snapshots.before_write = refuse
    async with serving(tmp_path, log, snapshots) as (service, client):
        await client.ask(accept("a"))
        await until(lambda: "the disk is full" in service.status()["snapshot_error"])
        assert isinstance(await client.ask(accept("b")), Accepted)
        full = False
        await client.ask(accept("c"))
        await until(lambda: latest(snapshots) == {3})
        await until(lambda: service.status()["snapshot_error"] == "")


async def test_after_a_drain_nothing_is_folded_again(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with serving(tmp_path, log, snapshots, NEVER) as (_, client):
        await client.ask(PublishNow(0, source_of(journey())))
        for number in range(20):
            await client.ask(accept(f"e-{number}", contact=CONTACTS[number % 7]))
        assert isinstance(await client.ask(Drain(0)), Done)
        assert latest(snapshots) == {21}
    async with serving(tmp_path, log, snapshots, NEVER) as (service, client):
        status = service.status()
        assert status["refolded"] == 0
        assert (status["position"], status["events_applied"], status["outbox"]) == (21, 20, 20)
        assert status["published"] == source_of(journey())
        reply = await client.ask(Pull(0, "email", 99, 1_000))
        assert isinstance(reply, Handed)
        assert len(reply.deliveries) == 20
        assert list(reply.templates) == ["hello.en"]


async def test_a_drain_takes_no_more_events_and_hands_nothing_over(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    gate = threading.Event()
    snapshots.before_write = lambda _: gate.wait(10)
    async with serving(tmp_path, log, snapshots, NEVER) as (service, client):
        await client.ask(PublishNow(0, source_of(journey())))
        await client.ask(accept("a"))
        drained = client.ask(Drain(0))
        with pytest.raises(LinkError, match="the shard stops"):
            await client.ask(accept("b"))
        with pytest.raises(LinkError, match="being drained already"):
            await client.ask(Drain(0))
        reply = await client.ask(Pull(0, "email", 10, 100))
        assert isinstance(reply, Handed)
        assert reply.deliveries == []
        gate.set()
        await drained
        assert service.shard.position == 2


async def test_a_drain_waits_for_what_couriers_have(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with serving(tmp_path, log, snapshots, NEVER) as (service, client):
        await client.ask(PublishNow(0, source_of(journey())))
        await client.ask(accept("a"))
        reply = await client.ask(Pull(0, "email", 10, 1_000))
        assert isinstance(reply, Handed)
        drained = client.ask(Drain(0))
        await asyncio.sleep(0.1)
        assert snapshots.kept == {}
        receipts = [Receipt(each.contact, each.key, delivered=True) for each in reply.deliveries]
        await client.ask(Settle(0, receipts))
        await drained
        assert latest(snapshots) == {service.shard.position}
        assert service.outbox.depth == 0


async def test_a_drain_that_cannot_write_says_so(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()

    def refuse(_: SnapshotHead) -> None:
        raise OSError(5, "Input/output error")

    snapshots.before_write = refuse
    async with serving(tmp_path, log, snapshots, NEVER) as (_, client):
        await client.ask(accept("a"))
        with pytest.raises(LinkError, match=r"cannot be written.*Input/output error"):
            await client.ask(Drain(0))


async def test_a_drain_releases_the_log_once_and_says_if_that_fails(tmp_path: Path) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    released = []

    def refuse(position: int) -> None:
        released.append((position, latest(snapshots)))
        raise StoreFullError("there is no space for the archive")

    log.release = refuse  # type: ignore[method-assign]
    async with serving(tmp_path, log, snapshots, NEVER) as (_, client):
        await client.ask(accept("a"))
        with pytest.raises(LinkError, match="into the archive: there is no space"):
            await client.ask(Drain(0))
    assert released == [(0, {1})], "only when all partitions have theirs"


async def test_a_fault_of_the_shard_itself_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else no timer would ever go off again, and nobody would know."""
    codes: list[int] = []
    monkeypatch.setattr("actors.shards.service.os._exit", codes.append)
    log, snapshots = MemoryLog(), MemorySnapshots()
    async with serving(tmp_path, log, snapshots, NEVER) as (service, _):

        def fail() -> int:
            raise ZeroDivisionError

        monkeypatch.setattr(service.shard.clock, "read", fail)
        await until(lambda: bool(codes))
    assert codes == [70]


async def test_on_a_full_disk_events_are_refused_and_what_was_folded_is_answered_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.shards.committer.RETRY_S", 0.05)
    log, snapshots = MemoryLog(), MemorySnapshots()
    full = True

    def refuse() -> None:
        if full:
            raise StoreFullError("the disk is full; make space")

    async with serving(tmp_path, log, snapshots, NEVER) as (service, client):
        await client.ask(accept("a"))
        log.before_append = refuse
        folded = client.ask(accept("b"))
        await until(lambda: bool(service.stalled))
        assert service.status()["stalled"] == "the disk is full; make space"
        with pytest.raises(LinkError, match="the disk is full; make space"):
            await client.ask(accept("c"))
        assert not folded.done()
        full = False
        assert await folded == Accepted(2, b"\0")
        await until(lambda: not service.stalled)
        again = Accept(0, accept("c").events, 1)
        assert await client.ask(again) == Accepted(4, b"\0")
        assert service.status()["events_applied"] == 3


async def test_what_waits_when_the_disk_is_full_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.shards.committer.RETRY_S", 0.05)
    monkeypatch.setattr("actors.shards.service.FRAMES_UNCOMMITTED_MAX", 1)
    log, snapshots = MemoryLog(), MemorySnapshots()
    gate = threading.Event()
    full = True

    def refuse() -> None:
        gate.wait(10)
        if full:
            raise StoreFullError("the disk is full")

    async with serving(tmp_path, log, snapshots, NEVER) as (service, client):
        log.before_append = refuse
        folded = client.ask(accept("a"))
        await until(lambda: service.shard.position == 1)
        waiting = client.ask(accept("b"))
        await until(lambda: len(service._inbox) == 1)
        gate.set()
        with pytest.raises(LinkError, match="the disk is full"):
            await waiting
        full = False
        assert await folded == Accepted(1, b"\0")
        await until(lambda: not service.stalled)
        with pytest.raises(LinkError, match="the disk is full"):
            await client.ask(accept("of the same attempt"))
        assert service.shard.position == 1


async def test_after_each_file_it_rests_longer_than_the_end_of_the_file_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Life()
    life.event(CONTACTS[0], "hi")
    life.commit()
    positions: dict[int, list[int]] = {number: [] for number in PARTITIONS}
    snapshotter = Snapshotter(life.shard, life.log, life.snapshots, positions, AT_ONCE)
    write = life.snapshots.write

    def write_and_sync(head: SnapshotHead, rows: Iterable[list[Row]]) -> None:
        write(head, rows)
        time.sleep(0.01)

    monkeypatch.setattr(life.snapshots, "write", write_and_sync)
    monkeypatch.setattr("actors.shards.snapshotter.PAUSE_RATIO", 100)
    monkeypatch.setattr("actors.shards.snapshotter.REST_S_MAX", 0.5)
    snapshotter.note(10)
    snapshotter.turn(busy=False)
    await until(lambda: snapshotter.written == 1)
    await until(lambda: snapshotter.under_way is None)
    ended_s = asyncio.get_running_loop().time()
    snapshotter.turn(busy=False)
    assert snapshotter.under_way is None, "the log's commits have the disk for themselves now"

    def goes_on() -> bool:
        snapshotter.turn(busy=False)
        return snapshotter.under_way is not None

    await until(goes_on)
    assert asyncio.get_running_loop().time() - ended_s >= 0.4
    await snapshotter.close()


@pytest.mark.parametrize(("log_bytes", "rests"), [(1 << 60, True), (10, False)])
async def test_files_come_apart_unless_the_log_grows_fast(
    monkeypatch: pytest.MonkeyPatch, *, log_bytes: int, rests: bool
) -> None:
    """By default each file's syncs have half a second to themselves: answers' p99 depends on it."""
    monkeypatch.setattr("actors.shards.snapshotter.FILE_REST_S", 60.0)
    monkeypatch.setattr("actors.shards.snapshotter.REST_S_MAX", 60.0)
    monkeypatch.setattr("actors.shards.snapshotter.FIRST_RELEASE_S", 60.0)  # It would go first.
    life = Life()
    life.event(CONTACTS[0], "hi")
    life.commit()
    positions: dict[int, list[int]] = {number: [] for number in PARTITIONS}
    settings = SnapshotSettings(log_bytes=log_bytes, interval_s=0)
    snapshotter = Snapshotter(life.shard, life.log, life.snapshots, positions, settings)
    snapshotter.turn(busy=False)
    snapshotter.note(10)
    await until(lambda: snapshotter.written == 1 and snapshotter.under_way is None)
    await asyncio.sleep(0.05)
    snapshotter.turn(busy=False)
    assert (snapshotter.under_way is None) == rests
    await snapshotter.close()
