"""A courier beside partitions that move and links that are lost: nothing is delivered twice."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.courier import Courier
from actors.map import ClusterMap, Site
from channels.channel import Result
from channels.delivery import Channels
from channels.message import Message
from engine.contacts.identity import partition_of
from tests.actors.deaf import deaf_shard
from tests.actors.shards.slots import HOUR, NOON, Slots, event, two_slots


class Slow:
    """Delivers when it is let, and remembers what it was given; puts some off first."""

    def __init__(self, *, puts_off: int = 0) -> None:
        self.given: list[str] = []
        self.delivered: list[str] = []
        self.let = asyncio.Event()
        self.puts_off = puts_off

    async def deliver(self, messages: Sequence[Message]) -> list[Result]:
        self.given += [each.key for each in messages]
        if self.puts_off:
            self.puts_off -= 1
            return [Result(each.key, "retry", "451 later") for each in messages]
        await self.let.wait()
        self.delivered += [each.key for each in messages]
        return [Result(each.key, "delivered") for each in messages]

    async def close(self) -> None:
        pass


async def decide(slots: Slots) -> int:
    """Let a message be decided; return its slot."""
    await slots.send(event("e-1"))
    await slots.send(event("e-2", at_ms=NOON + 2 * HOUR))
    return slots.owners[partition_of("c-1")]


async def settled(slots: Slots, slot: int) -> None:
    async with asyncio.timeout(10):
        while (await slots.status(slot))["outbox"]:  # noqa: ASYNC110 - asked, not told
            await asyncio.sleep(0.01)


async def until_given(channel: Slow) -> None:
    async with asyncio.timeout(10):
        while not channel.given:  # noqa: ASYNC110 - the channel has no event
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("puts_off", [0, 1])
@pytest.mark.parametrize("ends", [False, True])
async def test_a_message_in_hand_is_settled_with_the_new_owner_of_its_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, puts_off: int, *, ends: bool
) -> None:
    monkeypatch.setattr("actors.courier.RETRY_S_MIN", 0.3)
    monkeypatch.setattr("actors.courier.FOLLOW_S", 0.05)
    async with two_slots(tmp_path) as slots:
        old = await decide(slots)
        channel = Slow(puts_off=puts_off)
        courier = Courier(slots.map, Channels(channel, {}), ["email"], host="here")
        running = asyncio.create_task(courier.run())
        await until_given(channel)
        await slots.give(partition_of("c-1"), 1 - old)
        async with asyncio.timeout(10):
            while not slots.services[1 - old].outbox.handed:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        if ends:
            await slots.stop(old)
            del slots.services[old], slots.clients[old]
            slots.tell_all()
        channel.let.set()
        await settled(slots, 1 - old)
        assert len(channel.delivered) == 1
        assert len(channel.given) == 1 + puts_off
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_slot_is_found_again_whose_shard_hangs_with_its_link_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another shard has taken it over."""
    monkeypatch.setattr("actors.courier.FOLLOW_S", 0.05)
    socket = tmp_path / "deaf.sock"
    async with two_slots(tmp_path) as slots, deaf_shard(socket):
        slot = await decide(slots)
        sites = {slot: Site("here", str(socket)), 1 - slot: slots.map.sites[1 - slot]}
        told = ClusterMap(0, list(slots.owners), sites)
        channel = Slow()
        channel.let.set()
        courier = Courier(told, Channels(channel, {}), ["email"], host="here")
        running = asyncio.create_task(courier.run())
        await settled(slots, slot)
        assert len(channel.delivered) == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_receipt_that_was_lost_with_its_link_is_brought_again_and_nothing_delivered(
    tmp_path: Path,
) -> None:
    async with two_slots(tmp_path) as slots:
        slot = await decide(slots)
        channel = Slow()
        courier = Courier(slots.map, Channels(channel, {}), ["email"], host="here")
        running = asyncio.create_task(courier.run())
        await until_given(channel)
        for link in list(slots.services[slot].links):
            link.close()
        channel.let.set()
        await asyncio.sleep(0.05)
        await slots.reconnect(slot)
        await settled(slots, slot)
        assert len(channel.delivered) == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
