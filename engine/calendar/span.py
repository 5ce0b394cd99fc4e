"""Spans of time as authors write them: `30m`, `2h`, `7d`."""

import re
from typing import Final

UNIT_MS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
}
SPAN_FORM: Final = "a whole number and a unit: 45s, 30m, 2h, 7d or 2w"
OFFSET_FORM: Final = "a span after, or with a minus before: 3d, -3d or -2h"
_SPAN: Final = re.compile(r"\s*(\d{1,9})\s*(ms|s|min|m|h|d|w)\s*")


def span_ms(text: str) -> int | None:
    """Read a span such as `2h` as milliseconds; None where it is not one. A day is 24 hours."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    return int(match[1]) * UNIT_MS[match[2]]


def offset_ms(text: str) -> int | None:
    """Read a span that may have a sign, such as `-3d`, as milliseconds; None where it is none."""
    unsigned = text.strip()
    sign = unsigned[:1]
    span = span_ms(unsigned[1:] if sign in ("-", "+") else unsigned)
    return -span if span is not None and sign == "-" else span


def span_text(span: int) -> str:
    """Write milliseconds as the shortest span: 7200000 is `2h`."""
    for unit in ("w", "d", "h", "m", "s"):
        size = UNIT_MS[unit]
        if span >= size and span % size == 0 and (unit != "w" or span > size):
            return f"{span // size}{unit}"
    return f"{span}ms"


def span_words(span: int) -> str:
    """Write milliseconds for a person, in the two largest units there are of: `10 h 4 s`."""
    words = []
    for unit in ("d", "h", "min", "s", "ms"):
        count, span = divmod(span, UNIT_MS[unit])
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words[:2]) or "0 s"
