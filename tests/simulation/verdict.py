"""Verdict: whether a world that came to rest kept every promise."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from actors.frame import (
    AdvanceRecord,
    EventRecord,
    Frame,
    HandoverRecord,
    PublishRecord,
    ReceiptRecord,
    Record,
    encode_frame,
    input_of,
)
from actors.shards.outbox import Outbox
from actors.shards.recovery import Recovery
from actors.shards.shard import Shard
from actors.slot import SNAPSHOT_FOLDER
from actors.store.history import read_history
from actors.store.snapshots import SnapshotFiles
from engine.decision import EXITED, FAILED, NO_CONSENT, SENT, Decision, Fault, Outcome
from engine.input import Verdict
from engine.partition import Partition
from tests.engine.machines.shop import Model
from tests.engine.machines.test_fold import in_plain_words
from tests.simulation.ledger import Put
from tests.simulation.shop import EXTRA
from tests.simulation.stage import PARTITIONS
from tests.simulation.world import World


class BrokenError(AssertionError):
    """A promise that was not kept."""


def judge(world: World) -> None:
    """Check all promises. Raises BrokenError."""
    applied: list[tuple[str, str]] = []
    outcomes: dict[str, Outcome] = {}
    deliveries: Counter[str] = Counter()
    for slot, service in world.services.items():
        frames = list(read_history(world.folders[slot], world.key, 0, world.disk))
        applied += _check_verdicts(frames)
        for said in _model_agrees(frames, world.erased):
            deliveries[said] += 1
        for frame in frames:
            outcomes.update((outcome.key, outcome) for outcome in frame.outcomes)
        _check_refold(service.shard, frames, erased=bool(world.erased))
        _check_counters(world, slot, frames)
        _check_erased(world, slot, frames)
        _check_published(world, slot, frames)
    _check_events(world, applied)
    _check_messages(world, outcomes, deliveries)


def _require(truth: object, problem: str) -> None:
    if not truth:
        raise BrokenError(problem)


def _check_erased(world: World, slot: int, frames: list[Frame]) -> None:
    """No file tells of an erased contact: neither log nor archive nor snapshots."""
    snapshots = SnapshotFiles(world.folders[slot] / SNAPSHOT_FOLDER, world.key, world.disk)
    heads = [head for heads in snapshots.all_heads().values() for head in heads]
    keys = {row.key for head in heads for rows in snapshots.rows(head) for row in rows}
    texts = [encode_frame(frame) for frame in frames]
    for contact in world.erased:
        name = msgspec.msgpack.encode(contact)
        _require(not any(name in text for text in texts), f"the log tells of {contact}, erased")
        _require(contact not in keys, f"a snapshot tells of {contact}, erased")


def _check_published(world: World, slot: int, frames: list[Frame]) -> None:
    """What an operator was told is published, the log has."""
    records = [record for frame in frames for record in frame.records]
    logged = {record.source for record in records if isinstance(record, PublishRecord)}
    told = {source for number, source in world.told_published if number == slot}
    _require(told <= logged, f"the log of shard {slot} lacks a publication that was told to be in")


def _check_verdicts(frames: list[Frame]) -> list[tuple[str, str]]:
    """Return contact and id of each event that counts, in the order of the log."""
    applied = []
    for frame in frames:
        _require(not frame.faults, f"faults in the log: {frame.faults}")
        for record, verdict in zip(frame.records, frame.verdicts, strict=True):
            if isinstance(record, EventRecord) and verdict == Verdict.APPLIED:
                applied.append((record.event.contact, record.event.id))
    return applied


def _model_agrees(frames: list[Frame], erased: set[str]) -> Iterator[str]:
    """Fold the log with the engine and the model, record by record; yield each key handed over.

    The model knows when each timer is due: an effect too early, too late or twice is not its.
    """
    partitions: dict[int, Partition] = {}
    models: dict[int, Model] = {}
    decisions: list[Decision] = []
    published: Record | None = None
    for frame in frames:
        for record in frame.records:
            number = _partition_of(record)
            if number is None:
                published = record
                for each in partitions.values():
                    each.fold(input_of(record), record.now_ms)
                continue
            partition = partitions.get(number)
            if partition is None:
                partition = partitions[number] = Partition(number, decisions, hot_max=2)
                models[number] = Model()
                if published is not None:
                    partition.fold(input_of(published), published.now_ms)
            now_ms = max(record.now_ms, partition.now_ms)
            _require(now_ms == record.now_ms, f"time went back in partition {number}: {record}")
            if isinstance(record, AdvanceRecord):
                _require(record.until_ms <= now_ms, f"{record}: its timers were not due")
            partition.fold(input_of(record), record.now_ms)
            _tell(models[number], record)
            known = [each for each in decisions if not _is_extra(each)]
            _require(
                not any(each.contact in erased for each in known), f"{record} names one erased"
            )
            made, wanted = in_plain_words(known), models[number].take()
            _require(made == wanted, f"{record}: decided {made}, and the model says {wanted}")
            yield from (said[1] for said in in_plain_words(decisions) if said[0] == "delivery")
            decisions.clear()


def _is_extra(decision: Decision) -> bool:
    return not isinstance(decision, Fault) and decision.journey.startswith(EXTRA)


def _partition_of(record: Record) -> int | None:
    if isinstance(record, EventRecord):
        return record.event.partition
    return None if isinstance(record, PublishRecord) else record.partition


def _tell(model: Model, record: Record) -> None:
    now_ms = record.now_ms
    if isinstance(record, EventRecord):
        event = record.event
        payload = msgspec.json.decode(event.payload)
        at_ms = now_ms if event.at_ms is None else event.at_ms
        price, level = payload.get("price", 0), payload.get("email", "")
        model.event(event.contact, event.id, event.name, price, level, at_ms, now_ms)
    elif isinstance(record, AdvanceRecord):
        model.advance(min(record.until_ms, now_ms))
    elif isinstance(record, HandoverRecord):
        model.handover(record.contact, record.key, record.as_of_ms)
    elif isinstance(record, ReceiptRecord):
        receipt = record.receipt
        model.receipt(receipt.contact, receipt.key, now_ms, delivered=receipt.delivered)


class _WholeLog:
    """See actors.store.port.Log: all that ever was in it."""

    epoch = commits = size_bytes = 0

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames

    def frames(self, position: int | None = 0) -> Iterator[Frame]:
        """See Log."""
        assert position == 0
        return iter(self._frames)

    def append(self, position: int, frames: list[bytes]) -> None:
        """See Log."""

    def release(self, position: int) -> None:
        """See Log."""

    def close(self) -> None:
        """See Log."""


def _check_refold(live: Shard, frames: list[Frame], *, erased: bool) -> None:
    """Fold the log from nothing: byte for byte what is live, and what was decided then."""
    again = Shard(live.slot, PARTITIONS // len(live.partitions), live.clock)
    outbox = Outbox()
    Recovery(again, outbox).run(_WholeLog(frames), None)
    _require(again.differences == 0, f"{again.differences} outcomes differ in a refold")
    _require(live.differences == 0, f"{live.differences} outcomes differed in a recovery")
    _require(outbox.depth == 0, f"{outbox.depth} messages are open in a refold")
    _require(again.position == live.position, f"position {live.position}, not {again.position}")
    for number, partition in live.partitions.items():
        other = again.partitions[number]
        same = _state(partition) == _state(other)
        if not erased:  # The log does not tell any more whose sessions ended.
            same = same and partition.sessions_ended == other.sessions_ended
        _require(same, f"partition {number} differs in a refold")


def _state(partition: Partition) -> tuple[object, ...]:
    contacts = {key: partition.contact_bytes(key) for key in partition.contact_keys()}
    due_at_ms = partition.next_due_at_ms
    return partition.now_ms, partition.published, due_at_ms, partition.pseq, contacts


def _check_counters(world: World, slot: int, frames: list[Frame]) -> None:
    """What a shard says of itself is what its log says."""
    status = world.services[slot].status()
    verdicts: Counter[int] = Counter()
    last: dict[str, Outcome] = {}
    for frame in frames:
        for record, verdict in zip(frame.records, frame.verdicts, strict=True):
            if isinstance(record, EventRecord):
                verdicts[verdict] += 1
        last.update((outcome.key, outcome) for outcome in frame.outcomes)
    told = [status[f"events_{each}"] for each in ("applied", "repeated", "failed")]
    counted = [verdicts[each] for each in (Verdict.APPLIED, Verdict.REPEAT, Verdict.FAILED)]
    _require(
        world.erased or told == counted,
        f"shard {slot} tells of {told} events, its log of {counted}",
    )
    tally: Counter[tuple[str, str]] = Counter(
        (each.journey, each.outcome) for each in last.values()
    )
    _require(status["position"] == sum(len(frame.records) for frame in frames), "position")
    if world.erased:
        return  # Counters go on, and the log does not tell what they counted.
    told_tally = {
        (journey, outcome): count
        for journey, counts in status["outcomes"].items()
        for outcome, count in counts.items()
        if count
    }
    _require(told_tally == dict(tally), f"shard {slot} tells {told_tally}, its log {tally}")
    _require(status["outbox"] == 0, f"shard {slot} has {status['outbox']} messages left")
    _require(status["queue"] == 0, f"shard {slot} has {status['queue']} requests left")


def _check_events(world: World, applied: list[tuple[str, str]]) -> None:
    """Acknowledged events count once, all others at most once, in the order they were sent."""
    counts = Counter(applied)
    twice = [each for each, count in counts.items() if count > 1]
    _require(not twice, f"applied twice: {twice}")
    place = {each: index for index, each in enumerate(applied)}
    for sender in world.senders:
        _check_order(sender.puts, place)
    _check_kept(world, applied)


def _check_order(puts: list[Put], place: dict[tuple[str, str], int]) -> None:
    """What was in one request, or sent for the last time before something else was, comes first.

    Of two requests sent before the first answer, one that was refused comes after the other. A
    request that was refused may have been taken in part: its beginning, never its end alone.
    """
    for at, later in enumerate(puts):
        contact = later.event.contact
        for earlier in puts[:at]:
            if earlier.event.contact != contact:
                continue
            if earlier.request != later.request and earlier.last > later.first:
                continue
            first, second = (place.get((contact, each.event.id)) for each in (earlier, later))
            if first is not None and second is not None and first > second:
                raise BrokenError(f"{later.event.id} was applied before {earlier.event.id}")


def _check_kept(world: World, applied: list[tuple[str, str]]) -> None:
    """What contacts know of is what was applied to them, in that order."""
    for contact in set(world.contacts) - world.erased:
        ids = [id for key, id in applied if key == contact]
        for service in world.services.values():
            for partition in service.shard.partitions.values():
                kept = partition.contact(contact)
                if kept is not None:
                    mine = [*kept.older_event_ids, *kept.event_ids]
                    _require(
                        mine == ids[len(ids) - len(mine) :], f"{contact} knows {mine}, not {ids}"
                    )
                    ids = []
        _require(not ids, f"{contact} is nowhere, and did {ids}")


def _check_messages(world: World, outcomes: dict[str, Outcome], deliveries: Counter[str]) -> None:
    """What was decided is what became of it at the channel."""
    for key, outcome in outcomes.items():
        _require(outcome.contact not in world.erased, f"{key} is of an erased contact")
        results = [each.result for each in world.post.tries.get(key, [])]
        if outcome.outcome == SENT:
            _require("delivered" in results, f"{key} was never delivered: {results}")
        elif outcome.outcome == FAILED:
            _require("failed" in results, f"{key} did not fail: {results}")
        elif outcome.outcome in (EXITED, NO_CONSENT) and outcome.channel:
            _require(not results, f"{key} was {outcome.outcome}, and tried: {results}")
    for key, tries in world.post.begun.items():
        if world.post.contacts[key] in world.erased:
            continue
        _require(key in outcomes, f"{key} was tried and never decided")
        handed = deliveries[key]
        _require(tries <= handed, f"{key} was tried {tries} times, handed over {handed} times")
