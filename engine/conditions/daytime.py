"""Conditions on local time, and on chance."""

from zoneinfo import ZoneInfo

from engine.calendar.window import Window, in_window, next_in_window, window_ends, window_text
from engine.calendar.zone import LAST_MS, clock_text, offset_until
from engine.chance import falls_within, point_of
from engine.conditions.condition import Test
from engine.conditions.reads import Reads
from engine.contacts.zone import zone_for
from engine.fact import Fact
from engine.limits import DAY_MS, FAR_MS
from engine.moment import Moment


class InTime(Test):
    """Clocks show a time of the window, on one of its weekdays."""

    __slots__ = ("window", "zone")

    def __init__(self, window: Window, zone: ZoneInfo | None) -> None:
        self.window = window
        self.zone = zone
        """None: that of the contact."""

    def _zone(self, moment: Moment) -> ZoneInfo:
        return zone_for(moment.contact, moment.rules) if self.zone is None else self.zone

    def holds(self, moment: Moment) -> bool:
        """See Test."""
        return in_window(moment.now_ms, self.window, self._zone(moment))

    def explain(self, moment: Moment) -> Fact:
        """See Test."""
        zone = self._zone(moment)
        return Fact(
            what=f"local time in {zone.key}",
            holds=self.holds(moment),
            wanted=window_text(self.window),
            found=clock_text(moment.now_ms, zone),
            worded=True,
        )

    def note_reads(self, reads: Reads) -> None:
        """See Test: the contact's zone is an attribute."""
        reads.contact |= self.zone is None

    def changes_at_ms(self, moment: Moment) -> int:
        """See Test: where the window opens or closes next."""
        now_ms, zone = moment.now_ms, self._zone(moment)
        if now_ms > LAST_MS:
            return FAR_MS
        if not in_window(now_ms, self.window, zone):
            return next_in_window(now_ms, self.window, zone)
        if self.window.to_ms_of_day == DAY_MS:  # Of days as a whole: maybe the next is none.
            offset, until_ms = offset_until(now_ms, zone)
            return min(now_ms + DAY_MS - (now_ms + offset) % DAY_MS, until_ms)
        return window_ends(now_ms, self.window, zone)


class InShare(Test):
    """The contact is among a percentage of all."""

    __slots__ = ("salt", "share")

    def __init__(self, share: float, salt: str) -> None:
        self.share = share
        self.salt = salt

    def holds(self, moment: Moment) -> bool:
        """See Test."""
        return falls_within(self.share, moment.contact.key, self.salt)

    def explain(self, moment: Moment) -> Fact:
        """See Test."""
        point = point_of(moment.contact.key, self.salt)
        wanted = f"below {self.share:g}"
        return Fact(
            what=f"point of 100 for {self.salt!r}",
            holds=self.holds(moment),
            wanted=wanted,
            found=round(point, 6),
        )
