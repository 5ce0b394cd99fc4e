"""Held: all that a store keeps of one contact, read from what is durable alone."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from actors.erasure import contact_of
from actors.frame import (
    EventRecord,
    Frame,
    HandoverRecord,
    PublishRecord,
    ReceiptRecord,
    Record,
    input_of,
    partition_number,
)
from actors.kept.kept import Kept, StorePlace
from actors.kept.opening import open_kept
from actors.store.port import SnapshotHead
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.contacts.session import unpacked
from engine.decision import Decision
from engine.input import decode_payload
from engine.partition import Partition

VERDICTS = ("applied", "repeat", "failed", "erased")


class Held(Struct, kw_only=True):
    """All that a store keeps of a contact. Moments are epoch milliseconds, UTC."""

    contact: str
    shard: int
    partition: int
    kept_out_until_ms: int | None = None
    """It was erased, and its events are kept out until then."""
    state: dict[str, Any] | None = None
    """What is known of it now, as engine.contacts.contact names it; None where nothing is."""
    inputs: list[dict[str, Any]] = []
    """Its events, handovers and receipts in the log and its archive, in order."""
    outcomes: list[dict[str, Any]] = []
    faults: list[dict[str, Any]] = []


def held_of(data: StorePlace, contact: str, key_file: Path | None = None) -> Held:
    """Read all that is kept of a contact; the system may run meanwhile, what is durable counts.

    Raises OperatorError where there is no store or the key is missing, LogCorruptError.
    """
    number = partition_of(contact)
    with closing(open_kept(data, key_file)) as kept:
        held = Held(contact=contact, shard=kept.owner(number), partition=number)
        for frame in kept.history(number):
            _collect(held, frame)
        decisions: list[Decision] = []
        partition = Partition(number, decisions)
        head = next(reversed(kept.heads(number)), None)
        if head is not None:
            _load(partition, kept, head)
        for frame in kept.history(number, head):
            for record in frame.records:
                _fold(partition, record)
                decisions.clear()
    known = partition.contact(contact)
    held.state = None if known is None else readable(known)
    until_ms = partition.tombstones.get(digest_of(contact), 0)
    held.kept_out_until_ms = until_ms if until_ms > partition.now_ms else None
    return held


def readable(value: Any) -> Any:
    """Return a Struct as a dict by the names of its fields; what is kept packed is unpacked."""
    if isinstance(value, Struct):
        fields = msgspec.structs.asdict(value).items()
        return {name: readable(each) for name, each in fields}
    if isinstance(value, dict):
        return {name: readable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [readable(each) for each in value]
    return unpacked(value) if isinstance(value, bytes) else value


def _load(partition: Partition, kept: Kept, head: SnapshotHead) -> None:
    rows = [row for part in kept.rows(head) for row in part]
    partition.load(head.published, ((row.key, row.armed_at_ms, row.state) for row in rows))
    partition.now_ms, partition.waking_at_ms = head.now_ms, head.waking_at_ms
    partition.tombstones = dict(head.tombstones)


def _fold(partition: Partition, record: Record) -> None:
    if isinstance(record, PublishRecord) or partition_number(record) == partition.number:
        partition.fold(input_of(record), record.now_ms)


def _collect(held: Held, frame: Frame) -> None:
    contact = held.contact
    for at, record in enumerate(frame.records):
        if contact_of(record) == contact:
            verdict = VERDICTS[frame.verdicts[at]]
            about = {"position": frame.position + at, "now_ms": record.now_ms, "verdict": verdict}
            held.inputs.append(about | _told(record))
    held.outcomes += [readable(each) for each in frame.outcomes if each.contact == contact]
    held.faults += [readable(each) for each in frame.faults if each.contact == contact]


def _told(record: Record) -> dict[str, Any]:
    """Return what a record of a contact says, for people."""
    match record:
        case EventRecord(event=event):
            try:
                payload: Any = decode_payload(event.payload)
            except ValueError:
                payload = event.payload.decode(errors="replace")
            at_ms = event.at_ms
            return {"event": event.name, "id": event.id, "at_ms": at_ms, "payload": payload}
        case HandoverRecord(key=key):
            return {"handover": key}
        case ReceiptRecord(receipt=receipt):
            told = "delivered" if receipt.delivered else "failed"
            said = {"receipt": receipt.key, "channel_says": told, "reason": receipt.reason}
            return said if receipt.answer is None else said | {"answer": receipt.answer}
        case _:
            raise AssertionError(f"{type(record).__name__} is of no contact")
