"""Moments and spans, as people write them in tests."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.moment import Moment, moment_words, read_moment, read_span

BERLIN = ZoneInfo("Europe/Berlin")
NOON_MS = 1_772_449_200_000
"""2026-03-02 12:00 in Berlin."""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02T12:00", Moment(NOON_MS, 60_000)),
        ("2026-03-02 12:00:01", Moment(NOON_MS + 1_000, 1_000)),
        ("2026-03-02T12:00:00.250", Moment(NOON_MS + 250, 1)),
        ("2026-03-02T11:00Z", Moment(NOON_MS, 60_000)),
        ("2026-03-02T12:00+02:00", Moment(NOON_MS - 3_600_000, 60_000)),
        ("2026-10-25T02:30", Moment(1_792_888_200_000, 60_000)),  # Twice: the first, at +02:00.
        ("2026-03-29T02:30", None),  # Clocks go forward from 02:00 to 03:00.
        ("2026-02-30T10:00", None),
        ("2026-03-02", None),
        ("12:00", None),
        ("", None),
        ("0001-01-01T00:00", None),
    ],
)
def test_a_moment_is_local_and_as_exact_as_written(text: str, moment: Moment | None) -> None:
    assert read_moment(text, BERLIN) == moment


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2h36m", Moment(9_360_000, 60_000)),
        ("1d 2h", Moment(93_600_000, 60_000)),
        ("90s", Moment(90_000, 1_000)),
        ("1m5ms", Moment(60_005, 1)),
        ("2min", Moment(120_000, 60_000)),
        ("0m", Moment(0, 60_000)),
        ("2", None),
        ("h2", None),
        ("2h and 3m", None),
        ("-2h", None),
        ("", None),
    ],
)
def test_a_span_may_have_parts(text: str, span: Moment | None) -> None:
    assert read_span(text) == span


def test_what_is_written_to_the_minute_means_all_of_it_and_no_more() -> None:
    noon = Moment(NOON_MS, 60_000)
    assert noon.meets(NOON_MS)
    assert noon.meets(NOON_MS + 59_999)
    assert not noon.meets(NOON_MS - 1)
    assert not noon.meets(NOON_MS + 60_000)
    assert not Moment(NOON_MS, 1_000).meets(NOON_MS + 1_000)


@given(st.integers(0, 4_102_444_800_000))
def test_a_moment_in_words_reads_back(at_ms: int) -> None:
    words = moment_words(at_ms, UTC)
    moment = read_moment(words[4:], UTC)
    assert moment is not None
    assert moment.ms == at_ms
