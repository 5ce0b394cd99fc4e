"""Recovery: a shard comes back from the latest snapshot of each partition and the log since."""

from collections.abc import Iterator, Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from actors.erasure import erase_from_frame
from actors.errors import LogCorruptError, OperatorError
from actors.frame import (
    EraseRecord,
    Frame,
    OpenedRecord,
    PartitionRecord,
    PublishRecord,
    ReceiptRecord,
    partition_number,
    settled_by,
)
from actors.shards.outbox import Outbox
from actors.shards.shard import Shard
from actors.shards.tally import Durations
from actors.slot_files import SlotFiles
from actors.store.erased import Erasure
from actors.store.port import Log, SnapshotHead, Snapshots
from engine.contacts.contact import decode_contact
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.decision import DECLINED, SENT, Outcome
from engine.errors import AuthorError
from engine.limits import FAR_MS
from engine.numbers import without

NOT_OPENED: Final = FAR_MS
"""In place of a position: the log has what the partition did before it left for another slot."""

logger = structlog.get_logger()

NOT_RECORDED: Final = "the log does not say so"
RESTORE: Final = "restore log and snapshots from a copy"
START_WRITER: Final = (
    "start the version of Anlass that wrote it, put in force there what this one takes, and stop it"
    " in good order"
)


def recovered(
    shard: Shard, outbox: Outbox, files: SlotFiles | None, log: Log, snapshots: Snapshots | None
) -> "Recovery":
    """Bring a shard back, and say which snapshots were passed over. Raises as Recovery.run."""
    recovery = Recovery(shard, outbox, [] if files is None else files.notes.open)
    recovery.run(log, snapshots)
    for fault in recovery.damaged:
        logger.error("a snapshot is damaged; the one before serves", error=fault)
    return recovery


