"""The verdict on replays of a cluster: broken on purpose, it must be seen to be broken."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.frame import Frame, OpenedRecord, PublishRecord
from actors.kept.redis import KeptRedis
from actors.kept.stays import Span
from actors.settings import RedisSettings
from tests.actors.redis_slots import Two
from tests.chaos.cluster_replayed import cluster_replay_wrong
from tests.chaos.test_replayed import date_back, lose
from tests.console.twins import THIRD, Twins, place_of
from tests.engine.situation import NOON_MS

Frames = Iterator[tuple[int, Frame]]
Change = Callable[[list[tuple[int, Frame]]], None]


def changed(change: Change, patch: pytest.MonkeyPatch) -> None:
    """Let what is read of the logs be otherwise than it was written."""
    frames = KeptRedis.frames

    def read(kept: KeptRedis) -> Frames:
        found = list(frames(kept))
        change(found)
        return iter(found)

    patch.setattr(KeptRedis, "frames", read)


def last_with_outcomes(found: list[tuple[int, Frame]]) -> Frame:
    return [frame for _, frame in found if frame.outcomes][-1]


def publish_other(found: list[tuple[int, Frame]]) -> None:
    """Let a publication in the middle be that of the end."""
    for _, frame in found:
        for at, record in enumerate(frame.records):
            if isinstance(record, PublishRecord) and record.serial == 2:
                frame.records[at] = replace(record, source=THIRD)


def open_late(found: list[tuple[int, Frame]]) -> None:
    for _, frame in found:
        for at, record in enumerate(frame.records):
            if isinstance(record, OpenedRecord):
                frame.records[at] = replace(record, now_ms=record.now_ms + 10**12)


def stay_at_home(patch: pytest.MonkeyPatch) -> None:
    """Let partitions have been in the slot that they began in, all the time."""
    spans = KeptRedis.spans

    def at_home(kept: KeptRedis, number: int, head: None) -> list[Span]:
        return [replace(each, slot=number // 128) for each in spans(kept, number, head)]

    patch.setattr(KeptRedis, "spans", at_home)


BREAKAGES: list[tuple[Change, str]] = [
    (lambda found: lose(last_with_outcomes(found)), "replayed, not the same"),
    (lambda found: lose(last_with_outcomes(found)), "outcomes come otherwise"),
    (lambda found: date_back(last_with_outcomes(found)), "replayed, not the same"),
    (publish_other, "replayed, not the same"),
    (open_late, "replayed, not the same"),
]


def test_what_does_not_go_out_again_in_a_replay_over_slots_is_wrong(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    """Partitions move there and back, amid publications that come to one slot first."""
    with ExitStack() as stack:
        two = Two(redis_settings, str(tmp_path / "archive"), stack, "wall", NOON_MS)
        Twins(two, tmp_path / "data", stack).live()
        place = place_of(two, tmp_path)
        assert list(cluster_replay_wrong(place)) == []
        for change, said in BREAKAGES:
            with pytest.MonkeyPatch.context() as patch:
                changed(change, patch)
                assert said in "; ".join(cluster_replay_wrong(place)), change
        with pytest.MonkeyPatch.context() as patch:
            stay_at_home(patch)
            assert "replayed, not the same" in "; ".join(cluster_replay_wrong(place))


def test_partitions_that_moved_before_anything_happened_are_as_right_as_others(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        two = Two(redis_settings, str(tmp_path / "archive"), stack, "wall", NOON_MS)
        twins = Twins(two, tmp_path / "data", stack)
        for number in range(100, 156):
            twins.move(number)
        twins.play(40)
        assert list(cluster_replay_wrong(place_of(two, tmp_path))) == []
