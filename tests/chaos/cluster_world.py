"""A world with a cluster: `anlass run --redis`, a Redis with a replica, and senders."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

from actors.errors import OperatorError
from actors.links.certificate import ROLES
from actors.links.link import AskStatus, LinkClient, LinkError, Status
from tests.actors.links.credentials import authority
from tests.actors.store.proxy import proxying
from tests.actors.store.redis_server import free_port, serving
from tests.chaos.clock import ShiftedClock
from tests.chaos.erasing import Erasures
from tests.chaos.kernel import send_signal, title_of
from tests.chaos.ledger import Ledger
from tests.chaos.ray_nodes import RayNodes
from tests.chaos.world import RUN_OUT_MS, patiently, write_journeys
from tests.system.clustered import Cluster
from tests.system.mailbox import Mailbox
from tests.system.process import AnlassProcess

CONNECTIONS = 3
CONTACTS = 150
SHARDS = 2
ASK_S = 10.0
REST_S = 240.0
"""Another two processes for each core may run beside it."""
REST_LOOK_S = 0.3
LOOKS_ALIKE = 3


class ClusterWorld:
    """Everything that one seed has: made with `with`, and gone without a trace but `folder`."""

    def __init__(
        self, folder: Path, random: Random, *, smtp: bool, replicas: int, nodes: RayNodes | None
    ) -> None:
        """`replicas`: how many must have an event before it is acknowledged, 0 or 1.

        `nodes`: two members share this Ray of several nodes; else one has a Ray of its own.
        """
        self.folder = folder
        self.random = random
        self.shards = SHARDS
        """How many are wanted now."""
        self.notes: list[str] = []
        self.messages = 0
        self.faults: list[str] = []
        """What a harm itself found wrong."""
        self.machine = None if nodes is None else nodes.machine
        """Where one of the nodes and a member are; over a cable, so the links to it are by TLS."""
        host = "127.0.0.1" if self.machine is None else self.machine.here
        self.mailbox = Mailbox(host) if smtp else None
        self.nodes = nodes
        self.clock = nodes.clock if nodes is not None else ShiftedClock(folder / "clock")
        self._stack = contextlib.ExitStack()
        self.primary = self._stack.enter_context(serving(port=free_port()))
        self.replica = self._stack.enter_context(serving(port=free_port()))
        self.way = self._stack.enter_context(proxying(self.primary.port, host=host))
        self._journeys = folder / "journeys"
        self.here = Cluster(folder, self._journeys, self.way)
        options = ["--shards", str(SHARDS), "--redis-replicas", str(replicas)]
        if self.machine is not None:
            options += ["--keys", str(authority(folder / "ca").issue("cluster", ROLES, (), 30))]
        port = free_port()
        self.members = [self.here.run(*options, port=port)]
        if nodes is not None:
            self.members.append(self.here.run(*options, name="two"))
        if self.machine is not None:
            self.members[1].command[:0] = self.machine.command()
        for member in self.members:
            member.command[member.command.index("-m") + 1] = "tests.chaos.driver"
            member.environment |= self.clock.environment
        self.system = self.members[0]
        """The one that senders reach."""
        none_erased = Erasures(folder, self.system.environment)
        self.ledger = Ledger(port, CONNECTIONS, CONTACTS, random, none_erased)

    def __enter__(self) -> "ClusterWorld":
        self.replica.follow(self.primary)
        if self.mailbox is not None:
            self._stack.enter_context(self.mailbox)
        write_journeys(self._journeys, 1, self.mailbox)
        if self.nodes is not None:
            self.nodes.start()
        for member in self.members:
            self._stack.push(member)
        self.restart()
        self.ledger.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def pids(self, title: str) -> list[int]:
        """Return this world's processes with such a title that are there now."""
        mark = f"CHAOS_CLOCK={self.clock.environment['CHAOS_CLOCK']}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and title in title_of(int(entry.name)):
                with contextlib.suppress(OSError):
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
        return sorted(found)

    def pids_there(self, title: str) -> list[int]:
        """Return those of them that are on the other machine."""
        there = [] if self.machine is None else self.machine.pids()
        return sorted(set(self.pids(title)) & set(there))

    def pid_of(self, title: str) -> int:
        """Return one process with such a title, once there is one; 0 where that takes too long."""
        return patiently(lambda: next(iter(self.pids(title)), 0))

    def shard_pid(self) -> tuple[str, int]:
        """Choose a shard; return its name and its process, or 0 where none is to be had."""
        found = patiently(lambda: len(self._named_pids()))
        named = sorted(self._named_pids().items()) if found else []
        return self.random.choice(named) if named else ("", 0)

    def _named_pids(self) -> dict[str, int]:
        said = self._statuses()
        return {name: status["pid"] for name, status in said}

    def statuses(self) -> list[dict[str, Any]]:
        """Ask each slot that is served how it is; empty where not all answer."""
        return [status for _, status in self._statuses()]

    def _statuses(self) -> list[tuple[str, dict[str, Any]]]:
        async def ask() -> list[tuple[str, dict[str, Any]]]:
            found = []
            roster, told = self.here.charter.read()
            if not set(told.owners) <= told.sites.keys():
                return []
            for name, post in roster.posts.items():
                for site in post.sites.values():
                    client = await LinkClient.connect(site.socket)
                    with contextlib.closing(client):
                        reply = await client.ask(AskStatus(0))
                    assert isinstance(reply, Status)
                    found.append((name, reply.status))
            return found

        async def ask_in_time() -> list[tuple[str, dict[str, Any]]]:
            async with asyncio.timeout(ASK_S):
                return await ask()

        try:
            return asyncio.run(ask_in_time())
        except (OSError, LinkError, TimeoutError, OperatorError):
            return []

    def restart(self) -> None:
        """Start what is not there, all at once, on the same store and ports."""
        ended = [member for member in self.members if not member.running]
        for member in ended:
            self._join(member)
        with ThreadPoolExecutor() as threads:
            list(threads.map(AnlassProcess.start, ended))

    def kill_all(self) -> None:
        """End every process at once by kill -9, but Redis; where Ray has nodes, they come anew."""
        for pid in self.pids(""):
            send_signal(pid, signal.SIGKILL)
        for member in self.members:
            member.wait()
        if self.nodes is not None:
            self.nodes.close()
            self.nodes.start()

    def stop(self) -> list[int]:
        """Stop all of it in good order; return the exit codes."""
        if self.nodes is None:
            return [self.system.stop()]
        self.command("stop")
        return [member.wait() for member in self.members]

    def _join(self, member: AnlassProcess) -> None:
        """Let the next start of a member join the nodes that there are now."""
        if self.nodes is None:
            return
        if "--address" in member.command:
            del member.command[member.command.index("--address") :]
        member.command += ["--address", self.nodes.address]

    def command(self, *words: str, meanwhile: Callable[[], object] | None = None) -> str:
        """Run a command on the cluster, do `meanwhile`, and run it again until it says done."""
        tries = 0
        faults: list[str] = []
        done = threading.Event()

        def run() -> None:
            nonlocal tries
            end = time.monotonic() + REST_S
            while not done.is_set():
                tries += 1
                try:
                    self.here.command(*words)
                except (AssertionError, subprocess.TimeoutExpired) as error:
                    if time.monotonic() > end:
                        faults.append(f"`anlass {' '.join(words)}` never ends well: {error}")
                        done.set()
                    time.sleep(0.5)
                else:
                    done.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        if meanwhile is not None:
            time.sleep(self.random.uniform(1.0, 4.0))  # The command itself takes a second to start.
            meanwhile()
        thread.join()
        self.faults += faults
        return f"{' '.join(words)}, {tries} tries"

    def wait(self, holds: Callable[[], bool], what: str) -> bool:
        """Wait until this holds; where it never does, that is a fault."""
        end = time.monotonic() + REST_S
        while time.monotonic() < end:
            with contextlib.suppress(OperatorError):
                if holds():
                    return True
            time.sleep(0.1)
        self.faults.append(f"after {REST_S:.0f} s still not: {what}")
        return False

    def end(self) -> list[str]:
        """Bring the world to rest and stop it; return what went wrong with that."""
        wrong: list[str] = []
        self.wait(lambda: self.here.settled(self.shards), f"{self.shards} shards, with even shares")
        self.ledger.end()
        self.clock.jump(RUN_OUT_MS)
        self.wait(self._at_rest(), "all timers fired and all messages settled")
        for _, status in self._statuses():
            if status["differences"]:
                wrong.append(f"slot {status['slot']}: outcomes came otherwise in a recovery")
        if any(codes := self.stop()):
            wrong.append(f"stopped in good order, it ends with {codes}")
        return wrong + self.faults + self.ledger.faults

    def keep_store(self) -> None:
        """Copy what the server has to the folder: it shows what went wrong."""
        for path in self.primary.folder.glob("*.aof"):
            shutil.copy(path, self.folder / path.name)

    def _at_rest(self) -> Callable[[], bool]:
        before: list[list[int]] = []

        def at_rest() -> bool:
            time.sleep(REST_LOOK_S)
            said = self.statuses()
            if not said or any(each["outbox"] or each["timers_due"] for each in said):
                before.clear()
                return False
            before.append(sorted(each["position"] for each in said))
            last = before[-LOOKS_ALIKE:]
            return len(last) == LOOKS_ALIKE and all(each == last[0] for each in last)

        return at_rest
