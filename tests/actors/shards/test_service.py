"""A shard on its link, without Ray: answers after the commit, and all comes back from the log."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.clock import EventClock, WallClock
from actors.links.link import (
    Accept,
    Accepted,
    AskStatus,
    Done,
    Handed,
    LinkClient,
    LinkError,
    LinkEvent,
    PublishNow,
    Pull,
    Reply,
    RunOut,
    Settle,
    Status,
)
from actors.map import partitions_of
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.store.log import open_log, read_log
from engine.contacts.identity import partition_of
from engine.input import Receipt, Verdict
from engine.limits import FAR_MS
from tests.publications import MAIL, journey, source_of

NOON = 1_700_000_000_000


def event(id: str, name: str = "hi", contact: str = "c-1", at_ms: int = NOON) -> LinkEvent:
    return LinkEvent(partition_of(contact), contact, id, name, at_ms, b"{}")


@asynccontextmanager
async def serving(
    folder: Path, clock: type = EventClock, failed: Callable[[Exception], None] | None = None
) -> AsyncIterator[tuple[ShardService, LinkClient]]:
    service = ShardService(Shard(0, 1, clock()), open_log(folder), failed)
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


async def pulled(client: LinkClient, wait_ms: int = 50) -> list[str]:
    reply = await client.ask(Pull(0, "email", 10, wait_ms))
    assert isinstance(reply, Handed)
    return [delivery.key for delivery in reply.deliveries]


def hold_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let no commit end before the event is set; the spare file is no commit."""
    gate = threading.Event()
    sync = os.fdatasync

    def slow_sync(file: int) -> None:
        if threading.current_thread().name != "spare":
            assert gate.wait(10)
        sync(file)

    monkeypatch.setattr("os.fdatasync", slow_sync)
    return gate


