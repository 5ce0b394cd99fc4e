"""Occasions of journeys: schedules, and dates that an attribute holds."""

from zoneinfo import ZoneInfo

from engine.calendar.clock_text import date_of
from engine.calendar.cron import Cron, next_fire
from engine.calendar.recurrence import next_anniversary
from engine.calendar.zone import day_of_date, moment_of_reading, not_too_far
from engine.conditions.condition import Test
from engine.contacts.contact import Contact
from engine.contacts.zone import zone_for
from engine.language.rules import Rules
from engine.limits import DAY_MS, FAR_MS
from engine.program import Occasion


class Schedule(Occasion):
    """Whenever clocks show what a cron schedule says; `zone` is None for the contact's own."""

    __slots__ = ("cron", "zone")

    def __init__(self, id: str, test: Test | None, cron: Cron, zone: ZoneInfo | None) -> None:
        super().__init__(id, test)
        self.cron = cron
        self.zone = zone

    def next_ms(self, rules: Rules, contact: Contact, after_ms: int) -> int:
        """See Occasion."""
        zone = zone_for(contact, rules) if self.zone is None else self.zone
        return next_fire(self.cron, after_ms, zone)


class AttributeDate(Occasion):
    """So many days from the date that an attribute holds, once or each year.

    A date that is past, or that cannot be read, is no occasion. `zone` is None for the contact's.
    """

    __slots__ = ("attribute", "ms_of_day", "offset_days", "yearly", "zone")

    def __init__(self, id: str, test: Test | None, attribute: str, *, yearly: bool) -> None:
        super().__init__(id, test)
        self.attribute = attribute
        self.yearly = yearly
        self.offset_days = 0
        self.ms_of_day = 0
        self.zone: ZoneInfo | None = None

    def next_ms(self, rules: Rules, contact: Contact, after_ms: int) -> int:
        """See Occasion."""
        value = contact.attributes.get(self.attribute)
        if value is None:
            return FAR_MS
        zone = zone_for(contact, rules) if self.zone is None else self.zone
        date = date_of(value, zone)
        if date is None:
            return FAR_MS
        if self.yearly:
            return next_anniversary(
                after_ms, date.month, date.day, self.ms_of_day, zone, self.offset_days
            )
        shown = (day_of_date(date) + self.offset_days) * DAY_MS + self.ms_of_day
        at_ms = moment_of_reading(shown, zone)
        return not_too_far(at_ms) if at_ms > after_ms else FAR_MS
