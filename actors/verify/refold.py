"""Refold: folds a slot's history again and compares it with the newest snapshots on the way."""

import gc
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from actors.clock import WallClock
from actors.errors import LogCorruptError, OperatorError, PrunedError
from actors.frame import FOLD_VERSION, ErasedRecord, EraseRecord, Frame
from actors.shards.outbox import Outbox
from actors.shards.recovery import Recovery
from actors.shards.shard import Shard
from actors.store.port import Row, SnapshotHead, Snapshots
from actors.verify.finding import Counts, Finding
from engine.contacts.contact import decode_contact
from engine.notes import QUEUED
from engine.numbers import Numbers

DIFFERENCES_MAX: Final = 100
"""Contacts of one slot that are told one by one; of more, only how many of each partition."""


class Refold:
    """One slot, folded again: each partition from its head in `start`, or else from nothing."""

    def __init__(
        self,
        shard: Shard,
        start: dict[int, SnapshotHead],
        newest: dict[int, SnapshotHead],
        snapshots: Snapshots,
        history: Callable[[int], Iterator[Frame]],
    ) -> None:
        """Snapshots are read from `snapshots`; `history` gives frames from a position on."""
        self.findings: list[Finding] = []
        self._shard = shard
        self._start = start
        self._files = snapshots
        self._history = history
        self._due = sorted(
            (head for number, head in newest.items() if start.get(number) != head),
            key=lambda head: head.position,
        )
        """Snapshots not compared yet, by position."""
        self._counts = Counts()
        self._progress: Callable[[int], None] = lambda _: None
        self._versions: set[int] = set()
        self._told = 0
        self._erased: set[int] = set()
        """Partitions of which the log has lost what erased contacts did."""

    def run(self, counts: Counts, progress: Callable[[int], None]) -> None:
        """Fold and compare; `progress` is told each position reached.

        It recovers as a starting shard does, with the same code, from other snapshots.
        """
        self._counts, self._progress = counts, progress
        recovery = Recovery(self._shard, Outbox())
        start = _Start(self._files, self._start)
        collecting = gc.isenabled()
        gc.disable()  # The fold makes no cycles.
        try:
            recovery.run(_History(self._frames), start)
            self._compare_until(self._shard.position)
        except PrunedError:
            raise
        except OperatorError as error:
            self._find(str(error))
        finally:
            if collecting:
                gc.enable()
        counts.refolded += recovery.refolded
        if self._shard.differences:
            ours = self._versions <= {FOLD_VERSION}
            text = f"{self._shard.differences} outcomes come otherwise now than the log recorded"
            self._find(text if ours else f"{text}: other versions wrote it", damage=ours)

    def _frames(self, position: int) -> Iterator[Frame]:
        """Read the history; snapshots are compared where it comes past their positions."""
        for frame in self._history(position):
            self._compare_until(frame.position)
            self._versions.add(frame.fold_version)
            for record in frame.records:
                if isinstance(record, EraseRecord | ErasedRecord):
                    self._erased.add(record.partition)
            yield frame
            self._progress(frame.position + len(frame.records))

    def _compare_until(self, position: int) -> None:
        """Compare the snapshots that were taken before the record at `position`."""
        while self._due and self._due[0].position <= position:
            head = self._due.pop(0)
            try:
                self._compare(head)
            except FileNotFoundError:
                text = "its newest snapshot was replaced while the store was read; not compared"
                self._find(text, partition=head.partition, damage=False)

    def _compare(self, head: SnapshotHead) -> None:
        number, partition = head.partition, self._shard.partitions[head.partition]
        for name in ("pseq", "now_ms", "published"):
            mine, its = getattr(partition, name), getattr(head, name)
            if mine != its:
                said = "differs" if name == "published" else f"is {its}, folded again {mine}"
                self._find(f"`{name}` of the snapshot {said}", partition=number, field=name)
        self._compare_numbers(head, partition.numbers)
        states = partition.states()
        untold = 0
        for rows in self._files.rows(head):
            for row in rows:
                self._counts.contacts_compared += 1
                state = states.pop(row.key, None)
                if state != row.state:
                    untold += self._tell(head, row.key, row.state, state)
        for key, state in states.items():
            untold += self._tell(head, key, None, state)
        if untold:
            self._find(f"{untold:,} contacts more differ", partition=number)
        self._counts.partitions_compared += 1

    def _compare_numbers(self, head: SnapshotHead, folded: Numbers) -> None:
        """Compare all that was counted; where that cannot be, who waits where at least."""
        if head.numbers is None:
            return
        its = Numbers(saved=head.numbers)
        comparable = head.partition not in self._erased and its.since_ms == folded.since_ms
        text = first_number_otherwise(its, folded, all_of_them=comparable)
        if text:
            ours = self._versions <= {FOLD_VERSION}
            self._find(text, partition=head.partition, field="numbers", damage=ours)

    def _tell(
        self, head: SnapshotHead, key: str, snapshot: bytes | None, state: bytes | None
    ) -> bool:
        """Find a difference if it is one; say whether it is one too many to be told."""
        field = None
        if snapshot is None or state is None:
            has = "only in the snapshot" if state is None else "only when folded again"
            text = f"the contact is there {has}, at position {head.position}"
        else:
            field = first_difference(snapshot, state)
            if field is None:
                return False
            text = f"`{field}` is not what folding again gives, at position {head.position}"
        self._told += 1
        if self._told > DIFFERENCES_MAX:
            return True
        self._find(text, partition=head.partition, contact=key, field=field)
        return False

    def _find(self, text: str, **fields: Any) -> None:
        self.findings.append(Finding(text=text, shard=self._shard.slot, **fields))


