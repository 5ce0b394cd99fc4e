"""Admission is arithmetic."""

from ingest.admission import Admission
from ingest.limits import RETRY_AFTER_S_MAX


def test_events_come_in_up_to_the_bound() -> None:
    admission = Admission(10, 5, 100)
    admission.events = 9
    assert admission.wait_s(1) == 0
    assert admission.wait_s(2) == 1
    assert admission.lane_wait_s(4, 1) == 0
    assert admission.lane_wait_s(4, 2) == 1


def test_a_request_larger_than_the_bound_comes_in_alone() -> None:
    admission = Admission(10, 5, 100)
    assert admission.wait_s(11) == 0
    assert admission.lane_wait_s(0, 11) == 0


def test_the_wait_follows_the_pace_and_is_bounded() -> None:
    admission = Admission(100, 100, 100)
    admission.events = 100
    admission.observe(answered=20, span_s=1.0)  # 10 a second, smoothed.
    assert admission.wait_s(50) == 6
    assert admission.wait_s(100_000) == RETRY_AFTER_S_MAX
