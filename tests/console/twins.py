"""The same life twice, once where partitions move, and what commands say of it."""

import json
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from typer.testing import CliRunner

from actors.clock import WallClock
from actors.errors import UnknownError
from actors.frame import encode_frame
from actors.kept.kept import RedisPlace, StorePlace
from actors.kept.opening import open_kept
from actors.links.link import LinkEvent
from actors.map import shard_of
from actors.settings import RedisSettings
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.manifest import open_store, shard_folder
from console.__main__ import app
from console.contacts.explain import explanation_of
from engine.contacts.identity import partition_of
from engine.decision import Fault
from tests.actors.made_store import CONTACTS, HOUR_MS
from tests.actors.opened_store import ALL_MS, Opened
from tests.actors.redis_slots import SOURCE, Two
from tests.engine.situation import NOON_MS
from tests.publications import MAIL, journey, source_of, version
from tests.system.test_recovery import write_journeys

SECOND: Final = source_of(
    journey("now"),
    journey("later", nodes=[{"id": "w", "wait": "3h"}, MAIL], exit_on=["bye"]),
    versions={"later": version(2)},
)
THIRD: Final = source_of(
    journey("now", nodes=[{"id": "w", "wait": "2h"}, MAIL]),
    versions={"now": version(2)},
)
FOURTH: Final = source_of(
    journey("now", nodes=[{"id": "w", "wait": "1h"}, MAIL]),
    versions={"now": version(3)},
)
CONTACT, OTHER = (
    next(f"c-{n}" for n in range(CONTACTS) if shard_of(partition_of(f"c-{n}"), 2) == slot)
    for slot in (0, 1)
)
"""Their partitions begin in the first and in the second slot, and move."""
HERE, THERE = partition_of(CONTACT), partition_of(OTHER)
QUIET: Final = "c-1000000"
"""It never did anything."""


class Twins:
    """The same life in two slots of Redis, where partitions move, and in files."""

    def __init__(self, two: Two, data: Path, stack: ExitStack) -> None:
        self.two = two
        self.data = data
        self.now_ms = NOON_MS
        self.moved = two.opened
        """That of which partitions move, wherever it is by now."""
        self.files = Opened()
        open_store(data, 2, "wall", encrypted=False)
        for slot in (0, 1):
            folder, shard = shard_folder(data, slot), Shard(slot, 2, WallClock())
            log, snapshots = open_slot(folder, None, ALL_MS, lambda: 0)
            stack.callback(log.close)
            files = SlotFiles(folder, log=log, snapshots=snapshots, key=None)
            self.files.add(shard, log, files, snapshots)
        for slot in (0, 1):
            self.publish_in_files(slot, SOURCE)

    def play(self, count: int) -> None:
        """Let contacts do something, every quarter of an hour."""
        for _ in range(count):
            self.now_ms += HOUR_MS // 4
            number = (self.now_ms - NOON_MS) // (HOUR_MS // 4)
            self.act(f"c-{number * 7 % CONTACTS}", number, "bye" if number % 11 == 0 else "hi")

    def act(self, contact: str, number: int, name: str = "hi") -> None:
        """Let a contact do something now."""
        event = LinkEvent(partition_of(contact), contact, f"e-{number}", name, None, b"{}")
        for opened in (self.moved, self.files):
            for shard, log, outbox in opened.slots():
                while shard.advance(None, self.now_ms):
                    pass
                if event.partition in shard.partitions:
                    shard.apply_event(event, self.now_ms)
                opened.commit(shard, log, outbox)
                opened.deliver(shard, log, outbox, self.now_ms)

    def publish_in_files(self, slot: int, source: bytes) -> None:
        shard, log, outbox = self.files.slots()[slot]
        shard.publish(source, self.now_ms, 1)
        self.files.commit(shard, log, outbox)

    def publish(self, slot: int, source: bytes, serial: int) -> None:
        """Let a publication come to one slot of Redis, and at the last to the files."""
        self.two.publish(slot, source, serial, self.now_ms)
        if slot == 1:
            for each in (0, 1):
                self.publish_in_files(each, source)

    def move(self, number: int) -> None:
        self.two.move(number, self.now_ms)

    def fail(self, contact: str) -> None:
        """Let an input of a contact fail, as its shard would note it."""
        number = partition_of(contact)
        for opened in (self.moved, self.files):
            shard, log, _ = opened.shards[number]
            shard.erase(number, "somebody else", 0, self.now_ms)
            frame = shard.cut()
            assert frame is not None
            frame.faults.append(Fault(contact, "hi", "it is poison"))
            log.append(frame.position, [encode_frame(frame)])

    def live(self) -> None:
        """Let partitions go there and back, amid publications that come to one slot first."""
        two = self.two
        self.play(40)
        needed = two.slots[0].log.position
        two.snapshots()
        self.move(THERE)  # To the first slot, with the first publication: the second follows.
        self.publish(0, SECOND, 2)
        self.move(HERE)  # With the second, to where the first is in force.
        self.publish(1, SECOND, 2)
        self.play(40)
        two.snapshots()
        two.slots[0].log.release(needed)
        self.publish(0, THIRD, 3)
        self.move(HERE)  # With the second, to where the third is: it gets that there.
        self.move(THERE)  # With the third, and back, before anything happens.
        self.move(THERE)
        self.publish(1, THIRD, 3)
        self.fail(CONTACT)
        self.play(40)
        assert two.opened.states() == self.files.states()


