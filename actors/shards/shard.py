"""Shard: owns some partitions and folds records into frames.

A plain class without sockets, threads or Ray; `actors.shards.service` puts it on the link, and
`actors.shards.recovery` brings it back from its snapshots and its log.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from actors.clock import Clock
from actors.frame import (
    FOLD_VERSION,
    AdvanceRecord,
    ErasedRecord,
    EraseRecord,
    EventRecord,
    Frame,
    HandoverRecord,
    OpenedRecord,
    PartitionRecord,
    PublishRecord,
    ReceiptRecord,
    Record,
    event_of,
    input_of,
    partition_number,
    settled_by,
)
from actors.links.link import LinkEvent
from actors.map import partitions_of
from actors.shards.capture import SESSIONS_ENDED, TOMBSTONES_DROPPED, captured
from actors.shards.tally import Durations, PartitionTally, merge_tallies
from actors.store.port import Row, SnapshotHead
from engine.contacts.identity import partition_of
from engine.count_table import queued_in
from engine.decision import SENT, Decision, Delivery, Fault, Outcome
from engine.input import Advance, Publish, Receipt, Verdict
from engine.partition import Partition


class Shard:
    """Folds what it is given; `cut` ends the slice and returns its frame."""

    def __init__(
        self, slot: int, shards: int, clock: Clock, numbers: Iterable[int] | None = None
    ) -> None:
        """Without `numbers` it owns its even share of partitions, as in a store of files."""
        self.slot = slot
        self.clock = clock
        self.decisions: list[Decision] = []
        owned = partitions_of(slot, shards) if numbers is None else numbers
        self.partitions = {number: Partition(number, self.decisions) for number in owned}
        self.position = 0
        self.published = b""
        self.serial = 0
        """Of the publication in force: see PublishRecord."""
        self.serials: dict[int, int] = {}
        """The same of partitions that came here with another one, until they are served."""
        self._away: dict[int, Partition] = {}
        """Those that were withdrawn, and may come back."""
        self.moves = 0
        """How often one was withdrawn, or came back: no record tells of that."""
        self.deliveries: list[Delivery] = []
        """What Handovers of the slice packed; taken by who asked for them."""
        self.tallies = {number: PartitionTally() for number in self.partitions}
        self.total = PartitionTally()
        """Of all partitions: to add them up for each status would take milliseconds."""
        self.decision_times = Durations()
        self.events_erased = 0
        """Events of erased contacts that were kept out since the start: no log has them."""
        self.folded_at_ns = 0
        """When the last event was folded, by the process's own counter."""
        self.differences = 0
        """Outcomes that a refold decided otherwise than the log says."""
        self._records: list[Record] = []
        self._verdicts = bytearray()
        self._outcomes: list[Outcome] = []
        self._faults: list[Fault] = []
        self._settled: set[str] = set()
        """Messages that the slice's Handovers and Receipts were about."""

    def apply_event(self, event: LinkEvent, read_ms: int) -> int:
        """Fold one event, at the time of day `read_ms`, and return its Verdict."""
        partition = self.partitions.get(event.partition)
        if partition is None:
            return Verdict.MOVED
        now_ms = self.clock.now_ms(read_ms, partition, event.at_ms)
        now_ms = max(now_ms, partition.now_ms)
        if partition.keeps_out(event.contact, now_ms):
            self.events_erased += 1
            return Verdict.ERASED  # And not into the log: that must not name it again.
        partition.pseq += 1
        record = EventRecord(now_ms, event, partition.pseq)
        verdict = self._fold_event(record, partition)
        self.tallies[event.partition].verdicts[verdict] += 1
        self.total.verdicts[verdict] += 1
        self._note(record, verdict)
        return verdict

    def now_ms(self) -> int:
        """Return the latest moment that it is in any partition."""
        read_ms = self.clock.read()
        moments = [self.clock.now_ms(read_ms, each, None) for each in self.partitions.values()]
        return max(moments, default=read_ms)

    def publish(self, source: bytes, read_ms: int, serial: int = 0) -> None:
        """Put a publication in force in all partitions. It must compile."""
        record = PublishRecord(read_ms, source, serial)
        # The log says that all have it, also where one comes back that is withdrawn just now.
        self.put_in_force(record, [*self.partitions.values(), *self._away.values()])
        self._note(record, Verdict.APPLIED)

    def catch_up(self, read_ms: int) -> None:
        """Put the newest publication that a partition has in force in all, where they differ."""
        newest = max(self.serials, key=lambda number: self.serials[number], default=None)
        if newest is None:
            return
        source, serial = self.published, self.serial
        if self.serials[newest] > serial:
            source, serial = self.partitions[newest].published, self.serials[newest]
        self.publish(source, read_ms, serial)

    def advance(self, until_ms: int | None, read_ms: int) -> bool:
        """Apply timers of the partition whose next is due first; False where none is due.

        Due means by `until_ms`, or where that is None, by now.
        """
        partitions = self.partitions.values()
        if not partitions:
            return False
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
        partition.pseq += 1
        partition.fold(Advance(limit_ms), now_ms)
        until_ms, through = partition.advanced_to
        # Its timers may have brought the clock further, one of a contact that may be erased later.
        now_ms = partition.now_ms
        record = AdvanceRecord(now_ms, partition.number, until_ms, partition.pseq, through)
        self._note(record, Verdict.APPLIED)
        return True

    def due_at_ms(self) -> int:
        """Return the time of day at which a timer is due, if nothing is folded before."""
        return self.clock.due_at_ms(self.partitions.values())

    def timers_due(self, read_ms: int) -> bool:
        """Say whether some timer is due by now."""
        return self.due_at_ms() <= read_ms

    def timers_late_ms(self, read_ms: int) -> int:
        """Return for how long the longest overdue timer is due by now; 0 where none is."""
        late_ms = (
            self.clock.now_ms(read_ms, partition, None) - partition.next_due_at_ms
            for partition in self.partitions.values()
        )
        return max(0, max(late_ms, default=0))

    def erase(self, partition: int, digest: str, keep_out_ms: int, read_ms: int) -> None:
        """Forget a contact, named by its digest, and keep its events out for a while."""
        now_ms, pseq = self._now_ms(partition, read_ms), self._next_pseq(partition)
        self._apply(EraseRecord(now_ms, partition, digest, keep_out_ms, pseq))

    @property
    def next_position(self) -> int:
        """The position of the next record."""
        return self.position + len(self._records)

    def hand_over(self, partition: int, outcome: Outcome, read_ms: int) -> bool:
        """Fold the handover of a message; what is to be delivered comes into `deliveries`.

        False, and nothing was folded, if its contact is gone.
        """
        if not self.partitions[partition].holds(outcome.contact):
            return False
        now_ms = self._now_ms(partition, read_ms)
        as_of_ms = self.clock.as_of_ms(now_ms, outcome.at_ms)
        pseq = self._next_pseq(partition)
        key = outcome.key
        self._apply(HandoverRecord(now_ms, partition, outcome.contact, key, as_of_ms, pseq))
        return True

    def settle(self, partition: int, receipt: Receipt, read_ms: int) -> None:
        """Fold what a channel said of a message, unless its contact is gone."""
        if not self.partitions[partition].holds(receipt.contact):
            return
        now_ms, pseq = self._now_ms(partition, read_ms), self._next_pseq(partition)
        self._apply(ReceiptRecord(now_ms, partition, receipt, pseq))

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
        if self._outcomes:
            self.count_outcomes(self._outcomes, self._settled)
        self._records, self._verdicts = [], bytearray()
        self._outcomes, self._faults, self._settled = [], [], set()
        return frame

    def snapshot(self, number: int) -> tuple[SnapshotHead, Iterator[list[Row]]]:
        """Capture a partition between two slices: see actors.shards.capture."""
        assert not self._records, "a slice is open"
        return captured(
            self.partitions[number],
            self.tallies[number],
            position=self.position,
            slot=self.slot,
            serial=self.serials.get(number, self.serial),
        )

    def load(self, head: SnapshotHead, rows: Iterable[tuple[str, int, bytes]]) -> None:
        """Let a partition begin as a snapshot has it, and count on from there.

        Of each contact: its key, when it is due, its bytes. Raises AuthorError, ValueError where
        this version refuses what was published. Whoever loads calls `add_up` in the end.
        """
        partition = Partition(head.partition, self.decisions)
        partition.load(head.published, rows)
        partition.now_ms, partition.pseq = head.now_ms, head.pseq
        partition.load_numbers(head.numbers)
        partition.waking_at_ms, partition.tombstones = head.waking_at_ms, dict(head.tombstones)
        partition.sessions_ended = head.counts.get(SESSIONS_ENDED, 0)
        partition.tombstones_dropped = head.counts.get(TOMBSTONES_DROPPED, 0)
        self.partitions[head.partition] = partition
        self.tallies[head.partition] = tally = PartitionTally()
        tally.load(head.counts, head.outcomes)
        if head.serial != self.serial:
            self.serials[head.partition] = head.serial

    def open(self, number: int, read_ms: int) -> None:
        """Take a partition into service that was loaded, and record it: the slice has only that.

        It gets the publication in force here, if that is the newer one; else all others get its
        own, whose templates and settings it needs: it must not go back to an older one.
        """
        partition = self.partitions.pop(number)
        serial = self.serials.pop(number, self.serial)
        source = b""
        if not self.published:
            self.published, self.serial = partition.published, serial
        elif serial < self.serial:
            source = self.published
        elif serial > self.serial:
            self.publish(partition.published, read_ms, serial)
        self.partitions[number] = partition
        now_ms, pseq = self._now_ms(number, read_ms), self._next_pseq(number)
        record = OpenedRecord(now_ms, number, pseq, source, serial)
        self._note(record, partition.fold(input_of(record), now_ms))

    def withdraw(self, number: int) -> tuple[Partition, PartitionTally]:
        """Take a partition out of service; `restore` brings it back. What it was given counts."""
        withdrawn = self.partitions.pop(number), self.tallies.pop(number)
        self._away[number] = withdrawn[0]
        self.moves += 1
        self.add_up()
        return withdrawn

    def let_go(self, number: int) -> None:
        """Forget a partition that was withdrawn: it is another slot's by now."""
        del self._away[number]

    def restore(self, partition: Partition, tally: PartitionTally) -> None:
        """Bring a partition back into service as it was."""
        self._away.pop(partition.number, None)
        self.moves += 1
        self.partitions[partition.number], self.tallies[partition.number] = partition, tally
        self.add_up()

    def refold(self, record: PartitionRecord, verdict: int) -> None:
        """Fold a record of the log again; its event counts as it was counted then."""
        number = partition_number(record)
        partition = self.partitions[number]
        partition.pseq = record.pseq
        if isinstance(record, EventRecord):
            self._fold_event(record, partition)
        else:
            partition.fold(input_of(record), record.now_ms)
            if isinstance(record, OpenedRecord) and (
                record.source or self.serials.get(number) == self.serial
            ):
                self.serials.pop(number, None)
        if isinstance(record, EventRecord) or (
            isinstance(record, ErasedRecord) and record.is_event
        ):
            self.tallies[number].verdicts[verdict] += 1
            self.total.verdicts[verdict] += 1

    def put_in_force(self, record: PublishRecord, partitions: list[Partition]) -> None:
        """Put a publication in force in these partitions. Raises AuthorError, ValueError."""
        self.published, self.serial = record.source, record.serial
        for partition in partitions:
            self.serials.pop(partition.number, None)
            partition.fold(Publish(record.source), record.now_ms)

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes that records folded again have come to, since it was last asked."""
        outcomes = [each for each in self.decisions if isinstance(each, Outcome)]
        self.decisions.clear()
        return outcomes

    def count_outcomes(self, outcomes: list[Outcome], settled: set[str]) -> None:
        """Count outcomes; one of a message settled there takes the place of its SENT."""
        for outcome in outcomes:
            for each in (self.tallies[partition_of(outcome.contact)], self.total):
                if outcome.outcome != SENT and outcome.key in settled:
                    each.outcomes.replace(outcome)
                else:  # Others are of timers that were due before.
                    each.outcomes.add(outcome)

    def add_up(self) -> None:
        """Set the total anew, when tallies of partitions were loaded."""
        tallies = self.tallies.values()
        self.total.load(
            {name: sum(each.counts()[name] for each in tallies) for name in self.total.counts()},
            merge_tallies([each.outcomes.by_journey for each in tallies]),
        )

    def status(self) -> dict[str, Any]:
        """Return counters and gauges by name."""
        partitions = self.partitions.values()
        return self.total.counts() | {
            "slot": self.slot,
            "contacts": sum(each.contact_count for each in partitions),
            SESSIONS_ENDED: sum(each.sessions_ended for each in partitions),
            "outcomes": self.total.outcomes.by_journey,
            "queued": queued_in(each.numbers for each in partitions),
            "decision_ns_counts": self.decision_times.counts,
            "position": self.position,
            "now_ms": max((each.now_ms for each in partitions), default=0),
            "timed": any(each.programs.timed for each in partitions),
            "timers_due": self.timers_due(self.clock.read()),
            "differences": self.differences,
            "events_erased": self.events_erased,
            "tombstones": sum(len(each.tombstones) for each in partitions),
            TOMBSTONES_DROPPED: sum(each.tombstones_dropped for each in partitions),
        }

    def _next_pseq(self, partition: int) -> int:
        owner = self.partitions[partition]
        owner.pseq += 1
        return owner.pseq

    def _now_ms(self, partition: int, read_ms: int) -> int:
        owner = self.partitions[partition]
        return max(self.clock.now_ms(read_ms, owner, None), owner.now_ms)

    def _fold_event(self, record: EventRecord, partition: Partition) -> int:
        input = event_of(record.event)
        began_ns = time.perf_counter_ns()
        verdict = partition.fold(input, record.now_ms)
        self.folded_at_ns = time.perf_counter_ns()
        self.decision_times.add(self.folded_at_ns - began_ns)
        return verdict

    def _apply(self, record: HandoverRecord | ReceiptRecord | EraseRecord) -> None:
        verdict = self.partitions[record.partition].fold(input_of(record), record.now_ms)
        self._note(record, verdict)

    def _note(self, record: Record, verdict: int) -> None:
        """Note a record, its verdict and what was decided in the slice."""
        self._records.append(record)
        self._verdicts.append(verdict)
        if self.decisions:
            self._take_decisions(record)

    def _take_decisions(self, record: Record) -> None:
        key = settled_by(record)
        if key:
            self._settled.add(key)
        for decision in self.decisions:
            if isinstance(decision, Outcome):
                self._outcomes.append(decision)
            elif isinstance(decision, Delivery):
                self.deliveries.append(decision)
            else:
                self._faults.append(decision)
        self.decisions.clear()
