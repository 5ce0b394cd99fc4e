"""What went out and why is told whole of a store that was in Redis, in files, and in Redis again.

Beside it lives one that never moved. Where partitions moved between slots of Redis, logs in files
begin anew, and what was before lies in `earlier/`.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from actors.kept.opening import open_kept
from actors.relocation.relocation import Places, move_to_files, move_to_redis
from actors.settings import RedisSettings
from actors.store.archive import ARCHIVE_FOLDER, archive_files
from actors.store.disk import RealDisk, RealFile
from console.__main__ import app
from console.contacts.explain import explanation_of
from tests.actors.opened_store import Store
from tests.actors.redis_slots import Two
from tests.actors.shards.test_eraser import everything
from tests.console.twins import (
    CONTACT,
    FOURTH,
    OTHER,
    Twins,
    Where,
    check_replays,
    check_the_same,
    in_files,
    in_redis,
    run,
    told,
)
from tests.engine.situation import NOON_MS

LATE = "c-2000000"
"""Its partition does nothing before the store is in files."""


@pytest.fixture
def twins(
    quick_redis_settings: RedisSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Twins]:
    monkeypatch.setattr(RealFile, "sync", lambda *_, **__: None)
    monkeypatch.setattr(RealDisk, "sync_folder", lambda *_: None)
    with ExitStack() as stack:
        archive = str(tmp_path / "archive")
        two = Two(quick_redis_settings, archive, stack, "wall", NOON_MS)
        twins = Twins(two, tmp_path / "data", stack)
        twins.live()
        yield twins


class Mover:
    """Moves the store whose partitions moved, lets it live on, and closes it."""

    def __init__(self, twins: Twins, folder: Path) -> None:
        two = twins.two
        self.twins = twins
        self.folder = folder
        self._there = Places(data=folder, redis=two.settings, archive=two.archive)
        self._moves = 0

    def to_files(self, shards: int) -> Where:
        self._moves += 1
        back = replace(self._there, data=self.folder / f"files-{self._moves}")
        back.data.mkdir()
        assert not move_to_files(back, lambda _: None, shards=shards).same_logs
        self._there = back
        with ExitStack() as stack:
            self._live(stack)
        return in_files(back.data)

    def to_redis(self) -> Where:
        self._moves += 1
        settings, archive = self._there.redis, str(self.folder / f"archive-{self._moves}")
        settings = replace(settings, prefix=f"{settings.prefix}-{self._moves}")
        self._there = replace(self._there, redis=settings, archive=archive)
        move_to_redis(self._there, lambda _: None)
        with ExitStack() as stack:
            self.twins.moved = Store(stack).in_redis(self._there, None)
            self.twins.play(20)
        return in_redis(settings, archive, self.folder)

    def _live(self, stack: ExitStack) -> None:
        twins = self.twins
        twins.moved = Store(stack).files(self._there.data)
        twins.play(20)
        twins.act(LATE, 2_000_000 + self._moves)
        for shard, log, outbox in twins.moved.slots():
            shard.publish(FOURTH, twins.now_ms)
            twins.moved.commit(shard, log, outbox)
        for slot in (0, 1):
            twins.publish_in_files(slot, FOURTH)
        twins.play(20)
        assert twins.moved.states() == twins.files.states()


def test_all_that_was_is_told_wherever_the_store_was_when(twins: Twins, tmp_path: Path) -> None:
    stayed, mover = in_files(twins.data), Mover(twins, tmp_path)
    for move in (lambda: mover.to_files(3), mover.to_redis, lambda: mover.to_files(2)):
        where = move()
        if where.place == tmp_path / "files-1":
            check_the_same(stayed, where, tmp_path)
            failed = json.loads(run("failed", *where.words, "--json"))
            assert failed["shard"].startswith("earlier/shard-")
        if isinstance(where.place, Path):
            verified = json.loads(run("verify", str(where.place), "--json"))
            with closing(open_kept(where.place)) as kept:
                assert (verified["equal"], verified["counts"]["records"]) == (True, kept.records)
        check_replays(stayed, where, tmp_path)
        for contact in (CONTACT, OTHER):
            assert told(where.place, contact) == told(stayed.place, contact)
            assert not explanation_of(where.place, contact).begin.from_snapshot
        whole, late = told(stayed.place, LATE), told(where.place, LATE)
        assert late == whole[2:], "nothing says where it was when the first two were published"


def test_a_contact_that_is_erased_after_the_move_is_told_of_nowhere(
    twins: Twins, tmp_path: Path
) -> None:
    back = Mover(twins, tmp_path).to_files(3)
    said = b"\xa3" + CONTACT.encode()
    assert len(CONTACT) == 3
    assert said in everything(tmp_path / "files-1" / "earlier", None)
    kept = told(back.place, OTHER)
    run("contact", "erase", CONTACT, *back.words, "--json")
    assert said not in everything(tmp_path / "files-1", None)
    held = json.loads(run("contact", "export", CONTACT, *back.words))
    assert [held["state"], held["inputs"], held["outcomes"], held["faults"]] == [None, [], [], []]
    assert told(back.place, OTHER) == kept


def damage_in(where: Where) -> list[str]:
    """Return what `anlass verify` finds damaged."""
    done = CliRunner().invoke(app, ["verify", str(where.place), "--json"])
    found = json.loads(done.stdout)
    assert found["equal"] is (done.exit_code == 0)
    return [each["text"] for each in found["findings"] if each["damage"]]


def test_what_is_missing_is_found_and_what_went_by_its_age_is_not_missed(
    twins: Twins, tmp_path: Path
) -> None:
    back = Mover(twins, tmp_path).to_files(3)
    whole = told(back.place, CONTACT)
    status = json.loads(run("status", *back.words, "--json"))
    first, last = archive_files(tmp_path / "files-1" / "earlier" / "shard-0" / ARCHIVE_FOLDER)
    sizes = sum(each.path.stat().st_size for each in (first, last))
    assert status["earlier_bytes"] > sizes
    assert status["total"]["archive_bytes"] == status["earlier_bytes"]
    assert "of the time in Redis" in run("status", *back.words)

    data = last.path.read_bytes()
    last.path.unlink()
    found = damage_in(back)
    assert {each[:16] for each in found} == {"earlier/: input "}
    assert any("in slot 2 follows input" in each for each in found), "where the first log begins"
    last.path.write_bytes(data[:-100])
    (text,) = damage_in(back)
    assert text.startswith(f"earlier/shard-0: {last.path}")
    last.path.write_bytes(data)

    first.path.unlink()  # As when its time is over.
    assert damage_in(back) == []
    kept = told(back.place, CONTACT)
    assert kept == whole[-len(kept) :]
    begin = explanation_of(back.place, CONTACT).begin
    assert begin.from_snapshot
    held = json.loads(run("contact", "export", CONTACT, *back.words))["inputs"]
    moments = [each["now_ms"] for each in held]
    assert moments[0] < begin.now_ms < moments[-1], "what is left of before is held all the same"
