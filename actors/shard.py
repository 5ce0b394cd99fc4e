"""Shard: owns some partitions, folds records into frames, and comes back from its log.

A plain class without sockets, threads or Ray; `actors.service` puts it on the link.
"""

import time
from collections.abc import Iterable
from typing import Any

from actors.clock import Clock
from actors.frame import (
    FOLD_VERSION,
    AdvanceRecord,
    EventRecord,
    Frame,
    HandoverRecord,
    PublishRecord,
    ReceiptRecord,
    Record,
    decode_payload,
    input_of,
)
from actors.link import LinkEvent
from actors.outbox import Outbox
from actors.tally import Durations, OutcomeTally
from engine.decision import Decision, Delivery, Fault, Outcome
from engine.input import Event, Receipt, Verdict
from engine.limits import PARTITIONS
from engine.partition import Partition


def partitions_of(slot: int, shards: int) -> range:
    """Return the partitions that slot `slot` of `shards` owns: an even share, in a row."""
    return range(slot * PARTITIONS // shards, (slot + 1) * PARTITIONS // shards)


def shard_of(partition: int, shards: int) -> int:
    """Return the slot that owns a partition: the inverse of `partitions_of`."""
    return ((partition + 1) * shards - 1) // PARTITIONS


class Shard:
    """Folds what it is given; `cut` ends the slice and returns its frame."""

    def __init__(self, slot: int, shards: int, clock: Clock) -> None:
        self.slot = slot
        self.clock = clock
        self.decisions: list[Decision] = []
        self.partitions = {
            number: Partition(number, self.decisions) for number in partitions_of(slot, shards)
        }
        self.position = 0
        self.published = b""
        self.deliveries: list[Delivery] = []
        """What Handovers of the slice packed; taken by who asked for them."""
        self.tally = OutcomeTally()
        self.decision_times = Durations()
        self.verdict_counts = [0, 0, 0]
        """Events by Verdict."""
        self.folded_at_ns = 0
        """When the last event was folded, by the process's own counter."""
        self.differences = 0
        """Outcomes that a refold decided otherwise than the log says."""
        self._records: list[Record] = []
        self._verdicts = bytearray()
        self._outcomes: list[Outcome] = []
        self._faults: list[Fault] = []

    def apply_event(self, event: LinkEvent, read_ms: int) -> int:
        """Fold one event, at the time of day `read_ms`, and return its Verdict."""
        partition = self.partitions[event.partition]
        now_ms = self.clock.now_ms(read_ms, partition, event.at_ms)
        now_ms = max(now_ms, partition.now_ms)
        return self._apply_event(EventRecord(now_ms, event), partition)

    def owns(self, events: list[LinkEvent]) -> bool:
        """Say whether all these events are of partitions that are here."""
        return all(event.partition in self.partitions for event in events)

    def publish(self, source: bytes, read_ms: int) -> None:
        """Put a publication in force in all partitions. It must compile."""
        self._apply(PublishRecord(read_ms, source))

    def advance(self, until_ms: int | None, read_ms: int) -> bool:
        """Apply timers of the partition whose next is due first; False where none is due.

        Due means by `until_ms`, or where that is None, by now.
        """
        partitions = self.partitions.values()
        if until_ms is None:  # The longest overdue: by the clock `events` each has its own now.
            partition = min(
                partitions,
                key=lambda each: each.next_due_at_ms - self.clock.now_ms(read_ms, each, None),
            )
        else:
            partition = min(partitions, key=lambda each: each.next_due_at_ms)
        now_ms = max(self.clock.now_ms(read_ms, partition, None), partition.now_ms)
        limit_ms = now_ms if until_ms is None else until_ms
        if partition.next_due_at_ms > limit_ms:
            return False
        self._apply(AdvanceRecord(now_ms, partition.number, limit_ms))
        return True

    def timers_due(self, read_ms: int) -> bool:
        """Say whether some timer is due by now."""
        return any(
            partition.next_due_at_ms <= self.clock.now_ms(read_ms, partition, None)
            for partition in self.partitions.values()
        )

    def hand_over(self, partition: int, outcome: Outcome, read_ms: int) -> None:
        """Fold the handover of a message; what is to be delivered comes into `deliveries`."""
        now_ms = self._now_ms(partition, read_ms)
        as_of_ms = self.clock.as_of_ms(now_ms, outcome.at_ms)
        self._apply(HandoverRecord(now_ms, partition, outcome.contact, outcome.key, as_of_ms))

    def settle(self, partition: int, receipt: Receipt, read_ms: int) -> None:
        """Fold what a channel said of a message."""
        self._apply(ReceiptRecord(self._now_ms(partition, read_ms), partition, receipt))

    def cut(self) -> Frame | None:
        """End the slice and return its frame; None where nothing was folded."""
        if not self._records:
            return None
        frame = Frame(
            self.position,
            FOLD_VERSION,
            self._records,
            bytes(self._verdicts),
            self._outcomes,
            self._faults,
        )
        self.position += len(self._records)
        self._records, self._verdicts = [], bytearray()
        self._outcomes, self._faults = [], []
        return frame

    def recover(self, frames: Iterable[Frame], outbox: Outbox) -> None:
        """Fold the log from its first frame; `outbox` gets what is not settled.

        What the log says was decided holds. Where a refold decides otherwise (newer code on an
        older log), that is counted in `differences`.
        """
        for frame in frames:
            for record in frame.records:
                self._apply(record)
                if isinstance(record, ReceiptRecord):
                    outbox.settle(None, record.receipt.key)
            refolded = self.cut()
            self.deliveries.clear()
            if refolded is not None and refolded.outcomes != frame.outcomes:
                self.differences += len(set(_lines(refolded)) ^ set(_lines(frame)))
            for outcome in frame.outcomes:
                outbox.put(outcome)
        self.decision_times = Durations()

    def status(self) -> dict[str, Any]:
        """Return counters and gauges by name."""
        applied, repeated, failed = self.verdict_counts
        partitions = self.partitions.values()
        return {
            "slot": self.slot,
            "events_applied": applied,
            "events_repeated": repeated,
            "events_failed": failed,
            "contacts": sum(each.contact_count for each in partitions),
            "sessions_ended": sum(each.sessions_ended for each in partitions),
            "outcomes": self.tally.by_journey,
            "decision_ns_counts": self.decision_times.counts,
            "position": self.position,
            "differences": self.differences,
        }

    def _now_ms(self, partition: int, read_ms: int) -> int:
        owner = self.partitions[partition]
        return max(self.clock.now_ms(read_ms, owner, None), owner.now_ms)

    def _apply_event(self, record: EventRecord, partition: Partition) -> int:
        event = record.event
        try:
            payload = decode_payload(event.payload)
        except ValueError as error:  # msgspec's decode errors: JSON that no gateway let pass.
            self.decisions.append(Fault(event.contact, event.id, f"payload: {error}"))
            verdict = Verdict.FAILED
        else:
            input = Event(event.id, event.contact, event.name, event.at_ms, payload)
            began_ns = time.perf_counter_ns()
            verdict = partition.fold(input, record.now_ms)
            self.folded_at_ns = time.perf_counter_ns()
            self.decision_times.add(self.folded_at_ns - began_ns)
        self.verdict_counts[verdict] += 1
        self._note(record, verdict)
        return verdict

    def _apply(self, record: Record) -> None:
        """Fold a record and note it, its verdict and what was decided in the slice."""
        if isinstance(record, EventRecord):
            self._apply_event(record, self.partitions[record.event.partition])
            return
        verdict = Verdict.APPLIED
        input = input_of(record)
        if isinstance(record, PublishRecord):
            self.published = record.source
            for partition in self.partitions.values():
                partition.fold(input, record.now_ms)
        else:
            verdict = self.partitions[record.partition].fold(input, record.now_ms)
        self._note(record, verdict)

    def _note(self, record: Record, verdict: int) -> None:
        self._records.append(record)
        self._verdicts.append(verdict)
        if self.decisions:
            self._take_decisions(record)

    def _take_decisions(self, record: Record) -> None:
        about = ""
        if isinstance(record, HandoverRecord):
            about = record.key
        elif isinstance(record, ReceiptRecord):
            about = record.receipt.key
        for decision in self.decisions:
            if isinstance(decision, Outcome):
                self._outcomes.append(decision)
                if decision.key == about:  # Others are of timers that were due before.
                    self.tally.replace(decision)
                else:
                    self.tally.add(decision)
            elif isinstance(decision, Delivery):
                self.deliveries.append(decision)
            else:
                self._faults.append(decision)
        self.decisions.clear()


def _lines(frame: Frame) -> list[tuple[str, str]]:
    return [(outcome.key, outcome.outcome) for outcome in frame.outcomes]
