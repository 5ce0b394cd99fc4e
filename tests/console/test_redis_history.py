"""What went out and why is told the same of files and of Redis, wherever partitions were when."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from typer.testing import CliRunner

from actors.clock import WallClock
from actors.errors import LogCorruptError, OperatorError, UnknownError
from actors.frame import PublishRecord, encode_frame, partition_number
from actors.kept.kept import RedisPlace
from actors.kept.redis import KeptRedis
from actors.links.link import LinkEvent
from actors.map import shard_of
from actors.settings import RedisSettings
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.manifest import open_store, shard_folder
from console.__main__ import app
from console.against.lane import Lane
from console.against.reader import RedisReader
from console.against.spool import Spool
from console.explain import explanation_of
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
            contact = f"c-{number * 7 % CONTACTS}"
            name = "bye" if number % 11 == 0 else "hi"
            event = LinkEvent(partition_of(contact), contact, f"e-{number}", name, None, b"{}")
            for opened in (self.two.opened, self.files):
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
        for opened in (self.two.opened, self.files):
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


@pytest.fixture
def twins(redis_settings: RedisSettings, tmp_path: Path) -> Iterator[Twins]:
    with ExitStack() as stack:
        two = Two(redis_settings, str(tmp_path / "archive"), stack, "wall", NOON_MS)
        assert partition_of(CONTACT) // 128 == 0
        yield Twins(two, tmp_path / "data", stack)


def place_of(two: Two, folder: Path) -> RedisPlace:
    return RedisPlace(redis=two.settings, archive=two.archive, data=folder)


def at_hour(number: int) -> str:
    return str(NOON_MS + number * HOUR_MS)


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False, standalone_mode=False)
    return done.stdout


def where_of(two: Two) -> list[str]:
    redis = two.settings
    return ["--redis", redis.url, "--redis-prefix", redis.prefix, "--archive", two.archive]


def told(place: Path | RedisPlace, contact: str) -> list[Any]:
    """Return a contact's story, without where in a log it stands."""
    entries: list[Any] = msgspec.to_builtins(explanation_of(place, contact).entries)
    for each in entries:
        if "input" in each:
            del each["input"]["position"]
    return entries


@pytest.mark.parametrize(("slot", "contact"), [(0, CONTACT), (1, OTHER)])
def test_a_partition_that_moved_before_anything_happened_brings_what_was_in_force(
    twins: Twins, tmp_path: Path, slot: int, contact: str
) -> None:
    twins.publish(slot, SECOND, 2)
    twins.move(partition_of(contact))  # With the second, to where the first is in force still.
    twins.publish(1 - slot, SECOND, 2)
    twins.play(40)
    place = place_of(twins.two, tmp_path)
    first, *rest = told(twins.data, contact)
    assert first["input"]["what"] == rest[0]["input"]["what"] == "publish"
    assert told(place, contact) == rest, "it came with the second alone"
    redis = where_of(twins.two)
    draft = tmp_path / "draft"
    write_journeys(draft, journey("now"))
    reports = []
    for words in (["--from-log", str(twins.data)], redis):
        said = json.loads(run("replay", *words, "--against", str(draft), "--json"))
        reports.append((said["refolded_otherwise"], said["variants"][0]["total"]))
    assert reports[0] == reports[1]
    assert reports[1][0] == 0


def test_replays_stories_and_what_is_kept_are_the_same(twins: Twins, tmp_path: Path) -> None:
    twins.live()
    two, files, redis = twins.two, str(twins.data), where_of(twins.two)
    for more in ([], ["--until", at_hour(15)]):
        lines = []
        for number, words in enumerate((["--from-log", files], redis)):
            out = tmp_path / f"{number}.jsonl"
            report = json.loads(run("replay", *words, *more, "--out", str(out), "--json"))
            del report["wall_s"], report["events_per_s"]
            lines.append((sorted(out.read_text().splitlines()), report))
        assert lines[0] == lines[1]
        assert lines[0][1]["events"] == (60 if more else 120)
    place = place_of(two, tmp_path)
    for number in range(CONTACTS):
        assert told(place, f"c-{number}") == told(twins.data, f"c-{number}"), number
    assert sum("input" in each for each in told(place, CONTACT)) > 10

    failed = [json.loads(run("failed", *words, "--json")) for words in (["--data", files], redis)]
    assert failed[0].pop("position")
    assert failed[1].pop("position")
    assert failed[0] == failed[1]
    assert failed[0]["contact"] == CONTACT

    for contact in (CONTACT, OTHER, QUIET):
        check_known(twins, contact)
    for more in ([], ["--from", at_hour(11), "--until", at_hour(26)]):
        check_against(twins, tmp_path, more)


