"""The verdict: what the logs, the channels and a refold from nothing say of what was promised."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from actors.clock import WallClock
from actors.errors import LogCorruptError, OperatorError
from actors.frame import (
    EventRecord,
    Frame,
    HandoverRecord,
    PublishRecord,
    Record,
    partition_number,
)
from actors.shards.outbox import Outbox
from actors.shards.recovery import Recovery
from actors.shards.shard import Shard
from actors.store.history import read_history
from actors.store.key import store_key
from actors.store.port import Log, SnapshotHead, Snapshots
from actors.store.snapshots import SnapshotFiles
from engine.contacts.identity import message_key, partition_of, visit_id
from engine.decision import SENT, Outcome
from engine.input import Verdict
from engine.limits import EVENT_ID_CHARS_KEPT, EVENT_IDS_MAX
from engine.partition import Partition
from tests.chaos.ledger import Connection, Numbered

SHOWN_MAX = 5


def wrong_in(
    data: Path,
    connections: list[Connection],
    waits_ms: dict[str, dict[str, int]],
    message_ids: list[str] | None,
    at_rest: dict[str, float],
    *,
    snapshots: bool,
    erased: Collection[str] = (),
) -> tuple["History", list[str]]:
    """Return what the logs of a folder at rest tell, and all that is wrong there.

    `message_ids` are those of the mails that came; None where messages went to the file.
    `snapshots`: whether the shards wrote theirs when they stopped. `erased`: contacts of which
    nothing may be left; mails to them are not among `message_ids`.
    """
    history = History(data)
    wrong = [
        *history.faults,
        *events_wrong(history, connections, erased),
        *timers_wrong(history, waits_ms),
        *entries_wrong(history, "buy", "hello", "mail"),
        *(
            file_wrong(history, data, erased)
            if message_ids is None
            else mails_wrong(history, message_ids)
        ),
    ]
    try:
        refold = Refold(data)
        wrong += refold.wrong(history, at_rest)
        if snapshots:
            wrong += refold.snapshots_wrong(data)
    except OperatorError as error:
        wrong.append(f"it cannot be refolded: {error}")
    return history, wrong


class History:
    """What the logs of a data folder tell, of all shards together."""

    def __init__(self, data: Path | None) -> None:
        """Without a folder nothing is read yet."""
        self.applied: list[Numbered] = []
        """In the order of the log; contacts do not change their shard."""
        self.applied_at_ms: dict[Numbered, int] = {}
        self.names: dict[Numbered, str] = {}
        self.handovers: Counter[str] = Counter()
        self.outcomes: dict[str, Outcome] = {}
        self.decided: dict[str, Outcome] = {}
        """The first outcome of each key."""
        self.latest_ms = 0
        self.faults: list[str] = []
        """Where the log itself is not as it must be."""
        for folder in sorted(data.glob("shard-*")) if data else []:
            try:
                self._read(folder)
            except LogCorruptError as error:
                self.faults.append(str(error))

    def _read(self, folder: Path) -> None:
        now_ms: dict[int, int] = {}
        published_ms = 0
        for frame in frames_of(folder):
            for record, verdict in zip(frame.records, frame.verdicts, strict=True):
                self.latest_ms = max(self.latest_ms, record.now_ms)
                if isinstance(record, PublishRecord):
                    # What the clock said, be it set back: no partition's now gets behind it.
                    published_ms = max(published_ms, record.now_ms)
                    continue
                partition = partition_number(record)
                if record.now_ms < max(now_ms.get(partition, 0), published_ms):
                    self.faults.append(f"{folder}: now goes back in partition {partition}")
                now_ms[partition] = record.now_ms
                self.take(record, verdict)
            self.take_rest(frame, now_ms)

    def take_rest(self, frame: Frame, now_ms: dict[int, int]) -> None:
        """Take what a frame decided; its records are taken, up to this now of each partition."""
        for outcome in frame.outcomes:
            self._take_outcome(outcome, now_ms.get(partition_of(outcome.contact), 0))
        self.faults += [f"{fault.contact}: {fault.what}: {fault.error}" for fault in frame.faults]

    def take(self, record: Record, verdict: int) -> None:
        if isinstance(record, EventRecord) and verdict == Verdict.APPLIED:
            numbered = (record.event.contact, record.event.id)
            self.applied.append(numbered)
            self.applied_at_ms[numbered] = record.now_ms
            self.names[numbered] = record.event.name
        elif isinstance(record, HandoverRecord):
            self.handovers[record.key] += 1

    def _take_outcome(self, outcome: Outcome, now_ms: int) -> None:
        if outcome.key in self.decided and outcome.outcome == SENT:
            self.faults.append(f"{outcome.key} was decided twice")
        self.decided.setdefault(outcome.key, outcome)
        self.outcomes[outcome.key] = outcome
        if outcome.at_ms > now_ms:
            early_ms = outcome.at_ms - now_ms
            self.faults.append(f"{outcome.key} was decided {early_ms} ms early")

    @property
    def sent(self) -> set[str]:
        return {key for key, outcome in self.outcomes.items() if outcome.outcome == SENT}


def frames_of(folder: Path) -> Iterator[Frame]:
    """Read all frames of a shard, from the first, archive and log."""
    return read_history(folder, store_key(folder.parent), 0)


class FinishedLog:
    """A log of which all is known, as a Recovery reads it."""

    epoch, commits, size_bytes = 0, 0, 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def frames(self, position: int | None = 0) -> Iterator[Frame]:
        assert position == 0
        return frames_of(self._folder)

    def append(self, position: int, frames: list[bytes]) -> None:
        raise NotImplementedError

    def release(self, position: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""


def events_wrong(
    history: History, connections: list[Connection], erased: Collection[str] = ()
) -> Iterator[str]:
    """Acknowledged: exactly once. Not acknowledged: at most once. Each contact's in order.

    Those of erased contacts: not at all.
    """
    counts = Counter(history.applied)
    acknowledged = [each for connection in connections for each in connection.acknowledged]
    lost = [each for each in acknowledged if not counts[each] and each[0] not in erased]
    yield from listed("acknowledged and lost", lost)
    yield from listed("applied more than once", [each for each, n in counts.items() if n > 1])
    begun = {each for connection in connections for each in connection.begun}
    yield from listed("applied and never sent", [each for each in counts if each not in begun])
    yield from listed("applied, of erased contacts", [each for each in counts if each[0] in erased])
    yield from listed(
        "out of order", [contact for contact, ids in ids_of(history).items() if ids != sorted(ids)]
    )


def ids_of(history: History) -> dict[str, list[int]]:
    """Return the numbers of the events applied, by contact, in the order of the log."""
    numbers: dict[str, list[int]] = {}
    for contact, id in history.applied:
        numbers.setdefault(contact, []).append(int(id.rpartition("-")[2]))
    return numbers


def timers_wrong(history: History, waits_ms: dict[str, dict[str, int]]) -> Iterator[str]:
    """Each message comes as long after its event as its journey says: {journey: {node: ms}}.

    That the log had come to that moment by then is seen to where it is read.
    """
    wrong = []
    for (contact, id), at_ms in history.applied_at_ms.items():
        for journey, nodes in waits_ms.items():
            for node, wait_ms in nodes.items():
                outcome = history.decided.get(message_key(visit_id(journey, contact, id), node, 1))
                if outcome and outcome.outcome == SENT and outcome.at_ms != at_ms + wait_ms:
                    wrong.append((outcome.key, outcome.at_ms - at_ms - wait_ms))
    yield from listed("not as long after its event as the journey says", wrong)


def entries_wrong(history: History, event: str, journey: str, node: str) -> Iterator[str]:
    """Each such event was answered with a message."""
    asked = [each for each in history.applied if history.names[each] == event]
    keys = {each: message_key(visit_id(journey, *each), node, 1) for each in asked}
    sent = history.sent
    missing = [(*each, history.outcomes.get(key)) for each, key in keys.items() if key not in sent]
    yield from listed(f"{event} without the message of {journey}", missing)


def file_wrong(history: History, data: Path, erased: Collection[str] = ()) -> Iterator[str]:
    """The file holds each key that was sent, once, and no other but those of erased contacts."""
    path = data / "messages.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    messages = [json.loads(line) for line in lines]
    keys = Counter(each["key"] for each in messages)
    gone = {each["key"] for each in messages if each["contact"] in erased}
    yield from listed("twice in the file", [key for key, count in keys.items() if count > 1])
    yield from listed("in the file, and not decided", sorted(set(keys) - gone - history.sent))
    yield from listed("sent, and not in the file", sorted(history.sent - set(keys)))


def mails_wrong(history: History, message_ids: list[str]) -> Iterator[str]:
    """Each key that was sent came; twice only where it was handed over again, by the same id."""
    keys = Counter(id.strip("<>").partition("@")[0] for id in message_ids)
    again = [key for key, count in keys.items() if count > history.handovers[key]]
    yield from listed("more mails than handovers", again)
    yield from listed("mailed, and not decided", sorted(set(keys) - history.sent))
    yield from listed("sent, and not mailed", sorted(history.sent - set(keys)))


class Refold:
    """The state that the logs of a data folder come to when they are folded from nothing."""

    def __init__(self, data: Path) -> None:
        folders = sorted(data.glob("shard-*"))
        self.unsettled = 0
        self.shards = [
            self.fold(Shard(slot, len(folders), WallClock()), FinishedLog(folder))
            for slot, folder in enumerate(folders)
        ]

    def fold(self, shard: Shard, log: Log) -> Shard:
        """Fold all of a log, and count the messages that are not settled at its end."""
        outbox = Outbox()
        Recovery(shard, outbox).run(log, None)
        self.unsettled += outbox.depth
        return shard

    def wrong(self, history: History, at_rest: dict[str, float]) -> Iterator[str]:
        """Compare with what the shards said of themselves, and with the order of the log."""
        counts: Counter[str] = Counter()
        for shard in self.shards:
            counts.update({name: shard.status()[name] for name in at_rest})
        for name, count in at_rest.items():
            if counts[name] != count:
                yield f"refolded, {name} is {counts[name]}; live it was {count:.0f}"
        differences = sum(shard.differences for shard in self.shards)
        if differences:
            yield f"{differences} outcomes are refolded otherwise"
        if self.unsettled:
            yield f"{self.unsettled} messages are not settled"
        ids: dict[str, list[str]] = {}
        for contact, id in history.applied:
            assert len(id) <= EVENT_ID_CHARS_KEPT
            ids.setdefault(contact, []).append(id)
        wrong = [key for key, each in ids.items() if self._last_ids(key) != each[-EVENT_IDS_MAX:]]
        yield from listed("contacts whose state holds other last events than the log", wrong)

    def snapshots_wrong(self, data: Path) -> Iterator[str]:
        """Compare with what the shards wrote of their live state when they stopped."""
        key = store_key(data)
        for shard in self.shards:
            files = SnapshotFiles(data / f"shard-{shard.slot}" / "snapshots", key)
            heads = files.latest_heads()
            for number, partition in shard.partitions.items():
                if number not in heads:
                    yield f"partition {number} was stopped without a snapshot"
                    continue
                yield from snapshot_wrong(heads[number], files, partition)

    def _last_ids(self, key: str) -> list[str]:
        number = partition_of(key)
        shard = next(each for each in self.shards if number in each.partitions)
        contact = shard.partitions[number].contact(key)
        return (
            []
            if contact is None
            else [*contact.older_event_ids, *contact.event_ids][-EVENT_IDS_MAX:]
        )


def snapshot_wrong(head: SnapshotHead, snapshots: Snapshots, partition: Partition) -> Iterator[str]:
    """Compare a refolded partition with the last snapshot of it: what it was live."""
    number = head.partition
    rows = {row.key: row.state for rows in snapshots.rows(head) for row in rows}
    if (head.pseq, head.now_ms) != (partition.pseq, partition.now_ms):
        refolded = f"pseq {partition.pseq} and now {partition.now_ms}"
        yield f"partition {number}: refolded, {refolded}; live, {head.pseq} and {head.now_ms}"
    if dict(head.tombstones) != partition.tombstones:
        yield f"partition {number}: refolded, it keeps out others than it did live"
    states = partition.states()
    differ = [key for key in {*rows, *states} if rows.get(key) != states.get(key)]
    yield from listed(f"contacts of partition {number} refolded otherwise", differ)


def listed(what: str, found: Sequence[object]) -> Iterator[str]:
    if found:
        yield f"{len(found)} {what}: {found[:SHOWN_MAX]}"
