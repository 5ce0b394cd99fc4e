"""Lane: one partition as it really was, and beside it as each draft would have had it."""

from msgspec.structs import replace

from actors.frame import AdvanceRecord, Record, input_of
from actors.store.port import SnapshotHead
from console.replay.against.branch import Branch
from console.replay.against.glimpse import visits_of
from console.replay.against.reign import States
from console.replay.against.spool import REAL, Spool
from engine.contacts.idle import decode_idle
from engine.decision import DECLINED, SENT, Decision, Outcome
from engine.input import Advance, Event, Handover, Publish, Receipt
from engine.partition import Partition


class Lane:
    """Folds a partition's records for real and, from `from_ms` on, for each draft as well."""

    __slots__ = (
        "_decisions",
        "_spool",
        "base",
        "branches",
        "cut",
        "decided",
        "differences",
        "folded",
        "forked",
        "from_ms",
        "inside",
        "needed",
        "number",
        "open",
        "over",
    )

    def __init__(
        self,
        number: int,
        sources: list[bytes],
        from_ms: int,
        hot_max: int,
        spool: Spool,
        states: States = (),
    ) -> None:
        self.number = number
        self._decisions: list[Decision] = []
        self.folded: list[Outcome] = []
        """What folding the frame again has come to."""
        self._spool = spool
        self.base = Partition(number, self._decisions, hot_max)
        self.cut = False
        """Whether only a part of the frame's records count here."""
        self.decided = False
        """Whether anything was decided in the frame, for real or by a draft."""
        self.differences = 0
        """Outcomes that come otherwise when folded again than the log recorded them."""
        self.forked = False
        self.inside: set[str] = set()
        """Visits that were there when the drafts began."""
        self.from_ms = from_ms
        self.over = False
        """Whether it has come to a record that is not to count any more."""
        self.needed = 0
        """The position from which on it folds; what was before it is in its snapshot."""
        self.open: dict[str, None] = {}
        """Messages really decided, and not settled."""
        self.branches = [Branch(number, source, hot_max, self.open, states) for source in sources]

    def load(self, head: SnapshotHead, rows: list[tuple[str, int, bytes]]) -> None:
        """Begin with a snapshot's state instead of nothing.

        But for tombstones: events that they keep out are in no log.
        """
        base = self.base
        base.load(head.published, iter(rows))
        base.now_ms, base.waking_at_ms = head.now_ms, head.waking_at_ms
        self.needed = head.position

    def event(self, event: Event, now_ms: int) -> bool:
        """Fold an event; say whether `close` is to be asked at the frame's end."""
        base = self.base
        if not self.forked and now_ms >= self.from_ms:
            self.fork()
        elif self.forked:
            self._catch_up(now_ms)
        base.fold(event, now_ms)
        if self._decisions:
            self._take()
        if self.forked:
            for branch in self.branches:
                branch.partition.fold(event, now_ms)
                if branch.decisions:
                    branch.decide()
                    self.decided = True
        return self.cut or self.decided

    def other(self, record: Record, last_ms: int) -> bool:
        """Fold what is no event, as `event` does; of schedules without end up to `last_ms`."""
        now_ms = record.now_ms
        if not self.forked and now_ms >= self.from_ms:
            self.fork()
        elif self.forked:
            self._catch_up(now_ms)
        input = input_of(record)
        self.base.fold(input, now_ms)
        self._take()
        for branch in self.branches if self.forked else ():
            match input:
                case Handover() | Receipt():
                    branch.hear(input, now_ms)
                case Advance() if isinstance(record, AdvanceRecord):
                    branch.advance(input, now_ms, last_ms)
                case Publish():
                    branch.publish(now_ms, self.base.published)
                case _:
                    branch.fold(input, now_ms)
            self.decided |= bool(branch.outcomes)
        if isinstance(input, Receipt) and not input.kind:
            self.open.pop(input.key, None)
        return self.cut or self.decided

    def _catch_up(self, now_ms: int) -> None:
        """Let timers apply that only drafts have: those due before the next one that really is.

        Others wait for the record with which they really applied: from then on it is known what
        channels said of their messages.
        """
        until_ms = min(now_ms, self.base.next_due_at_ms - 1)
        for branch in self.branches:
            if branch.partition.next_due_at_ms <= until_ms:
                branch.run_to(until_ms)
                self.decided |= bool(branch.outcomes)

    def fork(self) -> None:
        """Let the drafts begin, with the partition as it is."""
        self.forked = self.cut = True
        self.folded.clear()
        there = visits_of(self.base)
        self.inside = {visit.id for visits in there.values() for visit in visits}
        rows = []
        for key, state in self.base.states().items():
            rows.append((key, decode_idle(state).armed_at_ms, state))
        for branch in self.branches:
            branch.begin(self.base, iter(rows))

    def close(self, recorded: list[Outcome]) -> None:
        """End a frame that recorded this; what the log says holds, unless the frame was cut."""
        folded, self.folded = self.folded, []
        self.decided = False
        cut, self.cut = self.cut or self.over, False
        real = folded if cut else recorded
        if self.forked:
            self._spool.add(self.number, REAL, real)
        if not cut and recorded != folded:
            self._reconcile(recorded, folded)
        for outcome in () if self.over else recorded:
            if outcome.outcome != SENT:
                self.open.pop(outcome.key, None)
                for branch in self.branches if self.forked else ():
                    branch.end(outcome)
        self._spool_drafts()

    def run_on(self, until_ms: int) -> int:
        """Let time go on behind the last record; return how many outcomes that really has."""
        if not self.forked:
            self.fork()
        while self.base.next_due_at_ms <= until_ms:
            self.base.fold(Advance(until_ms), self.base.now_ms)
        self._take()
        self._spool.add(self.number, REAL, self.folded)
        for branch in self.branches:
            branch.run_to(until_ms)
        self._spool_drafts()
        return len(self.folded)

    def _spool_drafts(self) -> None:
        for side, branch in enumerate(self.branches, 1):
            if branch.outcomes:
                self._spool.add(self.number, side, branch.outcomes)
                branch.outcomes = []

    def _take(self) -> None:
        if self._decisions:
            self.folded += [each for each in self._decisions if isinstance(each, Outcome)]
            self.decided = True
            self._decisions.clear()

    def _reconcile(self, recorded: list[Outcome], folded: list[Outcome]) -> None:
        """Let hold what was recorded, as a recovery does: see actors.shards.recovery."""
        said = {each.key: each for each in recorded}
        again = {each.key: each for each in folded}
        for key in [*said, *(each for each in again if each not in said)]:
            outcome = said.get(key) or replace(again[key], outcome=DECLINED)
            if key in said and key in again and again[key].outcome == outcome.outcome:
                continue
            self.differences += 1
            self.base.uphold(outcome)
