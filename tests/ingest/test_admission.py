"""Admission and pace are arithmetic."""

import pytest

from ingest.admission import Admission
from ingest.limits import RETRY_AFTER_S_MAX
from ingest.pace import Pace


def test_events_come_in_up_to_the_bound() -> None:
    admission = Admission(10, 100)
    admission.events = 9
    assert admission.wait_s(1) == 0
    assert admission.wait_s(2) == 1


def test_a_request_larger_than_the_bound_comes_in_alone() -> None:
    assert Admission(10, 100).wait_s(11) == 0


def test_the_wait_follows_the_pace_and_is_bounded() -> None:
    admission = Admission(100, 100)
    admission.events = 100
    admission.observe(answered=20, span_s=1.0)  # 10 a second, smoothed.
    assert admission.wait_s(50) == 6
    assert admission.wait_s(100_000) == RETRY_AFTER_S_MAX


def test_full_lanes_shut_the_gateway_until_one_gets_rid_of_something() -> None:
    admission = Admission(10, 100)
    admission.events = 10
    admission.shut_lanes(3)
    assert (admission.shut or ())[::2] == (429, "Retry-After: 3\r\n")
    admission.freed(4)
    assert admission.events == 6
    assert not admission.shut


def test_a_full_memory_keeps_the_gateway_shut_whatever_lanes_do() -> None:
    admission = Admission(10, 100)
    admission.shut_memory(900 << 20, 800 << 20)
    admission.shut_lanes(3)
    admission.freed(0)
    assert admission.shut is not None
    assert "memory is full (900 of 800 MiB)" in admission.shut[1]
    admission.reopen_memory()
    assert admission.shut is None


def test_when_memory_is_free_again_full_lanes_still_refuse() -> None:
    admission = Admission(10, 100)
    admission.shut_memory(2, 1)
    admission.shut_lanes(3)
    admission.reopen_memory()
    assert admission.shut is not None
    assert "memory" not in admission.shut[1]


def test_the_first_frame_gives_a_pace() -> None:
    pace = Pace()
    pace.observe(100, 0.1, busy=False)
    assert pace.events_per_s == pytest.approx(1000)


def test_a_slow_frame_counts_only_where_others_waited_behind_it() -> None:
    pace = Pace()
    pace.observe(1000, 1.0, busy=True)
    pace.observe(1, 1.0, busy=False)  # Little was asked: that says nothing of the shard.
    assert pace.events_per_s == pytest.approx(1000)
    pace.observe(100, 1.0, busy=True)
    assert pace.events_per_s == pytest.approx(280)


def test_a_faster_frame_counts_always_and_for_as_long_as_it_took() -> None:
    pace = Pace()
    pace.observe(1000, 1.0, busy=True)
    pace.observe(20, 0.01, busy=False)
    assert 1000 < pace.events_per_s < 1050
    pace.observe(0, 0.0, busy=True)  # A clock that stood still.
    assert pace.events_per_s < 1050
