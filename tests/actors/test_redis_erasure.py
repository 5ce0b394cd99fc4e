"""Erasing with a store in Redis: nothing in server or archive tells of the contact after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.clock import EventClock
from actors.frame import Frame, encode_frame
from actors.links.link import EraseContact, Erased, LinkClient, LinkError
from actors.redis_slot import RedisStore, open_redis_slot
from actors.settings import RedisSettings
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.store import redis_rewrite
from actors.store.archive import read_archive
from actors.store.erased import Erasure
from actors.store.newfile import no_pause
from actors.store.port import FencedError, StoreLostError
from actors.store.redis_log import RedisLog, open_redis_log
from actors.store.redis_map import RedisMap
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from actors.store.redis_stream import Reader, read_entries
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.input import Verdict
from engine.limits import DAY_MS
from tests.actors.shards.test_eraser import (
    ADA,
    BOB,
    KEY,
    SECRET,
    event,
    finished,
    live,
    state,
    take_snapshots,
    verdicts,
)
from tests.actors.shards.test_redis_outage import server, until
from tests.actors.store.frames import frame_at
from tests.actors.store.redis_server import Server, new_settings

__all__ = ["server"]


def opened(settings: RedisSettings, folder: Path) -> RedisStore:
    return open_redis_slot(settings, 0, KEY, DAY_MS, lambda: 0, archive=str(folder / "archive"))


@asynccontextmanager
async def serving(
    settings: RedisSettings, folder: Path
) -> AsyncIterator[tuple[ShardService, LinkClient]]:
    slot = opened(settings, folder)
    service = ShardService(
        Shard(0, 1, EventClock()), slot.log, snapshots=slot.snapshots, files=slot.files
    )
    socket = str(folder / "s.sock")
    await service.start(socket)
    client = await LinkClient.connect(socket)
    try:
        yield service, client
    finally:
        client.close()
        await service.stop()
        slot.close()
        await asyncio.sleep(0.01)  # The loop closes what is left of the link.


def everything(settings: RedisSettings, folder: Path) -> bytes:
    """Return all that server and archive hold, opened and unpacked."""
    server = RedisServer(settings)
    held = b""
    reader = Reader("log", KEY)
    for entry in read_entries(server, server.key("log", 0), 0):
        held += b"".join(reader.bodies(entry))
    snapshots = RedisSnapshots(server, KEY)
    for heads in snapshots.all_heads().values():
        for head in heads:
            held += repr(head).encode()
            held += repr(list(snapshots.rows(head))).encode()
    held += repr(server.run("HGETALL", server.key("files", 0))).encode()
    server.close()
    for path in sorted(folder.rglob("*.zst")):
        held += b"".join(read_archive(path, KEY))
    return held


async def test_an_erased_contact_is_nowhere_and_others_are_as_they_were(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    async with serving(redis_settings, tmp_path) as (service, client):
        await live(client)
        take_snapshots(service)
        service.log.release(service.shard.position)
        await live(client, first=3)
        take_snapshots(service)
        await live(client, first=6)
        bob = state(service, BOB)
        before = everything(redis_settings, tmp_path)
        assert SECRET in before
        assert ADA.encode() in before
        reply = await client.ask(EraseContact(0, ADA, DAY_MS))
        assert isinstance(reply, Erased)
        assert reply.files == 1 + 1 + 2
        assert await verdicts(client, event("late", ADA)) == [Verdict.ERASED]
    after = everything(redis_settings, tmp_path)
    assert SECRET not in after
    assert ADA.encode() not in after
    async with serving(redis_settings, tmp_path) as (service, client):
        assert state(service, ADA) is None
        assert state(service, BOB) == bob
        assert service.shard.status()["differences"] == 0
        assert await verdicts(client, event("again", BOB)) == [0]


async def test_an_erasure_that_could_not_be_finished_is_by_the_next_owner(
    redis_settings: RedisSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreLostError("the server is away")

    async with serving(redis_settings, tmp_path) as (service, client):
        await live(client)
        monkeypatch.setattr(redis_rewrite.StreamRewriting, "finish", away)
        with pytest.raises(LinkError, match=r"not in all files yet.*the server is away"):
            await client.ask(EraseContact(0, ADA, DAY_MS))
        assert await verdicts(client, event("more", BOB)) == [0]
    monkeypatch.undo()
    assert SECRET in everything(redis_settings, tmp_path)
    async with serving(redis_settings, tmp_path) as (service, client):
        await finished(service)
        assert state(service, ADA) is None
        assert await verdicts(client, event("again", BOB)) == [0]
    after = everything(redis_settings, tmp_path)
    assert SECRET not in after


def shorter(frame: Frame) -> Frame | None:
    """Change frames at positions that 3 divides: what they hold is other bytes."""
    if frame.position % 3:
        return None
    return frame_at(frame.position, len(frame.records), text=1 << 40)


def fill(log: RedisLog, count: int) -> None:
    for _ in range(count):
        log.append(log.position, [encode_frame(frame_at(log.position))])


def expected(count: int, changed: int) -> list[Frame]:
    frames = [frame_at(position) for position in range(count)]
    return [(shorter(each) or each) if each.position <= changed else each for each in frames]


@pytest.mark.parametrize("last", [0, 1, 150, 299, 1_000])
@pytest.mark.parametrize("at_once", [1, 7, 1_000])
def test_a_rewritten_stream_has_other_entries_where_they_changed_and_all_others(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch, last: int, at_once: int
) -> None:
    monkeypatch.setattr(redis_rewrite, "COPIED_AT_ONCE", at_once)
    monkeypatch.setattr(redis_rewrite, "SENT_BYTES", 500)
    server = RedisServer(redis_settings)
    log = open_redis_log(server, 0, KEY)
    fill(log, 300)
    assert log.rewrite(last, shorter, no_pause)
    fill(log, 3)
    assert list(log.frames()) == expected(303, min(last, 299))
    assert server.run("EXISTS", server.key("log", 0) + ":new") == 0
    sizes = [len(entry.value) for entry in read_entries(server, server.key("log", 0), 0)]
    assert log.size_bytes == sum(sizes)
    log.close()
    log = open_redis_log(RedisServer(redis_settings), 0, KEY)
    assert log.size_bytes == sum(sizes)
    fill(log, 1)
    assert len(list(log.frames())) == 304
    log.close()


def test_where_nothing_changes_the_stream_is_left_alone(redis_settings: RedisSettings) -> None:
    log = open_redis_log(RedisServer(redis_settings), 0, KEY)
    fill(log, 5)
    before = list(read_entries(log.owner.server, log.owner.server.key("log", 0), 0))
    assert not log.rewrite(4, lambda _: None, no_pause)
    assert list(read_entries(log.owner.server, log.owner.server.key("log", 0), 0)) == before
    log.close()


def test_what_is_appended_while_a_stream_is_rewritten_is_in_it(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_rewrite, "COPIED_AT_ONCE", 10)
    log = open_redis_log(RedisServer(redis_settings), 0, KEY)
    fill(log, 50)
    pauses = []

    def pause() -> None:
        pauses.append(1)
        if len(pauses) < 40:
            fill(log, 2)

    copy = redis_rewrite.StreamRewriting.copy

    def copy_and_append(self, pause) -> None:
        copy(self, pause)
        fill(log, 4)

    monkeypatch.setattr(redis_rewrite.StreamRewriting, "copy", copy_and_append)
    assert log.rewrite(49, shorter, pause)
    fill(log, 1)
    assert len(pauses) > 5
    assert list(log.frames()) == expected(log.position, 49)
    log.close()


def test_a_lost_answer_of_the_last_step_changes_nothing_twice(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_redis_log(RedisServer(redis_settings), 0, KEY)
    fill(log, 5)
    server = log._reader_server
    whole = server.send
    lost: list[int] = []

    def watching(commands):
        answers = whole(commands)
        if commands[0][1] == redis_rewrite._COPY.digest:
            lost.append(1)
            server.drop()
            if len(lost) % 2:
                raise ConnectionResetError("lost")
        return answers

    monkeypatch.setattr(server, "send", watching)
    assert log.rewrite(4, shorter, no_pause)
    assert len(lost) >= 4
    fill(log, 1)
    assert list(log.frames()) == expected(6, 4)
    sizes = [len(entry.value) for entry in read_entries(server, server.key("log", 0), 0)]
    assert log.size_bytes == sum(sizes)
    log.close()
    log = open_redis_log(RedisServer(redis_settings), 0, KEY)
    assert log.size_bytes == sum(sizes)
    log.close()


def test_who_no_longer_owns_the_slot_rewrites_nothing(redis_settings: RedisSettings) -> None:
    zombie = open_redis_log(RedisServer(redis_settings), 0, KEY)
    fill(zombie, 5)
    log = open_redis_log(RedisServer(redis_settings), 0, KEY)
    with pytest.raises(FencedError):
        zombie.rewrite(4, shorter, no_pause)
    assert list(log.frames()) == [frame_at(position) for position in range(5)]
    zombie.close()
    log.close()


def test_nothing_is_rewritten_while_an_append_is_in_doubt(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_redis_log(RedisServer(redis_settings), 0, KEY)
    fill(log, 2)

    def away(*_: object, **__: object) -> None:
        raise StoreLostError("away")

    monkeypatch.setattr(log._server, "again", away)
    with pytest.raises(StoreLostError):
        log.append(2, [encode_frame(frame_at(2))])
    with pytest.raises(StoreLostError, match="nothing was rewritten"):
        log.rewrite(1, shorter, no_pause)
    monkeypatch.undo()
    log.append(2, [encode_frame(frame_at(2))])
    assert list(log.frames()) == [frame_at(position) for position in range(3)]
    log.close()


def test_an_owner_fenced_amid_a_rewriting_puts_nothing_in_the_streams_place(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    zombie = open_redis_log(RedisServer(redis_settings), 0, KEY)
    fill(zombie, 5)
    copy = redis_rewrite.StreamRewriting.copy
    newer: list[RedisLog] = []

    def copy_and_be_fenced(self, pause) -> None:
        copy(self, pause)
        newer.append(open_redis_log(RedisServer(redis_settings), 0, KEY))

    monkeypatch.setattr(redis_rewrite.StreamRewriting, "copy", copy_and_be_fenced)
    with pytest.raises(FencedError):
        zombie.rewrite(4, shorter, no_pause)
    assert list(newer[0].frames()) == [frame_at(position) for position in range(5)]
    zombie.close()
    newer[0].close()


def test_the_next_owner_finds_a_rewritten_last_entry_to_be_the_last(
    redis_settings: RedisSettings,
) -> None:
    log = open_redis_log(RedisServer(redis_settings), 0, KEY)
    fill(log, 4)
    assert log.rewrite(3, shorter, no_pause)
    log.check()
    log.close()
    log = open_redis_log(RedisServer(redis_settings), 0, KEY)
    log.check()
    fill(log, 1)
    assert list(log.frames()) == expected(5, 3)
    log.close()


def test_who_no_longer_owns_the_slot_notes_nothing(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    zombie = opened(redis_settings, tmp_path)
    erasure = Erasure(digest="d", partition=1, position=2, keep_out_ms=3)
    zombie.files.notes.add(erasure)
    newer = opened(redis_settings, tmp_path)
    assert newer.files.notes.open == [erasure]
    with pytest.raises(FencedError):
        zombie.files.notes.cross_out([erasure])
    with pytest.raises(FencedError):
        zombie.files.sightings.drop()
    newer.close()
    newer = opened(redis_settings, tmp_path)
    assert newer.files.notes.open == [erasure]
    newer.close()
    zombie.close()


def test_a_contact_is_erased_from_the_snapshot_that_an_earlier_slot_wrote(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    shard = Shard(0, 1, EventClock())
    for contact in (ADA, BOB):
        shard.apply_event(event("e", contact), 0)
        shard.cut()
    number = partition_of(ADA)
    first, second = (
        open_redis_slot(redis_settings, slot, KEY, DAY_MS, lambda: 0, archive=str(tmp_path))
        for slot in (0, 1)
    )
    first.snapshots.write(*shard.snapshot(number))
    told = RedisMap(RedisServer(redis_settings))
    told.change(0, dict.fromkeys(range(256), 1))
    erasure = Erasure(digest=digest_of(ADA), partition=number, position=0, keep_out_ms=0)
    assert second.files.erase([erasure]).records == 1
    (head,) = second.snapshots.heads(number)
    assert (head.slot, head.position) == (0, shard.position)
    assert ADA not in {row.key for rows in second.snapshots.rows(head) for row in rows}
    second.snapshots.check_release(0)
    first.close()
    second.close()


@pytest.mark.parametrize("early", [True, False], ids=["waits", "comes then"])
async def test_nothing_is_erased_while_the_server_is_away(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, early: bool
) -> None:
    monkeypatch.setattr(RedisServer.again, "__defaults__", (0.1,))
    monkeypatch.setattr("actors.shards.committer.RETRY_S", 0.05)
    async with serving(new_settings(server), tmp_path) as (service, client):
        await live(client)
        if early:  # It was taken in, and is not folded yet.
            schedule = service._schedule
            monkeypatch.setattr(service, "_schedule", lambda: None)
            erasing = client.ask(EraseContact(0, ADA, DAY_MS))
            await until(lambda: len(service._inbox) == 1)
            service._stall("the server is away")
            monkeypatch.setattr(service, "_schedule", schedule)
            with pytest.raises(LinkError, match="the server is away"):
                await erasing
            service._stall("")
        else:
            server.kill()
            asking = asyncio.create_task(verdicts(client, event("more", BOB)))
            await until(lambda: bool(service.stalled))
            with pytest.raises(LinkError, match="nothing can be erased just now"):
                await client.ask(EraseContact(0, ADA, DAY_MS))
            server.start()
            assert await asking == [0]
            await until(lambda: not service.stalled)
        assert isinstance(await client.ask(EraseContact(0, ADA, DAY_MS)), Erased)
