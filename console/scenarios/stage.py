"""Stage: one partition of the real engine in simulated time, and the messages it came to."""

from datetime import tzinfo
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from channels.message import Message
from channels.render import Renderer, RenderError
from console.scenarios.scenario import SaidReceipt
from console.scenarios.timeline import Timeline
from engine.contacts.contact import Contact
from engine.decision import SENT, Decision, Delivery, Fault, Outcome
from engine.input import FEEDBACK, Advance, Event, Handover, Input, Publish, Receipt
from engine.moment import Moment
from engine.notes import Notes
from engine.partition import Partition

ADVANCES_MAX: Final = 100_000
"""Of one scenario: a contact who is written to every second would keep it busy for a day."""

DELIVERED: Final = "delivered"
FAILED: Final = "failed"
SETTLING: Final = (DELIVERED, FAILED)
"""Receipts of which a message gets one; those of other kinds come after it was delivered."""


class StageError(Exception):
    """A scenario cannot go on; the text says why."""


class SeenMessage(Struct):
    """A message that went out."""

    delivery: Delivery
    message: Message
    taken: bool = False
    """Whether an expectation was met by it."""
    receipts: list[str] = []
    """The kinds of those it got."""


class SeenOutcome(Struct):
    """What came of a visit, or of a message that did not go out after all."""

    outcome: Outcome
    at_ms: int
    """When it was decided; the outcome itself bears the moment of its message."""
    taken: bool = False


class Stage:
    """Where one scenario is played. As in a replay, channels take no time and never fail."""

    def __init__(self, source: bytes, renderer: Renderer, start_ms: int, zone: tzinfo) -> None:
        self.start_ms = start_ms
        self.now_ms = start_ms
        self.zone = zone
        self.messages: list[SeenMessage] = []
        self.held_back: list[SeenOutcome] = []
        self.timeline: Timeline | None = None
        self._renderer = renderer
        self._decisions: list[Decision] = []
        self.partition = Partition(0, self._decisions)
        self.partition.fold(Publish(source), start_ms)
        self._receipts: list[tuple[str, SaidReceipt]] = []
        self._events = 0
        self._advances = 0

    def trace(self) -> None:
        """Keep a timeline from now on."""
        self.timeline = Timeline(self.partition, self.zone)

    def announce(self, contact: str, said: SaidReceipt) -> None:
        """Let the first such message wait for this receipt, where others are delivered at once."""
        if said.kind in SETTLING:
            self._receipts.append((contact, said))

    def advance(self, until_ms: int) -> None:
        """Let time pass: timers go off in their order, each at its moment. Raises StageError."""
        partition = self.partition
        while (due_at_ms := partition.next_due_at_ms) <= until_ms:
            self._advances += 1
            if self._advances > ADVANCES_MAX:
                problem = f"more than {ADVANCES_MAX:,} timers went off"
                raise StageError(f"{problem}; split the test, or mend a journey that never rests")
            self.now_ms = max(self.now_ms, due_at_ms)
            if self.timeline is not None:
                self.timeline.note_before(due_at_ms)
            self._fold(Advance(due_at_ms))
        self.now_ms = max(self.now_ms, until_ms)

    def event(
        self, contact: str, name: str, payload: dict[str, Any], id: str = "", late_ms: int = 0
    ) -> None:
        """Let an event come now, `late_ms` after it happened. Raises StageError."""
        self._events += 1
        if self.timeline is not None:
            self.timeline.note_event(self.now_ms, contact, name, payload)
        raw = Raw(msgspec.json.encode(payload))
        at_ms = self.now_ms - late_ms
        self._fold(Event(id or f"event-{self._events}", contact, name, at_ms, raw))

    def receive(self, contact: str, said: SaidReceipt) -> None:
        """Let a channel say what became of a message. Raises StageError where there is none."""
        for seen in self.messages:
            settling = said.kind in SETTLING
            waits = not seen.receipts if settling else DELIVERED in seen.receipts
            if waits and said.kind not in seen.receipts and _is_of(said, contact, seen.delivery):
                self._note_receipt(seen, said)
                self._settle(seen, said.kind, said.reason, said.answer)
                return
        text = f"no message from node {said.message} waits for a receipt"
        raise StageError(f"{text}: write this entry after the one that sends it")

    def is_in(self, contact: Contact, segment: str) -> bool:
        """Say whether a contact is in a segment, or on a list, now."""
        programs = self.partition.programs
        moment = Moment(programs.rules, contact, self.now_ms, Notes(), {})
        return programs.segments[segment].holds(moment)

    def _note_receipt(self, seen: SeenMessage, said: SaidReceipt) -> None:
        if self.timeline is not None:
            sent = seen.delivery
            reason = f" ({said.reason})" if said.reason else ""
            text = f"message from {sent.journey}, node {sent.node}: {said.kind}{reason}"
            self.timeline.note(self.now_ms, sent.contact, text)

    def _settle(
        self,
        seen: SeenMessage,
        kind: str,
        reason: str = "",
        answer: dict[str, Any] | None = None,
    ) -> None:
        seen.receipts.append(kind)
        sent = seen.delivery
        delivered, feedback = kind != FAILED, kind if kind in FEEDBACK else ""
        self._fold(Receipt(sent.contact, sent.key, delivered, reason, feedback, answer))

    def _fold(self, input: Input) -> None:
        """Fold one input and all that follows from it at the same moment. Raises StageError."""
        self.partition.fold(input, self.now_ms)
        while self._decisions:
            decisions = self._decisions[:]
            self._decisions.clear()
            for decision in decisions:
                self._take(decision)
        if self.timeline is not None:
            self.timeline.note_visits(self.now_ms)

    def _take(self, decision: Decision) -> None:
        if isinstance(decision, Delivery):
            self._deliver(decision)
            return
        if self.timeline is not None:
            self.timeline.note_decision(decision, self.now_ms)
        if isinstance(decision, Fault):
            raise StageError(f"the engine could not apply {decision.what}: {decision.error}")
        if decision.outcome == SENT:
            handover = Handover(decision.contact, decision.key, decision.at_ms)
            self.partition.fold(handover, self.now_ms)
        else:
            self.held_back.append(SeenOutcome(decision, self.now_ms))

    def _deliver(self, delivery: Delivery) -> None:
        """Render a message as a courier does, and deliver it, unless a receipt is to come."""
        try:
            message = self._renderer.render(delivery)
        except RenderError as error:
            reason = str(error)
            failed = Receipt(delivery.contact, delivery.key, delivered=False, reason=reason)
            self.partition.fold(failed, self.now_ms)
            return
        seen = SeenMessage(delivery, message)
        self.messages.append(seen)
        for announced in self._receipts:
            contact, said = announced
            if _is_of(said, contact, delivery):
                self._receipts.remove(announced)
                return
        self._settle(seen, DELIVERED)


def _is_of(said: SaidReceipt, contact: str, sent: Delivery) -> bool:
    return (sent.contact, sent.node) == (contact, said.message) and said.journey in (
        "",
        sent.journey,
    )
