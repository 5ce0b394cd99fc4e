"""Walks: the journeys of the language's world by heart, each a generator that stops where it waits.

The model resumes it when its time is over (`stay.came` is empty then) or when an event that it
waits for has come.
"""

from collections.abc import Iterator
from datetime import datetime, time
from typing import Any

from tests.engine.machines.language.contact import DAY, HOUR, MINUTE, Branch, Letter, Person, Stay
from tests.engine.machines.language.rules import GROUPS, PROMO
from tests.engine.machines.language.world import HELD_OUT

QUIET = {"sms": (time(21), time(8), "delay"), "push": (time(22), time(7), "drop")}
NEEDS = {
    ("email", "marketing"): "opt_in",
    ("sms", "marketing"): "double_opt_in",
    ("push", "marketing"): "opt_in",
}


def office(shown: datetime) -> bool:
    return shown.weekday() < 5 and time(6) <= shown.time() < time(18)


def quiet(channel: str, shown: datetime) -> bool:
    start, end, _ = QUIET[channel]
    return shown.time() >= start or shown.time() < end


class Walk:
    """One visit on its way."""

    def __init__(self, model: Any, person: Person, stay: Stay) -> None:
        self.model = model
        self.person = person
        self.stay = stay

    def begin(self) -> Iterator[None]:
        walk: Iterator[None] = getattr(self, self.stay.journey)()
        return walk

    def come(self, node: str) -> None:
        self.stay.node = node
        self.stay.comings[node] += 1
        self.model.numbers[self.stay.journey, node, "entered"] += 1

    def until(self, at: int) -> Iterator[None]:
        self.stay.since, self.stay.due = self.model.now, at
        yield

    def other(self, node: str, other: str) -> str:
        return other if self.model.variant == "b" else node

    # The journeys

    def welcome(self) -> Iterator[None]:
        yield from self.send("hello", "email", "transactional")
        self.come(self.other("sleep", "rest"))
        yield from self.until(self.person.next_time(self.model.now, (2, 30), (0, 2, 6)))
        yield from self.send("news", "email", on_cap="wait")

    def order(self) -> Iterator[None]:
        self.come(self.other("arrival", "arrival-2"))
        self.stay.branches = [
            Branch("parcel", "sorry", "order_id", {"status": "lost"}),
            Branch("call", again=True, timeout=DAY),
            Branch("parcel", "thanks", "order_id"),
        ]
        yield from self.until(self.model.now + DAY)
        if self.stay.came == "sorry":
            yield from self.send("sorry", "sms", "transactional")
        elif self.stay.came == "thanks":
            yield from self.send("thanks", "email", "survey")
            self.come("came")
            where = (self.person.key, "order", "came", "", self.model.now)
            self.model.said.append((f"{self.stay.id}.came.goal", *where, "converted", "arrived"))
        else:
            yield from self.send("ask", "push", "survey")
        self.come("leave")
        self.stay.reason = "it is lost"

    def basket(self) -> Iterator[None]:
        self.come("idle")
        self.stay.branches = [Branch("cart_update", same="cart", again=True, timeout=45 * MINUTE)]
        yield from self.until(self.model.now + 45 * MINUTE)
        yield from self.send("text", "sms", on_cap="letter")
        if self.stay.came != "capped":
            self.come("done")
            self.stay.reason = "done"
            return
        yield from self.send("letter", "email")

    def browse(self) -> Iterator[None]:
        self.come("rarely")
        now, last = self.model.now, self.person.took_part
        if last is not None and now - last < 5 * HOUR:
            self.stay.reason = "rarely: took part less than 5h ago"
            return
        self.person.took_part = now
        yield from self.send("offer", "push")

    def tips(self) -> Iterator[None]:
        yield from self.send("tip", "email")

    def leaver(self) -> Iterator[None]:
        yield from self.send("why", "email", "survey")

    def hot(self) -> Iterator[None]:
        self.come("tell")
        self.model.follows.append(("hot_alert", {"heat": 3}))
        self.come("give")
        self.model.follows.append(("start gift", self.stay.trigger))
        self.come("mark")
        self.person.attributes.pop("vip", None)
        if self.person.attributes.get("wants_vip") is not None:
            self.person.attributes["vip"] = self.person.attributes["wants_vip"]
        self.model.described = True
        yield from ()

    def cold(self) -> Iterator[None]:
        self.come("stop")
        self.model.end_all(self.person, ["gift"], "ended by cold")
        yield from self.send("miss", "email")

    def missed(self) -> Iterator[None]:
        self.come("wait")
        yield from self.until(self.model.now + HOUR)
        yield from self.send("where", "push", "transactional", hours="delay")

    def party(self) -> Iterator[None]:
        yield from self.send("come", "email", "survey")

    def relief(self) -> Iterator[None]:
        yield from self.send("sorry", "email", "survey")

    def alert(self) -> Iterator[None]:
        yield from self.send("now", "sms", "transactional")

    def gift(self) -> Iterator[None]:
        self.come("lot")
        if ("gift", self.person.key) in HELD_OUT:
            self.stay.held_out = True
        while self.stay.outcomes < 3:
            self.come("pause")
            yield from self.until(self.model.now + HOUR)
            yield from self.send("nag", "email", on_cap="wait")
            self.come("more")
        self.stay.reason = "more did not hold"

    def morning(self) -> Iterator[None]:
        yield from self.send("day", "email")

    def digest(self) -> Iterator[None]:
        self.come("hours")
        start = self.person.first_when(self.model.now, office)
        if start > self.model.now:
            yield from self.until(start)
        yield from self.send("read", "sms", "survey")

    # Sending

    def send(
        self,
        node: str,
        channel: str,
        purpose: str = "marketing",
        *,
        on_cap: str = "drop",
        hours: str = "",
    ) -> Iterator[None]:
        """Send, or say why not; `stay.came` is "capped" where a cap was reached."""
        stay, model, person = self.stay, self.model, self.person
        self.come(node)
        needs = NEEDS.get((channel, purpose), "opt_in" if purpose == "survey" else "")
        while True:
            outcome, reason, until = self.judge(channel, purpose, needs, on_cap, hours)
            if until is None:
                break
            stay.holding = True
            yield from self.until(until)
        stay.holding = False
        stay.outcomes += 1
        stay.came = outcome
        key = f"{stay.id}.{node}.{stay.comings[node]}"
        where = (key, person.key, stay.journey, node, channel, model.now)
        if outcome == "sent":
            model.post(person, stay, key, node, channel, purpose, needs)
        model.said.append((*where, outcome, reason))

    def judge(
        self, channel: str, purpose: str, needs: str, on_cap: str, hours: str
    ) -> tuple[str, str, int | None]:
        """Return outcome and reason, or until when the message waits."""
        model, person, stay = self.model, self.person, self.stay
        if stay.held_out:
            share = "the 40 % that are held out"
            by_chance = "held out by a random split"
            why = share if stay.journey == "basket" else by_chance
            return "held_out", f"{stay.journey}: {why}", None
        phone = person.attributes.get("phone", "")
        if channel == "sms" and not phone:
            return "no_address", "contact.phone is missing", None
        if channel == "sms" and not phone.startswith("+"):
            return "no_address", "contact.phone is not + and 8-15 digits", None
        if not person.consented(channel, purpose, needs):
            which = person.deciding(channel, purpose)
            level = person.consents.get(which, "none")
            return "no_consent", f"{which}: {level}, needed {needs}", None
        keeps_quiet = channel in QUIET and (needs or hours)
        if keeps_quiet and quiet(channel, person.shown(model.now)):
            then = hours or QUIET[channel][2]
            reason = f"{channel}: quiet hours, {person.zone().key}"
            ends = person.first_when(model.now, lambda shown: not quiet(channel, shown))
            return "quiet", reason, ends if then == "delay" else None
        full = self.full_cap(channel, purpose)
        if full is None:
            return "sent", "", None
        return "capped", full[0], full[1] if on_cap == "wait" else None

    def full_cap(self, channel: str, purpose: str) -> tuple[str, int] | None:
        """Return the first cap that is full, and when it is free again."""
        journey = self.stay.journey
        caps: list[tuple[str, int, int, dict[str, str]]] = []
        if journey == "welcome":
            caps.append(("journey welcome: 1 a day", 1, 0, {"journey": journey}))
        if journey == "basket":
            caps.append(("journey basket: 1 in 4h", 1, 4 * HOUR, {"journey": journey}))
        if purpose == "marketing":
            caps.append(("all journeys: 4 marketing in 24h", 4, DAY, {"purpose": purpose}))
        if channel == "sms":
            caps.append(("all journeys: 2 sms a day", 2, 0, {"channel": channel}))
        if GROUPS.get(journey) == PROMO:
            caps.append(("group promo: 1 in 2h", 1, 2 * HOUR, {"group": PROMO}))
        for text, most, span, what in caps:
            at = self.model.now
            counted = [each.at for each in self.person.letters if counts(each, what)]
            if span:
                recent = sorted(each for each in counted if each > at - span)
                free = recent[-most] + span if len(recent) >= most else 0
            else:
                today = self.person.day(self.model.now)
                recent = [each for each in counted if self.person.day(each) == today]
                free = 0
            if len(recent) >= most:
                return text, free or self.tomorrow()
        return None

    def tomorrow(self) -> int:
        today = self.person.day(self.model.now)
        at: int = self.person.first_when(self.model.now, lambda shown: shown.date() > today)
        return at


def counts(letter: Letter, what: dict[str, str]) -> bool:
    journey = letter.stay.journey
    said = {"journey": journey, "purpose": letter.purpose, "channel": letter.channel}
    said["group"] = GROUPS.get(journey, "")
    return bool(letter.counts and what.items() <= said.items())
