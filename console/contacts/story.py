"""Story: what happened to one contact, entry by entry, each with what made it.

Made of what folding its past again takes down (`engine.trace`), joined with the log: events get
their ids, decisions their notes.
"""

from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import astuple

from actors.frame import (
    AdvanceRecord,
    EraseRecord,
    EventRecord,
    HandoverRecord,
    OpenedRecord,
    PublishRecord,
    ReceiptRecord,
    Record,
)
from actors.kept.past import Applied
from console.contacts.imprint import Imprint, Imprints
from engine.decision import Decision, Fault, Outcome
from engine.fact import Fact, PastEvent
from engine.input import SESSION_END, Verdict, decode_payload
from engine.language.journey import Publication
from engine.trace import (
    CarryNote,
    EndNote,
    EntryNote,
    FollowNote,
    NodeNote,
    Note,
    SessionNote,
    StopNote,
    TimerNote,
    TimersOverNote,
    Trace,
)

VERDICTS: Final = {
    Verdict.APPLIED: "applied",
    Verdict.REPEAT: "repeat",
    Verdict.FAILED: "failed",
    Verdict.ERASED: "erased",
}
LIVE: Final = "live"
decode_publication: Final = msgspec.json.Decoder(Publication).decode
NAMED_MAX: Final = 10_000
"""Events of one name whose ids are held at least, to name what counted; the oldest go first."""


class InputTold(Struct, kw_only=True, omit_defaults=True):
    """An input of the log."""

    position: int
    what: str
    """`event`, `handover`, `receipt`, `publish` or `erase`."""
    verdict: str
    name: str = ""
    """Of the event."""
    id: str = ""
    """Of the event; of a handover or a receipt the key of its message."""
    at_ms: int | None = None
    """When the event happened, as its sender says."""
    payload: dict[str, Any] = {}
    said: str = ""
    """What the channel said, and why."""
    published: Imprint | UnsetType = UNSET
    """Of what was published, where the history of publications has it still."""


class OutcomeTold(Outcome, frozen=True, array_like=False, omit_defaults=True, gc=False):
    """An outcome by the names of its fields."""


class StateNote(Note, tag="state"):
    """A publish paused a journey, let it go on, or ended it."""

    journey: str
    state: str
    """`live`, `paused` or `ended`."""


class StoryEntry(Struct, kw_only=True, omit_defaults=True):
    """One thing that happened, or did not and why."""

    at_ms: int
    journey: str = ""
    input: InputTold | UnsetType = UNSET
    note: Note | UnsetType = UNSET
    outcome: OutcomeTold | UnsetType = UNSET
    """What was decided. Each outcome stands in one entry."""
    fault: str = ""
    recorded: bool = False
    """Whether the log says this otherwise than folding again does, and holds."""

    @property
    def is_head(self) -> bool:
        """Whether it is an input or a timer: what comes after is what came of it."""
        return isinstance(self.input, InputTold) or isinstance(
            self.note, CarryNote | SessionNote | TimerNote
        )


