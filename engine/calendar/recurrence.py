"""What comes again by the calendar: a time of day on weekdays, a date of every year."""

from calendar import monthrange
from datetime import date
from zoneinfo import ZoneInfo

from engine.calendar.zone import (
    EVERY_DAY,
    LAST_MS,
    date_of_day,
    day_of_date,
    moment_of_reading,
    not_too_far,
    reading,
)
from engine.limits import DAY_MS, FAR_MS


def next_time(after_ms: int, ms_of_day: int, zone: ZoneInfo, weekdays: int = EVERY_DAY) -> int:
    """Return the first moment later than `after_ms` that is this time of one of these weekdays.

    Once a day: by the rule of `at_local`, a time that clocks skip is late by the gap, and one that
    comes twice counts the first time. Weekdays are bits, Monday 1; none of them: FAR_MS. Who wants
    `after_ms` itself to count asks for `after_ms - 1`.
    """
    if after_ms > LAST_MS:
        return FAR_MS
    today = reading(after_ms, zone) // DAY_MS
    # From yesterday, whose time may have been skipped over midnight and so be later today, to the
    # same weekday a week on: today's may be over.
    for day in range(today - 1, today + 8):
        if weekdays >> (day + 3) % 7 & 1:
            at_ms = moment_of_reading(day * DAY_MS + ms_of_day, zone)
            if at_ms > after_ms:
                return not_too_far(at_ms)
    return FAR_MS


def next_anniversary(
    after_ms: int, month: int, day: int, ms_of_day: int, zone: ZoneInfo, offset_days: int = 0
) -> int:
    """Return the first moment later than `after_ms` that is `offset_days` from a yearly date.

    A day that the month lacks is its last: who was born on 29 February is greeted on the 28th in
    other years. That is in the month of birth and never late, and what java.time
    (`MonthDay.atYear`) and SQL's intervals of years say. A month there is not: FAR_MS.
    """
    if after_ms > LAST_MS or not 1 <= month <= 12:
        return FAR_MS
    year = date_of_day(reading(after_ms, zone) // DAY_MS - offset_days).year
    for each in (year - 1, year, year + 1):
        if not 1 <= each <= 9999:
            continue
        in_year = date(each, month, min(max(day, 1), monthrange(each, month)[1]))
        at_ms = moment_of_reading((day_of_date(in_year) + offset_days) * DAY_MS + ms_of_day, zone)
        if at_ms > after_ms:
            return not_too_far(at_ms)
    return FAR_MS
