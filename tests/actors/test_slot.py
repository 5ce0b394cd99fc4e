"""The files of a shard under a running service: log, snapshots and archive fit together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from actors.clock import EventClock, WallClock
from actors.errors import LogCorruptError
from actors.links.link import Accept, AskStatus, Drain, LinkClient, LinkEvent
from actors.settings import SnapshotSettings
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.store.archive import archive_files
from actors.store.history import read_history
from actors.store.log import Sizes
from actors.store.seal import KEY_BYTES
from engine.contacts.identity import partition_of
from engine.limits import DAY_MS
from tests.actors.shards.life import CONTACTS, PARTITIONS, SHARDS
from tests.engine.situation import NOON_MS

KEY = bytes(range(KEY_BYTES))
SMALL = Sizes(segment=20_000, first=10_000, spare=0)
OFTEN = SnapshotSettings(log_bytes=5_000, interval_s=1e9)


@asynccontextmanager
async def serving(
    folder: Path, keep_ms: int = DAY_MS
) -> AsyncIterator[tuple[ShardService, LinkClient]]:
    shard = Shard(0, SHARDS, EventClock())
    log, snapshots = open_slot(folder, KEY, keep_ms, shard.now_ms, sizes=SMALL)
    service = ShardService(shard, log, snapshots=snapshots, settings=OFTEN)
    socket = str(folder / "s.sock")
    await service.start(socket)
    client = await LinkClient.connect(socket)
    await client.ask(AskStatus(0))
    try:
        yield service, client
    finally:
        client.close()
        await service.stop()


async def send(client: LinkClient, first: int, count: int, at_ms: int = NOON_MS) -> None:
    for number in range(first, first + count):
        contact = CONTACTS[number % len(CONTACTS)]
        event = LinkEvent(
            partition_of(contact), contact, f"e-{number}", "view", at_ms, b'{"some":"%0200d"}' % 7
        )
        await client.ask(Accept(0, [event]))


async def until_archived(folder: Path, client: LinkClient, at_ms: int = NOON_MS) -> int:
    """Send events until the archive holds something; return how many that were."""
    sent = 0
    async with asyncio.timeout(60):
        while not archive_files(folder / "archive"):
            await send(client, sent, 20, at_ms)
            sent += 20
            await asyncio.sleep(0.05)
    return sent


def state_of(service: ShardService) -> dict[str, bytes | None]:
    partitions = service.shard.partitions.values()
    return {key: each.contact_bytes(key) for each in partitions for key in each.contact_keys()}


async def test_log_snapshots_and_archive_hold_all_between_them(tmp_path: Path) -> None:
    async with serving(tmp_path) as (service, client):
        sent = await until_archived(tmp_path, client)
        state = state_of(service)
        written = service.status()["snapshots"]
    records = [each for frame in read_history(tmp_path, KEY, 0) for each in frame.records]
    assert len(records) == sent
    assert written >= 2 * len(PARTITIONS)
    async with serving(tmp_path) as (service, _):
        assert state_of(service) == state
        assert service.refolded < sent
        assert service.status()["events_applied"] == sent


async def test_without_its_snapshots_a_log_that_was_archived_is_not_taken_for_whole(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (_, client):
        await until_archived(tmp_path, client)
    for path in (tmp_path / "snapshots").iterdir():
        path.unlink()
    with pytest.raises(LogCorruptError, match="position 0 is needed"):
        async with serving(tmp_path):
            pass


async def test_with_the_latest_snapshots_gone_the_older_ones_and_the_log_have_all(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (service, client):
        await until_archived(tmp_path, client)
        state = state_of(service)
    for number in PARTITIONS:
        latest = max((tmp_path / "snapshots").glob(f"snapshot-{number:03}-*"))
        latest.unlink()
    async with serving(tmp_path) as (service, _):
        assert state_of(service) == state


async def test_a_damaged_snapshot_is_named_and_the_older_one_with_the_log_has_all(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (service, client):
        await until_archived(tmp_path, client)
        state = state_of(service)
    path = max((tmp_path / "snapshots").glob(f"snapshot-{PARTITIONS[1]:03}-*"))
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    async with serving(tmp_path) as (service, _):
        assert str(path) in service.status()["snapshot_error"]
        assert state_of(service) == state


def damage_rows(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    path.write_bytes(data)


async def test_where_rows_are_damaged_the_older_snapshot_and_the_log_have_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path) as (service, client):
        await until_archived(tmp_path, client)
        state = state_of(service)
    path = max((tmp_path / "snapshots").glob(f"snapshot-{PARTITIONS[1]:03}-*"))
    damage_rows(path)
    async with serving(tmp_path) as (service, _):
        assert state_of(service) == state
    assert f"{path} is damaged at byte" in capsys.readouterr().out


async def test_where_the_rows_of_all_snapshots_are_damaged_the_start_says_which(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (_, client):
        await send(client, 0, 30)
        await client.ask(Drain(0))
    (path,) = (tmp_path / "snapshots").glob(f"snapshot-{PARTITIONS[1]:03}-*")
    damage_rows(path)
    with pytest.raises(LogCorruptError, match=f"{path} is damaged at byte"):
        async with serving(tmp_path):
            pass


async def test_a_drained_shard_folds_nothing_again_from_its_files(tmp_path: Path) -> None:
    async with serving(tmp_path) as (service, client):
        await send(client, 0, 30)
        await client.ask(Drain(0))
        state = state_of(service)
    async with serving(tmp_path) as (service, client):
        assert service.refolded == 0
        assert state_of(service) == state
        await send(client, 30, 5)
    async with serving(tmp_path) as (service, _):
        assert service.refolded == 5


def test_what_a_crash_left_half_written_goes_when_a_slot_is_opened(tmp_path: Path) -> None:
    open_slot(tmp_path, KEY, DAY_MS, lambda: NOON_MS)[0].close()
    left = [
        tmp_path / f"log-{0:020}-000001.seg.new",
        tmp_path / "archive" / f"archive-{0:020}.new",
        tmp_path / "snapshots" / f"snapshot-000-{0:020}.snap.new",
    ]
    for path in left:
        path.write_bytes(b"half")
    open_slot(tmp_path, KEY, DAY_MS, lambda: NOON_MS)[0].close()
    assert not [path for path in left if path.exists()]


async def test_what_is_too_old_leaves_the_archive(tmp_path: Path) -> None:
    async with serving(tmp_path, keep_ms=DAY_MS) as (_, client):
        await until_archived(tmp_path, client)
        (old, *_) = archive_files(tmp_path / "archive")
        sent = 10_000
        async with asyncio.timeout(60):
            while old in archive_files(tmp_path / "archive"):
                await send(client, sent, 20, NOON_MS + 3 * DAY_MS)
                sent += 20
                await asyncio.sleep(0.05)


@dataclass
class HandClock(WallClock):
    """The time of day, as a test sets it."""

    at_ms: int = NOON_MS

    def read(self) -> int:
        return self.at_ms


@asynccontextmanager
async def kept_a_day(folder: Path, clock: HandClock) -> AsyncIterator[ShardService]:
    """Serve without a walk for snapshots: nothing new comes to the archive."""
    shard = Shard(0, SHARDS, clock)
    log, snapshots = open_slot(folder, KEY, DAY_MS, shard.now_ms, sizes=SMALL)
    never = SnapshotSettings(log_bytes=1 << 60, interval_s=1e9)
    service = ShardService(shard, log, snapshots=snapshots, settings=never)
    await service.start(str(folder / "s.sock"))
    try:
        yield service
    finally:
        await service.stop()


async def until_empty(archive: Path) -> None:
    async with asyncio.timeout(20):
        while archive_files(archive):  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)


async def test_what_has_grown_too_old_while_nothing_ran_leaves_the_archive_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as (_, client):
        await until_archived(tmp_path, client)
    monkeypatch.setattr("actors.shards.snapshotter.FIRST_RELEASE_S", 0.0)
    async with kept_a_day(tmp_path, HandClock(NOON_MS + 2 * DAY_MS)):
        await until_empty(tmp_path / "archive")


async def test_what_grows_too_old_while_nothing_comes_leaves_the_archive_within_the_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as (_, client):
        await until_archived(tmp_path, client)
    monkeypatch.setattr("actors.shards.snapshotter.FIRST_RELEASE_S", 0.0)
    monkeypatch.setattr("actors.shards.snapshotter.RELEASE_S", 0.1)
    clock = HandClock(NOON_MS)
    async with kept_a_day(tmp_path, clock):
        await asyncio.sleep(0.3)  # What the stop has left to put there comes first.
        kept = archive_files(tmp_path / "archive")
        await asyncio.sleep(0.3)
        assert archive_files(tmp_path / "archive") == kept != []
        clock.at_ms += 2 * DAY_MS
        await until_empty(tmp_path / "archive")
