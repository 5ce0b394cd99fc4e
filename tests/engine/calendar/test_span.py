"""Spans, as authors write them and as people are told of them."""

import pytest

from engine.calendar.span import span_words


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (0, "0 s"),
        (250, "250 ms"),
        (61_000, "1 min 1 s"),
        (7_200_000, "2 h"),
        (36_004_050, "10 h 4 s"),
        (90_061_000, "1 d 1 h"),
        (1_001, "1 s 1 ms"),
    ],
)
def test_a_span_is_told_in_the_two_largest_units_that_it_has(span: int, words: str) -> None:
    assert span_words(span) == words
