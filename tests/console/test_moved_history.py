"""What went out and why is told whole of a store that was in Redis, in files, and in Redis again.

Beside it lives one that never moved. Where partitions moved between slots of Redis, logs in files
begin anew, and what was before lies in `earlier/`.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.relocation.relocation import Places, move_to_files, move_to_redis
from actors.settings import RedisSettings
from actors.store.disk import RealDisk, RealFile
from console.explain import explanation_of
from tests.actors.opened_store import Store
from tests.actors.redis_slots import Two
from tests.actors.test_eraser import everything
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
