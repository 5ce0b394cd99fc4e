"""A contact is erased whose partition was in other slots before: nothing tells of it anywhere."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.frame import Frame, encode_frame
from actors.links.link import LinkError, LinkEvent
from actors.other_slots import Holders, OtherSlots, StoreAt
from actors.redis_slot import RedisHistory, archive_place, open_redis_slot
from actors.relocation.relocation import Places, move_to_files
from actors.settings import RedisSettings
from actors.shards import sweeper
from actors.slot_files import SlotFiles
from actors.store.archive import read_archive
from actors.store.erased import Erasure
from actors.store.newfile import no_pause
from actors.store.port import FencedError, StoreLostError
from actors.store.redis_log import RedisLog, open_redis_log
from actors.store.redis_server import RedisServer
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.input import Verdict
from engine.limits import DAY_MS
from tests.actors.shards.test_eraser import ADA, IDENTIFY, NOON, SECRET, event
from tests.actors.store.frames import frame_at
from tests.actors.tenures import Tenures, tenures
from tests.publications import journey, source_of

SOURCE = source_of(journey())
PARTITION = partition_of(ADA)
FIRST = PARTITION // 128
"""The slot that has her partition at first."""

SECOND = 1 - FIRST


def neighbour() -> str:
    """Return a contact of the same partition."""
    number = 0
    while partition_of(f"n-{number}") != PARTITION:
        number += 1
    return f"n-{number}"


NEXT = neighbour()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "LOOK_S", 0.05)
    monkeypatch.setattr(sweeper, "SOON_S", 0.05)


async def live(slots: Tenures, round: int) -> None:
    """Let both do something; each gets a message."""
    for contact in (ADA, NEXT):
        payload = IDENTIFY if contact == ADA else b"{}"
        more = event(f"i-{round}", contact, "identify", payload)
        assert await slots.send(event(f"e-{round}", contact), more) == [0, 0]


async def live_in_both(slots: Tenures) -> None:
    """Leave traces in the first slot's archive and log, then in the second's."""
    await live(slots, 1)
    await slots.archive(FIRST)
    await live(slots, 2)
    await slots.move(ADA, SECOND)
    await live(slots, 3)
    await slots.archive(SECOND)
    await live(slots, 4)


def traces(*held: bytes) -> list[bool]:
    return [ADA.encode() in each or SECRET in each for each in held]


async def reopened(slots: Tenures) -> None:
    """Let all slots be held by others, and see that they have what those had."""
    before = slots.state(NEXT)
    for slot in list(slots.tenures):
        await slots.close(slot)
        await slots.open(slot)
        assert slots.service(slot).shard.differences == 0
    assert slots.state(NEXT) == before
    assert slots.state(ADA) is None
    assert slots.verify() == []


@pytest.mark.parametrize("back", [False, True], ids=["moved", "moved there and back"])
async def test_what_it_did_in_another_slot_goes_too(
    redis_settings: RedisSettings, *, back: bool
) -> None:
    async with tenures(redis_settings, SOURCE) as slots:
        await live_in_both(slots)
        if back:
            await slots.move(ADA, FIRST)
            await live(slots, 5)
        assert traces(slots.held(FIRST), slots.held(SECOND), slots.held()) == [True] * 3
        before = slots.state(NEXT)
        erased = await slots.erase(ADA)
        assert traces(slots.held()) == [False]
        assert not slots.erasures
        rounds = 5 if back else 4
        assert erased.files == 2 + 2 + 2, "logs, archives and snapshots"
        assert erased.records == 2 * rounds + 2, "of events, and rows"
        assert slots.state(NEXT) == before
        assert slots.verify() == []
        assert await slots.send(event("late", ADA)) == [Verdict.ERASED]
        assert slots.service(slots.owner(ADA)).status()["erasures_open"] == 0
        await reopened(slots)


async def test_samples_that_rest_on_what_it_did_in_another_slot_go_too(
    redis_settings: RedisSettings,
) -> None:
    third = next(f"t-{n}" for n in range(99) if partition_of(f"t-{n}") // 128 == FIRST)
    async with tenures(redis_settings, SOURCE) as slots:
        for contact in (ADA, NEXT, third):
            street = event("e", contact, "identify", b'{"attributes": {"street": "Elm St 1"}}')
            assert await slots.send(street) == [0]
        sightings = slots.service(FIRST)._sightings
        await sightings.save()

        def seen() -> bytes:
            key = slots.server.key("files", FIRST)
            return slots.server.run("HGET", key, "sightings.bin") or b""

        assert b"Elm St" in seen()
        await slots.move(ADA, SECOND)
        await slots.erase(ADA)
        assert seen() == b""
        await sightings.save()
        assert b"identify" in seen()
        assert b"Elm St" not in seen()


async def test_a_slot_that_nobody_holds_any_more_is_taken_for_it(
    redis_settings: RedisSettings,
) -> None:
    async with tenures(redis_settings, SOURCE) as slots:
        await live_in_both(slots)
        for number in [n for n, owner in enumerate(slots.map.read().owners) if owner == FIRST]:
            await slots.mover(FIRST).give(number, SECOND)
        await slots.retire(FIRST)
        epoch = slots.server.run("HGET", slots.server.key("slot", FIRST), "epoch")
        await slots.erase(ADA)
        assert traces(slots.held()) == [False]
        after = slots.server.run("HGET", slots.server.key("slot", FIRST), "epoch")
        assert int(after) == int(epoch) + 1, "its last owner is fenced"
        await reopened(slots)


async def test_a_slot_without_a_holder_for_now_does_its_share_when_it_is_opened(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "WAIT_S", 0.3)
    async with tenures(redis_settings, SOURCE) as slots:
        await live_in_both(slots)
        await slots.close(FIRST)
        words = rf"forgotten, but not in all files.*other slots.*done: {SECOND}\)"
        with pytest.raises(LinkError, match=words):
            await slots.erase(ADA)
        assert traces(slots.held(FIRST), slots.held(SECOND)) == [True, False]
        assert slots.service(SECOND).status()["erasures_open"] == 1
        await slots.open(FIRST)
        await slots.until_erased()
        assert traces(slots.held()) == [False]
        await reopened(slots)


@pytest.mark.parametrize("where", ["its word", "its log", "its note", "the other slot"])
async def test_a_crash_amid_it_is_gone_on_with_by_the_next_owner(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def away(*_: object) -> None:
        raise StoreLostError("the server is away")

    if where in {"its word", "its log"}:
        monkeypatch.setattr(SlotFiles, "erase", away)
    elif where == "its note":
        monkeypatch.setattr(OtherSlots, "note_own", away)
    else:
        monkeypatch.setattr(sweeper, "WAIT_S", 0.3)
        monkeypatch.setattr(SlotFiles, "erase_earlier", away)
    async with tenures(redis_settings, SOURCE) as slots:
        await live_in_both(slots)
        with pytest.raises(LinkError, match=r"not in all files yet"):
            await slots.erase(ADA)
        assert slots.erasures
        for slot in (0, 1):
            await slots.close(slot)
        monkeypatch.undo()
        if where == "its word":  # It was noted, and no other slot knew of it yet.
            slots.server.run("DEL", slots.server.key("erasures"))
        for slot in (0, 1):
            await slots.open(slot)
        await slots.until_erased()
        assert traces(slots.held()) == [False]
        await reopened(slots)


async def test_a_partition_that_moves_on_amid_it_takes_nothing_back(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contact may come back; the slot that erased it may be let go of for good."""
    monkeypatch.setattr(sweeper, "WAIT_S", 0.3)

    def away(*_: object) -> None:
        raise StoreLostError("the server is away")

    async with tenures(redis_settings, SOURCE) as slots:
        await slots.open(2)
        await live_in_both(slots)
        monkeypatch.setattr(SlotFiles, "erase", away)
        monkeypatch.setattr(SlotFiles, "erase_earlier", away)
        with pytest.raises(LinkError, match="not in all files yet"):
            await slots.erase(ADA, keep_out_ms=0)
        later = LinkEvent(PARTITION, ADA, "new", "hi", NOON + DAY_MS, b"{}")
        assert await slots.send(later) == [0]
        await slots.move(ADA, FIRST)
        assert await slots.send(replace_id(later, "newer")) == [0]
        await slots.move(ADA, 2)
        assert await slots.send(replace_id(later, "newest")) == [0]
        state = slots.state(ADA)
        for number in [n for n, owner in enumerate(slots.map.read().owners) if owner == SECOND]:
            await slots.mover(SECOND).give(number, 2)
        await slots.retire(SECOND)
        assert SECRET in slots.held(FIRST)
        assert SECRET in slots.held(SECOND)
        monkeypatch.undo()
        await slots.until_erased()
        assert SECRET not in slots.held()
        assert state is not None
        assert slots.state(ADA) == state
        assert slots.verify() == []
        for slot in (FIRST, 2):
            await slots.close(slot)
            await slots.open(slot)
        assert slots.state(ADA) == state
        for id in ("new", "newer", "newest"):
            assert await slots.send(replace_id(later, id)) == [Verdict.REPEAT]


