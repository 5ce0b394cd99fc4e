"""The cluster's verdict finds what it is to find: lives of partitions in the logs of many slots."""

import pytest

from actors.frame import AdvanceRecord, Frame, OpenedRecord, PublishRecord, Record
from engine.input import Verdict
from tests.chaos.cluster_verdict import ClusterHistory, lives_of

PUBLISH = PublishRecord(1, b"{}")
LATER = PublishRecord(9, b"{}")
FIRST = [0] * 9


def frame(position: int, *records: Record) -> Frame:
    return Frame(position, 3, list(records), bytes([Verdict.APPLIED] * len(records)), [], [])


def step(pseq: int, partition: int = 7, now_ms: int = 5) -> AdvanceRecord:
    return AdvanceRecord(now_ms, partition, 0, pseq)


def opened(pseq: int) -> OpenedRecord:
    return OpenedRecord(5, 7, pseq)


def test_a_partition_that_moved_and_came_back_is_one_life() -> None:
    lives, faults = lives_of(
        [
            (0, frame(0, PUBLISH)),
            (0, frame(1, step(1), step(1, partition=8), step(2))),
            (0, frame(4, PUBLISH)),
            (0, frame(5, opened(5), step(6))),
            (0, frame(7, PUBLISH)),
            (1, frame(0, PUBLISH)),
            (1, frame(1, opened(3))),
            (1, frame(2, PUBLISH)),
            (1, frame(3, step(4))),
            (1, frame(4, PUBLISH)),
        ],
        FIRST,
    )
    assert faults == []
    assert [each.records for each in lives[7]] == [
        [PUBLISH],
        [step(1), step(2)],
        [opened(3)],
        [PUBLISH],
        [step(4)],
        [opened(5), step(6)],
        [PUBLISH],
    ]
    assert [len(each.records) for each in lives[8]] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("frames", "fault"),
    [
        ([(0, frame(0, step(1))), (1, frame(0, opened(2))), (0, frame(1, step(2)))], "twice: [2]"),
        ([(0, frame(0, step(1))), (1, frame(0, opened(3)))], "in no log: [2]"),
        ([(0, frame(0, step(2)))], "in no log: [1]"),
        ([(0, frame(0, step(1), step(3))), (1, frame(0, opened(2)))], "mixed up"),
        ([(0, frame(0, step(2))), (0, frame(1, step(1)))], "mixed up"),
    ],
)
def test_two_owners_a_gap_and_a_mixture_are_found(
    frames: list[tuple[int, Frame]], fault: str
) -> None:
    assert fault in "; ".join(lives_of(frames, FIRST)[1])


def test_time_that_goes_back_is_found_over_slots() -> None:
    lives, _ = lives_of([(0, frame(0, step(1, now_ms=9))), (1, frame(0, opened(2)))], FIRST)
    assert ClusterHistory(lives).faults == ["now goes back in partition 7"]


def test_a_partition_that_nothing_came_for_has_what_its_slot_had_in_force() -> None:
    frames = [(0, frame(0, PUBLISH, step(1, partition=8))), (0, frame(2, LATER))]
    lives, _ = lives_of([*frames, (1, frame(0, opened(1)))], FIRST)
    assert [each.records for each in lives[7]] == [[PUBLISH], [opened(1)]]
    assert [each.records for each in lives[6]] == [[PUBLISH], [LATER]]
