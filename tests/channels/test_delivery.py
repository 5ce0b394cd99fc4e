"""Delivery: each channel goes its way, and one that fails delays only its own."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from channels import SERVED_CHANNELS
from channels.channel import Channel, Result
from channels.delivery import Channels, ChannelSettings, open_channels
from channels.message import Message
from tests.channels.letters import message, read_ms
from tests.channels.mailbox import Postbox


class Memory:
    """A channel that keeps messages, or breaks."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.messages: list[Message] = []
        self.closed = False
        self._fault = fault

    async def deliver(self, messages: Sequence[Message]) -> list[Result]:
        if self._fault is not None:
            raise self._fault
        self.messages += messages
        return [Result(each.key, "delivered") for each in messages]

    async def close(self) -> None:
        if self._fault is not None:
            self.closed = True
            raise self._fault
        for _ in range(5):  # Takes longer than it takes another to break.
            await asyncio.sleep(0)
        self.closed = True


def keys_in(folder: Path) -> list[str]:
    return [
        json.loads(line)["key"] for line in (folder / "messages.jsonl").read_text().splitlines()
    ]


async def test_without_settings_every_channel_goes_to_the_file(tmp_path: Path) -> None:
    channels = open_channels(ChannelSettings(), tmp_path, read_ms)
    batch = [message(f"{name}.n.1", channel=name) for name in SERVED_CHANNELS]
    results = await channels.deliver(batch)
    await channels.close()
    assert [each.key for each in results] == [each.key for each in batch]
    assert {each.kind for each in results} == {"delivered"}
    assert keys_in(tmp_path) == [each.key for each in batch]


async def test_with_a_server_e_mails_go_there_and_the_rest_to_the_file(
    tmp_path: Path, postbox: Postbox
) -> None:
    channels = open_channels(ChannelSettings(email=postbox.settings()), tmp_path, read_ms)
    names = ["sms", "email", "push", "email"]
    batch = [message(f"v{i}.n.1", channel=name) for i, name in enumerate(names)]
    results = await channels.deliver(batch)
    await channels.close()
    assert results == [Result(each.key, "delivered") for each in batch]
    assert keys_in(tmp_path) == ["v0.n.1", "v2.n.1"]
    assert len(postbox.raw) == 2


async def test_a_channel_that_breaks_delays_only_its_own_messages() -> None:
    good: Channel = Memory()
    bad: Channel = Memory(RuntimeError("no such luck"))
    channels = Channels(good, {"email": bad})
    results = await channels.deliver([message("a.n.1"), message("b.n.1", channel="sms")])
    assert [each.kind for each in results] == ["retry", "delivered"]
    assert results[0].reason == "Memory broke: RuntimeError('no such luck')"


async def test_channels_that_share_a_way_have_the_same_route() -> None:
    file, smtp = Memory(), Memory()
    channels = Channels(file, {"email": smtp})
    assert channels.route("email") is smtp
    assert channels.route("sms") is channels.route("push") is file


async def test_every_channel_is_closed_even_if_one_breaks_at_it() -> None:
    ways = [Memory(), Memory(RuntimeError("x")), Memory()]
    channels = Channels(ways[0], {"email": ways[1], "sms": ways[2]})
    with pytest.raises(RuntimeError):
        await channels.close()
    assert [each.closed for each in ways] == [True, True, True]
