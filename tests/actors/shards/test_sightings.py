"""Sightings of a shard on its link: kept over a stop, not in its way, nobody's after an erasure."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.clock import EventClock
from actors.frame import Frame
from actors.links.link import (
    AskSightings,
    Drain,
    EraseContact,
    LinkClient,
    LinkEvent,
    RefusedError,
    Seen,
)
from actors.shards.shard import Shard
from actors.shards.sightings import LOOKS_PER_TURN_MAX, RECORDS_PER_TURN_MAX, ShardSightings
from actors.slot_files import SlotFiles
from actors.store.disk import REAL_DISK, RealDisk
from actors.store.erased import Erasure, ErasureNotes
from actors.store.sighted import NAME, SightingsFile, encode_sightings
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.limits import DAY_MS
from engine.seen.lookout import Lookout
from engine.seen.sighting import EventSighting, Sightings
from tests.actors.memory_store import MemoryLog
from tests.actors.shards.test_eraser import KEY, serving, verdicts

NOON = 1_700_000_000_000
ADA, BOB, EVE = "ada", "bob", "eve"
NUMBERS = itertools.count()
STREET = {"attributes": {"street": "Elm St 1", "email": "ada@shop.example"}}


def event(contact: str, name: str = "hi", payload: dict[str, Any] | None = None) -> LinkEvent:
    data = msgspec.json.encode(payload or {})
    return LinkEvent(partition_of(contact), contact, f"e-{next(NUMBERS)}", name, NOON, data)


async def asked(client: LinkClient) -> Sightings:
    reply = await client.ask(AskSightings(0))
    assert isinstance(reply, Seen)
    assert reply.error == ""
    return reply.sightings


async def test_what_is_acknowledged_is_seen_and_outlives_a_stop(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        for contact in (ADA, BOB, EVE):
            await verdicts(client, event(contact, "parcel", {"status": "shipped", "n": 12.5}))
        seen = await asked(client)
    sighting = seen.events["parcel"]
    assert (sighting.count, sighting.looked) == (3, 3)
    assert (sighting.first_ms, sighting.last_ms) == (NOON, NOON)
    assert sighting.fields["status"].samples == ["shipped"]
    assert sighting.fields["n"].types == {"number": 3}
    assert b"parcel" not in (tmp_path / NAME).read_bytes(), "it is sealed"
    async with serving(tmp_path) as (_, client):
        assert await asked(client) == seen
        await verdicts(client, event(ADA, "parcel"))
        assert (await asked(client)).events["parcel"].count == 4


async def test_a_drain_writes_what_was_seen(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        await verdicts(client, event(ADA))
        await client.ask(Drain(0))
        kept = SightingsFile(tmp_path, KEY).read()
        assert kept is not None
        assert kept.events["hi"].count == 1
        with pytest.raises(RefusedError, match="drained already"):
            await client.ask(Drain(0))


@pytest.mark.parametrize("harm", ["torn", "other key", "no sightings", "a folder"])
async def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path, harm: str) -> None:
    async with serving(tmp_path) as (_, client):
        await verdicts(client, event(ADA, "before"))
    path = tmp_path / NAME
    if harm == "torn":
        path.write_bytes(path.read_bytes()[:-1])
    elif harm == "other key":
        SightingsFile(tmp_path, bytes(32)).write(encode_sightings(Sightings()), 0)
    elif harm == "no sightings":
        SightingsFile(tmp_path, KEY).write(b"\x93\x01", 0)
    else:
        path.unlink()
        path.mkdir()
    async with serving(tmp_path) as (_, client):
        assert (await asked(client)).events == {}
        assert await verdicts(client, event(ADA, "after")) == [0]
        assert set((await asked(client)).events) == {"after"}


async def test_nothing_personal_of_an_erased_contact_remains(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        for contact in (ADA, BOB, EVE):
            await verdicts(client, event(contact, "identify", STREET))
        fields = (await asked(client)).events["identify"].fields
        assert fields["attributes.street"].samples == ["Elm St 1"]
        assert fields["attributes.email"].samples == []
    async with serving(tmp_path) as (_, client):  # Nobody knows any more who told it.
        await client.ask(EraseContact(0, ADA, DAY_MS))
        assert not (tmp_path / NAME).exists(), "before the erasure is answered"
        assert (await asked(client)).events["identify"].fields["attributes.street"].samples == []
        late = await verdicts(client, event(ADA, "late", {"street": "Elm St 1"}))
        assert late == [3]
        assert "late" not in (await asked(client)).events
    kept = SightingsFile(tmp_path, KEY).read()
    assert kept is not None
    assert b"Elm" not in encode_sightings(kept)
    assert kept.events["identify"].count == 3


async def test_an_erasure_that_a_crash_cut_short_takes_back_what_the_file_still_has(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (_, client):
        for contact in (ADA, BOB, EVE):
            await verdicts(client, event(contact, "identify", STREET))
    before = (tmp_path / NAME).read_bytes()
    async with serving(tmp_path) as (service, client):
        await client.ask(EraseContact(0, ADA, DAY_MS))
        position = service.shard.position - 1
    (tmp_path / NAME).write_bytes(before)
    erasure = Erasure(
        digest=digest_of(ADA), partition=partition_of(ADA), position=position, keep_out_ms=DAY_MS
    )
    ErasureNotes(tmp_path, REAL_DISK).add(erasure)
    async with serving(tmp_path) as (_, client):
        assert (await asked(client)).events["identify"].fields["attributes.street"].samples == []


def test_what_was_captured_before_the_file_was_dropped_does_not_get_into_it(
    tmp_path: Path,
) -> None:
    file = SightingsFile(tmp_path, KEY)
    edition = file.edition
    file.drop()
    assert not file.write(encode_sightings(Sightings({"hi": EventSighting()})), edition)
    assert file.read() is None
    assert file.write(encode_sightings(Sightings()), file.edition)
    assert file.read() == Sightings()


class FullDisk(RealDisk):
    """A disk on which nothing can be made any more."""

    full = False

    def create(self, path: Path) -> Any:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().create(path)


def frame_of(*events: LinkEvent) -> Frame:
    shard = Shard(0, 1, EventClock())
    for each in events:
        shard.apply_event(each, NOON)
    frame = shard.cut()
    assert frame is not None
    return frame


async def test_on_a_full_disk_it_is_said_and_tried_again(tmp_path: Path) -> None:
    disk = FullDisk()
    files = SlotFiles(tmp_path, log=MemoryLog(), key=KEY, disk=disk)  # type: ignore[arg-type]
    sightings = ShardSightings(files, 0)
    sightings.take(frame_of(event(ADA)))
    disk.full = True
    await sightings.save()
    assert files.sightings.read() is None
    disk.full = False
    await sightings.save()
    kept = files.sightings.read()
    assert kept is not None
    assert kept.events["hi"].count == 1


def is_saving(sightings: ShardSightings) -> bool:
    return sightings._saving is not None


async def test_it_is_written_each_interval_where_something_changed(tmp_path: Path) -> None:
    files = SlotFiles(tmp_path, log=MemoryLog(), key=KEY)  # type: ignore[arg-type]
    sightings = ShardSightings(files, 60)
    now_s = asyncio.get_running_loop().time()
    sightings.take(frame_of(event(ADA)))
    sightings.turn(now_s + 59)
    assert not is_saving(sightings)
    sightings.turn(now_s + 61)
    assert is_saving(sightings)
    await sightings.save()
    (tmp_path / NAME).unlink()
    sightings.turn(now_s + 200)
    await sightings.save()
    assert files.sightings.read() is None, "nothing came since"


async def test_a_fault_in_the_looking_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(Lookout, "look", fail)
    async with serving(tmp_path) as (_, client):
        assert await verdicts(client, event(ADA)) == [0]
        reply = await client.ask(AskSightings(0))
        assert isinstance(reply, Seen)
        assert reply.error == "ZeroDivisionError: "
        assert await verdicts(client, event(ADA)) == [0]


async def test_between_two_turns_so_much_is_counted_and_so_many_looked_into() -> None:
    """What it costs is bounded by time, whatever comes: the rest is said to be uncounted."""
    sightings = ShardSightings(None, 60)
    for _ in range(10):
        sightings.take(frame_of(*(event(ADA) for _ in range(RECORDS_PER_TURN_MAX // 4))))
    seen = sightings.answer(AskSightings(0)).sightings
    assert (seen.events["hi"].count, seen.events["hi"].looked) == (
        RECORDS_PER_TURN_MAX,
        LOOKS_PER_TURN_MAX,
    )
    assert seen.uncounted == 6 * (RECORDS_PER_TURN_MAX // 4)
    sightings.turn(0)
    sightings.take(frame_of(event(ADA)))
    seen = sightings.answer(AskSightings(0)).sightings
    assert (seen.events["hi"].count, seen.events["hi"].looked) == (
        RECORDS_PER_TURN_MAX + 1,
        LOOKS_PER_TURN_MAX + 1,
    )


async def test_an_erasure_is_taken_in_however_much_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as (service, client):
        for contact in (ADA, BOB, EVE):
            await verdicts(client, event(contact, "hi", {"t": "one"}))
        assert (await asked(client)).events["hi"].fields["t"].samples == ["one"]
        monkeypatch.setattr(ShardSightings, "turn", lambda *_: None)
        service._sightings._records_left = 0
        await client.ask(EraseContact(0, ADA, DAY_MS))
        assert (await asked(client)).events["hi"].fields["t"].samples == []
