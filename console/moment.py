"""Moment: points and spans of time as people write them in tests, and back into words."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from msgspec import Struct

from engine.calendar.span import UNIT_MS

MINUTE_MS: Final = 60_000
MOMENT_FORM: Final = "a moment like 2026-03-02T10:00"
SPAN_FORM: Final = "whole numbers and units: 90s, 5m, 2h36m, 7d"
_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?P<seconds>:\d\d(?P<parts>\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)?"
)
_PART: Final = re.compile(r"(\d{1,9})\s*(ms|s|min|m|h|d|w)\s*")
_SPAN: Final = re.compile(rf"\s*(?:{_PART.pattern})+")


class Moment(Struct, frozen=True):
    """A point in time, or a span, as exactly as it was written."""

    ms: int
    unit_ms: int
    """60,000 where only minutes were written: all of that minute is meant."""

    def meets(self, ms: int) -> bool:
        """Say whether the point or span `ms` is this one, as exactly as this was written."""
        return ms // self.unit_ms == self.ms // self.unit_ms


def read_moment(text: str, zone: tzinfo) -> Moment | None:
    """Read a moment, local to `zone` unless it names its offset; None where there is no such.

    Of the hour that comes twice in autumn it is the first.
    """
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is None:
            at = at.replace(tzinfo=zone)
            again = at.astimezone(UTC).astimezone(zone)
            if again.replace(tzinfo=None) != at.replace(tzinfo=None):
                return None  # Skipped where clocks go forward.
        ms = (at - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None
    if match["parts"]:
        return Moment(ms, 1)
    return Moment(ms, 1_000 if match["seconds"] else MINUTE_MS)


def read_span(text: str) -> Moment | None:
    """Read a span of one or more parts, such as `2h36m`; None where it is none."""
    if _SPAN.fullmatch(text) is None:
        return None
    parts = _PART.findall(text)
    smallest = min(UNIT_MS[unit] for _, unit in parts)
    return Moment(
        sum(int(number) * UNIT_MS[unit] for number, unit in parts), min(smallest, MINUTE_MS)
    )


def moment_words(at_ms: int, zone: tzinfo) -> str:
    """Return a moment for a person: the day of the week too, and seconds where there are some."""
    at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)
    text = f"{at.astimezone(zone):%a %Y-%m-%d %H:%M:%S}"
    if at_ms % 1_000:
        return f"{text}.{at_ms % 1_000:03}"
    return text if at_ms % MINUTE_MS else text.removesuffix(":00")
