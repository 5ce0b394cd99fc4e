"""Erasing on a shard's link, with real files: nothing on the disk tells of the contact after."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import zstandard

from actors.clock import EventClock
from actors.links.link import (
    Accept,
    Accepted,
    EraseContact,
    Erased,
    Handed,
    LinkClient,
    LinkError,
    LinkEvent,
    PublishNow,
    Pull,
    Settle,
)
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.slot_files import SlotFiles
from actors.store.archive import ARCHIVE_FOLDER, archive_segment, read_archive
from actors.store.block import LOG, SNAPSHOT, read_blocks
from actors.store.disk import REAL_DISK
from actors.store.erased import Erasure, ErasureNotes, UnsureError
from actors.store.log import Archive, open_log, read_log
from actors.store.snapshots import open_snapshots
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.input import Receipt, Verdict
from engine.limits import DAY_MS
from tests.actors.store.frames import FailingDisk
from tests.publications import journey, source_of

NOON = 1_700_000_000_000
ADA, BOB = "ada-lovelace", "bob"
SECRET = b"ada@shop.example"
KEY = bytes(range(32))


def event(id: str, contact: str, name: str = "hi", payload: bytes = b"{}") -> LinkEvent:
    return LinkEvent(partition_of(contact), contact, id, name, NOON, payload)


IDENTIFY = b'{"attributes": {"email": "ada@shop.example"}}'


@asynccontextmanager
async def serving(
    folder: Path, key: bytes | None = KEY
) -> AsyncIterator[tuple[ShardService, LinkClient]]:
    """Serve the slot in this folder, until it is left in good order or by an exception."""
    snapshots = open_snapshots(folder / "snapshots", key)

    def archive(segment: Path) -> None:
        archive_segment(segment, folder / ARCHIVE_FOLDER, key)

    REAL_DISK.make_folder(folder / ARCHIVE_FOLDER)
    log = open_log(folder, key, archive=Archive(archive))
    files = SlotFiles(folder, log=log, snapshots=snapshots, key=key)
    service = ShardService(Shard(0, 1, EventClock()), log, snapshots=snapshots, files=files)
    socket = str(folder / "s.sock")
    await service.start(socket)
    client = await LinkClient.connect(socket)
    try:
        yield service, client
    finally:
        client.close()
        await service.stop()


async def verdicts(client: LinkClient, *events: LinkEvent) -> list[int]:
    reply = await client.ask(Accept(0, list(events)))
    assert isinstance(reply, Accepted)
    return list(reply.verdicts)


async def live(client: LinkClient, first: int = 0, rounds: int = 3) -> None:
    """Let Ada and Bob do things; each gets messages."""
    await client.ask(PublishNow(0, source_of(journey())))
    for number in range(first, first + rounds):
        for contact in (ADA, BOB):
            more = event(f"i-{number}", contact, "identify", IDENTIFY if contact == ADA else b"{}")
            assert await verdicts(client, event(f"e-{number}", contact), more) == [0, 0]


def take_snapshots(service: ShardService) -> None:
    """Write a snapshot of all partitions as they are, all of it durable."""
    assert service._snapshots is not None
    for number in service.shard.partitions:
        service._snapshots.write(*service.shard.snapshot(number))


def everything(folder: Path, key: bytes | None = KEY) -> bytes:
    """Return all that the files of a slot hold, opened and unpacked."""
    held: list[bytes] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".seg":
            held += read_blocks(path, LOG, key, torn_tail=True)
        elif path.suffix == ".zst":
            held += read_archive(path, key)
        elif path.suffix == ".snap":
            for body in read_blocks(path, SNAPSHOT, key):
                held.append(body)
                with contextlib.suppress(zstandard.ZstdError):
                    held.append(zstandard.ZstdDecompressor().decompress(body))
        elif path.is_file():
            held.append(path.read_bytes())
    return b"".join(held)


async def finished(service: ShardService) -> None:
    """Wait until no erasure is open."""
    async with asyncio.timeout(10):
        while service.status()["erasures_open"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def kinds(folder: Path) -> set[str]:
    """Return what files end in that there are."""
    return {path.suffix for path in folder.rglob("*")}


def state(service: ShardService, contact: str) -> bytes | None:
    return service.shard.partitions[partition_of(contact)].contact_bytes(contact)


@pytest.mark.parametrize("key", [KEY, None], ids=["sealed", "plain"])
async def test_an_erased_contact_is_in_no_file_and_others_are_as_they_were(
    tmp_path: Path, key: bytes | None
) -> None:
    async with serving(tmp_path, key) as (service, client):
        await live(client)
        take_snapshots(service)
        with service.log.closed():  # type: ignore[attr-defined]
            pass
        await live(client, 3, 1)
        service.log.release(service.shard.position)
        assert {".seg", ".zst", ".snap"} <= kinds(tmp_path)
        held = everything(tmp_path, key)
        assert ADA.encode() in held
        assert SECRET in held
        bob = state(service, BOB)
        reply = await client.ask(EraseContact(0, ADA, DAY_MS))
        assert isinstance(reply, Erased)
        assert (reply.files, reply.records) == (3, 9)
        assert await verdicts(client, event("late", ADA), event("x", BOB)) == [Verdict.ERASED, 0]
        held = everything(tmp_path, key)
        assert ADA.encode() not in held
        assert SECRET not in held
        assert b"bob" in held
        assert not service.status()["erasures_open"]
        again = await client.ask(EraseContact(0, ADA, DAY_MS))
        assert again == Erased(again.seq, 0, 0)
        assert bob is not None
        bob = state(service, BOB)
    async with serving(tmp_path, key) as (service, client):
        assert state(service, BOB) == bob
        assert state(service, ADA) is None
        assert service.shard.differences == 0
        assert await verdicts(client, event("late", ADA)) == [Verdict.ERASED]
    assert ADA.encode() not in everything(tmp_path, key)


async def test_its_messages_are_not_handed_over_and_their_receipts_leave_no_trace(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (service, client):
        await live(client, 0, 2)
        pulled = await client.ask(Pull(0, "email", 1, 1000))
        assert isinstance(pulled, Handed)
        (delivery,) = pulled.deliveries
        assert delivery.contact == ADA
        await client.ask(EraseContact(0, ADA, DAY_MS))
        await client.ask(Settle(0, [Receipt(ADA, delivery.key, delivered=False)]))
        rest = await client.ask(Pull(0, "email", 10, 1000))
        assert isinstance(rest, Handed)
        assert {each.contact for each in rest.deliveries} == {BOB}
        assert service.outbox.depth == 2
    assert ADA.encode() not in everything(tmp_path)


async def test_what_is_decided_while_an_erasure_commits_stays_in_no_outbox(tmp_path: Path) -> None:
    """The events, the erasure and a pull come at once, in slices that are not durable yet."""
    async with serving(tmp_path) as (service, client):
        await client.ask(PublishNow(0, source_of(journey())))
        asked = [client.ask(Accept(0, [event(f"{number}", ADA)])) for number in range(20)]
        erased = client.ask(EraseContact(0, ADA, DAY_MS))
        pull = client.ask(Pull(0, "email", 10, 50))
        await asyncio.gather(*asked, erased, pull)
        assert service.outbox.depth == 0
        assert ADA not in repr(vars(service.outbox))


async def crash_amid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Erase Ada; no file can be rewritten before the process ends."""
    async with serving(folder) as (service, client):
        await live(client)
        take_snapshots(service)
        await live(client, 3, 1)
        with monkeypatch.context() as patch:
            patch.setattr("actors.slot_files.rewrite_file", refuse)
            with pytest.raises(LinkError, match="not in all files yet, and it is tried again: the"):
                await client.ask(EraseContact(0, ADA, DAY_MS))
        assert service.status()["erasure_error"] == "the disk is full"