async def test_a_snapshot_of_before_is_rewritten_by_who_has_the_partition_now(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreLostError("the server is away")

    monkeypatch.setattr(sweeper, "WAIT_S", 0.3)
    async with tenures(redis_settings, SOURCE) as slots:
        await live_in_both(slots)
        for name in ("erase", "erase_earlier", "erase_snapshots"):
            monkeypatch.setattr(SlotFiles, name, away)
        with pytest.raises(LinkError, match="not in all files yet"):
            await slots.erase(ADA)
        await slots.move(ADA, FIRST)
        monkeypatch.undo()
        await slots.close(SECOND)
        await slots.open(SECOND)
        await slots.until_erased()
        assert traces(slots.held()) == [False]
        await reopened(slots)


def replace_id(before: LinkEvent, id: str) -> LinkEvent:
    return replace(before, id=id)


def erasure(pseq: int, contact: str = ADA) -> Erasure:
    return Erasure(
        digest=digest_of(contact), partition=PARTITION, position=1, keep_out_ms=0, pseq=pseq
    )


def test_a_slot_that_got_an_owner_meanwhile_is_not_taken_from_it(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    """Between the look at who holds slots, and the taking of one that nobody held."""
    archive = str(tmp_path)
    left = open_redis_log(RedisServer(redis_settings), 0, None)
    left.append(0, [encode_frame(frame_at(0))])
    newer: list[RedisLog] = []

    def holders() -> Holders:
        if len(asked) == 1:
            newer.append(open_redis_log(RedisServer(redis_settings), 0, None))
        asked.append(1)
        return Holders(frozenset({1}), 1, 2)

    asked: list[int] = []
    store = open_redis_slot(redis_settings, 1, None, 0, lambda: 0, archive=archive)
    others = OtherSlots(store, StoreAt(redis_settings, archive, None), holders)
    others.post(erasure(7))
    others.carry_out(others.look(), lambda _: True, no_pause)
    assert len(newer) == 1
    newer[0].check()
    (found,) = others.look()
    assert set(found.done) == {1}, "and so it is open until that one did its share"
    others.carry_out(others.look(), lambda _: True, no_pause)
    with pytest.raises(FencedError):
        newer[0].check()
    assert others.look() == []
    store.close()
    for each in (left, *newer):
        each.close()


def test_only_one_owner_takes_slots_that_nobody_holds(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    archive = str(tmp_path)
    left = open_redis_log(RedisServer(redis_settings), 0, None)
    left.append(0, [encode_frame(frame_at(0))])
    store = open_redis_slot(redis_settings, 2, None, 0, lambda: 0, archive=archive)
    others = OtherSlots(
        store, StoreAt(redis_settings, archive, None), lambda: Holders(frozenset({1, 2}), 1, 3)
    )
    others.post(erasure(7))
    others.carry_out(others.look(), lambda _: True, no_pause)
    left.check()
    (found,) = others.look()
    assert set(found.done) == {2}
    left.close()
    store.close()


def test_a_zombie_rewrites_no_archive(redis_settings: RedisSettings, tmp_path: Path) -> None:
    """Nothing in the archive's own storage fences it."""
    zombie = open_redis_slot(redis_settings, 0, None, 0, lambda: 0, archive=str(tmp_path))
    zombie.log.append(0, [encode_frame(frame_at(0))])
    zombie.log.append(1, [encode_frame(frame_at(1))])
    zombie.log.release(1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.zst")}
    assert len(before) == 1
    history = RedisHistory(zombie.log, archive_place(str(tmp_path), 0), None)

    def fence_and_replace(frame: Frame) -> Frame | None:
        if frame.position == 1:  # The log is read first, and has nothing that changes.
            newer.append(open_redis_log(RedisServer(redis_settings), 0, None))
            return None
        return frame_at(0, text=1)

    newer: list[RedisLog] = []
    with pytest.raises(FencedError):
        history.rewrite(1, fence_and_replace, no_pause)
    assert newer
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.zst")} == before
    zombie.close()
    for each in newer:
        each.close()


async def test_a_store_that_moves_to_files_takes_no_contact_with_it_that_is_to_be_erased(
    redis_settings: RedisSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreLostError("the server is away")

    monkeypatch.setattr(sweeper, "WAIT_S", 0.3)
    async with tenures(redis_settings, SOURCE) as slots:
        await live_in_both(slots)
        monkeypatch.setattr(SlotFiles, "erase_earlier", away)
        with pytest.raises(LinkError, match="not in all files yet"):
            await slots.erase(ADA)
        for slot in (0, 1):
            await slots.close(slot)
        assert SECRET in slots.held(FIRST)
        places = Places(
            data=tmp_path / "data", redis=redis_settings, archive=slots.settings.archive
        )
        await asyncio.to_thread(move_to_files, places, lambda *_: None)
    held = b"".join(
        b"".join(read_archive(path, None)) if path.suffix == ".zst" else path.read_bytes()
        for path in sorted((tmp_path / "data").rglob("*"))
        if path.is_file()
    )
    assert NEXT.encode() in held
    assert traces(held) == [False]
