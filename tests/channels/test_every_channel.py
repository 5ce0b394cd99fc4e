"""The contract of `channels.channel.Channel`, held by every channel there is."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from channels.channel import Channel
from channels.email import EmailChannel
from channels.file import FileChannel
from channels.message import Message
from channels.webhook import WebhookChannel
from tests.channels.letters import asking, message, read_ms
from tests.channels.mailbox import Postbox
from tests.channels.web_server import WebServer


class Case:
    """A channel under test, its messages, and the keys that reached its other side."""

    def __init__(
        self,
        channel: Channel,
        arrived: Callable[[], list[str]],
        message: Callable[..., Message] = message,
    ) -> None:
        self.channel = channel
        self.arrived = arrived
        self.message = message


@pytest_asyncio.fixture(params=["file", "email", "webhook"])
async def case(
    request: pytest.FixtureRequest, tmp_path: Path, postbox: Postbox, web_server: WebServer
) -> AsyncIterator[Case]:
    path = tmp_path / "messages.jsonl"

    def in_file() -> list[str]:
        return [json.loads(line)["key"] for line in path.read_text().splitlines()]

    def in_postbox() -> list[str]:
        return [letter["Message-ID"].strip("<>").rpartition("@")[0] for letter in postbox.letters]

    def at_server() -> list[str]:
        return sorted(asked.key for asked in web_server.asked)  # They go out at the same time.

    def to_server(key: str = "a.n.1", body: str = "x") -> Message:
        return asking(f"{web_server.host}/hook", key, body={"text": body})

    channel: Channel
    if request.param == "file":
        channel = FileChannel(path)
        case = Case(channel, in_file)
    elif request.param == "webhook":
        channel = WebhookChannel(web_server.settings(), read_ms)
        case = Case(channel, at_server, to_server)
    else:
        channel = EmailChannel(postbox.settings())
        case = Case(channel, in_postbox)
    yield case
    await channel.close()


async def test_a_batch_is_answered_message_by_message_in_order(case: Case) -> None:
    keys = [f"v{i}.n.1" for i in range(7)]
    results = await case.channel.deliver([case.message(key) for key in keys])
    assert [(each.key, each.kind, each.reason) for each in results] == [
        (key, "delivered", "") for key in keys
    ]
    assert case.arrived() == keys


async def test_an_empty_batch_is_answered_with_nothing(case: Case) -> None:
    assert await case.channel.deliver([]) == []


async def test_a_key_delivered_before_is_delivered_and_not_sent_again(case: Case) -> None:
    await case.channel.deliver([case.message("a.n.1")])
    results = await case.channel.deliver([case.message("a.n.1"), case.message("b.n.1")])
    assert [each.kind for each in results] == ["delivered", "delivered"]
    assert case.arrived() == ["a.n.1", "b.n.1"]


async def test_a_key_twice_in_one_batch_is_sent_once(case: Case) -> None:
    results = await case.channel.deliver([case.message("a.n.1"), case.message("a.n.1")])
    assert [each.kind for each in results] == ["delivered", "delivered"]
    assert case.arrived() == ["a.n.1"]


async def test_calls_that_overlap_send_each_key_once(case: Case) -> None:
    batch = [case.message(f"v{i}.n.1") for i in range(5)]
    await asyncio.gather(*(case.channel.deliver(batch) for _ in range(4)))
    assert case.arrived() == [each.key for each in batch]


async def test_text_no_channel_can_carry_fails_alone(case: Case) -> None:
    batch = [case.message("a.n.1"), case.message("b.n.1", body="\ud800"), case.message("c.n.1")]
    results = await case.channel.deliver(batch)
    assert [each.kind for each in results] == ["delivered", "failed", "delivered"]
    assert results[1].reason
    assert case.arrived() == ["a.n.1", "c.n.1"]


async def test_a_call_that_is_cancelled_leaves_the_channel_usable(case: Case) -> None:
    call = asyncio.ensure_future(case.channel.deliver([case.message("a.n.1")]))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    results = await case.channel.deliver([case.message("a.n.1"), case.message("b.n.1")])
    assert [each.kind for each in results] == ["delivered", "delivered"]
    assert case.arrived() == ["a.n.1", "b.n.1"]


async def test_a_channel_can_be_closed_twice(case: Case) -> None:
    await case.channel.deliver([case.message()])
    await case.channel.close()
    await case.channel.close()
