"""What more shards cost: CPU, commits and events a second of one event, with 1, 2 and 4 of them."""

import asyncio
import time
from pathlib import Path
from statistics import median
from typing import Final

from msgspec import Struct

from bench.board import Board
from bench.load import post_batches
from bench.running import RunningSystem, cpu_times_s

SHARDS: Final = (1, 2, 4)
ROUNDS: Final = 3
BATCH: Final = 500
EVENTS: Final = 320_000
LANES: Final = 8
"""Connections for each shard, with a request each on its way."""

UNPACED: Final = 10_000_000
"""Events a second that no machine of today answers: each connection posts as soon as it may."""

PART_RATE: Final = 40_000
PART_EVENTS: Final = 160_000
FULL_LOAD: Final = "full load"
PART_LOAD: Final = f"{PART_RATE:,} events/s"


class Cost(Struct, frozen=True):
    """What an event took of all processes together, and how many came."""

    user_us: float
    system_us: float
    gateway_us: float
    commits_per_1000: float
    events_per_s: float

    @property
    def cpu_us(self) -> float:
        """Of gateway and shards, all told."""
        return self.user_us + self.system_us


def bench_growth(board: Board, folder: Path) -> None:
    """Measure what an event costs gateway and shards with 1, 2 and 4 shards.

    At full load, as each frame costs the same whatever is in it: at a rate that one shard has ease
    with, four get a quarter in each frame. What that comes to is shown beside.
    """
    found: dict[tuple[str, int], list[Cost]] = {}
    for turn in range(ROUNDS):
        for shards in SHARDS:
            with RunningSystem(folder / f"{turn}-{shards}", "--shards", str(shards)) as system:
                asyncio.run(_post(system, "warm", PART_RATE, PART_RATE, LANES * shards))
                full = _cost(system, shards, UNPACED, EVENTS)
                found.setdefault((FULL_LOAD, shards), []).append(full)
                part = _cost(system, shards, PART_RATE, PART_EVENTS)
                found.setdefault((PART_LOAD, shards), []).append(part)
    for (load, shards), costs in found.items():
        cost_us = median(each.cpu_us for each in costs)
        one_us = median(each.cpu_us for each in found[load, 1])
        ratio = f" = {cost_us / one_us:.2f} of one shard" if shards > 1 else ""
        user_us, system_us, gateway_us, commits, events_per_s = (
            median(getattr(each, field) for each in costs) for field in Cost.__struct_fields__
        )
        figure = (
            f"{cost_us:.1f} µs{ratio} (user {user_us:.1f}, system {system_us:.1f}; the gateway "
            f"{gateway_us:.1f}), {commits:.1f} commits for 1,000, {events_per_s:,.0f} events/s"
        )
        wanted = "≤ 1.15 of one" if shards > 1 and load == FULL_LOAD else ""
        board.add(f"CPU per event, {shards} shards, batches of {BATCH}, {load}", figure, wanted)


def _cost(system: RunningSystem, shards: int, rate: int, events: int) -> Cost:
    """Post so many events at this rate, and return what each took."""
    pids = [system.pid, *(int(each["pid"]) for each in system.status()["shards"])]
    commits = system.commits()
    before = [cpu_times_s(pid) for pid in pids]
    began = time.perf_counter()
    accepted = asyncio.run(_post(system, f"at-{rate}", rate, events, LANES * shards))
    took_s = time.perf_counter() - began
    used = [
        (after[0] - times[0], after[1] - times[1])
        for times, after in zip(before, map(cpu_times_s, pids), strict=True)
    ]
    return Cost(
        user_us=sum(user_s for user_s, _ in used) / accepted * 1e6,
        system_us=sum(system_s for _, system_s in used) / accepted * 1e6,
        gateway_us=sum(used[0]) / accepted * 1e6,
        commits_per_1000=(system.commits() - commits) / accepted * 1000,
        events_per_s=accepted / took_s,
    )


async def _post(system: RunningSystem, boot: str, rate: int, events: int, lanes: int) -> int:
    return await post_batches(system.url, boot, rate, BATCH, events / rate, lanes)
