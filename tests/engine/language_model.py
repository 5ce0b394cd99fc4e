"""Model: what the world of the language's machine should decide, in the plainest Python there is.

Visits are generators (see `language_walks`). Slow and simple: lists that are never cut, everything
looked for each time, and all conditions looked at again after whatever happens. It shares nothing
with the engine but the form of a key; visits have names of its own, which the machine translates.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

from tests.engine.language_walks import Branch, Walk
from tests.engine.language_world import HELD_OUT, NODES, PRIORITIES

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
QUARTER = 15 * MINUTE
GAP = 30 * MINUTE
NO_SESSION = ("parcel", "refund")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
STRENGTH = ["opt_out", "opt_in", "double_opt_in"]
HOT, CALM = "hot", "calm"

Said = tuple[Any, ...]


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
    looked_at: int = 0
    published_at: int | None = None
    morning: int | None = None


class Model:
    """All contacts; each method adds to `said` what should be decided."""

    def __init__(self, variant: str, now: int) -> None:
        self.variant = variant
        self.now = now
        """The moment of what is at work, which may be a timer applied late."""
        self.people: dict[str, Person] = {}
        self.said: list[Said] = []
        self.follows: list[tuple[str, dict[str, Any]]] = []
        self.described = False
        self.visits = 0

    def take(self) -> list[Said]:
        said, self.said = self.said, []
        return said

    # What comes in

    def event(
        self, key: str, id: str, name: str, payload: dict[str, Any], at: int, now: int
    ) -> bool:
        """A contact does something; False if that is known already."""
        person = self.people.get(key)
        if person is None:
            person = self.people[key] = Person(key, published_at=now)
        self.fire(person, now)
        if id in person.seen and now - person.seen[id] < DAY:
            return False
        person.seen[id] = now
        if name in ("identify", "consent"):
            self._describe(person, name, payload)
            self.described |= name == "identify"
        else:
            if name not in NO_SESSION:
                if person.session is None:
                    person.session = {"start": now, "names": Counter()}
                person.session["end"] = now + GAP
                person.session["names"][name] += 1
            person.past.append((name, min(at, now)))
        self._happen(person, name, payload, at)
        return True

    def advance(self, now: int) -> None:
        """Time comes to `now` for all; of contacts due at once, the lower crc32 goes first."""
        while True:
            due = [(min(each[:1] for each in timers)[0], crc32(person.key.encode()), person.key)
                   for person in self.people.values() if (timers := self._timers(person))]  # fmt: skip
            if not due or min(due)[0] > now:
                return
            at, _, key = min(due)
            self.fire(self.people[key], at)

    def publish(self, variant: str, now: int) -> None:
        """Other journeys are in force; time has come to now before."""
        self.variant = variant
        for person in self.people.values():
            person.published_at = now

    def handover(self, key: str, letter_key: str, now: int) -> None:
        """A courier comes for a message."""
        person = self.people[key]
        self.fire(person, now)
        letter = self._open(person, letter_key)
        if letter is None:
            return
        if letter.stopped is not None and not letter.given and letter.stopped[0] < now:
            letter.open = letter.counts = False
            self._tell(person, letter, *letter.stopped[1:])
        else:
            letter.given = True
            where = (letter.stay.journey, letter.node, letter.channel, letter.purpose)
            self.said.append(("delivery", letter.key, key, *where, letter.at))
        self.review(person)

    def receipt(self, key: str, letter_key: str, now: int, *, delivered: bool) -> None:
        """A channel says what became of a message."""
        person = self.people[key]
        self.fire(person, now)
        letter = self._open(person, letter_key)
        if letter is not None:
            letter.open = False
            if not delivered:
                letter.counts = False
                self._tell(person, letter, "failed", "bounced")
        self.review(person)

    # Timers

    def _timers(self, person: Person) -> list[tuple[Any, ...]]:
        """Return when, in which order at one moment, and what; conditions come before all."""
        if person.published_at is not None:
            return [(person.published_at, -1_000, 0, 0, self._baseline)]
        timers: list[tuple[Any, ...]] = []
        for name, span in (("product_view", 2 * HOUR), ("page_view", 6 * HOUR)):
            for each, at in person.past:
                if each == name and at + span > person.looked_at:
                    timers.append((at + span, -1_000, 0, 0, self.review))
        if person.session is not None:
            timers.append((person.session["end"], 0, person.session["start"], 0, self._session_end))
        for i, stay in enumerate(person.stays):
            if stay.due is not None:
                rank = -PRIORITIES[stay.journey] if stay.journey in NODES[self.variant] else 0
                timers.append((stay.due, rank, stay.since, 1 + i, stay))
        if person.morning is not None:
            timers.append((person.morning, 0, 1 << 62, 0, self._morning))
        return timers

    def fire(self, person: Person, now: int) -> None:
        """Timers due by now, each as of its moment."""
        while timers := [each for each in self._timers(person) if each[0] <= now]:
            due, _, _, _, what = min(timers, key=lambda each: each[:4])
            self.now = due
            if isinstance(what, Stay):
                self._resume(person, what)
                self._settle(person)
            else:
                what(person)
        self.now = now

    def _baseline(self, person: Person) -> None:
        """Segments are taken as given; who has a reason to leave leaves."""
        person.published_at = None
        person.segments = {each for each in (HOT, CALM) if self.holds(person, each)}
        if person.morning is None:
            person.morning = self.next_time(person, (8, 0), range(7))
        self.review(person)

    def _session_end(self, person: Person) -> None:
        session, person.session = person.session, None
        assert session is not None
        self._happen(person, "session_end", session, self.now, session["start"])

    def _morning(self, person: Person) -> None:
        person.morning = self.next_time(person, (8, 0), range(7))
        if self.holds(person, CALM):
            self._enter(person, "morning", {}, 0)
        self._settle(person)

    # What happens

    def _describe(self, person: Person, name: str, payload: dict[str, Any]) -> None:
        for attribute, value in payload.get("attributes", {}).items():
            if value is None:
                person.attributes.pop(attribute, None)
            else:
                person.attributes[attribute] = value
        if name == "consent":
            for channel, said in payload.items():
                for purpose, level in (
                    said.items() if isinstance(said, dict) else [("marketing", said)]
                ):
                    whole = purpose == "marketing"
                    person.consents[channel if whole else f"{channel}.{purpose}"] = level
        for letter in person.letters:
            if not self.consented(person, letter.channel, letter.purpose, letter.needs):
                which = self.deciding(person, letter.channel, letter.purpose)
                self._stop(letter, "no_consent", f"{which}: {person.consents[which]}")

    def _happen(
        self, person: Person, name: str, payload: dict[str, Any], at: int, session: int = 0
    ) -> None:
        self._arrive(person, name, payload, self.now - at, session)
        self._settle(person)

    def _settle(self, person: Person) -> None:
        """Look at all conditions, and let happen what follows, until nothing does."""
        while True:
            if self.described:
                self.described = False
                person.morning = self.next_time(person, (8, 0), range(7))
            self.look(person)
            if not self.follows:
                return
            name, payload = self.follows.pop(0)
            if name == "hot_alert":
                person.past.append((name, self.now))
            self._arrive(person, name, payload, 0, 0)

    def review(self, person: Person) -> None:
        self._settle(person)

    def look(self, person: Person) -> None:
        """Segments entered and left; visits, and messages of visits that ended, to be ended."""
        person.looked_at = self.now
        for segment in (CALM, HOT):
            if self.holds(person, segment) == (segment in person.segments):
                continue
            person.segments ^= {segment}
            verb = "enters" if segment in person.segments else "leaves"
            self.follows.append((f"{verb} {segment}", {"segment": segment}))
        why = "its condition to leave came to hold"
        for stay in person.stays[:]:
            if self.must_leave(person, stay.journey):
                self.leave(person, stay, "exited", why)
                for letter in person.letters:
                    if letter.stay is stay:
                        self._stop(letter, "exited", why)
        for letter in person.letters:
            if letter.stay not in person.stays and self.must_leave(person, letter.stay.journey):
                self._stop(letter, "exited", why)

    def must_leave(self, person: Person, journey: str) -> bool:
        if journey == "welcome" or (journey == "gift" and self.variant == "b"):
            return person.attributes.get("vip") is True
        return journey == "digest" and self.variant == "a" and self.holds(person, CALM)

    def holds(self, person: Person, segment: str) -> bool:
        if segment == CALM:
            return not self.happened(person, "page_view", 6 * HOUR)
        return self.happened(person, "product_view", 2 * HOUR) >= 3

    def happened(self, person: Person, name: str, span: int) -> int:
        return sum(each == name and self.now - span < at for each, at in person.past)

    def _arrive(
        self, person: Person, name: str, payload: dict[str, Any], late: int, session: int
    ) -> None:
        for stay, until in person.goals[:]:
            if self._converts(stay.journey, name, payload) and self.now < until:
                person.goals.remove((stay, until))
                reason = "review (held out)" if stay.held_out else "review"
                where = (person.key, stay.journey, "", "", self.now)
                self.said.append((f"{stay.id}.goal", *where, "converted", reason))
        ended = [each for each in PRIORITIES if self._ends(each, name, payload)]
        for stay in person.stays[:]:
            if stay.journey in ended:
                self.leave(person, stay, "exited", name)
        for letter in person.letters:
            if letter.stay.journey in ended:
                self._stop(letter, "exited", name)
        for stay in person.stays[:]:
            if stay in person.stays:
                self._hear(person, stay, name, payload)
        for journey in sorted(PRIORITIES, key=lambda each: (-PRIORITIES[each], each)):
            late_after = self._opens(person, journey, name, payload)
            if late_after is not None:
                late_too = late if late > late_after else 0
                self._enter(person, journey, payload, session, name, late_too)

    def _converts(self, journey: str, name: str, payload: dict[str, Any]) -> bool:
        if name != "review":
            return False
        return journey == "gift" or (journey == "order" and payload["stars"] >= 4)

    def _ends(self, journey: str, name: str, payload: dict[str, Any]) -> bool:
        if name == "refund":
            return journey == "order" and payload["price"] >= 5
        if name == "page_view":
            return journey == "missed"
        return name == "purchase" and journey in ("basket", "gift")

    def _opens(
        self, person: Person, journey: str, name: str, payload: dict[str, Any]
    ) -> int | None:
        """Return how late the event may be to let the contact enter; None if it does not."""
        if journey not in NODES[self.variant]:
            return None
        never, usual = 1 << 62, 6 * HOUR
        match journey, name:
            case ("browse", "product_view") if self.happened(person, name, 2 * HOUR) >= 2:
                return HOUR
            case ("tips", "session_end") if payload["names"]["product_view"] >= 1:
                return usual
            case ("alert", "hot_alert") if payload["heat"] > 2:
                return usual
            case ("order", "purchase") | ("gift", "start gift"):
                return never
            case ("welcome", "signup") | ("basket", "cart_update") | ("digest", "page_view"):
                return usual
            case ("hot", "enters hot") | ("cold", "leaves hot") | ("missed", "enters calm"):
                return never
        return None

    # Entering

    def _enter(
        self,
        person: Person,
        journey: str,
        payload: dict[str, Any],
        session: int,
        name: str = "",
        late: int = 0,
    ) -> None:
        now, key = self.now, ""
        if journey == "order":
            if "order_id" not in payload:
                return
            key = str(payload["order_id"])
        inside = [stay for stay in person.stays if stay.journey == journey]
        if any(stay.key == key for stay in inside):
            return
        if len(inside) >= (2 if journey == "order" else 1):
            return
        last = person.entered.get((journey, key))
        again = {"order": 6 * HOUR, "tips": 12 * HOUR, "digest": 2 * HOUR, "welcome": 1 << 62}
        if last is not None and now - last < again.get(journey, 0):
            return
        if journey == "basket" and journey in person.left and now - person.left[journey] < 3 * HOUR:
            return
        self.visits += 1
        stay = Stay(journey, f"visit-{self.visits}", key, payload, node=self._first(journey))
        stay.held_out = (journey, person.key) in HELD_OUT and journey == "basket"
        stay.comings[stay.node] = 1
        if late:
            self._refuse(person, stay, "late", f"{name}: {late} ms old when it came")
            return
        if self.must_leave(person, journey):
            self._refuse(person, stay, "exited", "its condition to leave holds already")
            return
        group = {"basket": "promo", "browse": "promo", "tips": "daily", "digest": "daily"}.get(
            journey
        )
        if group is not None:
            rank = PRIORITIES[journey]
            session = person.session["start"] if person.session else session
            reason = self._taken(person, group, rank, session)
            if reason:
                self._refuse(person, stay, "grouped", reason)
                return
            person.groups[group] = (now, rank, session)
        person.entered[(journey, key)] = now
        person.stays.append(stay)
        within = {"order": 2 * DAY, "gift": DAY}.get(journey)
        if within is not None:
            person.goals.append((stay, now + within))
        stay.comings.clear()
        stay.walk = Walk(self, person, stay).begin()
        self._go_on(person, stay)

    def _first(self, journey: str) -> str:
        firsts = {
            "welcome": "hello", "order": "arrival", "basket": "idle", "browse": "rarely",
            "tips": "tip", "digest": "hours", "hot": "tell", "cold": "stop", "missed": "wait",
            "alert": "now", "gift": "lot", "morning": "day",
        }  # fmt: skip
        return "arrival-2" if (self.variant, journey) == ("b", "order") else firsts[journey]

    def _taken(self, person: Person, group: str, rank: int, session: int) -> str:
        if group not in person.groups:
            return ""
        at, priority, its_session = person.groups[group]
        if rank > priority:
            return ""
        in_session = group == "promo" and session != 0
        same = its_session == session if in_session else not self.day(person, at) < self.day(person)
        period = "session" if in_session else "day"
        return f"{group}: one of priority {priority} came first in this {period}" if same else ""

    def _refuse(self, person: Person, stay: Stay, outcome: str, reason: str) -> None:
        where = (f"{stay.id}.{stay.node}.1", person.key, stay.journey, stay.node, "")
        self.said.append((*where, self.now, outcome, reason))

    # Visits

    def _hear(self, person: Person, stay: Stay, name: str, payload: dict[str, Any]) -> None:
        if stay.node not in NODES[self.variant].get(stay.journey, ()):
            return
        for branch in stay.branches:
            if not branch.fits(name, payload, stay.trigger):
                continue
            if branch.again:
                stay.since, stay.due = self.now, self.now + branch.timeout
            else:
                stay.came = branch.then
                self._go_on(person, stay)
            return

    def _resume(self, person: Person, stay: Stay) -> None:
        stay.due = None
        if stay.node not in NODES[self.variant].get(stay.journey, ()):
            gone = "node" if stay.journey in NODES[self.variant] else "journey"
            self.leave(person, stay, "exited", f"the {gone} is no longer there")
            return
        stay.came = ""
        self._go_on(person, stay)

    def _go_on(self, person: Person, stay: Stay) -> None:
        stay.due = None
        stay.branches = []
        stay.outcome, stay.reason = "declined", "no message on its way"
        for _ in stay.walk:
            return
        self.leave(person, stay, stay.outcome, stay.reason)

    def leave(self, person: Person, stay: Stay, outcome: str, reason: str) -> None:
        person.stays.remove(stay)
        if stay.journey == "basket":
            person.left["basket"] = self.now
        if stay.outcomes == 0 or stay.holding:
            key = f"{stay.id}.{stay.node}.{stay.comings[stay.node]}"
            where = (key, person.key, stay.journey, stay.node, "", self.now)
            self.said.append((*where, outcome, reason))

    def end_all(self, person: Person, journey: str, why: str) -> None:
        for stay in person.stays[:]:
            if stay.journey == journey:
                self.leave(person, stay, "exited", why)
        for letter in person.letters:
            if letter.stay.journey == journey:
                self._stop(letter, "exited", why)

    # Messages

    def _open(self, person: Person, key: str) -> Letter | None:
        return next((each for each in person.letters if each.key == key and each.open), None)

    def post(
        self, person: Person, stay: Stay, key: str, node: str, channel: str, purpose: str, needs: str
    ) -> None:
        person.letters.append(Letter(key, stay, node, channel, purpose, needs, self.now))

    def _stop(self, letter: Letter, outcome: str, reason: str) -> None:
        if letter.open and not letter.given and letter.stopped is None:
            letter.stopped = (self.now, outcome, reason)

    def _tell(self, person: Person, letter: Letter, outcome: str, reason: str) -> None:
        where = (letter.key, person.key, letter.stay.journey, letter.node, letter.channel)
        self.said.append((*where, letter.at, outcome, reason))

    def deciding(self, person: Person, channel: str, purpose: str) -> str:
        own = f"{channel}.{purpose}"
        if own in person.consents and person.consents.get(channel) != "opt_out":
            return own
        return channel

    def consented(self, person: Person, channel: str, purpose: str, needs: str) -> bool:
        if not needs:
            return True
        level = person.consents.get(self.deciding(person, channel, purpose), "opt_out")
        return STRENGTH.index(level) >= STRENGTH.index(needs)

    # Local time

    def zone(self, person: Person) -> ZoneInfo:
        name = person.attributes.get("time_zone")
        return ZoneInfo(name if name in ZONES else "Europe/Berlin")

    def shown(self, person: Person, at: int | None = None) -> datetime:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            milliseconds=self.now if at is None else at
        )
        return moment.astimezone(self.zone(person))

    def day(self, person: Person, at: int | None = None) -> Any:
        return self.shown(person, at).date()

    def next_time(self, person: Person, time: tuple[int, int], weekdays: Any) -> int:
        """Return the first moment after now that is this time of one of these weekdays."""
        today = self.shown(person).replace(hour=time[0], minute=time[1], second=0, microsecond=0)
        for days in range(-1, 9):
            shown = today.replace(tzinfo=None) + timedelta(days=days)
            moment = shown.replace(tzinfo=self.zone(person)).timestamp() * 1_000
            if shown.weekday() in weekdays and moment > self.now:
                return int(moment)
        raise AssertionError("a weekday comes each week")

    def first_when(self, person: Person, holds: Callable[[datetime], bool]) -> int:
        """Return the first moment from now on at which clocks show such a time."""
        at = self.now
        while not holds(self.shown(person, at)):
            at += QUARTER - at % QUARTER
        return at
