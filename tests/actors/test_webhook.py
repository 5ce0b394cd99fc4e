"""A webhook through shard and courier: the server is asked once, and its answer is an input."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from actors.clock import EventClock
from actors.courier import Courier
from actors.links.link import (
    Accept,
    Handed,
    LinkClient,
    LinkEvent,
    PublishNow,
    decode_reply,
    encode,
)
from actors.map import even_map
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.store.log import open_log
from channels import SERVED_CHANNELS
from channels.delivery import ChannelSettings, open_channels
from engine.contacts.contact import Contact
from engine.contacts.identity import partition_of
from engine.decision import Delivery
from engine.input import Receipt
from tests.channels.letters import delivery, read_ms
from tests.channels.web_server import WebServer, open_web_server, response
from tests.engine.situation import wait
from tests.publications import journey, source_of

CONTACT = "c-1"


def asking(server: WebServer) -> bytes:
    """A journey that asks for a tier, and tells another server of it."""
    taken = {"from": "answers.tier.body.tier"}
    nodes = [
        {"id": "tier", "webhook": f"{server.host}/tier", "else": "out"},
        {"id": "tell", "webhook": f"{server.host}/tell", "body": {"tier": taken}},
        wait("9h"),
        {"id": "out", "exit": "no tier"},
    ]
    return source_of(journey(nodes=nodes))


def kept(service: ShardService) -> Contact:
    contact = service.shard.partitions[partition_of(CONTACT)].contact(CONTACT)
    assert contact is not None
    return contact


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def played(folder: Path, server: WebServer, settings: ChannelSettings) -> Contact:
    """Let a contact walk through the journey; then fold the log again, which says the same."""
    socket = str(folder / "s.sock")
    service = ShardService(Shard(0, 1, EventClock()), open_log(folder / "store"))
    await service.start(socket)
    channels = open_channels(settings, folder, read_ms)
    courier = Courier(even_map([socket]), channels, SERVED_CHANNELS)
    running = asyncio.create_task(courier.run())
    client = await LinkClient.connect(socket)
    await client.ask(PublishNow(0, asking(server)))
    await client.ask(
        Accept(0, [LinkEvent(partition_of(CONTACT), CONTACT, "e", "hi", 1_700_000_000_000, b"{}")])
    )
    await until(lambda: {each.node for each in kept(service).visits} <= {"wait"})
    await until(lambda: not service.outbox.depth)
    walked = kept(service)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    client.close()
    await service.stop()
    await channels.close()
    again = ShardService(Shard(0, 1, EventClock()), open_log(folder / "store"))
    await again.start(socket)
    assert kept(again) == walked
    assert (again.outbox.depth, again.shard.differences) == (0, 0)
    await again.stop()
    return walked


async def test_an_answer_comes_back_and_the_visit_goes_on_with_it(tmp_path: Path) -> None:
    async with open_web_server() as server:
        server.answers["/tier"] = response(body={"tier": "gold"})
        walked = await played(tmp_path, server, ChannelSettings(webhook=server.settings()))
        told = [(asked.target, json.loads(asked.content)) for asked in server.asked]
    assert told == [("/tier", {}), ("/tell", {"tier": "gold"})]
    (visit,) = walked.visits
    assert visit.node == "wait"
    assert visit.answers == {
        "tier": {"status": 200, "body": {"tier": "gold"}},
        "tell": {"status": 200, "body": {}},
    }


async def test_one_that_fails_ends_the_visit(tmp_path: Path) -> None:
    async with open_web_server() as server:
        server.answers["/tier"] = response("404 Not Found", {})
        walked = await played(tmp_path, server, ChannelSettings(webhook=server.settings()))
        assert [asked.target for asked in server.asked] == ["/tier"]
    assert (walked.visits, walked.pending) == ([], [])


async def test_a_server_that_is_down_for_now_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.courier.RETRY_S_MIN", 0.01)
    async with open_web_server() as server:
        server.hang_up_on.add("/tier")
        playing = asyncio.create_task(
            played(tmp_path, server, ChannelSettings(webhook=server.settings()))
        )
        await until(lambda: len(server.asked) >= 3)
        server.hang_up_on.clear()
        walked = await playing
        assert len({asked.key for asked in server.asked if asked.target == "/tier"}) == 1
    assert walked.visits[0].answers["tier"] == {"status": 200, "body": {}}


async def test_where_no_server_is_allowed_the_file_says_what_would_be_asked(tmp_path: Path) -> None:
    async with open_web_server() as server:
        walked = await played(tmp_path, server, ChannelSettings())
        assert server.connections == 0
        url = f"{server.host}/tier"
    lines = (tmp_path / "messages.jsonl").read_text().splitlines()
    line = json.loads(lines[0])
    assert len(lines) == 2
    assert (line["channel"], line["to"], line["subject"]) == ("webhook", url, "POST")
    (visit,) = walked.visits
    assert (visit.node, visit.answers) == ("wait", {})


def test_what_an_older_side_says_of_a_message_is_understood() -> None:
    """Requests and answers came later: what has none must decode."""
    receipt = msgspec.msgpack.encode(["c-1", "k", True, ""])
    assert msgspec.msgpack.decode(receipt, type=Receipt).answer is None
    whole = delivery(request={"url": "https://a.example"})
    (reply,) = [decode_reply(encode(Handed(1, [whole], {}, "en")))]
    assert isinstance(reply, Handed)
    assert reply.deliveries == [whole]
    fields = msgspec.to_builtins(delivery())
    older = fields[: Delivery.__struct_fields__.index("cart") + 1]
    assert msgspec.convert(older, Delivery) == delivery()
