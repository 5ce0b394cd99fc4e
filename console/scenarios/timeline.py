"""Timeline: what happened to contacts in a scenario, moment by moment, for who looks into it."""

from datetime import tzinfo
from typing import Any, Final

from msgspec import Struct

from console.moment import moment_words
from engine.contacts.contact import Contact
from engine.decision import CONVERTED, SENT, Fault, Outcome
from engine.input import CONSENT, IDENTIFY
from engine.partition import Partition

MOMENT_CHARS: Final = len("Mon 2026-03-02 10:00 to 10:06")


class Happening(Struct):
    """One line of a timeline."""

    at_ms: int
    contact: str
    text: str
    times: int = 1
    until_ms: int = 0
    """Of the last of them, where it happened several times."""

    def words(self, zone: tzinfo) -> str:
        """Return it for a person."""
        moment = moment_words(self.at_ms, zone)
        if self.until_ms > self.at_ms:
            moment += f" to {moment_words(self.until_ms, zone).rpartition(' ')[2]}"
        times = f", {self.times} times" if self.times > 1 else ""
        return f"{moment:<{MOMENT_CHARS}}  {self.text}{times}"


class Timeline:
    """Notes what happens to the contacts of one partition."""

    def __init__(self, partition: Partition, zone: tzinfo) -> None:
        self.happenings: list[Happening] = []
        self._partition = partition
        self._zone = zone
        self._visits: dict[str, tuple[str, int]] = {}
        """By id: node and due time, as last seen."""

    def of(self, contact: str) -> list[str]:
        """Return a contact's timeline, a line each."""
        return [each.words(self._zone) for each in self.happenings if each.contact == contact]

    def note(self, at_ms: int, contact: str, text: str) -> None:
        """Note a line; the same again, right after, makes it one of several times."""
        if self.happenings:
            last = self.happenings[-1]
            if (last.contact, last.text) == (contact, text):
                last.times += 1
                last.until_ms = at_ms
                return
        self.happenings.append(Happening(at_ms, contact, text))

    def note_event(self, at_ms: int, contact: str, name: str, payload: dict[str, Any]) -> None:
        """Note an event; of one that describes the contact, what it says of consent."""
        said = payload if name == CONSENT else payload.get("consent")
        words = ""
        if name in (IDENTIFY, CONSENT) and isinstance(said, dict):
            words = ": " + ", ".join(f"{channel} {level}" for channel, level in said.items())
        self.note(at_ms, contact, f"{name}{words}")

    def note_before(self, due_at_ms: int) -> None:
        """Note the sessions that end at `due_at_ms`, before the partition is told the time."""
        for contact in self._contacts():
            session = contact.session
            if session is not None and session.due_at_ms <= due_at_ms:
                self.note(session.due_at_ms, contact.key, f"session ends: {counted(contact)}")

    def note_decision(self, decision: Outcome | Fault, at_ms: int) -> None:
        """Note what the engine decided, or could not do."""
        if isinstance(decision, Fault):
            self.note(at_ms, decision.contact, f"FAULT in {decision.what}: {decision.error}")
        elif decision.outcome == SENT:
            text = f"message from {decision.journey}, node {decision.node} ({decision.channel})"
            self.note(at_ms, decision.contact, text)
        elif decision.outcome == CONVERTED:
            text = f"{decision.journey} reached its goal: {decision.reason}"
            self.note(at_ms, decision.contact, text)
        else:
            text = f"no message from {decision.journey}, node {decision.node}: "
            self.note(at_ms, decision.contact, text + why_words(decision))

    def note_visits(self, now_ms: int) -> None:
        """Note the visits that wait at another node, or for another moment, than before."""
        for contact in self._contacts():
            for visit in contact.visits:
                seen = (visit.node, visit.due_at_ms)
                if self._visits.get(visit.id) != seen:
                    self._visits[visit.id] = seen
                    until = moment_words(visit.due_at_ms, self._zone)
                    text = f"{visit.journey} waits at {visit.node} until {until}"
                    self.note(now_ms, contact.key, text)

    def _contacts(self) -> list[Contact]:
        keys = self._partition.contact_keys()
        return [each for key in keys if (each := self._partition.contact(key)) is not None]


def counted(contact: Contact) -> str:
    """Return what a contact's session has counted, in words."""
    assert contact.session is not None
    return ", ".join(f"{count} {name}" for name, count in contact.session.counts.items())


def why_words(outcome: Outcome) -> str:
    """Return why a message did not go out: the outcome, and its reason if there is one."""
    return f"{outcome.outcome} ({outcome.reason})" if outcome.reason else outcome.outcome
