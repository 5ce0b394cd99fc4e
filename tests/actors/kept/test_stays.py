"""Where partitions were is told by the logs of all slots, also where the oldest are gone."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from actors.errors import LogCorruptError
from actors.frame import (
    FOLD_VERSION,
    AdvanceRecord,
    EraseRecord,
    Frame,
    OpenedRecord,
    PublishRecord,
    Record,
    partition_number,
)
from actors.kept.kept import RedisPlace
from actors.kept.redis import KeptRedis
from actors.kept.stays import AS_BY_TIME, Span, Stays
from actors.map import shard_of
from actors.settings import RedisSettings
from actors.verify.moved import check_stays
from engine.limits import PARTITIONS
from tests.actors.redis_slots import SOURCE, Three

OURS, OTHERS = 5, 6
SECOND = SOURCE.replace(b"5h", b"3h")


def stays_of(*logs: tuple[int, list[Record]]) -> Stays:
    """Return where partitions were, by the logs of slots 0, 1 ...: where each begins, and has."""
    stays = Stays()
    for slot, (position, records) in enumerate(logs):
        verdicts = bytes(len(records))
        stays.note(slot, Frame(position, FOLD_VERSION, records, verdicts, [], []))
    stays.sort()
    return stays


def ours(*pseqs: int) -> list[Record]:
    return [AdvanceRecord(0, OURS, 0, pseq) for pseq in pseqs]


BEFORE = [*ours(1, 2, 3), AdvanceRecord(0, OTHERS, 0, 1), OpenedRecord(0, OURS, 7), *ours(8)]
"""The log of a slot where a partition was, went away, and came back."""


def test_where_records_went_by_their_age_the_rest_is_read_and_nothing_is_damaged() -> None:
    stays = stays_of((0, BEFORE), (10, ours(5, 6)))
    assert stays.spans_of(OURS, 0, None) == [Span(0, 0, 3), Span(1, 10, 12), Span(0, 4, None)]
    assert not stays.is_whole(OURS, 0)
    assert list(check_stays(stays)) == []


def test_what_cannot_have_gone_by_its_age_is_missing() -> None:
    stays = stays_of((0, BEFORE), (0, [OpenedRecord(0, OURS, 4), *ours(5)]))
    (finding,) = check_stays(stays)
    assert finding.text == "input 7 in slot 0 follows input 5 in slot 1"
    unsaid = stays_of((0, ours(1, 2, 3)), (10, ours(4, 5)))
    assert len(list(check_stays(unsaid))) == 1
    with pytest.raises(LogCorruptError, match="input 4 is in slot 1, and nothing says how it came"):
        unsaid.spans_of(OURS, 1, None)


@pytest.mark.parametrize(
    ("serial", "expected"), [(2, (1, 0)), (3, (0, 1)), (4, None), (AS_BY_TIME, (0, 0))]
)
def test_a_quiet_partition_brought_what_was_first_published_as_what_it_says(
    serial: int, expected: tuple[int, int] | None
) -> None:
    """Or, as logs of before have no number, what was published last by then."""
    published: list[Record] = [
        PublishRecord(now_ms, b"", number) for now_ms, number in ((100, 2), (300, 3))
    ]
    opened = OpenedRecord(200, OURS, 1, serial=serial)
    stays = stays_of((0, published), (0, [PublishRecord(50, b"", 2)]), (0, [opened]))
    assert stays.brought(OURS) == expected
    assert stays.is_whole(OURS, 2) is (expected is not None)


@pytest.fixture
def three(redis_settings: RedisSettings, tmp_path: Path) -> Iterator[Three]:
    with ExitStack() as stack:
        yield Three(redis_settings, str(tmp_path / "archive"), stack, "wall")


QUIET, BUSY = 0, PARTITIONS - 1
"""Partitions that begin in the first slot and in the last."""


def frames_of(three: Three, folder: Path) -> list[tuple[int, Frame]]:
    place = RedisPlace(redis=three.settings, archive=three.archive, data=folder)
    with closing(KeptRedis(place)) as kept:
        return list(kept.frames())


def place_in(frames: list[tuple[int, Frame]], slot: int, kind: type[Record], number: int) -> int:
    """Return the place of the last record of a kind in a slot: of a partition, or of a serial."""
    return max(
        at
        for at, (owner, frame) in enumerate(frames)
        for record in frame.records
        if owner == slot and isinstance(record, kind) and _number(record) == number
    )


def _number(record: Record) -> int:
    return record.serial if isinstance(record, PublishRecord) else partition_number(record)


def test_what_a_quiet_partition_brought_comes_before_it_wherever_it_stands(
    three: Three, tmp_path: Path
) -> None:
    """It was first published in the third slot; the partition went to the second, and on."""
    assert [shard_of(each, 3) for each in (QUIET, BUSY)] == [0, 2]
    three.publish(2, SECOND, 2, 100)
    three.publish(1, SECOND, 2, 200)
    three.move(BUSY, 300, 1)
    three.move(BUSY, 310, 0)  # With the second, which the first slot has not yet.
    found = frames_of(three, tmp_path)
    came = place_in(found, 1, OpenedRecord, BUSY)
    assert place_in(found, 2, PublishRecord, 2) < came < place_in(found, 0, OpenedRecord, BUSY)


def test_slots_whose_clocks_differ_do_not_wait_for_each_other(three: Three, tmp_path: Path) -> None:
    """The clock of the second slot is behind: so it seems that all was first published there.

    But it came there with a partition that left the third after the quiet one had come to that.
    """
    three.publish(0, SECOND, 2, 500)
    three.move(QUIET, 510, 2)
    last, log, outbox = three.any_of(2)
    last.erase(BUSY, "somebody", 0, 520)
    three.opened.commit(last, log, outbox)
    three.move(BUSY, 90, 1)
    found = frames_of(three, tmp_path)
    assert sum(len(frame.records) for _, frame in found) == sum(
        store.log.position for store in three.slots
    )
    came, went = place_in(found, 2, OpenedRecord, QUIET), place_in(found, 2, EraseRecord, BUSY)
    assert came < went < place_in(found, 1, OpenedRecord, BUSY)
