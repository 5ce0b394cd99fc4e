"""Model: what the world of the language's machine should decide, in the plainest Python there is.

Visits are generators (see `walks`). Slow and simple: lists that are never cut, everything
looked for each time, and all conditions looked at again after whatever happens. It shares nothing
with the engine but the form of a key; visits have names of its own, which the machine translates.
"""

from collections import Counter
from typing import Any
from zlib import crc32

from tests.engine.machines.language.contact import (
    CALM,
    DAY,
    HOUR,
    MINUTE,
    SEGMENTS,
    Letter,
    Person,
    Stay,
)
from tests.engine.machines.language.rules import (
    AGAIN,
    GOAL_WITHIN,
    GROUPS,
    converts,
    ends,
    first_node,
    must_leave,
    opens,
)
from tests.engine.machines.language.walks import Walk
from tests.engine.machines.language.world import HELD_OUT, NODES, PRIORITIES

GAP = 30 * MINUTE
NO_SESSION = ("parcel", "refund")

Said = tuple[Any, ...]


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
        self.numbers: Counter[tuple[str, str, str]] = Counter()
        """How often visits came to a node, or entered a journey, and left it, and why."""

    def take(self) -> list[Said]:
        said, self.said = self.said, []
        return said

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
            due = []
            for person in self.people.values():
                moments = [each[0] for each in self._timers(person)]
                if moments:
                    due.append((min(moments), crc32(person.key.encode()), person.key))
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

    def _timers(self, person: Person) -> list[tuple[Any, ...]]:
        """Return when, in which order at one moment, and what; conditions come before all."""
        if person.published_at is not None:
            return [(person.published_at, -1_000, 0, 0, self._baseline)]
        timers: list[tuple[Any, ...]] = []
        if person.flips_at is not None:
            timers.append((person.flips_at, -1_000, 0, 0, self.review))
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
        person.segments = {each for each in SEGMENTS if person.holds(each, self.now)}
        if person.morning is None:
            person.morning = person.next_time(self.now, (8, 0), range(7))
        self.review(person)

    def _session_end(self, person: Person) -> None:
        session, person.session = person.session, None
        assert session is not None
        self._happen(person, "session_end", session, self.now, session["start"])

    def _morning(self, person: Person) -> None:
        person.morning = person.next_time(self.now, (8, 0), range(7))
        if person.holds(CALM, self.now):
            self._enter(person, "morning", {}, 0, "")
        else:
            self._pass_by(person, "morning", "")
        self._settle(person)

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
            if not person.consented(letter.channel, letter.purpose, letter.needs):
                which = person.deciding(letter.channel, letter.purpose)
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
                person.morning = person.next_time(self.now, (8, 0), range(7))
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
        for segment in SEGMENTS:
            if person.holds(segment, self.now) == (segment in person.segments):
                continue
            person.segments ^= {segment}
            verb = "enters" if segment in person.segments else "leaves"
            self.follows.append((f"{verb} {segment}", {"segment": segment}))
        why = "its condition to leave came to hold"
        for stay in person.stays[:]:
            if must_leave(person, stay.journey, self.variant, self.now):
                self.leave(person, stay, "exited", why)
                for letter in person.letters:
                    if letter.stay is stay:
                        self._stop(letter, "exited", why)
        for letter in person.letters:
            if letter.stay not in person.stays and must_leave(
                person, letter.stay.journey, self.variant, self.now
            ):
                self._stop(letter, "exited", why)
        person.flips_at = min(person.flips(self.now), default=None)

    def _arrive(
        self, person: Person, name: str, payload: dict[str, Any], late: int, session: int
    ) -> None:
        """Let an event convert, end, move and open visits, in this order."""
        for stay, until in person.goals[:]:
            if converts(stay.journey, name, payload) and self.now < until:
                person.goals.remove((stay, until))
                reason = "review (held out)" if stay.held_out else "review"
                where = (person.key, stay.journey, "", "", self.now)
                self.said.append((f"{stay.id}.goal", *where, "converted", reason))
        here = NODES[self.variant]
        self.end_all(person, [each for each in here if ends(each, name, payload)], name)
        for stay in person.stays[:]:
            if stay in person.stays:
                self._hear(person, stay, name, payload)
        for journey in sorted(PRIORITIES, key=lambda each: (-PRIORITIES[each], each)):
            late_after = opens(journey, name, payload, person, self.variant, self.now)
            if late_after is not None:
                too_late = f"{name}: {late} ms old when it came" if late > late_after else ""
                self._enter(person, journey, payload, session, too_late)
            else:
                self._pass_by(person, journey, name)

    def _pass_by(self, person: Person, journey: str, name: str) -> None:
        """What happens opens no visit of this journey: nothing is said of it."""

    def _enter(
        self, person: Person, journey: str, payload: dict[str, Any], session: int, too_late: str
    ) -> None:
        """Open a visit, if the rules allow it; `session` is the one that ended, if one did."""
        key = str(payload.get("order_id", "")) if journey == "order" else ""
        if (journey == "order" and not key) or not self._may_enter(person, journey, key):
            return
        self.visits += 1
        stay = Stay(journey, f"visit-{self.visits}", key, payload)
        stay.node = first_node(journey, self.variant)
        stay.held_out = journey == "basket" and (journey, person.key) in HELD_OUT
        session = person.session["start"] if person.session else session
        refused = self._refused(person, journey, session, too_late)
        if refused is not None:
            where = (f"{stay.id}.{stay.node}.1", person.key, journey, stay.node, "", self.now)
            self.said.append((*where, *refused))
            return
        if journey in GROUPS:
            person.groups[GROUPS[journey]] = (self.now, PRIORITIES[journey], session)
        person.entered[(journey, key)] = self.now
        self.numbers[journey, "", "entered"] += 1
        person.stays.append(stay)
        if journey in GOAL_WITHIN:
            person.goals.append((stay, self.now + GOAL_WITHIN[journey]))
        stay.walk = Walk(self, person, stay).begin()
        self._go_on(person, stay)

    def _may_enter(self, person: Person, journey: str, key: str) -> bool:
        if any((stay.journey, stay.key) == (journey, key) for stay in person.stays):
            return False
        last = person.entered.get((journey, key))
        if last is not None and self.now - last < AGAIN.get(journey, 0):
            return False
        return journey != "basket" or self.now - person.left.get(journey, -DAY) >= 3 * HOUR

    def _refused(
        self, person: Person, journey: str, session: int, too_late: str
    ) -> tuple[str, str] | None:
        """Return outcome and reason where the contact may not enter, and that is said."""
        if too_late:
            return "late", too_late
        if must_leave(person, journey, self.variant, self.now):
            return "exited", "its condition to leave holds already"
        inside = sum(stay.journey == journey for stay in person.stays)
        if journey == "order" and inside >= 2:
            return "capped", "journey order: 2 visits at a time"
        taken = self._taken(person, GROUPS.get(journey, ""), PRIORITIES[journey], session)
        return ("grouped", taken) if taken else None

    def _taken(self, person: Person, group: str, rank: int, session: int) -> str:
        if group not in person.groups:
            return ""
        at, priority, its_session = person.groups[group]
        if rank > priority:
            return ""
        in_session = group == "promo" and session != 0
        same = its_session == session if in_session else not person.day(at) < person.day(self.now)
        period = "session" if in_session else "day"
        return f"{group}: one of priority {priority} came first in this {period}" if same else ""

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
        self.numbers[stay.journey, stay.node, stay.left_as(outcome, reason)] += 1
        if stay.journey == "basket":
            person.left["basket"] = self.now
        if stay.outcomes == 0 or stay.holding:
            key = f"{stay.id}.{stay.node}.{stay.comings[stay.node]}"
            where = (key, person.key, stay.journey, stay.node, "", self.now)
            self.said.append((*where, outcome, reason))

    def end_all(self, person: Person, journeys: list[str], why: str) -> None:
        for stay in person.stays[:]:
            if stay.journey in journeys:
                self.leave(person, stay, "exited", why)
        for letter in person.letters:
            if letter.stay.journey in journeys:
                self._stop(letter, "exited", why)

    def _open(self, person: Person, key: str) -> Letter | None:
        return next((each for each in person.letters if each.key == key and each.open), None)

    def post(
        self,
        person: Person,
        stay: Stay,
        key: str,
        node: str,
        channel: str,
        purpose: str,
        needs: str,
    ) -> None:
        person.letters.append(Letter(key, stay, node, channel, purpose, needs, self.now))

    def _stop(self, letter: Letter, outcome: str, reason: str) -> None:
        if letter.open and not letter.given and letter.stopped is None:
            letter.stopped = (self.now, outcome, reason)

    def _tell(self, person: Person, letter: Letter, outcome: str, reason: str) -> None:
        where = (letter.key, person.key, letter.stay.journey, letter.node, letter.channel)
        self.said.append((*where, letter.at, outcome, reason))
