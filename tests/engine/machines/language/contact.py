"""What the model of the language keeps of a contact, and how it reads clocks and consent."""

from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
QUARTER = 15 * MINUTE
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
WEEKEND = (5, 6)
STRENGTH = ["opt_out", "opt_in", "double_opt_in"]
CALM, EVENING, HOT, PESTERED = SEGMENTS = ("calm", "evening", "hot", "pestered")


@dataclass
class Branch:
    """An event that is waited for."""

    event: str
    then: str = ""
    same: str = ""
    where: dict[str, Any] = field(default_factory=dict)
    again: bool = False
    timeout: int = 0

    def fits(self, name: str, payload: dict[str, Any], trigger: dict[str, Any]) -> bool:
        if name != self.event or not self.where.items() <= payload.items():
            return False
        if not self.same:
            return True
        return self.same in payload and payload[self.same] == trigger.get(self.same)


@dataclass
class Stay:
    """A visit."""

    journey: str
    id: str
    key: str
    trigger: dict[str, Any]
    walk: Iterator[None] = field(default_factory=lambda: iter(()))
    held_out: bool = False
    node: str = ""
    comings: Counter[str] = field(default_factory=Counter)
    due: int | None = None
    since: int = 0
    branches: list[Branch] = field(default_factory=list)
    came: str = ""
    outcomes: int = 0
    holding: bool = False
    outcome: str = ""
    reason: str = ""

    def left_as(self, outcome: str, reason: str) -> str:
        """Return as what its end is counted."""
        if not self.outcomes or self.holding or outcome == "exited":
            return f"left/{outcome}: {reason}"
        return (
            "left/completed" if reason == "no message on its way" else f"left/completed: {reason}"
        )


@dataclass
class Letter:
    """A message decided."""

    key: str
    stay: Stay
    node: str
    channel: str
    purpose: str
    needs: str
    at: int
    counts: bool = True
    open: bool = True
    given: bool = False
    stopped: tuple[int, str, str] | None = None


@dataclass
class Person:
    """A contact."""

    key: str
    attributes: dict[str, Any] = field(default_factory=dict)
    consents: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    past: list[tuple[str, int]] = field(default_factory=list)
    session: dict[str, Any] | None = None
    stays: list[Stay] = field(default_factory=list)
    entered: dict[tuple[str, str], int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    goals: list[tuple[Stay, int]] = field(default_factory=list)
    groups: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    took_part: int | None = None
    segments: set[str] = field(default_factory=set)
    flips_at: int | None = None
    published_at: int | None = None
    morning: int | None = None

    def deciding(self, channel: str, purpose: str) -> str:
        """Return under which name the consent is kept that counts for a purpose."""
        own = f"{channel}.{purpose}"
        if own in self.consents and self.consents.get(channel) != "opt_out":
            return own
        return channel

    def consented(self, channel: str, purpose: str, needs: str) -> bool:
        if not needs:
            return True
        level = self.consents.get(self.deciding(channel, purpose), "opt_out")
        return STRENGTH.index(level) >= STRENGTH.index(needs)

    def happened(self, name: str, span: int, now: int) -> int:
        return sum(each == name and now - span < at for each, at in self.past)

    def holds(self, segment: str, now: int) -> bool:
        if segment == CALM:
            return not self.happened("page_view", 6 * HOUR, now)
        if segment == EVENING:
            shown = self.shown(now)
            return shown.weekday() in WEEKEND and shown.hour in (18, 19)
        if segment == PESTERED:
            return sum(each.counts and now - 6 * HOUR < each.at for each in self.letters) >= 3
        return self.happened("product_view", 2 * HOUR, now) >= 3

    def flips(self, now: int) -> list[int]:
        """Return when, after now, a segment may be entered or left though nothing comes in."""
        spans = {"product_view": 2 * HOUR, "page_view": 6 * HOUR}
        flips = [at + spans[name] for name, at in self.past if name in spans]
        flips += [at + 5 * HOUR for name, at in self.past if name == "page_view"]
        flips += [each.at + 6 * HOUR for each in self.letters]
        flips += [self.next_time(now, (hour, 0), WEEKEND) for hour in (18, 20)]
        return [each for each in flips if each > now]

    def zone(self) -> ZoneInfo:
        name = self.attributes.get("time_zone")
        return ZoneInfo(name if name in ZONES else "Europe/Berlin")

    def shown(self, at: int) -> datetime:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
        return moment.astimezone(self.zone())

    def day(self, at: int) -> date:
        return self.shown(at).date()

    def next_time(self, now: int, time: tuple[int, int], weekdays: Container[int]) -> int:
        """Return the first moment after now that is this time of one of these weekdays."""
        today = self.shown(now).replace(hour=time[0], minute=time[1], second=0, microsecond=0)
        for days in range(-1, 9):
            shown = today.replace(tzinfo=None, fold=0) + timedelta(days=days)
            moment = shown.replace(tzinfo=self.zone()).timestamp() * 1_000
            if shown.weekday() in weekdays and moment > now:
                return int(moment)
        raise AssertionError("a weekday comes each week")

    def first_when(self, now: int, holds: Callable[[datetime], bool]) -> int:
        """Return the first moment from now on at which clocks show such a time."""
        at = now
        while not holds(self.shown(at)):
            at += QUARTER - at % QUARTER
        return at
