"""A cluster for tests: a Redis of its own, `anlass run --redis`, and what the store tells of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from actors.control.charter import Charter
from actors.control.roster import Roster
from actors.frame import EventRecord, Frame
from actors.links.link import AskStatus, LinkClient, Status
from actors.map import ClusterMap
from actors.settings import RedisSettings
from actors.store.history import read_history
from actors.store.redis_server import RedisServer
from actors.store.redis_stream import read_redis_log
from engine.contacts.identity import partition_of
from engine.input import Verdict
from tests.actors.store.proxy import Proxy
from tests.actors.store.redis_server import Server, serving
from tests.system.process import AnlassProcess

START_S = 150.0
COMMAND_S = 180.0


class Cluster:
    """A store in Redis, its archive, and commands on it."""

    def __init__(self, folder: Path, journeys: Path, server: Server | Proxy) -> None:
        """`server` may be the way to one."""
        self.folder = folder
        self.journeys = journeys
        self.server = server
        self.settings = RedisSettings(url=server.url)
        self.archive = folder / "archive"
        self.charter = Charter(self.settings)

    def run(self, *options: str, name: str = "one", port: int = 0) -> AnlassProcess:
        """Return an `anlass run`, not started yet; by `name` it has its folder."""
        process = AnlassProcess(
            self.folder / name,
            self.journeys,
            *["--redis", self.server.url, "--encryption", "off"],
            *["--archive", self.archive.as_uri(), *options],
            port=port,
        )
        process.start_s = START_S
        return process

    def command(self, *words: str) -> dict[str, Any]:
        """Run a command on the cluster, and return what it prints as JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "console", *words, "--redis", self.server.url, "--json"],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    @property
    def roster(self) -> Roster:
        return self.charter.read()[0]

    @property
    def map(self) -> ClusterMap:
        return self.charter.read()[1]

    async def pids(self) -> dict[str, int]:
        """Return the process of each shard, by name."""
        found = {}
        for name, post in self.roster.posts.items():
            site = post.sites.get(post.home)
            if site is None:
                continue  # It serves nothing yet.
            client = await LinkClient.connect(site.socket)
            with contextlib.closing(client):
                reply = await client.ask(AskStatus(0))
            assert isinstance(reply, Status)
            found[name] = reply.status["pid"]
        return found

    def settled(self, shards: int) -> bool:
        """Say whether so many shards have even shares, and nothing is on its way."""
        roster, told = self.charter.read()
        counts = Counter(told.owners)
        return (
            len(roster.posts) == shards
            and not any(post.leaving for post in roster.posts.values())
            and counts.keys() == {post.home for post in roster.posts.values()} == told.sites.keys()
            and max(counts.values()) - min(counts.values()) <= 1
        )

    def events(self) -> list[tuple[str, str]]:
        """Return the contact and id of all events applied, each partition's in order."""
        by_place: dict[tuple[int, int], tuple[str, str]] = {}
        for frame in self.frames():
            for record, verdict in zip(frame.records, frame.verdicts, strict=True):
                if isinstance(record, EventRecord) and verdict == Verdict.APPLIED:
                    event = record.event
                    place = partition_of(event.contact), record.pseq
                    assert place not in by_place, f"number {place} was given twice"
                    by_place[place] = event.contact, event.id
        return [by_place[place] for place in sorted(by_place)]

    def frames(self) -> Iterator[Frame]:
        """Read all frames of all slots there ever were."""
        return (frame for _, frame in self.slot_frames())

    def slot_frames(self) -> Iterator[tuple[int, Frame]]:
        """Read all frames, each with its slot: archive first, then the log in Redis."""
        server = RedisServer(self.settings)
        for slot in range(self.roster.next_slot):
            end = 0
            folder = self.archive / f"shard-{slot}"
            if folder.exists():
                for frame in read_history(folder, None):
                    end = frame.position + len(frame.records)
                    yield slot, frame
            for frame in read_redis_log(server, slot, None, None):
                if frame.position >= end:
                    yield slot, frame
        server.close()

    def check_ledger(self, acknowledged: list[tuple[str, str]]) -> None:
        """Every acknowledged event is in the logs exactly once, each contact's in order.

        Events from a million on are another sender's, with an order of its own.
        """
        events = self.events()
        counts = Counter(events)
        assert [event for event in acknowledged if counts[event] != 1] == []
        order: dict[tuple[str, int], list[int]] = {}
        for contact, id in events:
            number = int(id.removeprefix("e-"))
            order.setdefault((contact, number // 1_000_000), []).append(number)
        assert all(numbers == sorted(numbers) for numbers in order.values())


@contextlib.contextmanager
def cluster(folder: Path, journeys: Path) -> Iterator[Cluster]:
    """Start the Redis of a cluster."""
    with serving() as server:
        yield Cluster(folder, journeys, server)


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 120.0) -> float:
    """Wait until this holds; return how many seconds that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, what
        time.sleep(0.05)
    return time.monotonic() - began


def process_named(word: str, folder: Path) -> int:
    """Return a process of this test's Ray by its title; another test may have one, too.

    The test sets TESTED_IN to its folder before it starts Ray.
    """
    mark = f"TESTED_IN={folder}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_bytes()
                mine = mark in (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in title and mine:
                return int(entry.name)
    raise AssertionError(f"no process {word}")


def end_process(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)


def alive(pid: int) -> bool:
    """Say whether a process is there and no corpse."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
