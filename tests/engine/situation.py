"""Situation: a partition with journeys in force and a clock that a test moves."""

from typing import Any

import msgspec
from msgspec import Raw

from engine.contacts.contact import Contact, decode_contact
from engine.decision import Decision, Delivery, Fault, Outcome
from engine.input import Advance, Event, Handover, Input, Publish, Receipt, Verdict
from engine.limits import FAR_MS
from engine.partition import Partition
from tests.publications import MAIL, source_of

NOON_MS = 1_700_000_000_000
SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
GAP_MS = 30 * MINUTE_MS


def mail(id: str = "mail", **fields: Any) -> dict[str, Any]:
    """Return a node that sends a transactional message, unless fields say otherwise."""
    return MAIL | {"id": id} | fields


def wait(span: str, id: str = "wait", **fields: Any) -> dict[str, Any]:
    """Return a node that waits."""
    return {"id": id, "wait": span} | fields


def decide(condition: dict[str, Any], id: str = "decide", **fields: Any) -> dict[str, Any]:
    """Return a node that decides."""
    return {"id": id, "if": condition} | fields


class Situation:
    """One partition; `now_ms` is the clock, and what each input decided is returned."""

    def __init__(self, *journeys: dict[str, Any], **settings: Any) -> None:
        self.now_ms = NOON_MS
        self.decisions: list[Decision] = []
        self.partition = Partition(0, self.decisions)
        self.verdict = Verdict.APPLIED
        self.sent_ids = 0
        self.publish(*journeys, **settings)

    def fold(self, input: Input) -> list[Decision]:
        """Fold an input now; return what it decided."""
        self.verdict = self.partition.fold(input, self.now_ms)
        decided = self.decisions[:]
        self.decisions.clear()
        return decided

    def publish(self, *journeys: dict[str, Any], **settings: Any) -> None:
        """Put these journeys in force instead of those before."""
        assert self.fold(Publish(source_of(*journeys, **settings))) == []

    def event(
        self,
        name: str = "hi",
        payload: dict[str, Any] | None = None,
        *,
        after_ms: int = 0,
        contact: str = "c-1",
        id: str = "",
        at_ms: int | None = None,
    ) -> list[Decision]:
        """Let a contact do something, so long after the last input."""
        self.now_ms += after_ms
        self.sent_ids += 1
        sent = Raw(msgspec.json.encode(payload or {}))  # As shards and replay have it.
        return self.fold(Event(id or f"e-{self.sent_ids}", contact, name, at_ms, sent))

    def consent(self, level: str, channel: str = "email") -> list[Decision]:
        """Let the contact say what consent it gives."""
        return self.event("consent", {channel: level})

    def pass_time(self, span_ms: int) -> list[Decision]:
        """Let time pass; the timers due by then apply."""
        self.now_ms += span_ms
        return self.fold(Advance(self.now_ms))

    def run_out(self) -> list[Decision]:
        """Apply all timers there are, each as of its moment."""
        decided = []
        while self.partition.next_due_at_ms < FAR_MS:
            decided += self.fold(Advance(FAR_MS))
        return decided

    def handover(self, key: str, *, contact: str = "c-1", as_of_ms: int = 0) -> list[Decision]:
        """Let a courier come for a message."""
        return self.fold(Handover(contact, key, as_of_ms or self.now_ms))

    def receipt(
        self,
        key: str,
        *,
        delivered: bool,
        reason: str = "",
        answer: dict[str, Any] | None = None,
    ) -> list[Decision]:
        """Let a channel say what became of a message."""
        return self.fold(Receipt("c-1", key, delivered, reason, answer=answer))

    def restore(self) -> None:
        """Go on with a partition loaded from what a snapshot of this one would hold."""
        before = self.partition
        loaded = Partition(0, self.decisions)
        rows = [(key, decode_contact(row).armed_at_ms, row) for key, row in before.states().items()]
        loaded.load(before.published, rows)
        loaded.now_ms, loaded.advanced_to = before.now_ms, before.advanced_to
        loaded.waking_at_ms = before.waking_at_ms
        self.partition = loaded

    def contact(self, key: str = "c-1") -> Contact:
        """Return what is kept of a contact."""
        kept = self.partition.contact(key)
        assert kept is not None
        return kept


def outcomes(decisions: list[Decision]) -> list[tuple[str, str]]:
    """Return journey and outcome of each; nothing but outcomes may be among the decisions."""
    assert all(isinstance(each, Outcome) for each in decisions), decisions
    return [(each.journey, each.outcome) for each in decisions if isinstance(each, Outcome)]


def only_outcome(decisions: list[Decision]) -> Outcome:
    """Return the one outcome decided."""
    (decision,) = decisions
    assert isinstance(decision, Outcome), decision
    return decision


def only_delivery(decisions: list[Decision]) -> Delivery:
    """Return the one message handed over."""
    (decision,) = decisions
    assert isinstance(decision, Delivery), decision
    return decision


def only_fault(decisions: list[Decision]) -> Fault:
    """Return the one fault listed."""
    (decision,) = decisions
    assert isinstance(decision, Fault), decision
    return decision
