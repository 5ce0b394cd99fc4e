"""The courier: a mailbox that refuses for now delays its own mail only."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.clock import EventClock
from actors.courier import Courier
from actors.limits import FULL
from actors.links.link import Accept, Link, LinkClient, LinkEvent, PublishNow, Pull, Request, Settle
from actors.map import even_map
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.store.log import open_log
from channels.channel import Result
from channels.delivery import Channels
from channels.message import Message
from engine.contacts.identity import partition_of
from tests.actors.links.credentials import credentials
from tests.publications import journey, source_of


class Greylist:
    """Puts the messages of some contacts off until it is told otherwise."""

    def __init__(self, *contacts: str) -> None:
        self.put_off = set(contacts)
        self.delivered: list[str] = []

    async def deliver(self, messages: Sequence[Message]) -> list[Result]:
        results = []
        for message in messages:
            if message.contact in self.put_off:
                results.append(Result(message.key, "retry", "451 later"))
            else:
                self.delivered.append(message.contact)
                results.append(Result(message.key, "delivered"))
        return results

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("way", ["unix", "tcp"])
async def test_a_message_put_off_delays_no_other_and_goes_out_later(
    tmp_path: Path, way: str
) -> None:
    service = ShardService(Shard(0, 1, EventClock()), open_log(tmp_path))
    keys = credentials(tmp_path / "keys")
    address = str(tmp_path / "s.sock") if way == "unix" else "tcp://127.0.0.1:0"
    await service.start(str(tmp_path / "c.sock"), address, credentials=keys)
    channel = Greylist("c-1")
    here = credentials(tmp_path / "keys", "courier", "courier")
    told = even_map(service.door.addresses[1:])
    courier = Courier(told, Channels(channel, {}), ["email"], here)
    running = asyncio.create_task(courier.run())
    client = await LinkClient.connect(str(tmp_path / "c.sock"))
    await client.ask(PublishNow(0, source_of(journey())))

    def hi(contact: str) -> LinkEvent:
        return LinkEvent(partition_of(contact), contact, "e", "hi", 1, b"{}")

    async def until(count: int) -> None:
        async with asyncio.timeout(10):
            while len(channel.delivered) < count:  # noqa: ASYNC110 - the channel has no event
                await asyncio.sleep(0.01)

    await client.ask(Accept(0, [hi("c-1"), hi("c-2")]))
    await until(1)
    await client.ask(Accept(0, [hi("c-3")]))
    await until(2)
    assert sorted(channel.delivered) == ["c-2", "c-3"]
    channel.put_off.clear()
    await until(3)
    assert channel.delivered[-1] == "c-1"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    client.close()
    await service.stop()


async def test_receipts_that_a_full_inbox_refuses_are_brought_again_and_nothing_goes_out_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.courier.REFUSED_S", 0.02)
    service = ShardService(Shard(0, 1, EventClock()), open_log(tmp_path))
    await service.start(str(tmp_path / "s.sock"))
    refusal, refused = service._refusal, 0

    def refuse_some(link: Link, request: Request) -> str:
        nonlocal refused
        if isinstance(request, Settle | Pull) and refused < 6:
            refused += 1
            return FULL
        return refusal(link, request)

    channel = Greylist()
    client = await LinkClient.connect(str(tmp_path / "s.sock"))
    await client.ask(PublishNow(0, source_of(journey())))
    await client.ask(Accept(0, [LinkEvent(partition_of("c-1"), "c-1", "e", "hi", 1, b"{}")]))
    courier = Courier(even_map([str(tmp_path / "s.sock")]), Channels(channel, {}), ["email"])
    deliver = channel.deliver

    async def deliver_then_refuse(messages: Sequence[Message]) -> list[Result]:
        monkeypatch.setattr(service, "_refusal", refuse_some)
        return await deliver(messages)

    monkeypatch.setattr(channel, "deliver", deliver_then_refuse)
    running = asyncio.create_task(courier.run())
    async with asyncio.timeout(10):
        while service.outbox.depth or refused < 6:  # noqa: ASYNC110 - the outbox has no event
            await asyncio.sleep(0.01)
    assert channel.delivered == ["c-1"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    client.close()
    await service.stop()
