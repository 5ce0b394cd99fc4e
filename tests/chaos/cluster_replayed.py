"""The verdict on replays of a cluster: what went out goes out again, in whichever slots it was."""

from collections.abc import Iterator
from contextlib import closing
from heapq import merge

from msgspec import Struct

from actors.errors import OperatorError
from actors.frame import Frame, PublishRecord, Record, partition_number
from actors.kept.kept import RedisPlace
from actors.kept.redis import KeptRedis
from actors.kept.stays import Span
from engine.contacts.identity import partition_of
from engine.decision import Decision, Outcome
from engine.limits import PARTITIONS
from engine.partition import Partition
from tests.chaos.replayed import fold_again, outcomes_wrong, unchanged_wrong


class Placed(Struct):
    """A record where it stands, with what its frame recorded of its partition."""

    position: int
    record: Record
    outcomes: dict[int, list[Outcome]]
    """Of the whole frame, by partition."""


class SlotLife:
    """All that one slot logged, in order, by partition."""

    def __init__(self) -> None:
        self._published: list[Placed] = []
        self._own: dict[int, list[Placed]] = {}

    def take(self, frame: Frame) -> None:
        outcomes: dict[int, list[Outcome]] = {}
        for outcome in frame.outcomes:
            outcomes.setdefault(partition_of(outcome.contact), []).append(outcome)
        for position, record in enumerate(frame.records, frame.position):
            placed = Placed(position, record, outcomes)
            if isinstance(record, PublishRecord):
                self._published.append(placed)
            else:
                self._own.setdefault(partition_number(record), []).append(placed)

    def of(self, number: int, span: Span) -> Iterator[Placed]:
        """Yield what was for a partition while it was here, and what was published meanwhile."""
        both = merge(self._own.get(number, []), self._published, key=lambda each: each.position)
        for each in both:
            if span.first <= each.position and (span.next is None or each.position < span.next):
                yield each


class Refolded:
    """All partitions folded from nothing, each where it was; beside it, what the logs recorded."""

    def __init__(self, kept: KeptRedis) -> None:
        self.recorded: dict[str, Outcome] = {}
        self.folded: dict[str, Outcome] = {}
        self.in_force: set[bytes] = set()
        """What is in force at the end."""
        self.changed_ms = -1
        """When something else came in force for the last time."""
        self._lives: dict[int, SlotLife] = {}
        for slot, frame in kept.frames():
            self._lives.setdefault(slot, SlotLife()).take(frame)
            self.recorded.update({each.key: each for each in frame.outcomes})
        for number in range(PARTITIONS):
            self._fold(number, kept.spans(number, None))

    def _fold(self, number: int, spans: list[Span]) -> None:
        """Fold a partition; what was recorded of it counts in its own order."""
        decisions: list[Decision] = []
        partition = Partition(number, decisions)
        for span in spans:
            for each in self._lives.get(span.slot, SlotLife()).of(number, span):
                before = partition.published
                fold_again(partition, each.record)
                if before not in {b"", partition.published}:
                    self.changed_ms = max(self.changed_ms, each.record.now_ms)
                self.folded.update({x.key: x for x in decisions if isinstance(x, Outcome)})
                self.recorded.update({x.key: x for x in each.outcomes.get(number, [])})
                decisions.clear()
        self.in_force.add(partition.published)


def cluster_replay_wrong(place: RedisPlace) -> Iterator[str]:
    """A replay gives the messages that were really decided, byte for byte, wherever they were.

    All of the history, joined over the slots, with the publishes that are in it, each where the
    partition met it; and against an unchanged draft, from the last publish on.
    """
    try:
        with closing(KeptRedis(place)) as kept:
            late = [number for number in range(PARTITIONS) if not kept.is_whole(number)]
            if late:
                yield f"the histories of partitions {late} do not begin with nothing"
                return
            found = Refolded(kept)
        yield from outcomes_wrong(found.recorded, found.folded)
        if len(found.in_force) > 1:
            yield f"at rest, {len(found.in_force)} publications are in force"
            return
        yield from unchanged_wrong(place, found.in_force.pop(), found.changed_ms + 1)
    except OperatorError as error:
        yield f"it cannot be replayed: {error}"