class Recovery:
    """Fills a new Shard and its Outbox; then says what that took.

    What the log says was decided holds. Where a refold decides otherwise (newer code on an older
    log), that is counted in the shard's `differences`, and the contact's outbox is put right: a
    message recorded as SENT will be delivered or settled, another one will not go out.
    """

    def __init__(self, shard: Shard, outbox: Outbox, erasures: Sequence[Erasure] = ()) -> None:
        """Read as if these contacts were taken out already, that this slot erased."""
        self.refolded = 0
        """Records folded again, each counted once."""
        self.positions: dict[int, list[int]] = {number: [] for number in shard.partitions}
        """By partition, the positions of the snapshots it has, the latest first."""
        self.damaged: list[str] = []
        """Snapshots that were passed over for the one before, and what is wrong with each."""
        self.floors: dict[int, int] = {}
        """Of partitions that came from another slot: from where on this log tells of them."""
        self._shard = shard
        self._outbox = outbox
        self._erasures = {each.digest: each for each in erasures}
        self._erased = {each.digest: each.position for each in erasures}
        self._needed = dict.fromkeys(shard.partitions, 0)
        """From which position on each partition needs the log."""
        self._awaited: dict[int, int] = {}
        """The number of the record that opens a partition whose snapshot another slot wrote."""

    @property
    def unopened(self) -> list[int]:
        """Partitions that the store says are this slot's, and its log does not know yet."""
        return list(self._awaited)

    def run(self, log: Log, snapshots: Snapshots | None) -> None:
        """Recover from these.

        Raises LogCorruptError where they are damaged or do not fit together, and OperatorError
        where the log holds a publication that this version refuses.
        """
        shard = self._shard
        if snapshots is not None:
            self._load(snapshots)
        needed = [each for each in self._needed.values() if each != NOT_OPENED]
        shard.position = min(needed, default=0)
        # Nobody knows from where on the log tells of a partition that came from another slot.
        for frame in log.frames(None if self._awaited or not needed else shard.position):
            self._fold(erase_from_frame(frame, self._erased) if self._erased else frame)
            shard.position = frame.position + len(frame.records)
        for number, position in self._needed.items():
            if shard.position < position < NOT_OPENED:
                text = f"the log ends at position {shard.position}, but the snapshot of partition"
                raise LogCorruptError(f"{text} {number} is of position {position}; {RESTORE}")
        shard.decision_times = Durations()

    def _load(self, snapshots: Snapshots) -> None:
        unsettled: list[Outcome] = []
        shard = self._shard
        heads = []
        for number in list(shard.partitions):
            found = self.latest_whole(snapshots, number)
            if found is None:
                continue
            head, rows, messages = found
            unsettled += messages
            heads.append(head)
            load_head(shard, head, rows)
            if self._is_ours(head):
                self._needed[number] = head.position
            else:
                self._needed[number], self._awaited[number] = NOT_OPENED, head.pseq + 1
                self.positions[number] = []
        self._take_publication(heads)
        shard.add_up()
        for outcome in sorted(unsettled, key=lambda each: (each.at_ms, each.key)):
            self._outbox.put(outcome)

    def _is_ours(self, head: SnapshotHead) -> bool:
        return head.slot in (-1, self._shard.slot)

    def _is_erased(self, head: SnapshotHead, key: str) -> bool:
        erasure = self._erasures.get(digest_of(key))
        return erasure is not None and erasure.follows(head, self._shard.slot)

    def _take_publication(self, heads: list[SnapshotHead]) -> None:
        """Begin with what this slot had in force last, or where it never had anything, others."""
        ours = [each for each in heads if self._is_ours(each)] or heads
        if ours:
            latest = max(ours, key=lambda each: (each.serial, each.position))
            self._shard.published, self._shard.serial = latest.published, latest.serial
            self._shard.serials = {
                each.partition: each.serial for each in heads if each.serial != latest.serial
            }

    def latest_whole(
        self, snapshots: Snapshots, number: int
    ) -> tuple[SnapshotHead, list[tuple[str, int, bytes]], list[Outcome]] | None:
        """Read a partition's latest snapshot, or where its rows are damaged the one before.

        None where there is none. Raises LogCorruptError where all there are are damaged.
        """
        heads = snapshots.heads(number)
        faults: list[LogCorruptError] = []
        for head in heads:
            unsettled: list[Outcome] = []
            erased: list[bytes] = []
            try:
                rows = list(self._read(snapshots, head, unsettled, erased))
            except LogCorruptError as error:
                faults.append(error)
                continue
            self.damaged += [str(fault) for fault in faults]
            self.positions[number] = [each.position for each in heads[len(faults) :]]
            numbers = without(head.numbers, erased, head.now_ms)
            return replace(head, numbers=numbers), rows, unsettled
        if faults:
            raise faults[0]
        return None

    def _read(
        self,
        snapshots: Snapshots,
        head: SnapshotHead,
        unsettled: list[Outcome],
        erased: list[bytes],
    ) -> Iterator[tuple[str, int, bytes]]:
        """Yield what a partition needs of its rows; messages not settled go into `unsettled`.

        Contacts that are erased go into `erased`.
        """
        count = 0
        for rows in snapshots.rows(head):
            count += len(rows)
            for row in rows:
                if self._erased and self._is_erased(head, row.key):
                    erased.append(row.state)
                    continue
                if row.pending:
                    unsettled += _unsettled_of(row.state)
                yield row.key, row.armed_at_ms, row.state
        if count != head.rows:
            text = f"the snapshot of partition {head.partition} at position {head.position} has"
            raise LogCorruptError(f"{text} {count} rows, not {head.rows}; {RESTORE}")

    def _fold(self, frame: Frame) -> None:
        """Fold what is needed of a frame, and let hold what it says was decided."""
        shard, outbox = self._shard, self._outbox
        settled: set[str] = set()
        for index, record in enumerate(frame.records):
            position = frame.position + index
            if isinstance(record, PublishRecord):
                self._publish(record, position)
                continue
            number = partition_number(record)
            if isinstance(record, OpenedRecord) and self._awaited.get(number) == record.pseq:
                self._needed[number] = self.floors[number] = position
                del self._awaited[number]
            if position < self._needed.get(number, NOT_OPENED):
                continue
            pseq = shard.partitions[number].pseq
            if record.pseq != pseq + 1:
                text = f"partition {number}: input {record.pseq} follows input {pseq} at position"
                raise LogCorruptError(f"{text} {position} of the log; {RESTORE}")
            shard.refold(record, frame.verdicts[index])
            self.refolded += 1
            if key := settled_by(record):
                settled.add(key)
            self._take_out(record)
        recorded = self._new_outcomes(frame)
        refolded = shard.take_outcomes()
        if recorded or refolded:
            shard.count_outcomes(recorded, settled)
            if recorded != refolded:
                self._reconcile(recorded, refolded)
            for outcome in recorded:
                outbox.put(outcome)

    def _take_out(self, record: PartitionRecord) -> None:
        """Take out of the outbox what a record ends: one message, or those of an erased contact."""
        if isinstance(record, ReceiptRecord):
            self._outbox.settle(None, record.receipt.key)
        elif isinstance(record, EraseRecord):
            digest = record.digest
            self._outbox.forget(lambda contact: digest_of(contact) == digest)

    def _publish(self, record: PublishRecord, position: int) -> None:
        needed = [
            partition
            for number, partition in self._shard.partitions.items()
            if position >= self._needed[number]
        ]
        try:
            self._shard.put_in_force(record, needed)
        except (AuthorError, ValueError) as error:
            where = f"the log of shard {self._shard.slot}"
            raise _refused(where, position, error) from None
        self.refolded += bool(needed)

    def _new_outcomes(self, frame: Frame) -> list[Outcome]:
        """Return a frame's outcomes, but for those that snapshots have: each is cut at a frame."""
        if not frame.outcomes:
            return []
        needed = self._needed
        return [
            each
            for each in frame.outcomes
            if frame.position >= needed.get(partition_of(each.contact), NOT_OPENED)
        ]

    def _reconcile(self, recorded: list[Outcome], refolded: list[Outcome]) -> None:
        said = {each.key: each for each in recorded}
        folded = {each.key: each for each in refolded}
        for key in [*said, *(each for each in folded if each not in said)]:
            outcome = said.get(key) or replace(folded[key], outcome=DECLINED, reason=NOT_RECORDED)
            if key in folded and key in said and folded[key].outcome == outcome.outcome:
                continue
            self._shard.differences += 1
            partition = self._shard.partitions[partition_of(outcome.contact)]
            taken_out = partition.uphold(outcome)
            counted = folded.get(key)
            if counted is None and taken_out:  # It was decided in an earlier frame.
                counted = replace(outcome, outcome=SENT)
            partition.numbers.correct(counted, said.get(key))


def load_head(shard: Shard, head: SnapshotHead, rows: list[tuple[str, int, bytes]]) -> None:
    """Load a partition. Raises OperatorError where this version refuses its publication."""
    try:
        shard.load(head, rows)
    except (AuthorError, ValueError) as error:
        where = f"the snapshot of partition {head.partition}"
        raise _refused(where, head.position, error) from None


def _unsettled_of(state: bytes) -> list[Outcome]:
    contact = decode_contact(state)
    return [
        Outcome(each.key, contact.key, each.journey, each.node, each.channel, each.at_ms, SENT)
        for each in contact.pending
    ]


def _refused(where: str, position: int, error: Exception) -> OperatorError:
    text = f"{where} holds, at position {position}, a publication that this version refuses"
    return OperatorError(f"{text}: {error}; {START_WRITER}")
