"""`make bench`: what it costs, as a table: seconds and ratios of one run on one machine."""

import asyncio
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

import engine
from bench.against import bench_against
from bench.board import Board, screen
from bench.cluster import bench_cluster
from bench.decision import decision_times_us, quantile
from bench.durability import (
    bench_bytes,
    bench_encryption,
    bench_recovery,
    bench_restart,
    bench_snapshots,
)
from bench.floor import floor_w1
from bench.growth import bench_growth
from bench.journeys import (
    CONCERNED,
    CONCERNING,
    FEW,
    GOAL,
    LOOKED_BACK_AT,
    MANY,
    UNASKED,
    compared_us,
)
from bench.links import bench_links
from bench.load import post_latencies_ms, post_open_loop_ms, wrk_posts_per_s
from bench.overload import BATCH, QUIET_PER_S, Overload, Phase, neighbours, overload
from bench.publish import bench_publish
from bench.replay import RIGHT, RIGHT_CAPPED, generate_w1, replay_w1
from bench.running import RunningSystem
from bench.timers import bench_timers
from bench.trace import bench_trace

W1_GENERATOR: Final = Path(__file__).parent.parent.parent / "shared" / "w1" / "gen.py"
WRK_SECONDS: Final = 8
OVERLOAD_SECONDS: Final = 24.0
NEIGHBOURS_SECONDS: Final = 16.0


def bench_engine(board: Board, _: Path) -> None:
    """Measure decisions, with and without thawing the contact."""
    for name, thaw, wanted in (
        ("decision, contact thawed", True, "p50 ≤ 8, p99 ≤ 50"),
        ("decision, contact hot", False, ""),
    ):
        times = decision_times_us(thaw=thaw)
        p50, p99, p999 = (quantile(times, ratio) for ratio in (0.5, 0.99, 0.999))
        board.add(f"{name}, µs", f"p50 {p50:.1f}  p99 {p99:.1f}  p99.9 {p999:.1f}", wanted)


def bench_journeys(board: Board, _: Path) -> None:
    """Measure what a thousand journeys add to an event that concerns none of them, or few."""
    for name, few, what, wanted in (
        (UNASKED, 0, "no journey asks about", f"≤ {GOAL}"),
        (CONCERNING, FEW, f"{CONCERNED} journeys enter on", f"≤ {GOAL}"),
        (LOOKED_BACK_AT, 0, "all look back at, with a field", ""),
    ):
        few_us, many_us = compared_us(name, few, MANY)
        board.add(
            f"event that {what}: {few} and {MANY:,} journeys, µs",
            f"{few_us:.2f} and {many_us:.2f}, ratio {many_us / few_us:.2f}",
            wanted,
        )


def bench_replay(board: Board, folder: Path) -> None:
    """Measure the replay of W1, the best of three, in turns with a loop written for its rules."""
    if not W1_GENERATOR.exists():
        board.add("replay of W1", f"skipped: no {W1_GENERATOR}", "")
        return
    path = generate_w1(W1_GENERATOR, folder)
    floors, results = [], []
    for _ in range(3):
        floors.append(floor_w1(path))
        results.append(replay_w1(path))
    best, floor = max(each.report.events_per_s for each in results), max(each[0] for each in floors)
    counts = {**RIGHT, "capped": RIGHT_CAPPED}
    all_right = all(each.right for each in results) and all(each[1] == counts for each in floors)
    right = "right" if all_right else "WRONG"
    board.add(
        "replay of W1, one core",
        f"{best:,.0f} events/s, counts and checksum {right}",
        "≥ 180,000 events/s",
    )
    board.add(
        "  a loop written for its two rules alone, in turns with it",
        f"{floor:,.0f} events/s, of which the replay is {best / floor:.2f}",
        "≥ 0.25",
    )


def bench_system(board: Board, folder: Path) -> None:
    """Measure the whole: start, one connection, open loop, and as much as wrk can."""
    began = time.perf_counter()
    with RunningSystem(folder / "data") as system:
        url = system.url
        asyncio.run(post_latencies_ms(url, 1, "first"))
        board.add("start to first 202", f"{time.perf_counter() - began:.1f} s", "≤ 8 s")
        times = asyncio.run(post_latencies_ms(url, 5_000, "one"))
        p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
        board.add("POST, 1 connection, durable", f"p50 {p50:.2f}  p99 {p99:.2f} ms", "p50 ≤ 0.5 ms")
        times = asyncio.run(post_open_loop_ms(url, 5_000, 5, "loop"))
        p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
        board.add("POST, 5,000/s open loop", f"p50 {p50:.2f}  p99 {p99:.2f} ms", "")
        for connections in (64, 256):
            rate = wrk_posts_per_s(url, connections, WRK_SECONDS, f"w{connections}")
            figure = "skipped: no wrk" if rate is None else f"{rate:,.0f} POST/s"
            wanted = "≥ 30,000/s" if connections == 64 else ""
            board.add(f"POST, {connections} connections, wrk", figure, wanted)