def place_of(two: Two, folder: Path) -> RedisPlace:
    return RedisPlace(redis=two.settings, archive=two.archive, data=folder)


class Where(NamedTuple):
    """Where a store is, as code and as commands name it."""

    place: StorePlace
    words: list[str]

    @property
    def log(self) -> list[str]:
        """As `replay` names it."""
        return ["--from-log", *self.words[1:]] if isinstance(self.place, Path) else self.words


def in_files(data: Path) -> Where:
    return Where(data, ["--data", str(data)])


def in_redis(redis: RedisSettings, archive: str, folder: Path) -> Where:
    words = ["--redis", redis.url, "--redis-prefix", redis.prefix, "--archive", archive]
    return Where(RedisPlace(redis=redis, archive=archive, data=folder), words)


def at_hour(number: int) -> str:
    return str(NOON_MS + number * HOUR_MS)


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False, standalone_mode=False)
    return done.stdout


def told(place: StorePlace, contact: str) -> list[Any]:
    """Return a contact's story, without where in a log it stands."""
    entries: list[Any] = msgspec.to_builtins(explanation_of(place, contact).entries)
    for each in entries:
        if "input" in each:
            del each["input"]["position"]
    return entries


def check_the_same(one: Where, other: Where, folder: Path) -> None:
    """Replays, what failed, and some contacts' stories and what is kept of them."""
    check_replays(one, other, folder)
    failed = [json.loads(run("failed", *where.words, "--json")) for where in (one, other)]
    for each in failed:
        assert each.pop("position")
        assert each.pop("shard").rpartition("/")[-1].startswith("shard-")
    assert failed[0] == failed[1]
    assert failed[0]["contact"] == CONTACT
    for contact in (CONTACT, OTHER, QUIET):
        check_known(one, other, contact)
    for more in ([], ["--from", at_hour(11), "--until", at_hour(26)]):
        check_against(one, other, folder, more)


def check_replays(one: Where, other: Where, folder: Path) -> None:
    """What went out is the same, as of any moment."""
    for more in ([], ["--until", at_hour(15)]):
        lines = []
        for where in (one, other):
            out = folder / "replayed.jsonl"
            report = json.loads(run("replay", *where.log, *more, "--out", str(out), "--json"))
            del report["wall_s"], report["events_per_s"]
            lines.append((sorted(out.read_text().splitlines()), report))
        assert lines[0] == lines[1]
        assert lines[0][0]


def check_against(one: Where, other: Where, folder: Path, more: list[str]) -> None:
    """What a draft would have done otherwise is the same."""
    draft = write_journeys(
        folder / "draft",
        journey("now"),
        journey("later", nodes=[{"id": "w", "wait": "6h"}, MAIL], exit_on=["bye"]),
    )
    found = []
    for where in (one, other):
        out = folder / "differs.jsonl"
        asked = ["replay", *where.log, "--against", str(draft), *more, "--json", "--out", str(out)]
        summary = json.loads(run(*asked))
        for name in ("wall_s", "events_per_s", "processes", "records"):
            del summary[name]
        found.append((sorted(out.read_text().splitlines()), summary))
    assert found[0] == found[1]
    assert found[0][0]
    assert found[0][1]["refolded_otherwise"] == 0
    assert found[0][1]["variants"][0]["total"]["real"] > 0


def known(*words: str) -> str:
    """Return what a command says of a contact; nothing where it knows none."""
    try:
        return run(*words)
    except UnknownError:
        return ""


def check_known(one: Where, other: Where, contact: str) -> None:
    """What was known of a contact at any moment, and what is kept of it, is the same."""
    for at in ([], ["--at", at_hour(9)], ["--at", at_hour(25)]):
        words = ["contact", "show", contact, *at, "--json"]
        shown = known(*words, *other.words)
        assert shown == known(*words, *one.words)
        assert at or (shown == "") is (contact == QUIET)
    exported = []
    for where in (one, other):
        exported.append(json.loads(run("contact", "export", contact, *where.words)))
        with closing(open_kept(where.place)) as kept:
            assert exported[-1].pop("shard") == kept.owner(partition_of(contact))
        for each in exported[-1]["inputs"]:
            del each["position"]
    assert exported[0] == exported[1]
    assert bool(exported[0]["inputs"]) is (contact != QUIET)
