"""Report: how a gateway is, for those who sum up or show several of one port."""

import asyncio
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

ACK_S_BUCKETS: Final = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
)  # fmt: skip
ANSWER_S: Final = 1.0
"""How long another gateway may take to say how it is."""


class Counters(Struct):
    """Plain numbers that the hot path adds to; only a scrape makes metrics of them."""

    accepted: int = 0
    repeated: int = 0
    rejected: int = 0
    failed: int = 0
    status: dict[int, int] = {}
    ack_buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(ACK_S_BUCKETS) + 1))
    ack_s_sum: float = 0.0

    def acknowledged(self, span_s: float) -> None:
        """Count the time from a request's last byte to its answer."""
        self.ack_buckets[bisect_left(ACK_S_BUCKETS, span_s)] += 1
        self.ack_s_sum += span_s


class LaneReport(Struct, array_like=True, gc=False):
    """How a lane is."""

    shard: int
    waiting: int
    reachable: bool
    events_per_s: float
    """That its shard can answer, as last seen."""


class GatewayReport(Struct):
    """How a gateway is at the moment."""

    pid: int
    memory_bytes: int
    connections: int
    events_in_flight: int
    lanes: list[LaneReport]
    counters: Counters
    held: int = 0
    """Connections that are not read until it is their turn."""


class Siblings:
    """The gateways that share a port: each tells the others how it is, on a socket of its own.

    A request for metrics comes to any of them, and the memory is that of all.
    """

    def __init__(self, sockets: list[str] | None = None, own: int = 0) -> None:
        """`sockets` are of all gateways, by their number, `own` among them; none: it is alone."""
        self._sockets = sockets or []
        self.own = own
        self._server: asyncio.Server | None = None

    @property
    def others(self) -> list[int]:
        """The numbers of the other gateways."""
        return [number for number in range(len(self._sockets)) if number != self.own]

    async def open(self, report: Callable[[], GatewayReport]) -> None:
        """Tell whoever asks."""
        if not self._sockets:
            return

        async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(msgspec.msgpack.encode(report()))
            writer.close()

        path = self._sockets[self.own]
        Path(path).unlink(missing_ok=True)  # noqa: ASYNC240 - before anything is served
        self._server = await asyncio.start_unix_server(tell, path)

    def close(self) -> None:
        """Tell nobody any more."""
        if self._server is not None:
            self._server.close()

    async def ask(self) -> dict[int, GatewayReport | None]:
        """Ask the others how they are; None of one that does not say."""
        others = self.others
        reports = await asyncio.gather(*[read_report(self._sockets[other]) for other in others])
        return dict(zip(others, reports, strict=True))


async def read_report(socket: str) -> GatewayReport | None:
    """Ask the gateway that has this socket how it is; None where it does not say."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                data = await reader.read(-1)
            finally:
                writer.close()
        return msgspec.msgpack.decode(data, type=GatewayReport)
    except (OSError, msgspec.MsgspecError):
        return None
