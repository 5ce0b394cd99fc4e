"""Frame: one durable unit of the log: inputs with their now, a verdict each, what was decided.

`pseq` of a record numbers the inputs of its partition, from 1.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from actors.links.link import LinkEvent
from engine.decision import Fault, Outcome
from engine.input import Advance, Erase, Event, Handover, Input, Publish, Receipt

FOLD_VERSION: Final = 3
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
    through: int | None = None
    """See engine.input.Advance. None in logs of before there were erasures."""


class PublishRecord(Struct, frozen=True, array_like=True, tag="p", gc=False):
    """Journeys went into force in all partitions of the shard."""

    now_ms: int
    source: bytes
    serial: int = 0
    """Numbers publications over all slots, so that a partition that moves meets none twice."""


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


class EraseRecord(Struct, frozen=True, array_like=True, tag="x", gc=False):
    """A contact was erased. It is named by a digest only: this record stays in the log."""

    now_ms: int
    partition: int
    digest: str
    """See engine.contacts.erasure.digest_of."""
    keep_out_ms: int
    pseq: int = 0


class ErasedRecord(Struct, frozen=True, array_like=True, tag="g", gc=False):
    """Stands where a record of an erased contact was: time came to here, and nothing happened."""

    now_ms: int
    partition: int
    is_event: bool
    """Whether it was an event: so it still counts among them, with its verdict."""
    pseq: int = 0


class OpenedRecord(Struct, frozen=True, array_like=True, tag="o", gc=False):
    """A partition came to this slot; what it was before is in the snapshot that the other wrote."""

    now_ms: int
    partition: int
    pseq: int
    source: bytes = b""
    """The publication in force here, where the partition had an older one."""
    serial: int = -1
    """Of the publication that it came with; -1 in logs of before that was noted."""


PartitionRecord = (
    EventRecord
    | AdvanceRecord
    | HandoverRecord
    | ReceiptRecord
    | EraseRecord
    | ErasedRecord
    | OpenedRecord
)
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


def partition_number(record: PartitionRecord) -> int:
    """Return the partition that a record is for."""
    return record.event.partition if isinstance(record, EventRecord) else record.partition


def settled_by(record: Record) -> str:
    """Return the key of the message that a record may end; empty where it is about none."""
    if isinstance(record, HandoverRecord):
        return record.key
    return record.receipt.key if isinstance(record, ReceiptRecord) else ""


def event_of(event: LinkEvent) -> Event:
    """Return the engine's event. Its payload stays JSON: the gateway has checked that it is."""
    return Event(event.id, event.contact, event.name, event.at_ms, Raw(event.payload))


def input_of(record: Record) -> Input:
    """Return the engine's input of a record."""
    match record:
        case EventRecord(event=event):
            return event_of(event)
        case AdvanceRecord(until_ms=until_ms, through=through):
            return Advance(until_ms, through)
        case PublishRecord(source=source):
            return Publish(source)
        case HandoverRecord():
            return Handover(record.contact, record.key, record.as_of_ms)
        case ReceiptRecord(receipt=receipt):
            return receipt
        case EraseRecord(digest=digest, keep_out_ms=keep_out_ms):
            return Erase(digest, keep_out_ms)
        case OpenedRecord(source=source) if source:
            return Publish(source)
        case ErasedRecord() | OpenedRecord():
            return Advance(0)  # No timer is due by then: only the clock moves.
