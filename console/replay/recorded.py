"""Recorded: what the logs of a data folder say went out, as of any moment."""

from collections.abc import Iterable
from datetime import UTC, datetime

from actors.errors import OperatorError
from actors.frame import (
    AdvanceRecord,
    ErasedRecord,
    EraseRecord,
    EventRecord,
    Frame,
    HandoverRecord,
    OpenedRecord,
    PublishRecord,
    ReceiptRecord,
    Record,
)
from actors.shards.tally import merge_tallies
from console.replay.replay import ReplayReport
from engine.contacts.identity import partition_of
from engine.decision import Outcome
from engine.input import Verdict
from engine.limits import FAR_MS


class Recorded:
    """Outcomes and counts as frames recorded them, up to a moment. Nothing is decided anew."""

    def __init__(self, until_ms: int = FAR_MS) -> None:
        self.outcomes: dict[str, Outcome] = {}
        """By key, the last one."""
        self._until_ms = until_ms
        self.verdicts = [0, 0, 0]
        """Events, by verdict."""
        self.contacts: set[str] = set()

    def take(self, frame: Frame) -> None:
        """Take in a frame; of each log, frames in order."""
        until_ms = self._until_ms
        in_time = [record for record in frame.records if record.now_ms <= until_ms]
        for record, verdict in zip(frame.records, frame.verdicts, strict=True):
            if isinstance(record, EventRecord) and record.now_ms <= until_ms:
                self.verdicts[verdict] += 1
                self.contacts.add(record.event.contact)
        if not in_time:
            return
        whole = len(in_time) == len(frame.records)
        for outcome in frame.outcomes:
            # Timers that were run out act as of moments after their record's now.
            if outcome.at_ms <= until_ms and (whole or _in_time(outcome, frame, until_ms)):
                self.outcomes[outcome.key] = outcome

    def report(self, wall_s: float) -> ReplayReport:
        """Return the counts; of sessions and decision times a log says nothing."""
        events = sum(self.verdicts)
        tallies: dict[str, dict[str, int]] = {}
        for outcome in self.outcomes.values():
            counts = tallies.setdefault(outcome.journey, {})
            counts[outcome.outcome] = counts.get(outcome.outcome, 0) + 1
        return ReplayReport(
            events=events,
            repeated=self.verdicts[Verdict.REPEAT],
            rejected=0,
            failed=self.verdicts[Verdict.FAILED],
            contacts=len(self.contacts),
            sessions=None,
            wall_s=round(wall_s, 3),
            events_per_s=round(events / wall_s) if wall_s else 0,
            outcomes=merge_tallies([tallies]),
            decision_us={},
        )


def moment_ms(text: str, option: str = "--until") -> int:
    """Read an option's moment: ISO 8601 (UTC where it names no zone), or epoch milliseconds."""
    # Eight digits are a date in ISO's basic form: nobody means 1970.
    if text.isascii() and text.isdecimal() and len(text) != len("20260101"):
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fix = "write it like 2026-04-05T17:31:00Z, or as epoch milliseconds"
        raise OperatorError(f"{option} {text!r} is no moment; {fix}") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1000)


def _in_time(outcome: Outcome, frame: Frame, until_ms: int) -> bool:
    """Say whether an outcome came of a record in time, in a frame that has others, too."""
    about = [record for record in frame.records if _is_about(record, outcome)]
    own = [record for record in about if _key_of(record) == outcome.key]
    return _any_in_time(own or about, until_ms)


def _any_in_time(records: Iterable[Record], until_ms: int) -> bool:
    return any(record.now_ms <= until_ms for record in records)


def _key_of(record: Record) -> str:
    match record:
        case HandoverRecord(key=key):
            return key
        case ReceiptRecord(receipt=receipt):
            return receipt.key
        case _:
            return ""


def _is_about(record: Record, outcome: Outcome) -> bool:
    """Say whether a record may have led to this outcome: is of its contact, or its partition."""
    match record:
        case EventRecord(event=event):
            return event.contact == outcome.contact
        case AdvanceRecord(partition=partition):
            return partition == partition_of(outcome.contact)
        case PublishRecord():
            return True
        case EraseRecord() | ErasedRecord() | OpenedRecord():
            return False
        case HandoverRecord(contact=contact):
            return contact == outcome.contact
        case ReceiptRecord(receipt=receipt):
            return receipt.contact == outcome.contact
