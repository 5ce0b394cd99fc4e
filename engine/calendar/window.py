"""Windows of the day: from one time to another, on weekdays; over midnight too.

A moment is in a window by what clocks show. So in the night in which clocks go back, a window that
closed in the hour that comes twice is open a second time; and of a window whose opening is skipped
the opening is where clocks jump to.
"""

from typing import NamedTuple
from zoneinfo import ZoneInfo

from engine.calendar.zone import DAYS, EVERY_DAY, LAST_MS, not_too_far, offset_until, reading
from engine.limits import DAY_MS, FAR_MS


class Window(NamedTuple):
    """From and to are milliseconds of the day, and differ; at `to_ms_of_day` it is closed.

    With `from` after `to` it lasts over midnight, and belongs to the weekday on which it opens.
    Weekdays are bits, Monday 1.
    """

    from_ms_of_day: int
    to_ms_of_day: int
    weekdays: int = EVERY_DAY


def window_text(window: Window) -> str:
    """Return a window in words: `21:00 to 08:00`, `09:00 to 17:00 on Mon, Tue`."""
    opens, closes = (f"{each // 3_600_000:02}:{each // 60_000 % 60:02}" for each in window[:2])
    if window.weekdays & EVERY_DAY == EVERY_DAY:
        return f"{opens} to {closes}"
    days = [day for i, day in enumerate(DAYS) if window.weekdays >> i & 1]
    return f"{opens} to {closes} on {', '.join(days) or 'no day'}"


def in_window(at_ms: int, window: Window, zone: ZoneInfo) -> bool:
    """Tell whether a moment is in the window."""
    return _shown_in(reading(at_ms, zone), window)


def next_in_window(at_ms: int, window: Window, zone: ZoneInfo) -> int:
    """Return `at_ms` if it is in the window, else the moment at which the window next opens.

    FAR_MS for a window on no weekday, and past the year 9999.
    """
    if not window.weekdays & EVERY_DAY:
        return FAR_MS
    while at_ms <= LAST_MS:
        offset, until_ms = offset_until(at_ms, zone)
        shown = at_ms + offset
        if _shown_in(shown, window):
            return at_ms
        opens_ms = _opening(shown, window) - offset
        if opens_ms < until_ms:
            return not_too_far(opens_ms)
        at_ms = until_ms
    return FAR_MS


def window_ends(at_ms: int, window: Window, zone: ZoneInfo) -> int:
    """Return the moment at which the window that `at_ms` is in closes; `at_ms` if it is in none.

    Later than `at_ms` where it is in one, and in none itself: a message held back until then goes.
    """
    while at_ms <= LAST_MS:
        offset, until_ms = offset_until(at_ms, zone)
        shown = at_ms + offset
        if not _shown_in(shown, window):
            return at_ms
        closes_ms = shown + _left_of_day(shown, window.to_ms_of_day) - offset
        if closes_ms < until_ms:
            return not_too_far(closes_ms)
        at_ms = until_ms
    return FAR_MS


def _shown_in(shown: int, window: Window) -> bool:
    opens, closes, weekdays = window
    day, ms_of_day = divmod(shown, DAY_MS)
    if opens < closes:
        return opens <= ms_of_day < closes and bool(weekdays >> (day + 3) % 7 & 1)
    if ms_of_day >= opens:
        return bool(weekdays >> (day + 3) % 7 & 1)
    return ms_of_day < closes and bool(weekdays >> (day + 2) % 7 & 1)


def _opening(shown: int, window: Window) -> int:
    """Return when clocks next show the opening, were they not to change."""
    opens, _, weekdays = window
    first = shown + _left_of_day(shown, opens)
    for day in range(first // DAY_MS, first // DAY_MS + 7):
        if weekdays >> (day + 3) % 7 & 1:
            return day * DAY_MS + opens
    raise AssertionError("a window has a weekday")


def _left_of_day(shown: int, ms_of_day: int) -> int:
    """Return how long until clocks show this time, were they not to change; 0 if they do now."""
    return (ms_of_day - shown) % DAY_MS
