"""A world: one real system on a data folder, its journeys, its clock, its disk and its senders."""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

import httpx
import yaml

from tests.actors.store.redis_server import free_port
from tests.chaos.clock import ShiftedClock
from tests.chaos.erasing import Erasures
from tests.chaos.kernel import SmallDisk, title_of
from tests.chaos.ledger import SHARDS, Ledger
from tests.publications import journey
from tests.system.mailbox import Mailbox
from tests.system.process import AnlassProcess

CONTACTS = 200
CONNECTIONS = 4
WAIT_MS = 2_000
WAIT_AGAIN_MS = 1_000
SESSION_GAP_MS = 3_000
DISK_MEGABYTES = 192
SETTLE_S = 60.0
PRESENCE_S = 15.0
RUN_OUT_MS = 60_000
"""Longer than any wait or session here: after such a jump all timers are due."""

MAIL = {"send": "email", "template": "hello", "purpose": "transactional"}
JOURNEYS = [
    journey("hello", entry={"event": "buy"}, nodes=[{"id": "mail", **MAIL}]),
    journey(
        "slow",
        entry={"event": "wish"},
        nodes=[
            {"id": "wait", "wait": f"{WAIT_MS // 1_000}s"},
            {"id": "mail", **MAIL},
            {"id": "again", "wait": f"{WAIT_AGAIN_MS // 1_000}s"},
            {"id": "mail2", **MAIL},
        ],
        exit_on=["cancel"],
    ),
    journey("bye", entry={"event": "session_end"}, nodes=[{"id": "mail", **MAIL}], reentry="4s"),
]


GAUGES = ("events_applied", "contacts", "sessions_ended", "position")


def write_journeys(folder: Path, edition: int, mailbox: Mailbox | None) -> None:
    """Write a folder of journeys; each edition differs."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    text = f"---\nsubject: Hello\n---\nEdition {edition} for {{{{ contact.id }}}}\n"
    (folder / "templates" / "hello.en.liquid").write_text(text)
    late = journey(
        f"late-{edition}", entry={"event": "buy"}, nodes=[{"id": "mail", **MAIL}], reentry="once"
    )
    for each in [*JOURNEYS, late]:
        (folder / f"{each['journey']}.yaml").write_text(yaml.safe_dump(each))
    gap = f"{SESSION_GAP_MS // 1_000}s"
    settings: dict[str, Any] = {"session_gap": gap, "no_session": ["noise"]}
    if mailbox is not None:
        smtp = {"host": mailbox.host, "port": mailbox.port, "tls": "none"}
        settings["channels"] = {"email": smtp | {"sender": "shop@shop.example"}}
    (folder / "anlass.yaml").write_text(yaml.safe_dump(settings))


def patiently(look: Callable[[], int]) -> int:
    """Look until something is found, for some seconds: Ray may just be making it again."""
    end = time.monotonic() + PRESENCE_S
    found = look()
    while not found and time.monotonic() < end:
        time.sleep(0.05)
        found = look()
    return found


class World:
    """Everything that one seed has: made with `with`, and gone without a trace but `folder`."""

    def __init__(self, folder: Path, random: Random, *, smtp: bool, small_disk: bool) -> None:
        self.folder = folder
        self.random = random
        self.data = folder / "disk" / "data"
        self.clock = ShiftedClock(folder / "clock")
        self.mailbox = Mailbox() if smtp else None
        self.disk: SmallDisk | None = None
        self.notes: list[str] = []
        """What was done, in order."""
        self.messages = 0
        self.at_rest: dict[str, float] = {}
        """The shards' own counts right before the last stop."""
        self.faults: list[str] = []
        """What a harm itself found wrong."""
        self._small_disk = small_disk
        self._published = 0
        self._journeys = folder / "journeys"
        self.port = free_port()
        self.system = AnlassProcess(
            self.data, self._journeys, "--shards", str(SHARDS),
            port=self.port, environment=self.clock.environment,
        )  # fmt: skip
        self.system.command[2] = "tests.chaos.driver"
        self.erasures = Erasures(self.data, self.system.environment)
        self.ledger = Ledger(self.port, CONNECTIONS, CONTACTS, random, self.erasures)

    def __enter__(self) -> "World":
        if self._small_disk:
            self.disk = SmallDisk(self.folder / "disk", DISK_MEGABYTES)
        if self.mailbox is not None:
            self.mailbox.__enter__()
        self.write_journeys()
        self.system.start()
        self.ledger.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.system.__exit__(kind, error, trace)
        if self.mailbox is not None:
            self.mailbox.__exit__(kind, error, trace)
        if self.disk is not None:
            self.disk.make_space()
            if kind is None and not self.faults:
                self.disk.close()

    def shard_folder(self, slot: int) -> Path:
        return self.data / f"shard-{slot}"

    def shard_pid(self, slot: int) -> int:
        """Return the process that has a shard, once it has one; 0 where that takes too long."""

        def look() -> int:
            words = (self.shard_folder(slot) / "lock").read_text().split()
            pid = int(words[0]) if words else 0
            return pid if "ShardActor" in title_of(pid) else 0

        return patiently(look)

    def courier_pid(self) -> int:
        """Return the courier's process, once there is one; 0 where that takes too long."""

        def look() -> int:
            family = self.system.family()
            return next((pid for pid in family if "CourierActor" in title_of(pid)), 0)

        return patiently(look)

    def restart(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Start again on the same folder and port; it was ended before."""
        with self.erasures.held():
            meanwhile()
            self.system.start()

    def write_journeys(self) -> None:
        """Write the folder of journeys; each time what it publishes differs."""
        self._published += 1
        write_journeys(self._journeys, self._published, self.mailbox)

    def gauges(self, name: str) -> list[float]:
        """Return a number of each shard's status, as the gateway shows it."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}/metrics", trust_env=False, timeout=5)
        pattern = rf'anlass_shard_{name}{{shard="\d+"}} (\S+)'
        return [float(number) for number in re.findall(pattern, answer.text)]

    def settle(self) -> bool:
        """Let all timers become due and all messages go out; False where that takes too long."""
        self.clock.jump(max(self.clock.latest_ms - self.clock.now_ms(), 0) + RUN_OUT_MS)
        end = time.monotonic() + SETTLE_S
        before: list[float] = []
        while time.monotonic() < end:
            time.sleep(0.5)
            try:
                outbox, position = self.gauges("outbox"), self.gauges("position")
            except httpx.HTTPError:
                continue
            if len(outbox) == SHARDS and not any(outbox) and position == before:
                return True
            before = position
        return False

    def end(self) -> list[str]:
        """Bring the world to rest and stop it; return what went wrong with that."""
        wrong = []
        self.erasures.end()  # While events still come: those of erased contacts must be refused.
        self.ledger.end()
        if not self.settle():
            wrong.append("messages are not settled, or timers go on for ever")
        self.at_rest = {name: sum(self.gauges(name)) for name in GAUGES}
        erased, tries = len(self.erasures.done), self.erasures.tries
        late = self.ledger.refused_erased
        self.notes.append(f"{erased} erased by {tries} commands, {late} late events refused")
        archived = len(list(self.data.glob("shard-*/archive/*")))
        written = int(sum(self.gauges("snapshots")))
        self.notes.append(f"since the last starts {written} snapshots; {archived} archive files")
        code = self.system.stop()
        if code:
            wrong.append(f"stopped by SIGTERM, it ends with {code}")
        return wrong + self.faults + self.ledger.faults + self.erasures.faults

    def remove(self) -> None:
        shutil.rmtree(self.folder)
