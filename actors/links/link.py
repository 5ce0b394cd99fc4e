"""The link: length-prefixed msgpack between a shard and its gateways, couriers and operators."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from actors.links.address import connect
from actors.links.counted import AskNumbers, AskVisits, Counted, NumbersAre
from actors.links.credentials import Credentials, Peer
from actors.map import ClusterMap, Move
from engine.decision import Delivery
from engine.input import Receipt
from engine.seen.sighting import Sightings

FRAME_BYTES_MAX: Final = 64 << 20
HEAD_BYTES: Final = 4
UNREAD_BYTES_MAX: Final = 64 << 20
"""What may wait for a side that does not read; then its link is closed."""


class LinkEvent(Struct, frozen=True, array_like=True, gc=False):
    """One event on its way to its shard, and so it stands in the log; the payload still JSON."""

    partition: int
    contact: str
    id: str
    name: str
    at_ms: int | None
    payload: bytes


class Accept(Struct, array_like=True, tag="accept", gc=False):
    """Events of one lane, in order. Answered by Accepted when all of them are durable."""

    seq: int
    events: list[LinkEvent]
    attempt: int = 0
    """The sender begins another when it learns of a refusal. What was on its way behind the refused
    frame is refused as well: else the end of a request would be applied before its beginning."""


class Pull(Struct, array_like=True, tag="pull", gc=False):
    """A courier asks for a channel's messages; answered by Handed, at once or when some come."""

    seq: int
    channel: str
    limit: int
    wait_ms: int
    """How long it may take until there are some; then it is answered with none."""


class Settle(Struct, array_like=True, tag="settle", gc=False):
    """What channels said of messages. Answered by Done when durable."""

    seq: int
    receipts: list[Receipt]


class PublishNow(Struct, array_like=True, tag="publish", gc=False):
    """Put this publication in force in all partitions. Answered by Done when durable."""

    seq: int
    source: bytes
    serial: int = 0
    """See actors.frame.PublishRecord."""


class RunOut(Struct, array_like=True, tag="run_out", gc=False):
    """Let all timers due by `until_ms` apply (clock `events` only). Answered by Done."""

    seq: int
    until_ms: int


class Drain(Struct, array_like=True, tag="drain", gc=False):
    """Take nothing more but receipts, and write snapshots; the shard is about to be stopped.

    Answered by Done when a start would fold nothing again.
    """

    seq: int


class EraseContact(Struct, array_like=True, tag="erase", gc=False):
    """Erase this contact; answered by Erased when nothing in the store tells of it any more."""

    seq: int
    contact: str
    keep_out_ms: int
    """How long its late events are kept out."""


class OpenPartition(Struct, array_like=True, tag="open", gc=False):
    """Open a partition that the store says is this slot's now. Answered by Done when it serves."""

    seq: int
    slot: int
    partition: int


class AskMap(Struct, array_like=True, tag="map", gc=False):
    """Ask which slots own the partitions, as far as the shard knows. Answered by MapIs."""

    seq: int


class AskStatus(Struct, array_like=True, tag="status", gc=False):
    """Ask how the shard is. Answered by Status."""

    seq: int


class AskSightings(Struct, array_like=True, tag="sightings", gc=False):
    """Ask what event names and fields the shard has seen. Answered by Seen."""

    seq: int


class Accepted(Struct, array_like=True, tag="accepted", gc=False):
    """One engine.input.Verdict byte per event of the Accept of this number."""

    seq: int
    verdicts: bytes
    moves: list[Move] = []
    """Of the partitions whose events were not taken (Verdict.MOVED), as far as is known."""


class Handed(Struct, array_like=True, tag="handed", gc=False):
    """Messages for the courier, and the templates they need that this link has not carried yet."""

    seq: int
    deliveries: list[Delivery]
    templates: dict[str, str]
    language: str
    """Of templates, for contacts that name none."""


class Done(Struct, array_like=True, tag="done", gc=False):
    """It is done and durable."""

    seq: int
    elsewhere: list[int] = []
    """Of a Settle: indexes of the receipts that another slot has to get, as a partition moved."""


class Moves(Struct, array_like=True, tag="moves", gc=False):
    """Partitions have moved, or stay after all; sent unasked, so its number is 0."""

    seq: int
    moves: list[Move]


class MapIs(Struct, array_like=True, tag="map_is", gc=False):
    """The map as the shard knows it."""

    seq: int
    map: ClusterMap


class Erased(Struct, array_like=True, tag="erased", gc=False):
    """The contact is erased, durably, and what told of it is rewritten."""

    seq: int
    files: int
    """Of the log, the archive and the snapshots that were rewritten."""
    records: int
    """Of the log that placeholders now stand for, and rows of snapshots that went."""


class Status(Struct, array_like=True, tag="status_is", gc=False):
    """How the shard is: counters and gauges by name."""

    seq: int
    status: dict[str, Any]


