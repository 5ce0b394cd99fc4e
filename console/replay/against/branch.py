"""Branch: one partition, folded as if a draft had been in force."""

from collections.abc import Iterable, Mapping
from typing import Final

from console.replay.against.reign import States, next_source
from engine.decision import SENT, Decision, Fault, Outcome
from engine.input import Advance, Handover, Input, Publish, Receipt
from engine.limits import FAR_MS
from engine.partition import Partition

EARLY_MAX: Final = 1_000
"""Messages of one partition whose real receipts are kept as the draft may still send them; then
those of the oldest go, and such a message counts as delivered when the draft sends it."""


class Branch:
    """Folds what the log has, with a draft in place of what was published, and says what comes.

    Timers apply as of their due time. What channels said of a message that was really sent holds
    for the draft's message with the same key: at its moment, or at the draft's decision where that
    comes later. A message that only the draft sends, or sends before it was really sent, is handed
    over and delivered at the decision, and nobody opens it.
    """

    __slots__ = (
        "_awaiting",
        "_early",
        "_open",
        "_source",
        "_states",
        "decisions",
        "faults",
        "outcomes",
        "partition",
    )

    def __init__(
        self,
        number: int,
        source: bytes,
        hot_max: int,
        open: Mapping[str, None],
        states: States = (),
    ) -> None:
        """`open`: the messages really decided and not settled, as the log goes on.

        `states`: of journeys that are in this state, whatever the log says.
        """
        self.decisions: list[Decision] = []
        """Not looked at yet: `decide` does."""
        self.outcomes: list[Outcome] = []
        """Looked at; taken by who folds."""
        self.partition = Partition(number, self.decisions, hot_max)
        self.faults = 0
        self._source = source
        self._states = states
        self._open = open
        self._awaiting: set[str] = set()
        """Messages of the draft that were really sent, and of which channels have still to say."""
        self._early: dict[str, list[Handover | Receipt]] = {}
        """What was said of real messages that the draft has not sent yet."""

    def begin(self, base: Partition, rows: Iterable[tuple[str, int, bytes]]) -> None:
        """Begin as the partition really was, `rows` its contacts.

        The draft is in force at once, if anything was.
        """
        partition = self.partition
        partition.load(base.published, rows)
        partition.waking_at_ms = base.waking_at_ms
        self._awaiting.update(self._open)
        if base.published:
            self.publish(base.now_ms, base.published)

    def fold(self, input: Input, now_ms: int) -> None:
        """Fold what does not come from a channel or a clock."""
        self.partition.fold(input, now_ms)
        if self.decisions:
            self.decide()

    def publish(self, now_ms: int, real: bytes) -> None:
        """Take in that this was really published: see console.replay.against.reign."""
        published = self.partition.published
        source = next_source(self._source, self._states, published, real)
        if source == published:
            self.fold(Advance(0), now_ms)  # Only the clock moves.
        else:
            self.fold(Publish(source), now_ms)

    def run_to(self, until_ms: int) -> None:
        """Let the timers due by then apply, moment by moment: channels answer in between."""
        partition = self.partition
        while partition.next_due_at_ms <= until_ms:
            self.fold(Advance(partition.next_due_at_ms), partition.now_ms)

    def advance(self, advance: Advance, now_ms: int, last_ms: int) -> None:
        """Let timers apply as they really did; of schedules without end, those up to `last_ms`."""
        if advance.until_ms > FAR_MS >> 1 and self.partition.programs.timed:
            advance = Advance(last_ms)
        self.run_to(advance.until_ms - 1)
        self.fold(advance, now_ms)

    def hear(self, said: Handover | Receipt, now_ms: int) -> None:
        """Take in what became of a real message."""
        key = said.key
        if key not in self._awaiting:
            self._early.setdefault(key, []).append(said)
            if len(self._early) > EARLY_MAX:
                del self._early[next(iter(self._early))]
        elif isinstance(said, Receipt) and not said.kind:
            self._awaiting.discard(key)
        self.fold(said, now_ms)

    def end(self, outcome: Outcome) -> None:
        """Take in that a real message ended, and no receipt of it will come."""
        if outcome.key in self._awaiting:
            self._awaiting.discard(outcome.key)
            self._deliver(outcome)
            self.decide()

    def decide(self) -> None:
        """Look at what was decided, and do to messages what channels did, or would do."""
        while self.decisions:
            decisions = self.decisions[:]
            self.decisions.clear()
            for decision in decisions:
                if isinstance(decision, Outcome):
                    self.outcomes.append(decision)
                    if decision.outcome == SENT:
                        self._send(decision)
                elif isinstance(decision, Fault):
                    self.faults += 1

    def _send(self, sent: Outcome) -> None:
        partition = self.partition
        settled = False
        for said in self._early.pop(sent.key, ()):
            settled |= isinstance(said, Receipt) and not said.kind
            partition.fold(said, partition.now_ms)
        if settled:
            return
        if sent.key in self._open:
            self._awaiting.add(sent.key)
        else:
            self._deliver(sent)

    def _deliver(self, sent: Outcome) -> None:
        receipt = Receipt(sent.contact, sent.key, delivered=True)
        self.partition.fold(receipt, self.partition.now_ms)
