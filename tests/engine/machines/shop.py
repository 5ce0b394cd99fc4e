"""Model: what the shop of the fold's machine should decide, in the plainest Python there is.

It knows these five journeys by heart and shares nothing with the engine but how keys are named.
Slow and simple: lists that are never cut, every timer looked for each time.
"""

from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from engine.contacts.identity import message_key, visit_id
from tests.engine.situation import MINUTE_MS, decide, mail, wait
from tests.publications import journey

GAP = 10 * MINUTE_MS
DEAR = {"field": "price", "at_least": 5}
ASK = decide({"consent": "email", "is": "double_opt_in"}, "ask")

JOURNEYS = (
    journey(
        "news",
        priority=1,
        entry={"event": "product_view", "when": DEAR},
        nodes=[ASK, wait("20m"), mail(purpose="marketing")],
        exit_on=[{"event": "purchase", "when": DEAR}],
        caps=[{"messages": 1, "per": "1h"}],
    ),
    journey(
        "offer",
        priority=3,
        entry={
            "event": "product_view",
            "when": {"happened": "product_view", "within": "20m", "at_least": 2},
        },
        nodes=[mail(purpose="marketing")],
        exit_on=["purchase"],
    ),
    journey(
        "help",
        priority=5,
        entry={"event": "session_end", "when": {"field": "counts.cart_update", "at_least": 1}},
        nodes=[wait("5m"), mail(purpose="marketing")],
        exit_on=["purchase"],
        reentry="20m",
    ),
    journey(
        "bill",
        entry={"event": "purchase"},
        nodes=[mail("bill"), wait("40m"), mail("ask-how", purpose="marketing")],
    ),
    journey("welcome", entry={"event": "identify"}, reentry="once"),
)
PRIORITIES = {each["journey"]: each.get("priority", 0) for each in JOURNEYS}
SETTINGS = {
    "session_gap": "10m",
    "caps": [{"messages": 2, "per": "30m", "purpose": "marketing"}],
    "consent": {"email": "opt_in"},
}
STRENGTH = ["none", "opt_out", "opt_in", "double_opt_in"]
DAY = 24 * 60 * MINUTE_MS

Said = tuple[Any, ...]


@dataclass
class Stay:
    """A visit."""

    journey: str
    id: str
    node: str = ""
    due: int | None = None
    since: int = 0
    spoke: bool = False


@dataclass
class Mail:
    """A message decided."""

    key: str
    journey: str
    node: str
    marketing: bool
    at: int
    counts: bool = True
    open: bool = True
    given: bool = False
    stopped: tuple[int, str, str] | None = None


@dataclass
class Person:
    """A contact."""

    key: str
    seen: dict[str, int] = field(default_factory=dict)
    views: list[int] = field(default_factory=list)
    session: dict[str, int] | None = None
    stays: list[Stay] = field(default_factory=list)
    entered: dict[str, int] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    consent: str = "none"


