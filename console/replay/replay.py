"""Replay: folds a file of events in simulated time and says which messages would have gone out."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import orjson
from msgspec import Struct

from actors.errors import OperatorError
from actors.shards.tally import OutcomeTally, merge_tallies
from engine.contacts.identity import partition_of
from engine.decision import SENT, Decision, Fault, Outcome
from engine.input import Advance, Event, Publish, Receipt
from engine.limits import DAY_MS, FAR_MS, PARTITIONS
from engine.partition import Partition
from ingest.readers import Chunk

RUN_ON_MS: Final = 31 * DAY_MS
"""How long time runs on after the last event where schedules or dates have no end."""
ROUND_CHUNKS: Final = 16
"""Chunks of a file (2 MB, 10,000 events) that are folded in one round."""
SAMPLE_EVERY: Final = 32
"""Of so many rounds the decisions of one are timed, which costs 0.2 µs each."""


class ReplayReport(Struct, kw_only=True):
    """What a replay came to."""

    events: int
    repeated: int
    rejected: int
    failed: int = 0
    contacts: int
    sessions: int | None
    """None where outcomes were read from a log, which does not say."""
    wall_s: float
    events_per_s: float
    outcomes: dict[str, dict[str, int]]
    decision_us: dict[str, float]
    """Empty where outcomes were read from a log: nothing was decided."""


class Replay:
    """A system in one process and simulated time: the same partitions, no log, no sockets."""

    def __init__(self, source: bytes) -> None:
        self.outcomes: dict[str, Outcome] = {}
        """By key, the last one."""
        self.faults: list[Fault] = []
        self._decisions: list[Decision] = []
        self._partitions = [Partition(number, self._decisions) for number in range(PARTITIONS)]
        for partition in self._partitions:
            partition.fold(Publish(source), 0)
        self._tally = OutcomeTally()
        self._verdicts = [0, 0, 0]
        self._sampled_ns: list[int] = []
        self._rounds = self._chunks = 0
        self._waiting: list[list[Event]] = [[] for _ in range(PARTITIONS)]
        """Events taken and not yet folded, by partition."""
        self._waiting_of: dict[str, list[Event]] = {}
        """Of those, the list that a contact's events are put in."""
        self.events = 0

    def fold(self, events: list[Event]) -> None:
        """Take events in their order; time goes on by what they say, in each partition.

        They are folded in rounds, one partition's after the other's: what is kept of a contact is
        then in the processor's cache for most events of a session (a sixth fewer misses, 7 % of
        the time for a million). `fold_waiting` folds those that are left.
        """
        self.events += len(events)
        waiting_of = self._waiting_of.get
        for event in events:
            waiting = waiting_of(event.contact)
            if waiting is None:
                waiting = self._waiting_for(event.contact)
            waiting.append(event)
        self._chunks += 1
        if self._chunks % ROUND_CHUNKS == 0:
            self.fold_waiting()

    def fold_waiting(self) -> None:
        """Fold all events taken so far."""
        fold = self._fold if self._rounds % SAMPLE_EVERY else self._fold_timed
        self._rounds += 1
        for partition, waiting in zip(self._partitions, self._waiting, strict=True):
            if waiting:
                fold(partition, waiting)
                waiting.clear()

    def _fold(self, partition: Partition, events: list[Event]) -> None:
        fold, verdicts, decisions = partition.fold, self._verdicts, self._decisions
        for event in events:
            at_ms = event.at_ms
            verdict = fold(event, partition.now_ms if at_ms is None else at_ms)
            if verdict:
                verdicts[verdict] += 1
            if decisions:
                self._take_decisions(partition)

    def _fold_timed(self, partition: Partition, events: list[Event]) -> None:
        clock = time.perf_counter_ns
        for event in events:
            at_ms = event.at_ms
            began_ns = clock()
            verdict = partition.fold(event, partition.now_ms if at_ms is None else at_ms)
            self._sampled_ns.append(clock() - began_ns)
            self._verdicts[verdict] += 1
            if self._decisions:
                self._take_decisions(partition)

    def _waiting_for(self, contact: str) -> list[Event]:
        """Return where the contact's events wait, and remember it: a hash costs four look-ups."""
        waiting = self._waiting_of[contact] = self._waiting[partition_of(contact)]
        return waiting

    def run_out(self) -> None:
        """Let time run on until no timer is left; schedules have no end, so not for ever."""
        self.fold_waiting()
        until_ms = FAR_MS
        if any(partition.programs.timed for partition in self._partitions):
            until_ms = max(partition.now_ms for partition in self._partitions) + RUN_ON_MS
        for partition in self._partitions:
            while partition.next_due_at_ms < until_ms:
                partition.fold(Advance(until_ms), partition.now_ms)
                self._take_decisions(partition)

    def report(self, rejected: int, wall_s: float, added: int = 0) -> ReplayReport:
        """Return the counts so far; `added` of the events were not in the file."""
        events = self.events - added
        _, repeated, failed = self._verdicts
        sampled = sorted(self._sampled_ns)
        return ReplayReport(
            events=events,
            repeated=repeated,
            rejected=rejected,
            failed=failed,
            contacts=sum(each.contact_count for each in self._partitions),
            sessions=sum(each.sessions_ended for each in self._partitions),
            wall_s=round(wall_s, 3),
            events_per_s=round(events / wall_s) if wall_s else 0,
            outcomes=merge_tallies([self._tally.by_journey]),
            decision_us={
                name: round(sampled[min(int(len(sampled) * ratio), len(sampled) - 1)] / 1000, 2)
                if sampled
                else 0.0
                for name, ratio in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
            },
        )

    def _take_decisions(self, partition: Partition) -> None:
        """Note what was decided, and do to each message what a perfect channel would: at once.

        No Handover is needed: where no time passes before it, nothing can stop the message.
        """
        while self._decisions:
            decisions = self._decisions[:]
            self._decisions.clear()
            for decision in decisions:
                if isinstance(decision, Outcome):
                    self.outcomes[decision.key] = decision
                    self._tally.add(decision)
                    if decision.outcome == SENT:
                        receipt = Receipt(decision.contact, decision.key, delivered=True)
                        partition.fold(receipt, partition.now_ms)
                elif isinstance(decision, Fault):
                    self.faults.append(decision)


def replay_chunks(
    replay: Replay, chunks: Iterable[Chunk], progress: Callable[[Chunk], None]
) -> float:
    """Fold all chunks and run time out; return the seconds it took, reading included.

    The cyclic collector is off meanwhile: the fold makes no cycles.
    """
    began = time.perf_counter()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for chunk in chunks:
            replay.fold(chunk.events)
            progress(chunk)
        replay.run_out()
    finally:
        if collecting:
            gc.enable()
    return time.perf_counter() - began


def sorted_outcomes(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return outcomes in the order in which `--out` lists them."""
    return sorted(outcomes, key=lambda each: (each.at_ms, each.contact, each.journey, each.key))


def check_writable(path: Path) -> None:
    """Make the file, empty. Raises OperatorError now, not at the end of a long replay."""
    try:
        path.write_bytes(b"")
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}") from None


def write_outcomes(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write outcomes as JSON lines: the same outcomes give the same bytes."""
    with path.open("wb") as file:
        file.writelines(lines_of(outcomes))


def lines_of(outcomes: Iterable[Outcome]) -> Iterator[bytes]:
    """Yield outcomes as JSON lines, in order."""
    for outcome in sorted_outcomes(outcomes):
        yield orjson.dumps(msgspec.structs.asdict(outcome)) + b"\n"
