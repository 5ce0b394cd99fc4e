"""Links: what a link between hosts costs (TCP, TLS 1.3) beside one within a host (Unix socket).

`python -m bench.links ADDRESS KEYS` answers frames; the measuring side starts it.
"""

import asyncio
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final

import uvloop
from msgspec import Struct

from actors.clock import WallClock
from actors.links.authority import Authority
from actors.links.certificate import ROLES
from actors.links.credentials import Credentials
from actors.links.door import Door
from actors.links.link import Accept, Accepted, Link, LinkClient, LinkEvent, Reply, decode_request
from bench.board import Board
from bench.decision import quantile
from bench.running import cpu_s

SINGLES: Final = 20_000
FRAMES: Final = 1_500
FRAME_EVENTS: Final = 256
IN_FLIGHT: Final = 2
CONNECTIONS: Final = 50
PAYLOAD: Final = b'{"product":"p-123456","category":"shoes","price":59.9,"quantity":1,"n":0}'


class LinkCost(Struct, frozen=True):
    """What one kind of link costs."""

    p50_us: float
    """Round trip of a frame of one event."""
    p99_us: float
    cpu_us: float
    """Of both processes together, for an event in large frames."""
    events_per_s: float
    connect_ms: float


def bench_links(board: Board, folder: Path) -> None:
    """Measure both kinds of links in one run."""
    authority = Authority.make(folder / "keys", None, WallClock().read())
    keys = authority.issue("here", ROLES, ("127.0.0.1",), 1)
    unix = link_cost(f"unix:{folder / 's.sock'}", keys)
    tls = link_cost("tcp://127.0.0.1:0", keys)
    for name, cost in (("Unix socket", unix), ("TCP with TLS", tls)):
        board.add(
            f"link, {name}: frame of one event there and back, µs",
            f"p50 {cost.p50_us:.0f}  p99 {cost.p99_us:.0f}",
            "",
        )
        board.add(
            f"link, {name}: frames of {FRAME_EVENTS} events, {IN_FLIGHT} in flight",
            f"{cost.events_per_s:,.0f} events/s, CPU {cost.cpu_us:.2f} µs an event (both ends)",
            "",
        )
    board.add("link, TCP with TLS: connect and greet, ms", f"{tls.connect_ms:.1f}", "")


def link_cost(address: str, keys: Path) -> LinkCost:
    """Measure one kind of link against a process of its own."""
    command = [sys.executable, "-m", "bench.links", address, str(keys)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        there = process.stdout.readline().strip()
        try:
            return uvloop.run(_measure(there, Credentials(keys), process.pid))
        finally:
            process.kill()


async def _measure(address: str, here: Credentials, pid: int) -> LinkCost:
    began_s = time.perf_counter()
    for _ in range(CONNECTIONS):
        (await LinkClient.connect(address, here)).close()
    connect_ms = (time.perf_counter() - began_s) * 1000 / CONNECTIONS
    client = await LinkClient.connect(address, here)
    event = LinkEvent(7, "c-123456", "0123456789-123456", "page_view", 1_700_000_000_000, PAYLOAD)
    times = []
    for _ in range(SINGLES):
        began_s = time.perf_counter()
        await client.ask(Accept(0, [event]))
        times.append((time.perf_counter() - began_s) * 1e6)
    times.sort()
    began_s, began_cpu_s = time.perf_counter(), time.process_time() + cpu_s(pid)
    flight: deque[asyncio.Future[Reply]] = deque()
    for _ in range(FRAMES):
        if len(flight) == IN_FLIGHT:
            await flight.popleft()
        flight.append(client.ask(Accept(0, [event] * FRAME_EVENTS)))
    await asyncio.gather(*flight)
    took_s = time.perf_counter() - began_s
    used_s = time.process_time() + cpu_s(pid) - began_cpu_s
    client.close()
    events = FRAMES * FRAME_EVENTS
    return LinkCost(
        p50_us=quantile(times, 0.5),
        p99_us=quantile(times, 0.99),
        cpu_us=used_s * 1e6 / events,
        events_per_s=events / took_s,
        connect_ms=connect_ms,
    )


async def _answer(address: str, keys: Path) -> None:
    def received(link: Link, data: bytes) -> None:
        request = decode_request(data)
        assert isinstance(request, Accept)
        link.send(Accepted(request.seq, bytes(len(request.events))))

    door = Door(received, lambda _: None)
    print(await door.open(address, Credentials(keys)), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_answer(sys.argv[1], Path(sys.argv[2])))