class Model:
    """All contacts; each method returns what should be decided."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.said: list[Said] = []

    def take(self) -> list[Said]:
        said, self.said = self.said, []
        return said

    def event(
        self, key: str, id: str, name: str, price: int, level: str, at: int, now: int
    ) -> bool:
        """A contact does something; False if that is known already."""
        person = self.people.setdefault(key, Person(key))
        self.fire(person, now)
        latest = list(person.seen)[-64:]
        if id in latest and now - person.seen[id] < DAY:
            return False
        person.seen.pop(id, None)
        person.seen[id] = now
        if name == "consent":
            self._consent(person, level, now)
        elif name != "identify":
            if person.session is None:
                person.session = {"start": now}
            person.session["end"] = now + GAP
            person.session[name] = person.session.get(name, 0) + 1
            if name == "product_view":
                person.views.append(min(at, now))
        self._happen(person, id, name, price, now)
        return True

    def advance(self, now: int) -> None:
        """Time comes to `now` for all; of contacts due at once, the lower crc32 goes first."""
        while True:
            due = [(min(self._dues(each)), crc32(each.key.encode()), each.key)
                   for each in self.people.values() if self._dues(each)]  # fmt: skip
            if not due or min(due)[0] > now:
                return
            at, _, key = min(due)
            self.fire(self.people[key], at)

    def handover(self, key: str, mail_key: str, now: int) -> None:
        """A courier comes for a message."""
        person = self.people[key]
        self.fire(person, now)
        mail = self._open(person, mail_key)
        if mail is None:
            return
        if mail.stopped is not None and not mail.given and mail.stopped[0] < now:
            mail.open = mail.counts = False
            self._tell(person, mail, *mail.stopped[1:])
            return
        mail.given = True
        self.said.append(("delivery", mail.key, key, mail.journey, mail.node, mail.at))

    def receipt(self, key: str, mail_key: str, now: int, *, delivered: bool) -> None:
        """A channel says what became of a message."""
        person = self.people[key]
        self.fire(person, now)
        mail = self._open(person, mail_key)
        if mail is None:
            return
        mail.open = False
        if not delivered:
            mail.counts = False
            self._tell(person, mail, "failed", "bounced")

    def fire(self, person: Person, now: int) -> None:
        """Timers due by now; of two at once the higher priority, then the one set first."""
        while True:
            timers: list[tuple[int, int, int, int, Stay | None]] = [
                (stay.due, -PRIORITIES[stay.journey], stay.since, 1 + i, stay)
                for i, stay in enumerate(person.stays)
                if stay.due is not None
            ]
            if person.session is not None:
                timers.append((person.session["end"], 0, person.session["start"], 0, None))
            timers = sorted((each for each in timers if each[0] <= now), key=lambda each: each[:4])
            if not timers:
                return
            due, _, _, _, stay = timers[0]
            if stay is None:
                session, person.session = person.session, None
                assert session is not None
                if session.get("cart_update"):
                    self._enter(person, "help", f"session_end/{session['start']}", due)
            else:
                stay.due = None
                {"news": self._news_2, "help": self._help_2, "bill": self._bill_2}[stay.journey](
                    person, stay, due
                )

    def _dues(self, person: Person) -> list[int]:
        dues = [stay.due for stay in person.stays if stay.due is not None]
        return dues + ([person.session["end"]] if person.session else [])

    def _open(self, person: Person, key: str) -> Mail | None:
        return next((mail for mail in person.mails if mail.key == key and mail.open), None)

    def _tell(self, person: Person, mail: Mail, outcome: str, reason: str) -> None:
        self.said.append(
            (mail.key, person.key, mail.journey, mail.node, "email", mail.at, outcome, reason)
        )

    def _consent(self, person: Person, level: str, now: int) -> None:
        before, person.consent = person.consent, level
        if STRENGTH.index(level) < STRENGTH.index(before) and level == "opt_out":
            for mail in person.mails:
                if mail.marketing:
                    self._stop(mail, now, "no_consent", "email: opt_out")

    def _stop(self, mail: Mail, now: int, outcome: str, reason: str) -> None:
        if mail.open and not mail.given and mail.stopped is None:
            mail.stopped = (now, outcome, reason)

    def _happen(self, person: Person, id: str, name: str, price: int, now: int) -> None:
        if name == "purchase":
            ended = {"offer", "help"} | ({"news"} if price >= 5 else set())
            for stay in list(person.stays):
                if stay.journey in ended:
                    self._leave(person, stay, now, "exited", "purchase")
            for mail in person.mails:
                if mail.journey in ended:
                    self._stop(mail, now, "exited", "purchase")
            self._enter(person, "bill", id, now)
        elif name == "identify":
            self._enter(person, "welcome", id, now)
        elif name == "product_view":
            if sum(now - 20 * MINUTE_MS < at for at in person.views) >= 2:
                self._enter(person, "offer", id, now)
            if price >= 5:
                self._enter(person, "news", id, now)

    def _enter(self, person: Person, name: str, id: str, now: int) -> None:
        if any(stay.journey == name for stay in person.stays):
            return
        last = person.entered.get(name)
        if last is not None and (
            name == "welcome" or (name == "help" and now - last < 20 * MINUTE_MS)
        ):
            return
        person.entered[name] = now
        stay = Stay(name, visit_id(name, person.key, id))
        person.stays.append(stay)
        if name == "news":
            if person.consent != "double_opt_in":
                stay.node = "ask"
                reason = f"email: {person.consent}, needed double_opt_in"
                self._leave(person, stay, now, "no_consent", reason)
                return
            self._wait(stay, now, 20)
        elif name == "help":
            self._wait(stay, now, 5)
        elif name == "bill":
            self._send(person, stay, "bill", now, marketing=False)
            self._wait(stay, now, 40)
        else:
            self._send(person, stay, "mail", now, marketing=name == "offer")
            person.stays.remove(stay)

    def _wait(self, stay: Stay, now: int, minutes: int) -> None:
        stay.node, stay.since, stay.due = "wait", now, now + minutes * MINUTE_MS

    def _leave(self, person: Person, stay: Stay, now: int, outcome: str, reason: str) -> None:
        person.stays.remove(stay)
        if not stay.spoke:
            key = message_key(stay.id, stay.node, 1)
            self.said.append((key, person.key, stay.journey, stay.node, "", now, outcome, reason))

    def _news_2(self, person: Person, stay: Stay, now: int) -> None:
        self._send(person, stay, "mail", now, marketing=True)
        person.stays.remove(stay)

    def _help_2(self, person: Person, stay: Stay, now: int) -> None:
        self._send(person, stay, "mail", now, marketing=True)
        person.stays.remove(stay)

    def _bill_2(self, person: Person, stay: Stay, now: int) -> None:
        self._send(person, stay, "ask-how", now, marketing=True)
        person.stays.remove(stay)

    def _send(self, person: Person, stay: Stay, node: str, now: int, *, marketing: bool) -> None:
        stay.spoke = True
        mail = Mail(message_key(stay.id, node, 1), stay.journey, node, marketing, now)

        def count(minutes: int, *, own: bool) -> int:
            return sum(
                each.counts
                and each.at > now - minutes * MINUTE_MS
                and (each.journey == stay.journey if own else each.marketing)
                for each in person.mails
            )

        if marketing and person.consent not in ("opt_in", "double_opt_in"):
            reason = f"email: {person.consent}, needed opt_in"
            self._tell(person, mail, "no_consent", reason)
        elif stay.journey == "news" and count(60, own=True) >= 1:
            self._tell(person, mail, "capped", "journey news: 1 in 1h")
        elif marketing and count(30, own=False) >= 2:
            self._tell(person, mail, "capped", "all journeys: 2 marketing in 30m")
        else:
            person.mails.append(mail)
            self._tell(person, mail, "sent", "")
