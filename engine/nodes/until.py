"""Waits until a moment: a date, a time of day, a window, in the zone of the contact or a fixed one.

Several together mean the first moment, from the date on, at which all of it is so. Local times go
by the rules of `zone`: one that clocks skip is late by the gap, one that comes twice counts the
first time.
"""

from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.calendar.clock_text import date_of, moment_of
from engine.calendar.recurrence import next_time
from engine.calendar.span import span_text
from engine.calendar.window import Window, next_in_window
from engine.calendar.zone import (
    EVERY_DAY,
    LAST_MS,
    day_of_date,
    local,
    moment_of_reading,
    not_too_far,
    reading,
)
from engine.contacts.contact import Visit
from engine.contacts.zone import zone_for
from engine.decision import DECLINED
from engine.fact import Fact, shown
from engine.input import DESCRIBED, IDENTIFY, Event
from engine.limits import DAY_MS, FAR_MS, WAIT_MS_MAX
from engine.moment import Moment
from engine.nodes.wait import stay
from engine.program import STAYS, Place, Program
from engine.value import value_at

OF_CONTACT: Final = "contact"
OF_TRIGGER: Final = "trigger"


class NextTime(Place):
    """Stay until it is next this time of day, on one of these weekdays: never right now."""

    __slots__ = ("ms_of_day", "weekdays", "zone")

    lasts = True

    def __init__(
        self, id: str, then: str, ms_of_day: int, weekdays: int, zone: ZoneInfo | None
    ) -> None:
        super().__init__(id, then)
        self.ms_of_day = ms_of_day
        self.weekdays = weekdays
        self.zone = zone
        """None: the contact's."""

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        zone = self.zone or zone_for(moment.contact, moment.rules)
        stay(moment, visit, next_time(moment.now_ms, self.ms_of_day, zone, self.weekdays))
        return STAYS

    def due(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        return self.then

    def due_again_ms(self, moment: Moment, visit: Visit) -> int | None:
        """See Place."""
        zone = self.zone or zone_for(moment.contact, moment.rules)
        return next_time(visit.waits_since_ms, self.ms_of_day, zone, self.weekdays)


class Date:
    """Where a date is taken from: written down, an attribute, or what the visit was entered on."""

    __slots__ = ("offset_ms", "path", "source", "text")

    def __init__(self, source: str, path: list[str], text: str, offset_ms: int) -> None:
        self.source = source
        """OF_CONTACT, OF_TRIGGER, or empty where it is written down."""
        self.path = path
        self.text = text
        """As the author wrote it."""
        self.offset_ms = offset_ms
        """Whole days are days of the calendar, whatever length they have."""

    def value(self, moment: Moment, visit: Visit) -> Any:
        """Return what it says: a date or moment, or anything else."""
        if self.source == OF_CONTACT:
            return value_at(moment.contact.attributes, self.path)
        return value_at(visit.trigger, self.path) if self.source else self.text


class WaitUntil(Place):
    """Stay until a moment, which may be now or past: then nothing is waited.

    Where the moment is past, not known, or too far away (WAIT_MS_MAX), the visit takes `otherwise`
    if `has_else`. Else it goes on where the moment is past (on the weekdays and in the window that
    are asked for), and ends with a reason where it is not known or too far away.
    """

    __slots__ = ("date", "has_else", "ms_of_day", "otherwise", "weekdays", "window", "zone")

    def __init__(self, id: str, then: str, date: Date | None, zone: ZoneInfo | None) -> None:
        super().__init__(id, then)
        self.date = date
        self.zone = zone
        """None: the contact's."""
        self.ms_of_day: int | None = None
        """The time of the date; only where there is a date."""
        self.weekdays = EVERY_DAY
        self.window: Window | None = None
        """With the weekdays, where they are not those of the time."""
        self.otherwise = ""
        self.has_else = False

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        now_ms = moment.now_ms
        zone = self.zone or zone_for(moment.contact, moment.rules)
        until_ms = self._until_ms(moment, visit, zone, moment.now_ms)
        if until_ms is None:
            assert self.date is not None
            return self._give_up(moment, f"{self.id}: {self.date.text} is no date")
        if until_ms < now_ms:
            if self.has_else:
                return self.otherwise
            until_ms = self._from(now_ms, zone)
        if until_ms - now_ms > WAIT_MS_MAX:
            when = "past the year 9999" if until_ms >= FAR_MS else f"{local(until_ms, zone).date}"
            reason = f"{self.id}: {when} is more than {span_text(WAIT_MS_MAX)} away"
            return self._give_up(moment, reason)
        if until_ms == now_ms:
            return self.then
        stay(moment, visit, until_ms)
        return STAYS

    def due(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place. Where the contact's date has moved to later since, the visit stays on."""
        if self.date is not None and self.date.source == OF_CONTACT:
            zone = self.zone or zone_for(moment.contact, moment.rules)
            until_ms = self._until_ms(moment, visit, zone, moment.now_ms)
            if until_ms is not None and until_ms > moment.now_ms:
                return self.enter(moment, program, visit)
        return self.then

    def due_again_ms(self, moment: Moment, visit: Visit) -> int | None:
        """See Place. Asked as of when it came; where that is no moment to wait for, it enters."""
        zone = self.zone or zone_for(moment.contact, moment.rules)
        until_ms = self._until_ms(moment, visit, zone, visit.waits_since_ms)
        if until_ms is None or not 0 <= until_ms - visit.waits_since_ms <= WAIT_MS_MAX:
            return None
        return until_ms

    def hear(self, moment: Moment, program: Program, visit: Visit, event: Event) -> str | None:
        """See Place. The contact's date may have moved."""
        return self.enter(moment, program, visit) if event.name in self.hears() else STAYS

    def explain(
        self, moment: Moment, program: Program, visit: Visit, event: Event | None = None
    ) -> list[Fact]:
        """See Place."""
        if self.date is None:
            return []
        zone = self.zone or zone_for(moment.contact, moment.rules)
        until_ms = self._until_ms(moment, visit, zone, moment.now_ms)
        value = shown(self.date.value(moment, visit))
        wanted = f"a date, in {zone.key}"
        holds = until_ms is not None
        return [
            Fact(what=self.date.text, holds=holds, wanted=wanted, found=value, until_ms=until_ms)
        ]

    def edges(self) -> list[str]:
        """See Place."""
        return [self.then, self.otherwise]

    def hears(self) -> list[str]:
        """See Place."""
        looks = self.date is not None and self.date.source == OF_CONTACT
        return [IDENTIFY, DESCRIBED] if looks else []

    def _give_up(self, moment: Moment, reason: str) -> str:
        moment.outcome, moment.reason = DECLINED, reason
        return self.otherwise

    def _until_ms(self, moment: Moment, visit: Visit, zone: ZoneInfo, came_ms: int) -> int | None:
        """Return the first moment at which all is so, which may be past; None if not known."""
        if self.date is None:
            return self._from(came_ms, zone)
        value, offset = self.date.value(moment, visit), self.date.offset_ms
        if self.ms_of_day is not None:
            date = date_of(value, zone)
            if date is None:
                return None
            return self._at_time(day_of_date(date) + offset // DAY_MS, self.ms_of_day, zone)
        at_ms = moment_of(value, zone)
        if at_ms is None:
            return None
        if offset % DAY_MS:
            at_ms += offset
        elif offset:
            at_ms = moment_of_reading(reading(at_ms, zone) + offset, zone)
        return self._from(at_ms, zone)

    def _at_time(self, day: int, ms_of_day: int, zone: ZoneInfo) -> int:
        """Return when it is this time of this day, or of the next one that is a right weekday."""
        while not self.weekdays >> (day + 3) % 7 & 1:
            day += 1
        return not_too_far(moment_of_reading(day * DAY_MS + ms_of_day, zone))

    def _from(self, at_ms: int, zone: ZoneInfo) -> int:
        """Return the first moment, from this one on, on the weekdays and in the window."""
        if at_ms > LAST_MS:
            return FAR_MS
        if self.window is not None:
            return next_in_window(at_ms, self.window, zone)
        if self.ms_of_day is None or self.weekdays >> local(at_ms, zone).weekday & 1:
            return at_ms
        return next_time(at_ms, self.ms_of_day, zone, self.weekdays)
