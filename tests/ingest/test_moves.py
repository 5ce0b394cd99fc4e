"""Partitions move while a gateway sends: each event is applied once, in order, and none refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from actors.frame import EventRecord
from actors.links.link import LinkEvent
from actors.map import Site
from engine.contacts.identity import partition_of
from engine.input import Verdict
from ingest.exchange import Exchange
from ingest.frame import Frame
from ingest.gateway import Gateway
from ingest.settings import GatewaySettings
from tests.actors.deaf import deaf_shard
from tests.actors.shards.slots import NOON, Slots, event, two_slots
from tests.ingest.raw_http import Sender, post, until

CONTACTS = [f"c-{number}" for number in range(24)]


@asynccontextmanager
async def gateway_of(slots: Slots) -> AsyncIterator[Gateway]:
    gateway = Gateway(GatewaySettings(port=0), slots.map, host="here")
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


def body(contact: str, *numbers: int) -> bytes:
    events = [
        {"id": f"{contact}.{number}", "contact": contact, "name": "hi", "at_ms": NOON + number}
        for number in numbers
    ]
    return json.dumps(events).encode()


def applied(slots: Slots, contact: str) -> list[str]:
    """Return the ids of the contact's applied events, in the order of their partition's records."""
    found = []
    for log in slots.logs:
        for frame in log.frames():
            for record, verdict in zip(frame.records, frame.verdicts, strict=True):
                if isinstance(record, EventRecord) and record.event.contact == contact:
                    assert verdict in (Verdict.APPLIED, Verdict.REPEAT)
                    if verdict == Verdict.APPLIED:
                        found.append((record.pseq, record.event.id))
    return [id for _, id in sorted(found)]


async def send_all(port: int, contacts: list[str], rounds: int, seed: int) -> list[int]:
    """Send each contact's events over one connection, several requests behind each other."""
    random = Random(seed)
    statuses = []
    async with Sender(port) as sender:
        for number in range(0, rounds, 2):
            for contact in contacts:
                sender.write(post(body(contact, number, number + 1)))
            statuses += [(await sender.answer()).status for _ in contacts]
            await asyncio.sleep(random.choice([0, 0, 0.001]))
    return statuses


@pytest.mark.parametrize("seed", range(4))
async def test_no_event_is_refused_lost_doubled_or_overtaken_while_partitions_move(
    tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    rounds = 60
    async with two_slots(tmp_path) as slots, gateway_of(slots) as gateway:
        shares = [CONTACTS[start::3] for start in range(3)]
        sending = [
            asyncio.create_task(send_all(gateway.port, share, rounds, seed)) for share in shares
        ]
        moves = 0
        while not all(each.done() for each in sending):
            partition = partition_of(random.choice(CONTACTS))
            if random.random() < 0.2:
                slots.deaf = {random.randrange(2)}
            await slots.give(partition, 1 - slots.owners[partition])
            moves += 1
            if slots.deaf:
                await asyncio.sleep(random.choice([0, 0.01]))
                for slot in slots.deaf:
                    for number in slots.map.partitions_of(slot):
                        await slots.open(slot, number)
                slots.deaf = set()
        statuses = [status for each in sending for status in await each]
        assert set(statuses) == {202}
        assert moves > 10
        for contact in CONTACTS:
            assert applied(slots, contact) == [f"{contact}.{number}" for number in range(rounds)]
        assert gateway.admission.events == 0
        assert not gateway._router.detours


async def test_a_gateway_finds_a_slot_again_that_is_served_elsewhere(tmp_path: Path) -> None:
    async with two_slots(tmp_path) as slots, gateway_of(slots) as gateway:
        partition = partition_of("c-1")
        slot = slots.owners[partition]
        async with Sender(gateway.port) as sender:
            assert (await sender.ask(post(body("c-1", 0)))).status == 202
            await slots.stop(slot)
            sender.write(post(body("c-1", 1)))
            await asyncio.sleep(0.05)
            slots.moved_to[slot] = "elsewhere"
            await slots.start(slot)
            assert (await sender.answer()).status == 202
        assert applied(slots, "c-1") == ["c-1.0", "c-1.1"]


async def test_what_hangs_on_a_slot_that_is_no_more_goes_to_the_new_owner(tmp_path: Path) -> None:
    """What the hanging shard may have applied before is no repeat of the sender's."""
    socket = tmp_path / "deaf.sock"
    async with two_slots(tmp_path) as slots, deaf_shard(socket):
        await slots.send(event("c-1.0"))
        told = slots.map
        told.sites[2] = Site("here", str(socket))
        told.owners[partition_of("c-1")] = 2
        slots.versions.append(2)
        slots.tell_all()
        gateway = Gateway(GatewaySettings(port=0), told, host="here")
        await gateway.start()
        async with Sender(gateway.port) as sender:
            sender.write(post(body("c-1", 0)) + post(body("c-1", 1)))
            answers = [await sender.answer() for _ in range(2)]
        assert [(each.status, each.json["repeated"]) for each in answers] == [(202, 0)] * 2
        assert applied(slots, "c-1") == ["c-1.0", "c-1.1"]
        assert set(gateway._router.lanes) == {0, 1}
        assert gateway.admission.events == 0
        await gateway.stop()


async def test_a_map_of_before_takes_no_lane_away_that_a_move_has_told_of(tmp_path: Path) -> None:
    async with two_slots(tmp_path) as slots, gateway_of(slots) as gateway:
        before = slots.map
        await slots.add(2)
        await slots.give(partition_of("c-1"), 2)
        async with Sender(gateway.port) as sender:
            assert (await sender.ask(post(body("c-1", 0)))).status == 202
            assert 2 in gateway._router.lanes
            gateway._router.learn(before)
            assert (await sender.ask(post(body("c-1", 1)))).status == 202
        assert applied(slots, "c-1") == ["c-1.0", "c-1.1"]


async def test_a_new_slot_gets_a_lane_and_an_empty_one_loses_it(tmp_path: Path) -> None:
    async with two_slots(tmp_path) as slots, gateway_of(slots) as gateway:
        await slots.add(2)
        partition = partition_of("c-1")
        for number in slots.map.partitions_of(0):
            await slots.give(number, 2)
        async with Sender(gateway.port) as sender:
            assert (await sender.ask(post(body("c-1", 0)))).status == 202
        if slots.owners[partition] == 2:
            assert slots.services[2].shard.partitions[partition].holds("c-1")
        await slots.stop(0)
        del slots.services[0], slots.clients[0]
        slots.tell_all()
        await until(lambda: set(gateway._router.lanes) == {1, 2})


@pytest.mark.parametrize("resent", [False, True])
def test_a_repeat_of_what_an_owner_before_may_have_taken_is_not_the_senders(
    *, resent: bool
) -> None:
    exchange = Exchange(b"/v1/events", lambda *_: None)
    exchange.events = exchange.left = 2
    carried = LinkEvent(7, "c-1", "e-1", "hi", 0, b"{}")
    frame = Frame(1, [carried], [exchange], 10)
    frame.resent = resent
    moved = frame.settle(bytes([Verdict.MOVED]))
    assert moved == [(exchange, carried)]
    Frame(2, [carried], [exchange], 10).settle(bytes([Verdict.REPEAT]))
    assert exchange.repeated == (0 if resent else 1)
