"""Delivery: which way each channel's messages go."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from channels.channel import Channel, Result
from channels.email import EmailChannel, EmailSettings
from channels.file import FileChannel
from channels.message import Message
from channels.webhook import WebhookChannel, WebhookSettings
from engine.fold.webhook import WEBHOOK

MESSAGES_FILE: Final = "messages.jsonl"


class ChannelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The providers there are. What has none here goes to the file."""

    email: EmailSettings | None = None
    webhook: WebhookSettings | None = None


class Channels:
    """The open channels. A channel named by no route goes to the file."""

    def __init__(self, file: Channel, routes: Mapping[str, Channel]) -> None:
        self._file = file
        self._routes = dict(routes)

    def route(self, channel: str) -> Channel:
        """Return what delivers this channel's messages; equal for channels that share a way."""
        return self._routes.get(channel, self._file)

    async def deliver(self, messages: Sequence[Message]) -> list[Result]:
        """Deliver a mixed batch, its ways at the same time; one Result per message, in order.

        A way that fails, however badly, leaves only its own messages as `retry`. The call ends
        with the slowest: who must not wait for that calls `route(...)` and delivers by way.
        """
        places: dict[Channel, list[int]] = {}
        for place, message in enumerate(messages):
            places.setdefault(self.route(message.channel), []).append(place)
        batches = [[messages[place] for place in each] for each in places.values()]
        outcomes = await asyncio.gather(*map(_deliver, places, batches))
        by_place: dict[int, Result] = {}
        for each, results in zip(places.values(), outcomes, strict=True):
            by_place.update(zip(each, results, strict=True))
        return [by_place[place] for place in range(len(messages))]

    async def close(self) -> None:
        """Close every channel; what one of them raises is raised after all were closed."""
        ways = {id(way): way for way in (*self._routes.values(), self._file)}
        closing = [way.close() for way in ways.values()]
        for fault in await asyncio.gather(*closing, return_exceptions=True):
            if fault is not None:
                raise fault


def open_channels(settings: ChannelSettings, folder: Path, read_ms: Callable[[], int]) -> Channels:
    """Open the file channel in `folder` and those that the settings name.

    `read_ms` reads the time of day.

    Raises:
        ChannelError: A setting is wrong, or the file is in use or damaged.
        OSError: The file cannot be opened.
    """
    routes: dict[str, Channel] = {}
    if settings.email is not None:
        routes["email"] = EmailChannel(settings.email)
    if settings.webhook is not None:
        routes[WEBHOOK] = WebhookChannel(settings.webhook, read_ms)
    return Channels(FileChannel(folder / MESSAGES_FILE), routes)


async def _deliver(way: Channel, messages: Sequence[Message]) -> list[Result]:
    try:
        return await way.deliver(messages)
    except Exception as error:  # noqa: BLE001  # A fault of one channel must not reach the others.
        reason = f"{type(way).__name__} broke: {error!r:.200}"
        return [Result(message.key, "retry", reason) for message in messages]