def check_against(twins: Twins, folder: Path, more: list[str]) -> None:
    """What a draft would have done otherwise is the same."""
    draft = write_journeys(
        folder / "draft",
        journey("now"),
        journey("later", nodes=[{"id": "w", "wait": "6h"}, MAIL], exit_on=["bye"]),
    )
    found = []
    for number, words in enumerate((["--from-log", str(twins.data)], where_of(twins.two))):
        out = folder / f"differs-{number}.jsonl"
        asked = ["replay", *words, "--against", str(draft), *more, "--json", "--out", str(out)]
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


def check_known(twins: Twins, contact: str) -> None:
    """What was known of a contact at any moment, and what is kept of it, is the same."""
    where, files = where_of(twins.two), ["--data", str(twins.data)]
    for at in ([], ["--at", at_hour(9)], ["--at", at_hour(25)]):
        words = ["contact", "show", contact, *at, "--json"]
        shown = known(*words, *where)
        assert shown == known(*words, *files)
        assert at or (shown == "") is (contact == QUIET)
    exported = [json.loads(run("contact", "export", contact, *words)) for words in (files, where)]
    slots = [each.pop("shard") for each in exported]
    owner = twins.two.opened.shards[partition_of(contact)][0].slot
    assert slots == [shard_of(partition_of(contact), 2), owner]
    for each in exported:
        for one in each["inputs"]:
            del one["position"]
    assert exported[0] == exported[1]
    assert bool(exported[0]["inputs"]) is (contact != QUIET)


def test_where_the_archive_is_pruned_a_story_begins_with_a_snapshot(
    twins: Twins, tmp_path: Path
) -> None:
    twins.live()
    two, place = twins.two, place_of(twins.two, tmp_path)
    (archived,) = (tmp_path / "archive" / "shard-0" / "archive").iterdir()
    archived.unlink()  # Its time was over.
    whole = told(twins.data, CONTACT)
    assert explanation_of(place, CONTACT).begin.from_snapshot
    kept = told(place, CONTACT)
    assert kept == whole[-len(kept) :]
    for words in (["--at", at_hour(1)],):
        with pytest.raises(OperatorError, match="name a later moment"):
            run("contact", "show", CONTACT, *words, *where_of(two))
    assert told(place, OTHER), "it was elsewhere then"


def test_what_is_there_twice_or_missing_is_said(twins: Twins, tmp_path: Path) -> None:
    twins.live()
    two = twins.two
    with pytest.raises(OperatorError, match=r"no store \{other\}:store; look at --redis"):
        run("failed", "--redis", two.settings.url, "--redis-prefix", "other")
    shard, _, _ = two.opened.shards[HERE]
    other = two.any_of(1 - shard.slot)
    other[0].restore(shard.partitions[HERE], shard.tallies[HERE])
    two.opened.shards[HERE] = other
    twins.play(30)
    kept = KeptRedis(place_of(two, tmp_path))
    with pytest.raises(LogCorruptError, match="nothing says how it came there; see what `anlass"):
        list(kept.history(HERE))
    kept.close()


def test_a_partition_counts_where_it_was_and_nowhere_else(twins: Twins, tmp_path: Path) -> None:
    twins.live()
    kept = KeptRedis(place_of(twins.two, tmp_path))
    reader = RedisReader(kept)
    assert reader.load([Lane(HERE, [], 0, 16, Spool(tmp_path))]) == b""
    own, others = set(), set()
    for slot, frame in reader.frames():
        for position, record in enumerate(frame.records, frame.position):
            if isinstance(record, PublishRecord):
                others.add((slot, reader.is_there(HERE, slot, position), record.serial))
            elif partition_number(record) == HERE:
                own.add(slot)
                assert reader.is_there(HERE, slot, position)
    assert own == {0, 1}, "it was in both"
    assert {(0, True, 1), (1, False, 1), (0, True, 2), (0, False, 3)} <= others
    kept.close()
