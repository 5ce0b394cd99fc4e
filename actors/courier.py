"""Courier: moves messages from the shards' outboxes to their channels, and brings receipts back."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

import structlog

from actors.address import note_refusal
from actors.credentials import Credentials
from actors.link import Handed, LinkClient, LinkError, Pull, RefusedError, Reply, Settle
from channels.delivery import Channels
from channels.message import Message
from channels.render import Renderer, RenderError
from engine.decision import Delivery
from engine.input import Receipt

PULL_MESSAGES_MAX: Final = 64
PULL_WAIT_MS: Final = 2_000
RECONNECT_S: Final = 0.2
REFUSED_S: Final = 0.2
"""Before a shard is asked again for what it refused."""

RETRY_S_MIN: Final = 1.0
RETRY_S_MAX: Final = 60.0
PARKED_MESSAGES_MAX: Final = 10_000
"""Messages held to be tried again; a channel that is down for longer stops being pulled for."""

GIVE_UP_TRIES: Final = 1_000
"""About 16 hours of a channel that is down; then its messages fail, and say so."""

log = structlog.get_logger()


class Courier:
    """Serves every channel of every shard, each on its own: a dead channel delays only its own."""

    def __init__(
        self,
        sockets: list[str],
        channels: Channels,
        names: Iterable[str],
        credentials: Credentials | None = None,
    ) -> None:
        """`sockets` are the addresses of the shards, in their order."""
        self._sockets = sockets
        self._credentials = credentials
        self._channels = channels
        self._names = list(names)
        self._parked = 0
        """Messages that wait to be tried again."""

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            for socket in self._sockets:
                group.create_task(self._serve_shard(socket))

    async def _serve_shard(self, socket: str) -> None:
        """Serve one shard, over one link at a time. What a lost link had is handed over again."""
        refused = ""
        while True:
            try:
                client = await LinkClient.connect(socket, self._credentials)
            except OSError as error:
                refused = note_refusal(error, refused)
                await asyncio.sleep(RECONNECT_S)
                continue
            refused = note_refusal(None, refused)
            renderer = Renderer({}, "")
            try:
                async with asyncio.TaskGroup() as group:
                    for name in self._names:
                        group.create_task(self._serve_channel(client, name, renderer))
            except* LinkError as errors:
                log.info("courier lost a shard", socket=socket, error=str(errors.exceptions[0]))
            finally:
                client.close()
            await asyncio.sleep(RECONNECT_S)

    async def _serve_channel(self, client: LinkClient, name: str, renderer: Renderer) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                handed = await _ask(client, Pull(0, name, PULL_MESSAGES_MAX, PULL_WAIT_MS))
                assert isinstance(handed, Handed)
                renderer.add(handed.templates)
                renderer.language = handed.language
                messages, receipts = _render(renderer, handed.deliveries)
                again = await self._deliver(client, name, messages, receipts)
                if not again:
                    continue
                retrying = self._retry(client, name, again)
                if self._parked >= PARKED_MESSAGES_MAX:
                    await retrying  # The others stay in the outbox meanwhile.
                else:
                    group.create_task(retrying)

    async def _retry(self, client: LinkClient, name: str, messages: list[Message]) -> None:
        """Try messages again until each is settled; the pauses grow."""
        delay_s = RETRY_S_MIN
        self._parked += len(messages)
        parked = len(messages)
        try:
            for _ in range(GIVE_UP_TRIES):
                await asyncio.sleep(delay_s)
                messages = await self._deliver(client, name, messages, [])
                if not messages:
                    return
                delay_s = min(delay_s * 2, RETRY_S_MAX)
            gone = "given up after many tries"
            receipts = [Receipt(each.contact, each.key, False, gone) for each in messages]  # noqa: FBT003
            await _ask(client, Settle(0, receipts))
        finally:
            self._parked -= parked

    async def _deliver(
        self, client: LinkClient, name: str, messages: list[Message], receipts: list[Receipt]
    ) -> list[Message]:
        """Deliver messages, settle those that came to an end, and return the others."""
        contact_of = {message.key: message.contact for message in messages}
        results = await self._channels.route(name).deliver(messages) if messages else []
        for result in results:
            if result.kind != "retry":
                contact, delivered = contact_of[result.key], result.kind == "delivered"
                reason, answer = result.reason, result.answer
                receipts.append(Receipt(contact, result.key, delivered, reason, answer=answer))
        if receipts:
            await _ask(client, Settle(0, receipts))
        again = {result.key: result.reason for result in results if result.kind == "retry"}
        if again:
            reasons = sorted(set(again.values()))
            log.warning("messages to be tried again", channel=name, reasons=reasons)
        return [message for message in messages if message.key in again]

    async def close(self) -> None:
        """Close the channels."""
        with contextlib.suppress(OSError):
            await self._channels.close()


async def _ask(client: LinkClient, request: Pull | Settle) -> Reply:
    """Ask until the shard takes it in; raises LinkError when the link is lost.

    A shard whose inbox is full refuses. To give up the link then would hand over again what is
    delivered already: its receipts would be lost with the link.
    """
    while True:
        try:
            return await client.ask(request)
        except RefusedError as error:
            log.warning("a shard refused its courier, which asks again", error=str(error))
            await asyncio.sleep(REFUSED_S)


def _render(renderer: Renderer, deliveries: list[Delivery]) -> tuple[list[Message], list[Receipt]]:
    """Render what can be; what cannot has failed, and its receipt says why."""
    messages, receipts = [], []
    for delivery in deliveries:
        try:
            messages.append(renderer.render(delivery))
        except RenderError as error:
            receipts.append(
                Receipt(delivery.contact, delivery.key, delivered=False, reason=str(error))
            )
    return messages, receipts
