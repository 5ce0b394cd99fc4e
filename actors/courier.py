"""Courier: moves messages from the shards' outboxes to their channels, and brings receipts back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from actors.errors import OperatorError
from actors.links.address import note_refusal
from actors.links.credentials import Credentials
from actors.links.link import (
    AskMap,
    Handed,
    LinkClient,
    LinkError,
    MapIs,
    Pull,
    RefusedError,
    Reply,
    Settle,
)
from actors.map import ClusterMap, Site
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
FOLLOW_S: Final = 1.0
"""How often it is asked where the slots are served."""

KNOWN_MAX: Final = 10_000
"""Receipts kept of late, in case that a message is handed over again."""

PARKED_MESSAGES_MAX: Final = 10_000
"""Messages held to be tried again; a channel that is down for longer stops being pulled for."""

GIVE_UP_TRIES: Final = 1_000
"""About 16 hours of a channel that is down; then its messages fail, and say so."""

log = structlog.get_logger()


class Courier:
    """Serves every channel of every slot, each on its own: a dead channel delays only its own.

    A message that is handed over again while it is in hand, or when its receipt is known, is not
    delivered again: its partition has moved, or the link that it came over was lost.
    """

    def __init__(
        self,
        told: ClusterMap,
        channels: Channels,
        names: Iterable[str],
        credentials: Credentials | None = None,
        host: str = "",
    ) -> None:
        """`told` says where the slots are served, `host` where this is; empty: they stay."""
        self.ask_store: Callable[[], Awaitable[ClusterMap]] | None = None
        """Says where slots are served where no shard is left to be asked. Raises OperatorError."""
        self._sites = told.sites
        self._host = host
        self._credentials = credentials
        self._channels = channels
        self._names = list(names)
        self._hand: dict[str, LinkClient] = {}
        """Keys of messages in hand, and the link that each came over last."""
        self._known: dict[str, Receipt] = {}
        """Receipts of late, by key, the oldest first."""
        self._serving: dict[int, tuple[Site, asyncio.Task[None]]] = {}
        self._clients: dict[int, LinkClient] = {}
        self._turn = 0
        self._group: asyncio.TaskGroup | None = None
        self._parked = 0
        """Messages that wait to be tried again."""

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._serve(self._sites)
            while self._host:
                await asyncio.sleep(FOLLOW_S)
                await self._follow()

    def _serve(self, sites: dict[int, Site]) -> None:
        """Serve these slots, where they are, and no others."""
        assert self._group is not None
        for slot, (site, task) in list(self._serving.items()):
            if sites.get(slot) != site:
                del self._serving[slot]
                task.cancel()
        for slot, site in sites.items():
            if slot not in self._serving:
                task = self._group.create_task(self._serve_slot(slot, site.address(self._host)))
                self._serving[slot] = site, task

    async def _follow(self) -> None:
        """Ask the next shard where the slots are served by now: one may hang, its link open."""
        clients = [each for _, each in sorted(self._clients.items()) if each.open]
        if not clients:
            await self._follow_store()
            return
        self._turn += 1
        client = clients[self._turn % len(clients)]
        with contextlib.suppress(LinkError, TimeoutError):
            async with asyncio.timeout(FOLLOW_S):
                told = await client.ask(AskMap(0))
            if isinstance(told, MapIs) and told.map.sites:
                self._serve(told.map.sites)

    async def _follow_store(self) -> None:
        if self.ask_store is not None:
            with contextlib.suppress(OperatorError):
                self._serve((await self.ask_store()).sites)

    async def _serve_slot(self, slot: int, address: str) -> None:
        """Serve one slot, over one link at a time. What a lost link had is handed over again."""
        refused = ""
        while True:
            try:
                client = await LinkClient.connect(address, self._credentials)
            except OSError as error:
                refused = note_refusal(error, refused)
                await asyncio.sleep(RECONNECT_S)
                continue
            refused = note_refusal(None, refused)
            renderer = Renderer({}, "")
            self._clients[slot] = client
            try:
                async with asyncio.TaskGroup() as group:
                    for name in self._names:
                        group.create_task(self._serve_channel(client, name, renderer))
            except* LinkError as errors:
                log.info("courier lost a shard", socket=address, error=str(errors.exceptions[0]))
            finally:
                client.close()
            await asyncio.sleep(RECONNECT_S)

    async def _serve_channel(self, client: LinkClient, name: str, renderer: Renderer) -> None:
        assert self._group is not None
        while True:
            handed = await _ask(client, Pull(0, name, PULL_MESSAGES_MAX, PULL_WAIT_MS))
            assert isinstance(handed, Handed)
            renderer.add(handed.templates)
            renderer.language = handed.language
            messages, receipts = _render(renderer, self._take(client, handed.deliveries))
            receipts += [self._known[each.key] for each in handed.deliveries if self._knows(each)]
            tried = asyncio.Event()
            # Not of this link's group: another one may come to ask for the same messages.
            bringing = self._group.create_task(self._bring(name, messages, receipts, client, tried))
            await tried.wait()
            if self._parked >= PARKED_MESSAGES_MAX:
                await asyncio.wait([bringing])  # The others stay in the outbox meanwhile.

    def _take(self, client: LinkClient, deliveries: list[Delivery]) -> list[Delivery]:
        """Take messages in hand, and return those that were not."""
        new = [each for each in deliveries if each.key not in self._hand and not self._knows(each)]
        for each in deliveries:
            if not self._knows(each):
                self._hand[each.key] = client
        return new

    def _knows(self, delivery: Delivery) -> bool:
        return delivery.key in self._known

    async def _bring(
        self,
        name: str,
        messages: list[Message],
        receipts: list[Receipt],
        client: LinkClient,
        tried: asyncio.Event,
    ) -> None:
        """Deliver messages, and try those again that are put off, until each is settled."""
        try:
            messages = await self._deliver(name, messages, receipts, client)
        finally:
            tried.set()
        delay_s = RETRY_S_MIN
        parked = len(messages)
        self._parked += parked
        try:
            for _ in range(GIVE_UP_TRIES):
                if not messages:
                    return
                await asyncio.sleep(delay_s)
                messages = await self._deliver(name, self._still_wanted(messages), [], client)
                delay_s = min(delay_s * 2, RETRY_S_MAX)
            gone = "given up after many tries"
            receipts = [Receipt(each.contact, each.key, False, gone) for each in messages]  # noqa: FBT003
            await self._settle(receipts, client)
        finally:
            self._parked -= parked

    def _still_wanted(self, messages: list[Message]) -> list[Message]:
        """Drop the messages whose link was lost: they will be handed over again."""
        for message in messages:
            if not self._hand[message.key].open:
                del self._hand[message.key]
        return [message for message in messages if message.key in self._hand]

    async def _deliver(
        self, name: str, messages: list[Message], receipts: list[Receipt], client: LinkClient
    ) -> list[Message]:
        """Deliver messages, settle those that came to an end, and return the others."""
        contact_of = {message.key: message.contact for message in messages}
        results = await self._channels.route(name).deliver(messages) if messages else []
        for result in results:
            if result.kind != "retry":
                contact, delivered = contact_of[result.key], result.kind == "delivered"
                reason, answer = result.reason, result.answer
                receipts.append(Receipt(contact, result.key, delivered, reason, answer=answer))
        await self._settle(receipts, client)
        again = {result.key: result.reason for result in results if result.kind == "retry"}
        if again:
            reasons = sorted(set(again.values()))
            log.warning("messages to be tried again", channel=name, reasons=reasons)
        return [message for message in messages if message.key in again]

    async def _settle(self, receipts: list[Receipt], client: LinkClient) -> None:
        """Bring receipts to the link that each message came over last; `client`: if to none.

        What does not arrive there, or is another slot's by now, is handed over again, and then
        its receipt is known.
        """
        told: dict[LinkClient, list[Receipt]] = {}
        for receipt in receipts:
            told.setdefault(self._hand.pop(receipt.key, client), []).append(receipt)
            self._known[receipt.key] = receipt
        while len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]
        for each, its in told.items():
            with contextlib.suppress(LinkError):
                await _ask(each, Settle(0, its))

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