class _History:
    """A Log to read only."""

    epoch = 0
    commits = 0
    size_bytes = 0

    def __init__(self, frames: Callable[[int], Iterator[Frame]]) -> None:
        self._frames = frames

    def frames(self, position: int | None = 0) -> Iterator[Frame]:
        """See Log."""
        return self._frames(position or 0)

    def append(self, position: int, frames: list[bytes]) -> None:
        """See Log."""
        raise AssertionError("a verification writes nothing")

    def release(self, position: int) -> None:
        """See Log."""
        raise AssertionError("a verification releases nothing")

    def close(self) -> None:
        """See Log."""


class _Start:
    """Snapshots of which one is chosen for each partition, to read only."""

    def __init__(self, files: Snapshots, start: dict[int, SnapshotHead]) -> None:
        self._files = files
        self._start = start

    @property
    def size_bytes(self) -> int:
        """See Snapshots."""
        return self._files.size_bytes

    def heads(self, partition: int) -> list[SnapshotHead]:
        """See Snapshots."""
        head = self._start.get(partition)
        return [] if head is None else [head]

    def faults(self) -> list[LogCorruptError]:
        """See Snapshots: who verifies has named them already."""
        return []

    def rows(self, head: SnapshotHead) -> Iterator[list[Row]]:
        """See Snapshots."""
        return self._files.rows(head)

    def write(self, head: SnapshotHead, rows: Iterable[list[Row]]) -> None:
        """See Snapshots."""
        raise AssertionError("a verification writes nothing")


def new_shard(slot: int, shards: int) -> Shard:
    """Return a shard to fold into; its clock is not asked."""
    return Shard(slot, shards, WallClock())


def first_number_otherwise(its: Numbers, folded: Numbers, *, all_of_them: bool) -> str:
    """Say which number of a snapshot is not what folding again gives; empty where all are."""
    mine = _told_of(its, all_of_them=all_of_them)
    again = _told_of(folded, all_of_them=all_of_them)
    queues = its.queued(), folded.queued()
    if None not in queues:  # Snapshots once had none.
        for told, queue in zip((mine, again), queues, strict=True):
            told |= {(journey, QUEUED): count for journey, count in (queue or {}).items()}
    for of in sorted(mine.keys() | again.keys()):
        if mine.get(of, 0) != again.get(of, 0):
            said = f"is {mine.get(of, 0)}, folded again {again.get(of, 0)}"
            return f"the snapshot's number of {' '.join(filter(None, of))} {said}"
    return ""


def _told_of(numbers: Numbers, *, all_of_them: bool) -> dict[tuple[str, ...], int]:
    told: dict[tuple[str, ...], int] = {
        (*spot, "waiting"): count for spot, count in numbers.waiting().items()
    }
    if all_of_them:
        told |= dict(numbers.totals())
        series = numbers.series()
        for at_ms, span_ms, counts in numbers.parts(0):
            span = f"in the {span_ms // 1000} s from {at_ms}"
            told |= {(*series[number], span): count for number, count in counts.items()}
    return told


def first_difference(one: bytes, other: bytes) -> str | None:
    """Return the first field of a contact in which two states differ; None where they say the same.

    Bytes may differ in the order of a dict alone, which says nothing.
    """
    mine, its = decode_contact(one), decode_contact(other)
    for name, value in msgspec.structs.asdict(mine).items():
        if value != getattr(its, name):
            return name
    return None