def refuse(*_: object) -> bool:
    raise OSError("the disk is full")


async def test_a_rewriting_that_did_not_end_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await crash_amid(tmp_path, monkeypatch)
    assert ADA.encode() in everything(tmp_path)
    async with serving(tmp_path) as (service, _):
        assert state(service, ADA) is None
        assert state(service, BOB) is not None
        assert service.shard.differences == 0
        await finished(service)
        assert ADA.encode() not in everything(tmp_path)


async def test_an_erasure_that_was_only_noted_is_carried_out_by_the_next_start(
    tmp_path: Path,
) -> None:
    """The process died between the note and the commit of its record."""
    async with serving(tmp_path) as (service, client):
        await live(client)
        position = service.shard.position
    noted = Erasure(
        digest=digest_of(ADA),
        partition=partition_of(ADA),
        position=position + 3,
        keep_out_ms=DAY_MS,
    )
    ErasureNotes(tmp_path, REAL_DISK).add(noted)
    async with serving(tmp_path) as (service, client):
        await finished(service)
        assert await verdicts(client, event("late", ADA)) == [Verdict.ERASED]
        assert state(service, ADA) is None
    assert ADA.encode() not in everything(tmp_path)
    records = [record for frame in read_log(tmp_path, KEY) for record in frame.records]
    assert len(records) == position + 1