class Story:
    """Collects the entries of a contact, in order."""

    def __init__(self, imprints: Imprints | None = None) -> None:
        self.entries: list[StoryEntry] = []
        self._imprints = imprints or Imprints([], by_time=False)
        self._states: dict[str, str] = {}
        """Of the journeys that are not live."""
        self._events: dict[str, list[tuple[int, int, str]]] = {}
        """By name, of each that was applied: when, when it happened, and its id."""
        self._session: tuple[int, int] | None = None
        """Begin and end of the one that ended last."""
        self._sessions: dict[str, tuple[int, int]] = {}
        """Visit -> those of the session whose end it was entered on."""

    def take(self, applied: Applied, trace: Trace) -> None:
        """Add what a record came to; the trace is emptied."""
        told: list[Decision | Note] = list(trace)
        trace.clear()
        over = [i for i, each in enumerate(told) if isinstance(each, TimersOverNote)]
        cut = over[-1] + 1 if over else 0
        silent = _is_silent(applied.record)
        if silent:
            cut = len(told)
        self._tell(told[:cut])
        if not silent:
            self._remember(applied)
            self.entries.append(self._entry_of(applied))
            if isinstance(applied.record, PublishRecord | OpenedRecord):
                self._tell_states(applied.record)
            self._tell(told[cut:])
        self.entries += [
            StoryEntry(at_ms=each.at_ms, journey=each.journey, outcome=_told(each), recorded=True)
            for each in applied.differs
        ]

    def _tell_states(self, record: PublishRecord | OpenedRecord) -> None:
        """Tell which journeys a publish paused, let go on, or ended."""
        versions = decode_publication(record.source).versions
        said = {} if isinstance(versions, UnsetType) else versions
        states: dict[str, str] = {
            name: each.state for name, each in said.items() if each.state != LIVE
        }
        for journey in sorted(states.keys() | self._states.keys()):
            state = states.get(journey, LIVE)
            if state != self._states.get(journey, LIVE):
                note = StateNote(at_ms=self.entries[-1].at_ms, journey=journey, state=state)
                self.entries.append(StoryEntry(at_ms=note.at_ms, journey=journey, note=note))
        self._states = states

    def _remember(self, applied: Applied) -> None:
        record = applied.record
        if isinstance(record, EventRecord) and applied.verdict == Verdict.APPLIED:
            at_ms = record.event.at_ms
            happened_ms = record.now_ms if at_ms is None else min(at_ms, record.now_ms)
            past = self._events.setdefault(record.event.name, [])
            past.append((record.now_ms, happened_ms, record.event.id))
            if len(past) > 2 * NAMED_MAX:
                del past[:NAMED_MAX]

    def _entry_of(self, applied: Applied) -> StoryEntry:
        told = InputTold(position=applied.position, what="", verdict=VERDICTS[applied.recorded])
        _describe(told, applied.record)
        at_ms = applied.record.now_ms
        if isinstance(applied.record, PublishRecord | OpenedRecord):
            # As the fold has it: time never goes back, whatever a stopped store's clock says.
            at_ms = max(at_ms, self.entries[-1].at_ms if self.entries else 0)
            imprint = self._imprints.of(applied.record.source, applied.record.now_ms)
            told.published = UNSET if imprint is None else imprint
        return StoryEntry(at_ms=at_ms, input=told)

    def _tell(self, told: list[Decision | Note]) -> None:
        open_notes: list[StoryEntry] = []
        for each in told:
            if isinstance(each, TimersOverNote):
                continue
            if isinstance(each, Note):
                entry = self._entry_of_note(each)
                open_notes.append(entry)
                self.entries.append(entry)
            elif isinstance(each, Outcome):
                self._explain(each, open_notes)
            elif isinstance(each, Fault):
                text = f"{each.what}: {each.error}"
                at_ms = self.entries[-1].at_ms if self.entries else 0
                self.entries.append(StoryEntry(at_ms=at_ms, fault=text))

    def _explain(self, outcome: Outcome, open_notes: list[StoryEntry]) -> None:
        """Put an outcome to the note that explains it, the last one of its key; else by itself."""
        for entry in reversed(open_notes):
            if key_of(entry.note) == outcome.key:
                entry.outcome = _told(outcome)
                open_notes.remove(entry)
                return
        entry = StoryEntry(at_ms=outcome.at_ms, journey=outcome.journey, outcome=_told(outcome))
        self.entries.append(entry)

    def _entry_of_note(self, note: Note) -> StoryEntry:
        if isinstance(note, FollowNote):
            self._events.setdefault(note.event, []).append((note.at_ms, note.at_ms, note.event_id))
        if isinstance(note, EntryNote) and note.event == SESSION_END and self._session is not None:
            self._sessions[note.visit] = self._session
        if isinstance(note, SessionNote):
            self._session = (note.started_at_ms, note.at_ms)
        visit = note.visit if isinstance(note, EntryNote | NodeNote) else ""
        for fact in getattr(note, "facts", ()):
            self._name_events(fact, visit)
        return StoryEntry(at_ms=note.at_ms, journey=getattr(note, "journey", ""), note=note)

    def _name_events(self, fact: Fact, visit: str) -> None:
        """Give the events that counted their ids: the history of a contact has none."""
        for part in fact.parts:
            self._name_events(part, visit)
        for event in fact.events:
            event.id = event.id or self._id_of(event)
        session = self._sessions.get(visit)
        if session is not None and fact.what.startswith("counts."):
            name = fact.what.removeprefix("counts.")
            fact.events = [
                PastEvent(name, happened_ms, id=id)
                for at_ms, happened_ms, id in reversed(self._events.get(name, ()))
                if session[0] <= at_ms < session[1]
            ]

    def _id_of(self, event: PastEvent) -> str:
        same = [id for _, at_ms, id in self._events.get(event.name, ()) if at_ms == event.at_ms]
        return same[-1 - event.newer] if event.newer < len(same) else ""


def key_of(note: Note | UnsetType) -> str:
    """Return the key of the outcome that a note explains; empty where it explains none."""
    return note.key if isinstance(note, EntryNote | NodeNote | EndNote | StopNote) else ""


def _is_silent(record: Record) -> bool:
    """Say whether a record is no input that anybody knows of: time went on, a partition moved."""
    return isinstance(record, AdvanceRecord) or (
        isinstance(record, OpenedRecord) and not record.source
    )


def _told(outcome: Outcome) -> OutcomeTold:
    return OutcomeTold(*astuple(outcome))


def _describe(told: InputTold, record: Record) -> None:
    match record:
        case EventRecord(event=event):
            told.what, told.name, told.id, told.at_ms = "event", event.name, event.id, event.at_ms
            with suppress(ValueError):  # Its fault says what is wrong with it.
                told.payload = decode_payload(event.payload)
        case HandoverRecord(key=key):
            told.what, told.id = "handover", key
        case ReceiptRecord(receipt=receipt):
            told.what, told.id = "receipt", receipt.key
            settled = "delivered" if receipt.delivered else "failed"
            told.said = f"{receipt.kind or settled}{': ' if receipt.reason else ''}{receipt.reason}"
        case PublishRecord() | OpenedRecord():
            told.what = "publish"
        case EraseRecord():
            told.what = "erase"
        case _:
            raise AssertionError(f"{type(record).__name__} is not told of")
