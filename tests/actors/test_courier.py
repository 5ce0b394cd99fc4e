"""The courier: a mailbox that refuses for now delays its own mail only."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from actors.clock import EventClock
from actors.courier import Courier
from actors.link import Accept, LinkClient, LinkEvent, PublishNow
from actors.service import ShardService
from actors.shard import Shard
from actors.store.log import open_log
from channels.channel import Result
from channels.delivery import Channels
from channels.message import Message
from engine.identity import partition_of
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


async def test_a_message_put_off_delays_no_other_and_goes_out_later(tmp_path: Path) -> None:
    service = ShardService(Shard(0, 1, EventClock()), open_log(tmp_path))
    await service.start(str(tmp_path / "s.sock"))
    channel = Greylist("c-1")
    courier = Courier([str(tmp_path / "s.sock")], Channels(channel, {}), ["email"])
    running = asyncio.create_task(courier.run())
    client = await LinkClient.connect(str(tmp_path / "s.sock"))
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