async def test_an_erasure_that_cannot_be_noted_is_refused_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as (service, client):
        await live(client)
        before = state(service, ADA)
        monkeypatch.setattr("actors.store.erased.ErasureNotes._write", refuse)
        with pytest.raises(LinkError, match="nothing was done: the disk is full"):
            await client.ask(EraseContact(0, ADA, DAY_MS))
        monkeypatch.undo()
        assert state(service, ADA) == before
        assert await verdicts(client, event("more", ADA)) == [0]


@pytest.mark.parametrize("operations", range(8))
def test_a_note_is_on_the_disk_or_not_or_it_says_that_nobody_knows(
    tmp_path: Path, operations: int
) -> None:
    disk = FailingDisk(1_000, OSError)
    notes = ErasureNotes(tmp_path, disk)
    first = Erasure(digest=digest_of(ADA), partition=3, position=7, keep_out_ms=1)
    notes.add(first)
    disk.left = operations
    try:
        notes.add(Erasure(digest=digest_of(BOB), partition=4, position=8, keep_out_ms=1))
    except UnsureError:
        return
    except OSError:
        assert notes.open == [first]
    assert ErasureNotes(tmp_path, REAL_DISK).open == notes.open


async def test_where_nobody_knows_whether_an_erasure_is_noted_the_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start carries it out, or not; to go on would lose the half of a contact."""
    ended = asyncio.Event()
    monkeypatch.setattr("actors.shards.service.os._exit", lambda _: ended.set())
    async with serving(tmp_path) as (service, client):
        await live(client)
        before = state(service, ADA)
        monkeypatch.setattr(REAL_DISK.__class__, "sync_folder", refuse)
        asked = client.ask(EraseContact(0, ADA, DAY_MS))
        async with asyncio.timeout(20):
            await ended.wait()
        monkeypatch.undo()
        assert not asked.done()
        assert state(service, ADA) == before, "nothing was folded beside the note"
        asked.cancel()


async def test_a_snapshot_captured_before_and_written_after_does_not_bring_it_back(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (service, client):
        await live(client)
        snapshotter = service._snapshotter
        assert snapshotter is not None
        captured = service.shard.snapshot(partition_of(ADA))
        snapshotter.under_way = captured[0].position
        erased = client.ask(EraseContact(0, ADA, DAY_MS))
        await asyncio.sleep(0.1)
        assert not erased.done(), "it waits for the snapshot"
        assert service._snapshots is not None
        service._snapshots.write(*captured)
        assert ADA.encode() in everything(tmp_path)
        snapshotter.under_way = None
        await erased
        assert ADA.encode() not in everything(tmp_path)


async def test_a_store_without_files_refuses(tmp_path: Path) -> None:
    service = ShardService(Shard(0, 1, EventClock()), open_log(tmp_path))
    await service.start(str(tmp_path / "s.sock"))
    client = await LinkClient.connect(str(tmp_path / "s.sock"))
    with pytest.raises(LinkError, match="this store cannot erase"):
        await client.ask(EraseContact(0, ADA, DAY_MS))
    client.close()
    await service.stop()


def test_notes_say_what_is_open_and_name_nobody(tmp_path: Path) -> None:
    notes = ErasureNotes(tmp_path, REAL_DISK)
    first = Erasure(digest=digest_of(ADA), partition=3, position=7, keep_out_ms=1)
    later = msgspec.structs.replace(first, position=9)
    other = Erasure(digest=digest_of(BOB), partition=4, position=8, keep_out_ms=1)
    for each in (first, other, later):
        notes.add(each)
    notes.cross_out([first, other])
    again = ErasureNotes(tmp_path, REAL_DISK)
    assert again.open == [later]
    assert again.erased == {digest_of(ADA): 9}
    assert ADA.encode() not in (tmp_path / "erasures.json").read_bytes()