class Seen(Struct, array_like=True, tag="sightings_are", gc=False):
    """What event names and fields the shard has seen, or why nobody can say."""

    seq: int
    sightings: Sightings
    error: str = ""


class Refused(Struct, array_like=True, tag="refused", gc=False):
    """It cannot be done, and why; nothing was changed."""

    seq: int
    error: str


Folded = Accept | Settle | PublishNow | RunOut | EraseContact
"""Requests that come to inputs, in the order of arrival."""

Question = AskMap | AskStatus | AskSightings | AskVisits | AskNumbers
Request = Folded | Pull | Drain | OpenPartition | Question
Answered = MapIs | Status | Seen | Counted | NumbersAre
Reply = Accepted | Handed | Done | Erased | Moves | Answered | Refused

encode: Final = msgspec.msgpack.Encoder().encode
decode_request: Final = msgspec.msgpack.Decoder(Request).decode
decode_reply: Final = msgspec.msgpack.Decoder(Reply).decode


class LinkError(Exception):
    """The other side broke the protocol, or went away."""


class RefusedError(LinkError):
    """The shard refused the request, and why; nothing was changed, and the link stays."""


class Link(asyncio.Protocol):
    """One end of a link: calls `received` with the bytes of each frame, `closed` at the end.

    asyncio streams would do, at twice the cost of a small frame (a task switch per read).
    """

    def __init__(
        self, received: Callable[["Link", bytes], None], closed: Callable[["Link"], None]
    ) -> None:
        self._received = received
        self._closed = closed
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._stuck = False
        """Whether more waits to be read by the other side than its socket holds."""
        self.peer: Peer | None = None
        """Who is at the other end, by TCP; on a Unix socket, somebody of this host and account."""
        self.attempt_refused = -1
        """The last attempt of which an Accept was refused on this link."""
        self.refused_why = ""
        self.moved: dict[int, int] = {}
        """By partition, the last attempt of which an event was not taken as it has moved."""

    def send(self, message: Request | Reply) -> None:
        """Send one message; after the link is closed it goes nowhere."""
        if self._transport is None:
            return
        data = encode(message)
        self._transport.write(len(data).to_bytes(HEAD_BYTES, "big") + data)
        if self._stuck and self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self._transport.abort()

    def refuse(self, request: Request, why: str) -> None:
        """Say that a request is not done; nothing more is taken of an Accept's attempt."""
        if isinstance(request, Accept):
            self.attempt_refused, self.refused_why = request.attempt, why
        self.send(Refused(request.seq, why))

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._stuck = True

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._stuck = False

    def close(self) -> None:
        """Close the link; `closed` follows."""
        if self._transport is not None:
            self._transport.close()

    @property
    def open(self) -> bool:
        """Whether the other side can still be reached, as far as is known."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        # No isinstance: uvloop's transports are not asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        self._closed(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= HEAD_BYTES:
            size = int.from_bytes(buffer[start : start + HEAD_BYTES], "big")
            if size > FRAME_BYTES_MAX:
                self.close()
                return
            end = start + HEAD_BYTES + size
            if len(buffer) < end:
                break
            self._received(self, bytes(buffer[start + HEAD_BYTES : end]))
            start = end
        del buffer[:start]


class LinkClient:
    """The asking end of a link: numbers requests, and gives each its reply, in any order."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._seq = 0
        self._waiting: dict[int, asyncio.Future[Reply]] = {}

    @classmethod
    async def connect(cls, address: str, credentials: Credentials | None = None) -> "LinkClient":
        """Connect to a shard's address. Raises OSError where none serves there for us."""
        client: LinkClient | None = None

        def received(_: Link, data: bytes) -> None:
            if client is not None:  # Before, nothing was asked: it is pushed to all, at any time.
                client.receive(data)

        def closed(_: Link) -> None:
            if client is not None:
                client.fail()

        client = cls(await connect(address, lambda: Link(received, closed), credentials))
        return client

    def ask(self, request: Request) -> "asyncio.Future[Reply]":
        """Send a request (its number is set here).

        The future fails with LinkError on a loss, with RefusedError where the shard refuses.
        """
        self._seq += 1
        request.seq = self._seq
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if not self._link.open:
            future.set_exception(LinkError("the shard's link is closed"))
            return future
        self._waiting[self._seq] = future
        self._link.send(request)
        return future

    def receive(self, data: bytes) -> None:
        """Take a reply."""
        reply = decode_reply(data)
        future = self._waiting.pop(reply.seq, None)
        if future is None or future.done():
            return
        if isinstance(reply, Refused):
            future.set_exception(RefusedError(reply.error))
        else:
            future.set_result(reply)

    def fail(self) -> None:
        """Fail all that waits: the link is gone."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(LinkError("the shard's link was lost"))

    @property
    def open(self) -> bool:
        """Whether requests can still be sent, as far as is known."""
        return self._link.open

    def close(self) -> None:
        """Close the link; what waits fails."""
        self._link.close()