async def test_what_is_answered_is_in_the_log(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        assert await verdicts(client, event("a"), event("b"), event("a")) == [0, 0, 1]
        records = [record for frame in read_log(tmp_path) for record in frame.records]
        assert len(records) == 3


async def test_nothing_is_answered_before_it_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event, and its repeat in a later frame: both wait for the disk."""
    async with serving(tmp_path) as (_, client):
        gate = hold_disk(monkeypatch)
        first = client.ask(Accept(0, [event("a")]))
        await asyncio.sleep(0.05)
        again = client.ask(Accept(0, [event("a")]))
        await asyncio.sleep(0.05)
        assert not first.done()
        assert not again.done()
        gate.set()
        assert await first == Accepted(1, bytes([Verdict.APPLIED]))
        assert await again == Accepted(2, bytes([Verdict.REPEAT]))


async def test_that_time_has_run_out_is_said_only_when_what_it_brought_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last look at the calendar folds nothing; its answer waits for the frames before."""
    async with serving(tmp_path) as (_, client):
        await verdicts(client, event("a"))
        monkeypatch.setattr("actors.shards.service.SLICE_INPUTS_MAX", 1)
        gate = hold_disk(monkeypatch)
        done = client.ask(RunOut(0, FAR_MS - 1))
        await asyncio.sleep(0.1)
        assert not done.done()
        gate.set()
        await done


async def test_a_failed_commit_stops_the_process_and_answers_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = []
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(error: Exception) -> None:
        errors.append(error)
        loop.call_soon_threadsafe(stopped.set)

    def no_space(file: int) -> None:
        raise OSError(28, "No space left on device")

    service = ShardService(Shard(0, 1, EventClock()), open_log(tmp_path), stop)
    await service.start(str(tmp_path / "s.sock"))
    client = await LinkClient.connect(str(tmp_path / "s.sock"))
    monkeypatch.setattr("os.fdatasync", no_space)
    answer = client.ask(Accept(0, [event("a")]))
    await stopped.wait()
    assert [getattr(error, "errno", 0) for error in errors] == [28]
    assert not answer.done()
    monkeypatch.undo()
    client.close()
    service._uncommitted.clear()
    await service.stop()
    with pytest.raises(LinkError):
        await answer


async def test_a_message_is_handed_over_settled_and_gone(tmp_path: Path) -> None:
    async with serving(tmp_path) as (service, client):
        assert await client.ask(PublishNow(0, source_of(journey()))) == Done(1)
        await verdicts(client, event("a"))
        reply = await client.ask(Pull(0, "email", 10, 1000))
        assert isinstance(reply, Handed)
        (delivery,) = reply.deliveries
        assert (delivery.contact, delivery.journey, delivery.template) == ("c-1", "hello", "hello")
        assert list(reply.templates) == ["hello.en"]
        assert await pulled(client) == []
        await client.ask(Settle(0, [Receipt("c-1", delivery.key, delivered=True)]))
        assert service.outbox.depth == 0


async def test_a_pull_waits_for_a_message(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        await client.ask(PublishNow(0, source_of(journey())))
        pull = client.ask(Pull(0, "email", 10, 5_000))
        await verdicts(client, event("a"))
        reply = await pull
        assert isinstance(reply, Handed)
        assert len(reply.deliveries) == 1


async def test_a_template_travels_once_a_link_and_again_when_it_changes(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        await client.ask(PublishNow(0, source_of(journey())))
        names = []
        for id in ("a", "b"):
            await verdicts(client, event(id))
            reply = await client.ask(Pull(0, "email", 10, 1000))
            assert isinstance(reply, Handed)
            names.append(list(reply.templates))
        changed = source_of(journey()).replace(b"subject: Hello", b"subject: Hallo")
        await client.ask(PublishNow(0, changed))
        await verdicts(client, event("c"))
        reply = await client.ask(Pull(0, "email", 10, 1000))
        assert isinstance(reply, Handed)
        assert names == [["hello.en"], []]
        assert "Hallo" in reply.templates["hello.en"]


async def test_what_a_lost_courier_had_is_handed_over_again_with_the_same_key(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (_, client):
        await client.ask(PublishNow(0, source_of(journey())))
        await verdicts(client, event("a"))
        courier = await LinkClient.connect(str(tmp_path / "s.sock"))
        keys = await pulled(courier)
        courier.close()
        assert len(keys) == 1
        assert await pulled(client, 1000) == keys


async def test_what_a_courier_settled_before_it_was_lost_is_not_handed_over_again(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (_, client):
        await client.ask(PublishNow(0, source_of(journey())))
        await verdicts(client, event("a"))
        courier = await LinkClient.connect(str(tmp_path / "s.sock"))
        (key,) = await pulled(courier)
        load = [client.ask(Accept(0, [event(f"l-{i}", "x")] * 100)) for i in range(20)]
        courier.ask(Settle(0, [Receipt("c-1", key, delivered=True)]))
        courier.close()
        assert await pulled(client, 300) == []
        await asyncio.gather(*load)


async def test_state_waits_and_outbox_come_back_from_the_log(tmp_path: Path) -> None:
    waits = journey("slow", entry={"event": "later"}, nodes=[{"id": "w", "wait": "2h"}, MAIL])
    async with serving(tmp_path) as (before, client):
        await client.ask(PublishNow(0, source_of(journey(), waits)))
        await verdicts(client, event("a"), event("b", "later"))
        handed = await pulled(client)
        state = {
            number: [each.contact_bytes(key) for key in each.contact_keys()]
            for number, each in before.shard.partitions.items()
        }
    async with serving(tmp_path) as (after, client):
        assert {
            number: [each.contact_bytes(key) for key in each.contact_keys()]
            for number, each in after.shard.partitions.items()
        } == state
        assert after.shard.differences == 0
        assert await verdicts(client, event("a")) == [Verdict.REPEAT]
        assert await pulled(client) == handed
        await client.ask(RunOut(0, FAR_MS - 1))
        (key,) = await pulled(client)
        assert ".mail." in key
        assert key not in handed


async def test_a_publication_with_mistakes_is_refused_and_the_old_one_stays(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (service, client):
        good = source_of(journey())
        await client.ask(PublishNow(0, good))
        with pytest.raises(LinkError, match="there is no template 'nope'"):
            await client.ask(PublishNow(0, source_of(journey(nodes=[MAIL | {"template": "nope"}]))))
        assert service.shard.published == good
        assert await verdicts(client, event("a")) == [0]


async def test_a_poisoned_event_is_listed_and_the_shard_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(*_: object) -> None:
        raise ZeroDivisionError("poison")

    async with serving(tmp_path) as (service, client):
        await client.ask(PublishNow(0, source_of(journey())))
        with monkeypatch.context() as patch:
            patch.setattr("engine.fold.step.happen", poisoned)
            assert await verdicts(client, event("bad")) == [Verdict.FAILED]
        assert await verdicts(client, event("good")) == [Verdict.APPLIED]
        (fault,) = [fault for frame in read_log(tmp_path) for fault in frame.faults]
        assert (fault.contact, fault.what, fault.error) == (
            "c-1",
            "bad",
            "ZeroDivisionError: poison",
        )
        assert service.shard.status()["events_failed"] == 1


async def test_a_payload_that_is_no_json_fails_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        await client.ask(PublishNow(0, source_of(journey())))
        bad = LinkEvent(partition_of("c-1"), "c-1", "x", "hi", NOON, b"{not json")
        assert await verdicts(client, bad, event("a")) == [Verdict.FAILED, Verdict.APPLIED]


async def test_waits_fire_by_the_wall_clock_and_never_early(tmp_path: Path) -> None:
    nodes = [{"id": "w", "wait": "200ms"}, MAIL]
    async with serving(tmp_path, WallClock) as (_, client):
        await client.ask(PublishNow(0, source_of(journey(nodes=nodes))))
        began_ms = WallClock().read()
        await verdicts(client, event("a", at_ms=began_ms))
        assert await pulled(client, 0) == []
        reply = await client.ask(Pull(0, "email", 10, 10_000))
        assert isinstance(reply, Handed)
        assert WallClock().read() >= began_ms + 200
        assert reply.deliveries[0].at_ms >= began_ms + 200


async def test_a_thousand_events_in_flight_take_few_commits(tmp_path: Path) -> None:
    """A gateway keeps two frames in flight; what comes meanwhile shares the next."""
    async with serving(tmp_path) as (service, client):
        lanes: list[asyncio.Future[Reply]] = []
        commits = service.log.commits
        for start in range(0, 5_000, 64):
            if len(lanes) == 2:
                await lanes.pop(0)
            events = [event(f"e-{i}", contact=f"c-{i % 97}") for i in range(start, start + 64)]
            lanes.append(client.ask(Accept(0, events)))
        await asyncio.gather(*lanes)
        assert service.log.commits - commits <= 5_000 * 50 / 1_000


async def test_a_timer_that_a_handover_meets_is_counted_on_its_own(tmp_path: Path) -> None:
    """A message falls due, and its contact's other message is handed over, in one input."""
    slow = journey("slow", entry={"event": "later"}, nodes=[{"id": "w", "wait": "1h"}, MAIL])
    async with serving(tmp_path) as (service, client):
        await client.ask(PublishNow(0, source_of(journey(), slow)))
        other = next(
            f"c-{i}" for i in range(2, 10_000) if partition_of(f"c-{i}") == partition_of("c-1")
        )
        service._tick = lambda: None  # type: ignore[method-assign]
        service.shard.due_at_ms = lambda: FAR_MS  # type: ignore[method-assign]
        await verdicts(client, event("a"), event("b", "later"))
        await verdicts(client, event("c", "x", other, NOON + 2 * 3_600_000))
        assert len(await pulled(client)) == 1
        assert service.shard.status()["outcomes"] == {"hello": {"sent": 1}, "slow": {"sent": 1}}


async def test_garbage_on_the_link_closes_it_and_harms_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s.sock"))
        writer.write(b"\0\0\0\4\xff\xff\xff\xff")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert await verdicts(client, event("a")) == [0]


async def test_events_of_another_shards_partitions_are_not_taken_and_harm_nobody(
    tmp_path: Path,
) -> None:
    service = ShardService(Shard(0, 3, EventClock()), open_log(tmp_path))
    await service.start(str(tmp_path / "s.sock"))
    client = await LinkClient.connect(str(tmp_path / "s.sock"))
    mine = next(f"c-{i}" for i in range(999) if partition_of(f"c-{i}") in partitions_of(0, 3))
    other = next(f"c-{i}" for i in range(999) if partition_of(f"c-{i}") in partitions_of(1, 3))
    events = [event("a", contact=mine), event("b", contact=other), event("c", contact=mine)]
    reply = await client.ask(Accept(0, events))
    assert reply == Accepted(1, bytes([Verdict.APPLIED, Verdict.MOVED, Verdict.APPLIED]))
    client.close()
    await service.stop()


async def test_by_the_clock_of_events_no_partition_waits_for_one_that_stands_still(
    tmp_path: Path,
) -> None:
    nodes = [{"id": "w", "wait": "1h"}, MAIL]
    async with serving(tmp_path) as (_, client):
        await client.ask(PublishNow(0, source_of(journey(nodes=nodes))))
        still, goes_on = "c-1", "c-2"
        assert partition_of(still) != partition_of(goes_on)
        await verdicts(client, event("a", contact=still, at_ms=NOON - 60_000))
        await verdicts(client, event("b", contact=goes_on))
        await verdicts(client, event("c", "x", goes_on, NOON + 2 * 3_600_000))
        same = next(
            f"c-{i}" for i in range(3, 9_999) if partition_of(f"c-{i}") == partition_of(goes_on)
        )
        await verdicts(client, event("d", contact=same, at_ms=NOON + 2 * 3_600_000))
        await verdicts(client, event("e", "x", goes_on, NOON + 4 * 3_600_000))
        reply = await client.ask(Pull(0, "email", 10, 5_000))
        assert isinstance(reply, Handed)
        handed = {delivery.contact for delivery in reply.deliveries}
        while same not in handed:
            reply = await client.ask(Pull(0, "email", 10, 5_000))
            assert isinstance(reply, Handed)
            assert reply.deliveries, "its timer waits for a partition that stands still"
            handed |= {delivery.contact for delivery in reply.deliveries}


async def test_status_counts(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        await client.ask(PublishNow(0, source_of(journey())))
        await verdicts(client, event("a"), event("a"), event("b", contact="c-2"))
        reply = await client.ask(AskStatus(0))
        assert isinstance(reply, Status)
        status = reply.status
        assert (status["events_applied"], status["events_repeated"]) == (2, 1)
        assert status["contacts"] == 2
        assert status["outcomes"] == {"hello": {"sent": 2}}