def bench_overload(board: Board, folder: Path) -> None:
    """Measure what is left of the best under three times as much, and beside a loud contact."""
    with RunningSystem(folder / "data") as system:
        url = system.url
        found = overload(url, system.pid, OVERLOAD_SECONDS)
        _add_goodput(board, found, found.overloaded, "")
        _add_goodput(board, found, found.evading, ", a new connection for each one refused")
        board.add("  accepted = applied", f"{found.accepted:,} = {found.applied:,} events", "equal")
        board.add(
            "  resident memory, contacts full, then after each turn",
            f"gateway {_series(found.gateway_rss_mib)} MiB,"
            f" shards {_series(found.shards_rss_mib)} MiB",
            "bounded",
        )
        for half, where in ((1, "on the other shard"), (0, "on the same shard")):
            for loud in (False, True):
                quiet, noise = neighbours(url, half, NEIGHBOURS_SECONDS, loud=loud)
                p50, p99 = quiet.quantile_ms(0.5), quiet.quantile_ms(0.99)
                taken = noise.status[202] * BATCH / NEIGHBOURS_SECONDS
                beside = f"beside a contact of {taken:,.0f}/s {where}" if loud else "alone"
                refused = quiet.status[429] + quiet.unsent
                figure = f"p50 {p50:.2f}  p99 {p99:.2f} ms, {refused} refused or unsent"
                board.add(f"POST, {QUIET_PER_S:,}/s, {beside}", figure, "")


def _add_goodput(board: Board, found: Overload, over: Phase, who: str) -> None:
    best, tally, ratios = found.best, over.tally, found.ratios(over)
    board.add(
        f"goodput, {over.due_per_s / best.accepted_per_s:.1f} times the best due{who}",
        f"{over.accepted_per_s:,.0f} of {best.accepted_per_s:,.0f} events/s:"
        f" {found.ratio(over):.0%} in the middle one of {len(ratios)} turns,"
        f" {ratios[0]:.0%} to {ratios[-1]:.0%}"
        f" ({found.ratio_of_cores_left(over):.0%} per core that the client left)",
        "≥ 90 %" if not who else "",
    )
    board.add(
        "  CPU of gateway and shards for an event accepted",
        f"{over.event_us:.1f} us, {best.event_us:.1f} us at the best"
        f" ({best.event_us / over.event_us:.0%})",
        "≥ 90 %" if not who else "",
    )
    p50, p99 = tally.quantile_ms(0.5), tally.quantile_ms(0.99)
    board.add("  answers to those accepted", f"p50 {p50:.0f}  p99 {p99:.0f} ms", "")
    board.add(
        "  POSTs due",
        f"{tally.status[202]:,} accepted, {tally.status[429]:,} refused with 429,"
        f" {tally.unsent:,} never sent, as no connection was free",
        "",
    )
    others = sum(tally.status.values()) - tally.status[202] - tally.status[429]
    board.add(
        "  429 without Retry-After, other answers, lost connections",
        f"{tally.without_retry_after}, {others}, {tally.closed}",
        "0, 0, 0",
    )


def _series(numbers: list[int]) -> str:
    return " → ".join(str(number) for number in numbers)


def bench_parts() -> None:
    """Run pytest-benchmark over the engine's parts."""
    command = [sys.executable, "-m", "pytest", "bench", "-q", "-o", "python_files=bench_*.py"]
    command += ["-o", "python_functions=bench_*", "-o", "addopts=", "--benchmark-disable-gc"]
    columns = "--benchmark-columns=min,median,max,rounds"
    subprocess.run([*command, columns, "--benchmark-group-by=group"], check=False)


PARTS: Final[dict[str, Callable[[Board, Path], None]]] = {
    "engine": bench_engine,
    "journeys": bench_journeys,
    "replay": bench_replay,
    "against": bench_against,
    "system": bench_system,
    "bytes": lambda board, _: bench_bytes(board),
    "encryption": lambda board, _: bench_encryption(board),
    "snapshot": lambda board, _: bench_snapshots(board),
    "restart": lambda board, _: bench_restart(board),
    "recovery": lambda board, _: bench_recovery(board),
    "timers": bench_timers,
    "publish": bench_publish,
    "trace": bench_trace,
    "links": bench_links,
    "overload": bench_overload,
    "growth": bench_growth,
    "cluster": bench_cluster,
}
"""Each also alone: `python -m bench recovery`."""


def main() -> None:
    """Run all of it, or what is named."""
    asked = sys.argv[1:]
    unknown = sorted(set(asked) - PARTS.keys())
    if unknown:
        sys.exit(f"no measurement {unknown[0]!r}; name some of {', '.join(PARTS)}, or none")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    screen.print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"commit {commit or '?'}, ray {version('ray')}, engine from {Path(engine.__file__).parent}",
        highlight=False,
    )
    board = Board()
    for name, measure in PARTS.items():
        if not asked or name in asked:
            with tempfile.TemporaryDirectory(prefix="anlass-bench-") as folder:
                measure(board, Path(folder))
    if not asked:
        bench_parts()
    board.show()


if __name__ == "__main__":
    main()
