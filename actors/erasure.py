"""Erasure: takes an erased contact out of frames that were written before. Pure: bytes come and go.

What is taken out leaves a placeholder, so that positions, `pseq` and the clock stay as they were,
and refolding gives all others exactly what they had.
"""

from collections.abc import Mapping

from actors.frame import (
    ErasedRecord,
    EventRecord,
    Frame,
    HandoverRecord,
    PublishRecord,
    ReceiptRecord,
    Record,
    partition_number,
)
from engine.contacts.erasure import digest_of

Erased = Mapping[str, int]
"""Digest of an erased contact's key -> position in the log of the record that erased it.

Only what lies before that is taken out: the contact may have come back since.
"""

ErasedElsewhere = Mapping[str, tuple[int, int]]
"""Digest of an erased contact's key -> its partition, and `pseq` of the record that erased it.

In histories of slots other than the one that has that record; `pseq` says what was before.
"""


def contact_of(record: Record) -> str | None:
    """Return the key of the one contact that a record is of; None for those of a partition."""
    match record:
        case EventRecord(event=event):
            return event.contact
        case HandoverRecord(contact=contact):
            return contact
        case ReceiptRecord(receipt=receipt):
            return receipt.contact
        case _:
            return None


def erase_from_frame(frame: Frame, erased: Erased) -> Frame:
    """Return the frame without these contacts; the very same frame if it holds none of them.

    Records of theirs become placeholders, verdicts stay, outcomes and faults of theirs go. The
    record that erases a contact must be the last one of its frame that could tell of it.
    """
    records = [
        _placeholder(record) if _is_erased(contact_of(record), position, erased) else record
        for position, record in enumerate(frame.records, frame.position)
    ]
    outcomes = [
        each for each in frame.outcomes if not _is_erased(each.contact, frame.position, erased)
    ]
    faults = [each for each in frame.faults if not _is_erased(each.contact, frame.position, erased)]
    replaced = any(map(_differ, records, frame.records))
    if not replaced and len(outcomes) == len(frame.outcomes) and len(faults) == len(frame.faults):
        return frame
    return Frame(frame.position, frame.fold_version, records, frame.verdicts, outcomes, faults)


def erase_earlier_from_frame(frame: Frame, erased: ErasedElsewhere) -> Frame:
    """Return the frame, of a slot that had the partitions before, without these contacts.

    The very same frame if it holds none of them. What a partition did in one frame is all of one
    stay in the slot: so all of it was before the erasure, or all after.
    """
    first: dict[int, int] = {}
    for record in frame.records:
        if not isinstance(record, PublishRecord):
            first.setdefault(partition_number(record), record.pseq)
    end = frame.position + len(frame.records)
    gone = {
        digest: end for digest, (number, pseq) in erased.items() if first.get(number, pseq) < pseq
    }
    return erase_from_frame(frame, gone) if gone else frame


def count_erased(frame: Frame) -> int:
    """Return how many records of a frame are placeholders."""
    return sum(isinstance(record, ErasedRecord) for record in frame.records)


def _differ(one: Record, other: Record) -> bool:
    return one is not other


def _is_erased(contact: str | None, position: int, erased: Erased) -> bool:
    return contact is not None and position < erased.get(digest_of(contact), 0)


def _placeholder(record: Record) -> ErasedRecord:
    if isinstance(record, EventRecord):
        number = record.event.partition
        return ErasedRecord(record.now_ms, number, is_event=True, pseq=record.pseq)
    assert isinstance(record, HandoverRecord | ReceiptRecord)
    return ErasedRecord(record.now_ms, record.partition, is_event=False, pseq=record.pseq)
