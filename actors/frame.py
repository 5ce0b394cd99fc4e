"""Frame: one durable unit of the log: inputs with their now, a verdict each, what was decided."""

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


class AdvanceRecord(Struct, frozen=True, array_like=True, tag="a", gc=False):
    """Time came for timers of a partition."""

    now_ms: int
    partition: int
    until_ms: int


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


class ReceiptRecord(Struct, frozen=True, array_like=True, tag="r", gc=False):
    """A channel said what became of a message."""

    now_ms: int
    partition: int
    receipt: Receipt


Record = EventRecord | AdvanceRecord | PublishRecord | HandoverRecord | ReceiptRecord


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
