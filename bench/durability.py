"""What it costs to lose nothing: recovery, a killed shard, snapshots, encryption, memory."""

import asyncio
import os
import signal
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from bench.board import Board
from bench.decision import quantile
from bench.footprint import bytes_per_contact
from bench.load import first_ack_s, post_latencies_ms, post_open_loop_ms, wrk_posts_per_s
from bench.running import RunningSystem
from bench.serving import ALWAYS, NEVER
from bench.stored import build_store, contact_of_shard

RATE: Final = 5_000
"""Events/s of the open loop that snapshots are measured under."""

LOOP_SECONDS: Final = 10
ROUNDS: Final = 2
"""Runs with and without, one after the other: both meet the same noise."""

SNAPSHOT_ROUNDS: Final = 3

RESTART_CONTACTS: Final = 100_000
RECOVERY_CONTACTS: Final = 1_000_000
RECOVERY_EVENTS: Final = 1_000_000
KILLS: Final = 3
LOAD_RATE: Final = 1_000
WRK_CONNECTIONS: Final = 64
WRK_SECONDS: Final = 6


def bench_recovery(
    board: Board, contacts: int = RECOVERY_CONTACTS, events: int = RECOVERY_EVENTS
) -> None:
    """Measure a cold start on a large store: Ray, recovery of two shards, the first 202."""
    with tempfile.TemporaryDirectory(prefix="anlass-bench-") as folder:
        data = Path(folder) / "data"
        built = build_store(data, contacts, events)
        with RunningSystem(data) as system:
            began = time.perf_counter()
            asyncio.run(post_latencies_ms(system.url, 1, "first"))
            took_s = system.started_s + time.perf_counter() - began
            held = system.resident_bytes()
        size = f"log {built.log_bytes / 1e6:.0f} MB, snapshots {built.snapshot_bytes / 1e6:.0f} MB"
        board.add(
            f"cold start to first 202: {contacts:,} contacts + {events:,} events of log",
            f"{took_s:.1f} s ({size})",
            "≤ 20 s",
        )
        board.add(
            f"memory of all shards with {contacts:,} contacts", f"{held / 1e6:,.0f} MB", "≤ 1 GB"
        )


def bench_restart(board: Board, contacts: int = RESTART_CONTACTS) -> None:
    """Measure how long after a kill -9 of a shard its events are acknowledged again, under load."""
    spans_s = []
    with tempfile.TemporaryDirectory(prefix="anlass-bench-") as folder:
        data = Path(folder) / "data"
        build_store(data, contacts, contacts)
        contact = contact_of_shard(0)
        with RunningSystem(data) as system:
            for number in range(KILLS):
                kill = partial(os.kill, system.pid_of_shard(0), signal.SIGKILL)
                boot = f"kill-{number}"
                spans_s.append(asyncio.run(first_ack_s(system.url, boot, kill, contact, LOAD_RATE)))
    figure = f"median {median(spans_s):.1f} s, worst {max(spans_s):.1f} s of {KILLS}"
    what = f"first ack after kill -9 of a shard, {contacts:,} contacts, {LOAD_RATE:,}/s"
    board.add(what, figure, "≤ 5 s")


def bench_snapshots(board: Board) -> None:
    """Measure what snapshots, one walk after the other, add to the answers' times in open loop.

    At the usual pace: half a second between two files, unless the log grows by 64 MB within one
    walk. The median of pairs counts; the range says how noisy the machine was.
    """
    found: dict[str, list[float]] = {NEVER: [], ALWAYS: []}
    written = 0
    with tempfile.TemporaryDirectory(prefix="anlass-bench-") as folder:
        data = Path(folder) / "data"
        build_store(data, RESTART_CONTACTS, 0)
        for turn in range(SNAPSHOT_ROUNDS):
            for snapshots, p99s in found.items():
                with RunningSystem(
                    data, "--snapshots", snapshots, module="bench.serving"
                ) as system:
                    boot = f"{snapshots}-{turn}"
                    asyncio.run(post_open_loop_ms(system.url, RATE, 1, f"{boot}-warm"))
                    before = system.snapshots_written()
                    times = asyncio.run(post_open_loop_ms(system.url, RATE, LOOP_SECONDS, boot))
                    p99s.append(quantile(times, 0.99))
                    count = system.snapshots_written()
                    assert (count > 0) == (snapshots == ALWAYS)
                    written += count - before
    within, without = found[ALWAYS], found[NEVER]
    more = [with_ms - bare_ms for with_ms, bare_ms in zip(within, without, strict=True)]
    figure = (
        f"p99 {median(within):.1f} ms, without {median(without):.1f} ms: {median(more):+.1f} ms "
        f"({min(more):+.1f} to {max(more):+.1f} in {len(more)} pairs)"
    )
    rate = written / (SNAPSHOT_ROUNDS * LOOP_SECONDS)
    what = f"snapshots one after the other ({rate:.0f} partitions/s), POST {RATE:,}/s open loop"
    board.add(what, figure, "≤ 3 ms more")


def bench_encryption(board: Board) -> None:
    """Measure what encryption takes off the throughput: runs with and without it, in turn."""
    found: dict[str, list[float]] = {"on": [], "off": []}
    with tempfile.TemporaryDirectory(prefix="anlass-bench-") as folder:
        for turn in range(ROUNDS):
            for encryption, rates in found.items():
                data = Path(folder) / f"data-{encryption}-{turn}"
                with RunningSystem(data, "--encryption", encryption) as system:
                    boot = f"{encryption}-{turn}"
                    rate = wrk_posts_per_s(system.url, WRK_CONNECTIONS, WRK_SECONDS, boot)
                if rate is None:
                    board.add("encryption", "skipped: no wrk", "≤ 10 % of throughput")
                    return
                rates.append(rate)
    sealed, plain = max(found["on"]), max(found["off"])
    figure = f"{sealed:,.0f} POST/s, without {plain:,.0f}: {(1 - sealed / plain) * 100:.0f} % less"
    board.add(f"encryption, {WRK_CONNECTIONS} connections, wrk", figure, "≤ 10 % less")


def bench_bytes(board: Board) -> None:
    """Count what an idle contact takes."""
    for events, wanted in ((5, "≤ 600"), (30, "≤ 1,500")):
        encoded, held = bytes_per_contact(events)
        figure = f"{encoded:,.0f} encoded, {held:,.0f} with key, dict and object"
        board.add(f"bytes of an idle contact, {events} recent events", figure, wanted)
