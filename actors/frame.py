"""Frame: one durable unit of the log: inputs with their now, a verdict each, what was decided.

`pseq` of a record numbers the inputs of its partition, from 1.
"""

from typing import Final

import msgspec
from msgspec import Struct

from actors.link import LinkEvent
from engine.decision import Fault, Outcome
from engine.input import Advance, Event, Handover, Input, Publish, Receipt

FOLD_VERSION: Final = 1
"""Raised with each change that lets the same inputs fold to other decisions."""


class EventRecord(Struct, frozen=True, array_like=True, tag="e", gc=False):
    """An event, as its gateway sent it."""

    now_ms: int
    event: LinkEvent
    pseq: int = 0


class AdvanceRecord(Struct, frozen=True, array_like=True, tag="a", gc=False):
    """Time came for timers of a partition."""

    now_ms: int
    partition: int
    until_ms: int
    pseq: int = 0


class PublishRecord(Struct, frozen=True, array_like=True, tag="p", gc=False):
    """Journeys went into force in all partitions of the shard."""

    now_ms: int
    source: bytes


class HandoverRecord(Struct, frozen=True, array_like=True, tag="h", gc=False):
    """A courier came for a message."""

    now_ms: int
    partition: int
    contact: str
    key: str
    as_of_ms: int
    pseq: int = 0


class ReceiptRecord(Struct, frozen=True, array_like=True, tag="r", gc=False):
    """A channel said what became of a message."""

    now_ms: int
    partition: int
    receipt: Receipt
    pseq: int = 0


PartitionRecord = EventRecord | AdvanceRecord | HandoverRecord | ReceiptRecord
"""What is for one partition alone."""

Record = PartitionRecord | PublishRecord


class Frame(Struct, array_like=True, gc=False):
    """What one slice of inputs came to."""

    position: int
    """Number of its first record, from 0, counted over the whole log."""
    fold_version: int
    records: list[Record]
    verdicts: bytes
    """One engine.input.Verdict a record."""
    outcomes: list[Outcome]
    faults: list[Fault]


encode_frame: Final = msgspec.msgpack.Encoder().encode
decode_frame: Final = msgspec.msgpack.Decoder(Frame).decode
decode_payload: Final = msgspec.json.Decoder(dict).decode


def partition_number(record: PartitionRecord) -> int:
    """Return the partition that a record is for."""
    return record.event.partition if isinstance(record, EventRecord) else record.partition


def settled_by(record: Record) -> str:
    """Return the key of the message that a record may end; empty where it is about none."""
    if isinstance(record, HandoverRecord):
        return record.key
    return record.receipt.key if isinstance(record, ReceiptRecord) else ""


def input_of(record: Record) -> Input:
    """Return the engine's input of a record. Raises msgspec.DecodeError for a broken payload."""
    match record:
        case EventRecord(event=event):
            payload = decode_payload(event.payload)
            return Event(event.id, event.contact, event.name, event.at_ms, payload)
        case AdvanceRecord(until_ms=until_ms):
            return Advance(until_ms)
        case PublishRecord(source=source):
            return Publish(source)
        case HandoverRecord():
            return Handover(record.contact, record.key, record.as_of_ms)
        case ReceiptRecord(receipt=receipt):
            return receipt
