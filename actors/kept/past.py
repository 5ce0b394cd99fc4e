"""Past: one contact of a store, folded again alone from its archive, log and snapshots.

Nothing had to be switched on before, nothing is written, and the store may be running: what is
durable counts. Only the records of the contact, and those that move all of its partition, are
folded: other contacts cannot change it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from actors.erasure import contact_of
from actors.errors import LogCorruptError
from actors.frame import (
    AdvanceRecord,
    EraseRecord,
    Frame,
    OpenedRecord,
    PublishRecord,
    Record,
    input_of,
)
from actors.kept.kept import StorePlace
from actors.kept.opening import open_kept
from actors.shards.recovery import NOT_RECORDED
from actors.store.port import SnapshotHead
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.decision import DECLINED, Decision, Outcome
from engine.input import Advance
from engine.limits import FAR_MS
from engine.partition import Partition


class Begin(Struct, frozen=True):
    """Where a contact's past begins, as far as it is kept."""

    from_snapshot: bool
    """Whether what was before is gone from the archive, and only its state then is known."""
    now_ms: int = 0
    """Of that snapshot."""
    position: int = 0


class Applied(Struct, frozen=True):
    """A record that was folded again; its decisions stand in the list given to the Past."""

    position: int
    record: Record
    recorded: int
    """The engine.input.Verdict that the log says."""
    verdict: int
    """And that which folding again came to."""
    differs: list[Outcome] = []
    """What the log says of messages, where folding again came to something else; the log holds."""


class Past:
    """A contact's past. Raises OperatorError where there is no store, or it lacks its key."""

    def __init__(
        self,
        data: StorePlace,
        contact: str,
        key_file: Path | None = None,
        decisions: list[Decision] | None = None,
        near_ms: int | None = None,
    ) -> None:
        """`decisions` gets what each record decides, for who walks through; a Trace gets why.

        With `near_ms` it begins as late before that moment as snapshots let it.
        """
        self._kept = open_kept(data, key_file)
        self.contact = contact
        self.simulated = self._kept.store.clock == "events"
        """Whether time goes by what events say: then timers are applied at their very moments."""
        self.decisions: list[Decision] = [] if decisions is None else decisions
        self.partition = Partition(partition_of(contact), self.decisions)
        self._digest = digest_of(contact)
        self._head: SnapshotHead | None = None
        self.begin = self._begin(near_ms)

    def walk(
        self, until_ms: int = FAR_MS, progress: Callable[[Frame], None] = lambda _: None
    ) -> Iterator[Applied]:
        """Fold record by record up to a moment, its last millisecond included.

        Whoever walks takes the decisions out of the list after each. Raises LogCorruptError.
        """
        try:
            yield from self._walk(until_ms, progress)
        finally:
            self._kept.close()

    def _walk(self, until_ms: int, progress: Callable[[Frame], None]) -> Iterator[Applied]:
        partition = self.partition
        outcomes: list[Outcome] = []
        for frame in self._kept.history(partition.number, self._head):
            progress(frame)
            applied: Applied | None = None
            outcomes = []
            for at, record in enumerate(frame.records):
                position = frame.position + at
                if not self._concerns(record):
                    continue
                if record.now_ms > until_ms:
                    self._come_to(until_ms)
                    return
                if isinstance(record, PublishRecord) and record.source == partition.published:
                    # It came to a slot where the partition had brought it already.
                    partition.fold(input_of(record), record.now_ms)
                    continue
                if applied is not None:
                    yield applied
                before = len(self.decisions)
                verdict = partition.fold(input_of(record), record.now_ms)
                outcomes += [x for x in self.decisions[before:] if isinstance(x, Outcome)]
                applied = Applied(position, record, frame.verdicts[at], verdict)
            if applied is not None:
                yield replace(applied, differs=self._differing(frame, outcomes))
        self._come_to(until_ms)

    def _come_to(self, until_ms: int) -> None:
        """Apply the timers that were due by then, where time is simulated."""
        if self.simulated and until_ms < FAR_MS:
            self.partition.fold(Advance(until_ms), until_ms)

    def _begin(self, near_ms: int | None) -> Begin:
        """Begin with nothing, or with a snapshot where what is kept does not reach back so far."""
        kept, number = self._kept, self.partition.number
        whole = kept.is_whole(number)
        if whole and near_ms is None:
            return Begin(from_snapshot=False)
        heads = kept.heads(number)
        if near_ms is not None:
            before = [head for head in heads if head.now_ms <= near_ms]
            heads = before[-1:] if before or whole else heads
        if heads:
            self._load(heads[0])
            return Begin(from_snapshot=True, now_ms=heads[0].now_ms, position=heads[0].position)
        if whole:
            return Begin(from_snapshot=False)
        text = f"{kept.name} does not reach back to the beginning, and no snapshot of partition"
        text = f"{text} {number} lies behind that"
        raise LogCorruptError(f"{text}; restore log and snapshots from a copy")

    def _load(self, head: SnapshotHead) -> None:
        partition, contact = self.partition, self.contact
        rows = (row for part in self._kept.rows(head) for row in part if row.key == contact)
        partition.load(head.published, ((row.key, row.armed_at_ms, row.state) for row in rows))
        partition.tombstones = dict(head.tombstones)
        self._head = head

    def _concerns(self, record: Record) -> bool:
        match record:
            case PublishRecord():
                return True
            case AdvanceRecord(partition=number) | OpenedRecord(partition=number):
                return number == self.partition.number
            case EraseRecord(digest=digest):
                return digest == self._digest
            case _:
                return contact_of(record) == self.contact

    def _differing(self, frame: Frame, folded: list[Outcome]) -> list[Outcome]:
        """Let hold what the log says of the contact's messages, as a recovery does."""
        recorded = [each for each in frame.outcomes if each.contact == self.contact]
        if recorded == folded:
            return []
        said, mine = ({each.key: each for each in some} for some in (recorded, folded))
        differing = []
        for key in said | mine:
            outcome = said.get(key) or replace(mine[key], outcome=DECLINED, reason=NOT_RECORDED)
            if key in mine and key in said and mine[key].outcome == outcome.outcome:
                continue
            differing.append(outcome)
            self.partition.uphold(outcome)
        return differing
