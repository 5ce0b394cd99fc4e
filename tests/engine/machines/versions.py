"""Model of versions: what publishes, pauses and migrations should do to visits, in plain Python.

One journey of waits, waits for `bye` and messages that nothing holds back. Every publish changes
all visits there and then. It shares nothing with the engine but the form of keys.
"""

from dataclasses import dataclass, field
from typing import Any

from engine.contacts.identity import visit_id

Said = tuple[Any, ...]
HOUR = 3_600_000
USUAL = 6 * HOUR
QUEUE = 20
SPANS = {"1h": HOUR, "5h": 5 * HOUR, "10h": 10 * HOUR, "1d": 24 * HOUR}


@dataclass
class Stay:
    """A visit."""

    id: str
    order: str
    version: int
    nodes: list[dict[str, Any]]
    exits: list[str]
    node: str
    since: int
    due: int
    floor: int = 0
    before: bool = False
    carried: bool = False
    sent: set[str] = field(default_factory=set)


@dataclass
class Person:
    """A contact."""

    key: str
    stays: list[Stay] = field(default_factory=list)
    queue: list[tuple[str, str, int]] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)


class Model:
    """All contacts, and the journey in force."""

    def __init__(self, journey: dict[str, Any], number: int) -> None:
        self.journey: dict[str, Any] | None = journey
        self.number = number
        self.state = "live"
        self.people: dict[str, Person] = {}

    def event(self, key: str, id: str, name: str, order: str, now: int) -> None:
        person = self.people.setdefault(key, Person(key))
        self.fire(person, now)
        for stay in person.stays[:]:
            if name in stay.exits:
                self.leave(person, stay, now, "exited", name)
        if self.journey is not None and name in self.journey["exit_on"]:
            for each in person.queue[:]:
                self.drop(person, each, now, "exited", name)
        for stay in person.stays[:]:
            node = self.at(stay)
            if name == "bye" and not stay.before and "wait_for" in node:
                self.go(person, stay, self.after(stay), now, "no message on its way")
        if name == "hi" and self.journey is not None and self.state != "ended":
            self.enter(person, id, order, now, now)

    def enter(self, person: Person, id: str, order: str, at: int, now: int) -> None:
        assert self.journey is not None
        if any(stay.order == order for stay in person.stays):
            return
        if now - at > USUAL:
            self.drop(person, (id, order, at), now, "late", f"hi: {now - at} ms old when it came")
            return
        if self.state == "paused":
            if len(person.queue) >= QUEUE:
                why = f"all journeys: {QUEUE} entries wait already"
                self.drop(person, (id, order, at), now, "paused", why)
            else:
                person.queue.append((id, order, at))
            return
        nodes = self.journey["nodes"]
        stay = Stay(
            visit_id("j", person.key, id), order, self.number, nodes, self.journey["exit_on"],
            nodes[0]["id"], now, 0,
        )  # fmt: skip
        person.stays.append(stay)
        self.go(person, stay, stay.node, now, "")

    def drop(
        self, person: Person, queued: tuple[str, str, int], now: int, outcome: str, why: str
    ) -> None:
        if queued in person.queue:
            person.queue.remove(queued)
        first = "" if self.journey is None else self.journey["nodes"][0]["id"]
        id = visit_id("j", person.key, queued[0])
        person.said.append((f"{id}.{first}.1", first, now, outcome, why))

    def at(self, stay: Stay) -> dict[str, Any]:
        return next(each for each in stay.nodes if each["id"] == stay.node)

    def after(self, stay: Stay) -> str:
        ids = [each["id"] for each in stay.nodes]
        behind = ids[ids.index(stay.node) + 1 :]
        return str(behind[0]) if behind else ""

    def go(self, person: Person, stay: Stay, to: str, now: int, why: str) -> None:
        """Walk on to a node until the visit waits or ends."""
        why = "no message on its way"
        while True:
            if not to:
                self.leave(person, stay, now, "declined", why)
                return
            stay.node, stay.before = to, False
            if self.state == "paused":
                stay.before, stay.since, stay.due = True, now, now
                return
            node = self.at(stay)
            if "send" not in node:
                stay.since = now
                stay.due = now + SPANS[node["wait"] if "wait" in node else node["timeout"]]
                stay.floor = 0
                return
            if not (stay.carried and to in stay.sent):
                stay.sent.add(to)
                person.said.append((f"{stay.id}.{to}.1", to, now, "sent", ""))
            to = self.after(stay)

    def leave(self, person: Person, stay: Stay, now: int, outcome: str, why: str) -> None:
        person.stays.remove(stay)
        if not stay.sent:
            person.said.append((f"{stay.id}.{stay.node}.1", stay.node, now, outcome, why))

    def fire(self, person: Person, now: int) -> None:
        """Let visits go on that are due by now, those first that were meant to be earlier."""
        while self.state != "paused":
            due = [each for each in person.stays if max(each.due, each.floor) <= now]
            if not due:
                return
            stay = min(due, key=lambda each: (max(each.due, each.floor), each.due, each.since))
            at, node = max(stay.due, stay.floor), self.at(stay)
            if stay.before:
                self.go(person, stay, stay.node, at, "")
            elif "wait_for" in node:
                why = f"{stay.node}: nothing came in {node['timeout']}"
                self.leave(person, stay, at, "declined", why)
            else:
                self.go(person, stay, self.after(stay), at, "")

    def publish(
        self,
        journey: dict[str, Any] | None,
        number: int,
        state: str,
        in_flight: str,
        moved: dict[str, str],
        now: int,
    ) -> None:
        """Put a version in force; time has come to now before. `in_flight` is empty: no other."""
        for person in self.people.values():
            self.fire(person, now)
        self.journey, self.number, self.state = journey, number, state
        for person in self.people.values():
            for stay in person.stays[:]:
                self.carry(person, stay, in_flight, moved, now)
            self.fire(person, now)
            while person.queue and state != "paused":
                queued = person.queue[0]
                if journey is None or state == "ended":
                    self.drop(person, queued, now, "exited", "journey_ended")
                else:
                    person.queue.remove(queued)
                    self.enter(person, *queued, now)

    def carry(
        self, person: Person, stay: Stay, in_flight: str, moved: dict[str, str], now: int
    ) -> None:
        if in_flight == "end":
            self.leave(person, stay, now, "exited", "journey_ended")
            return
        stay.floor = now
        if in_flight not in ("follow", "migrate"):
            return
        assert self.journey is not None
        to = moved.get(stay.node, stay.node)
        if to not in [each["id"] for each in self.journey["nodes"]]:
            self.leave(person, stay, now, "exited", "node_removed")
            return
        stay.nodes, stay.exits = self.journey["nodes"], self.journey["exit_on"]
        stay.node, stay.version, stay.carried = to, self.number, True
        if not stay.before:
            node = self.at(stay)
            stay.before = "send" in node
            span = "0" if stay.before else node["wait"] if "wait" in node else node["timeout"]
            stay.due = now if stay.before else stay.since + SPANS[span]
