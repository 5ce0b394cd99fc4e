"""Timers: a million contacts wait, many of them until one second, and events keep coming."""

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import uvloop
from msgspec import Struct

from actors.clock import WallClock
from actors.links.link import AskStatus, LinkClient, Status
from actors.running import running_system
from bench.board import Board
from bench.decision import quantile
from bench.load import post_open_loop_ms, timed_open_loop
from bench.running import RunningSystem
from bench.waiting import build_waiting, fired_timers, write_journeys

CONTACTS: Final = 1_000_000
DUE: Final = 100_000
RATE: Final = 2_000
"""Events/s of the open loop that meets the timers. The client takes a third of a core for so many;
at 5,000 two cores are not enough for it beside shards, gateway and a courier at work."""

CALM_S: Final = 5
LEAD_S: Final = 2
LOOP_S: Final = 8
"""How long it is measured before, when the second loop begins before they are due, and its span."""

MADE_PER_S: Final = 12_000
START_S: Final = 30
"""How fast a store of so many is made and recovered at least: they come due after that."""

ALL_S_MAX: Final = 300


class Burst(Struct, frozen=True):
    """What a burst of timers came to."""

    fired: int
    early: int
    """Timers applied before they were due: there must be none."""
    took_s: float
    """From when the first was due to when the last one was applied."""
    calm_ms: list[float]
    """Times of answers before, sorted."""
    meanwhile_ms: list[float]
    """Times of answers to events due between the first timer and the last, sorted."""
    settled_s: float
    """From when the first was due until all messages were delivered."""


def bench_timers(board: Board, folder: Path) -> None:
    """Measure a burst of timers through the whole system."""
    burst = burst_of(folder, CONTACTS, DUE)
    board.add(
        f"{DUE:,} timers due in one second, {CONTACTS:,} contacts wait",
        f"all {burst.fired:,} fired in {burst.took_s:.1f} s, {burst.early} early",
        "≤ 3 s, 0 early",
    )
    within, without = quantile(burst.meanwhile_ms, 0.99), quantile(burst.calm_ms, 0.99)
    board.add(
        f"  POST, {RATE:,}/s open loop, meanwhile",
        f"p50 {quantile(burst.meanwhile_ms, 0.5):.1f}  p99 {within:.1f} ms, before "
        f"p50 {quantile(burst.calm_ms, 0.5):.1f}  p99 {without:.1f} ms",
        "p99 ≤ 20 ms",
    )
    board.add("  all messages in their file after", f"{burst.settled_s:.0f} s", "")


def burst_of(folder: Path, contacts: int, due: int) -> Burst:
    """Let `due` of so many contacts' timers come due in a running system, with events meanwhile.

    Raises RuntimeError where the system did not run in time.
    """
    clock, data = WallClock(), folder / "data"
    journeys = write_journeys(folder / "journeys")
    lead_s = START_S + contacts / MADE_PER_S
    due_at_ms = clock.read() + int(lead_s * 1000)
    build_waiting(data, journeys, contacts, due, due_at_ms)
    with RunningSystem(data, journeys=journeys) as system:
        left_s = (due_at_ms - clock.read()) / 1000 - LEAD_S - CALM_S
        if left_s < 0:
            raise RuntimeError(f"{-left_s:.0f} s too late: the machine is slow, or busy")
        uvloop.run(post_open_loop_ms(system.url, RATE, 1, "warm"))
        calm_ms = uvloop.run(post_open_loop_ms(system.url, RATE, CALM_S, "calm"))
        time.sleep(max((due_at_ms - clock.read()) / 1000 - LEAD_S, 0))
        begun_ms = clock.read()
        times = uvloop.run(timed_open_loop(system.url, RATE, LOOP_S, "burst"))
        uvloop.run(_settled(data, due))
        settled_s = (clock.read() - due_at_ms) / 1000
    fired = list(fired_timers(data))
    last_ms = max(each.applied_at_ms for each in fired)
    lead_s, end_s = (due_at_ms - begun_ms) / 1000, (last_ms - begun_ms) / 1000
    return Burst(
        fired=len(fired),
        early=sum(each.applied_at_ms < each.due_at_ms for each in fired),
        took_s=(last_ms - due_at_ms) / 1000,
        calm_ms=calm_ms,
        meanwhile_ms=sorted(time_ms for at_s, time_ms in times if lead_s <= at_s <= end_s),
        settled_s=settled_s,
    )


async def _settled(data: Path, count: int) -> None:
    """Wait until so many messages were sent and settled."""
    running = running_system(data)
    assert running is not None
    clients = [await LinkClient.connect(socket) for socket in running.sockets]
    async with asyncio.timeout(ALL_S_MAX):
        while True:
            statuses = [await status_of(client) for client in clients]
            sent = sum(sum(each["outcomes"].get("review", {}).values()) for each in statuses)
            if sent >= count and not any(each["outbox"] for each in statuses):
                break
            await asyncio.sleep(0.2)
    for client in clients:
        client.close()


async def status_of(client: LinkClient) -> dict[str, Any]:
    """Ask a shard how it is."""
    reply = await client.ask(AskStatus(0))
    assert isinstance(reply, Status)
    return reply.status
