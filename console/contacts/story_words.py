"""Story words: a contact's story in simple English, with local times."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import msgspec
from msgspec import Struct, UnsetType

from console.contacts.imprint import Imprint
from console.contacts.story import InputTold, StateNote, StoryEntry
from engine.calendar.span import span_words
from engine.decision import CAPPED, CONVERTED, DECLINED, SENT, Outcome
from engine.fact import Fact
from engine.fold.backlog import BACKLOG
from engine.limits import FAR_MS
from engine.trace import (
    EVENT,
    WHYS,
    CarryNote,
    EndNote,
    EntryNote,
    ExitNote,
    FollowNote,
    GoalNote,
    NodeNote,
    Note,
    SegmentNote,
    SessionNote,
    StopNote,
    TimerNote,
)

NEEDLESS: Final = ("age of ", "not held out", "turn of group", "no condition to leave")
"""Facts that go without saying where they hold."""
CAP: Final = "cap of "
"""So facts of caps begin."""
NAMED: Final = 3
"""So many ids are written out; of more, the first and the last."""
VALUE_CHARS: Final = 60
SPAN: Final = re.compile(r"\b(\d{4,15}) ?ms\b")
STATE_WORDS: Final = {
    "paused": "is paused: nobody enters, and visits stay where they are, until it is resumed",
    "live": "is resumed: what waited for that is due now",
    "ended": "is ended: nobody enters any more",
}
CHANGE_WORDS: Final = {
    "new": "{0.journey} is new, version {0.number}",
    "changed": "{0.journey} is version {0.number} now",
    "gone": "{0.journey} is gone",
}
GOOD, BAD, QUIET, PLAIN = "green", "yellow", "dim", ""


class Line(Struct):
    """One line of a story."""

    at_ms: int
    text: str
    style: str = PLAIN
    inner: bool = False
    """Whether it comes of the line before that is not."""
    journey: str = ""


class Teller:
    """Puts entries in words, in the zone of the contact."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._today = ""
        """Day of the line that is being made: moments of it are told without."""

    def lines(self, entries: list[StoryEntry]) -> list[Line]:
        """Return the lines of a story; events that led to nothing are told of together."""
        lines: list[Line] = []
        alike: list[StoryEntry] = []
        for i, entry in enumerate(entries):
            last = i + 1 == len(entries) or entries[i + 1].is_head
            if last and _is_plain(entry) and (not alike or _name(alike[0]) == _name(entry)):
                alike.append(entry)
                continue
            if alike:
                lines.append(self._together(alike))
                alike = []
            if last and _is_plain(entry):
                alike.append(entry)
            elif not (last and isinstance(entry.note, TimerNote)):
                lines.append(self._line(entry))
        if alike:
            lines.append(self._together(alike))
        return lines

    def day(self, at_ms: int) -> str:
        """Return a day for a person."""
        return f"{self._at(at_ms):%a %-d %b %Y}"

    def time(self, at_ms: int) -> str:
        """Return a time of day, with seconds where there are some."""
        at = self._at(at_ms)
        return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"

    def moment(self, at_ms: int) -> str:
        """Return a moment for a person; of the day at hand only its time, of its year no year."""
        day = self.day(at_ms)
        if day == self._today:
            return self.time(at_ms)
        year = self._today[-5:]
        return f"{day.removesuffix(year) if year else day} {self.time(at_ms)}"

    def _at(self, at_ms: int) -> datetime:
        return (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)).astimezone(
            self._zone
        )

    def _together(self, alike: list[StoryEntry]) -> Line:
        if len(alike) == 1:
            return self._line(alike[0])
        first, last = alike[0], alike[-1]
        self._today = self.day(first.at_ms)
        until = f" until {self.moment(last.at_ms)}" if last.at_ms != first.at_ms else ""
        ids = _several([_input_id(each) for each in alike])
        return Line(first.at_ms, f"{len(alike)} {_name(first)}{until} ({ids})", QUIET)

    def _line(self, entry: StoryEntry) -> Line:
        self._today = self.day(entry.at_ms)
        line = Line(entry.at_ms, "", inner=not entry.is_head, journey=entry.journey)
        if isinstance(entry.outcome, Outcome):
            line.text, line.style = self._decided(entry, entry.outcome)
        elif isinstance(entry.input, InputTold):
            line.text, line.style = self._input(entry)
        elif isinstance(entry.note, Note):
            line.text, line.style = self._note(entry.note)
        else:
            line.text, line.style = f"could not be applied: {entry.fault}", "red"
        return line

    def _decided(self, entry: StoryEntry, outcome: Outcome) -> tuple[str, str]:
        """Put what was decided in words, with what stood in the way or let it through."""
        where = f"{entry.journey} at {outcome.node}" if outcome.node else entry.journey
        note = entry.note
        facts: list[Fact] = []
        text, style = _outcome(outcome, recorded=entry.recorded)
        if isinstance(note, EntryNote):
            facts = note.facts[-1:]
            where = f"{entry.journey}: not entered, {WHYS.get(note.why, note.why)}"
        elif isinstance(note, NodeNote):
            facts = note.facts if outcome.outcome == SENT else note.facts[-1:]
            if outcome.outcome == CAPPED and facts and facts[0].what.startswith(CAP):
                text = "no message, capped"  # The cap itself is named by its fact.
        elif isinstance(note, StopNote):
            text += f", as of {self.moment(note.stopped_at_ms)}"
        return f"{where}: {text}{self._why(facts)}", style

    def _input(self, entry: StoryEntry) -> tuple[str, str]:
        told = entry.input
        assert isinstance(told, InputTold)
        match told.what:
            case "event":
                return self._event(entry), PLAIN
            case "handover":
                return f"a courier comes for message {told.id}", PLAIN
            case "receipt":
                return f"the channel says of message {told.id}: {told.said}", PLAIN
            case "publish":
                return _published(told.published), QUIET
            case _:
                return "the contact is erased", BAD

    def _event(self, entry: StoryEntry) -> str:
        told = entry.input
        assert isinstance(told, InputTold)
        text = f"{told.name} {told.id}"
        if told.payload:
            text += f" {_value(told.payload)}"
        if told.at_ms is not None and entry.at_ms - told.at_ms >= 1_000:
            text += f", which happened {self.moment(told.at_ms)}"
        again = {"repeat": ": it is known already, and counts once", "failed": ": it failed"}
        return text + again.get(told.verdict, "")

    def _note(self, note: Note) -> tuple[str, str]:
        match note:
            case EntryNote():
                return self._entry(note)
            case NodeNote():
                return self._node(note), PLAIN
            case EndNote():
                why = "" if note.outcome == DECLINED else f": {note.reason}"
                return f"{note.journey}: the visit ends at {note.node}{why}", PLAIN
            case ExitNote() | GoalNote():
                return self._exit(note), PLAIN
            case SegmentNote():
                does = "comes into" if note.inside else "leaves"
                return f"{does} segment {note.segment}{self._why(note.facts)}", PLAIN
            case FollowNote():
                return f"{note.event} follows", PLAIN
            case StateNote():
                return f"{note.journey}: {STATE_WORDS[note.state]}", BAD
            case StopNote():
                return f"message {note.key} was stopped {self.moment(note.stopped_at_ms)}", PLAIN
            case TimerNote() | SessionNote() | CarryNote():
                return self._timer(note), PLAIN
            case _:
                raise AssertionError(f"no words for {type(note).__name__}")

    def _exit(self, note: ExitNote | GoalNote) -> str:
        if isinstance(note, GoalNote):
            does = "is its goal" if note.reached else "is not its goal"
        else:
            does = "ends it" if note.ends else "does not end it"
        event = f"{note.event} {note.event_id}" if note.event else "a condition"
        return f"{note.journey}: {event} {does}{self._why(note.facts)}"

    def _timer(self, note: TimerNote | SessionNote | CarryNote) -> str:
        if isinstance(note, CarryNote):
            until = f" until {self.moment(note.until_ms)}" if note.until_ms < FAR_MS else ""
            text = f"{note.journey}: the visit goes over to version {note.version}"
            if note.node_before not in {"", note.node}:
                return f"{text}, from {note.node_before} to {note.node}, and stays there{until}"
            return f"{text} and stays at {note.node}{until}"
        if isinstance(note, SessionNote):
            counts = ", ".join(f"{count} {name}" for name, count in note.counts.items())
            return f"the session of {self.time(note.started_at_ms)} is over: {counts}"
        if note.what == "visit":
            return f"{note.journey}: its time at {note.node} is over"
        if note.id == BACKLOG:
            return "an entry that waited for a paused journey has its turn"
        return "conditions are looked at again" if note.what == "watch" else f"{note.id} is due"

    def _entry(self, note: EntryNote) -> tuple[str, str]:
        if note.entered:
            held = ", but held out: it walks without messages" if note.held_out else ""
            return f"{note.journey}: entered{held}{self._why(note.facts)}", GOOD
        why = WHYS.get(note.why, note.why)
        return f"{note.journey}: not entered, {why}{self._why(note.facts[-1:])}", BAD

    def _node(self, note: NodeNote) -> str:
        how = ", on that event," if note.how == EVENT else ""
        if note.until_ms is not None:
            way = f"waits until {self.moment(note.until_ms)}" if note.until_ms < FAR_MS else "waits"
        else:
            way = f"goes on to {note.goes_to}" if note.goes_to else "comes to its end"
        return f"{note.journey} at {note.node}{how} {way}{self._why(note.facts)}"

    def _why(self, facts: list[Fact]) -> str:
        """Put in words what facts rest on: of one that does not hold, what stands in the way."""
        telling = [each for each in facts if not (each.holds and each.what.startswith(NEEDLESS))]
        leaves = [words for fact in telling for words in self._leaves(fact)]
        return f": {'; '.join(leaves)}" if leaves else ""

    def _leaves(self, fact: Fact) -> list[str]:
        parts = fact.parts
        if fact.what in {"all of", "any of"}:
            telling = [part for part in parts if part.holds is fact.holds]
            return [words for part in telling for words in self._leaves(part)]
        if fact.what == "not":
            return self._leaves(parts[0])
        if parts:
            inner = "; ".join(words for part in parts for words in self._leaves(part))
            return [f"{fact.what} {'holds' if fact.holds else 'does not hold'} ({inner})"]
        return [self._leaf(fact)]

    def _leaf(self, fact: Fact) -> str:
        text = fact.what
        if text.startswith(CAP):
            return self._cap(fact)
        if fact.wanted or fact.found is not None:
            text += f" is {_value(fact.found, worded=fact.worded)}"
            if fact.wanted:
                text += f" ({fact.wanted})" if fact.holds else f", wanted {fact.wanted}"
        elif fact.since_ms is None:
            text += "" if fact.holds else " (no)"
        notes = []
        if ids := [event.id for event in reversed(fact.events) if event.id]:
            notes.append(_several(ids))
        notes += self._messages(fact)
        if fact.since_ms is not None and not fact.events and fact.found != 0:
            notes.append(f"since {self.moment(fact.since_ms)}")
        if fact.until_ms is not None and not fact.holds and fact.until_ms < FAR_MS:
            notes.append(f"until {self.moment(fact.until_ms)}")
        return f"{text} [{'; '.join(notes)}]" if notes else text

    def _cap(self, fact: Fact) -> str:
        """Say how full a cap is, and by which messages."""
        name = fact.what.removeprefix(CAP)
        by = f" [{'; '.join(self._messages(fact))}]" if fact.messages else ""
        if fact.holds:
            return f"cap `{name}` has {fact.found} so far{by}"
        until = "" if fact.until_ms is None else f", full until {self.moment(fact.until_ms)}"
        return f"cap `{name}` is reached{by}{until}"

    def _messages(self, fact: Fact) -> list[str]:
        told = [f"{each.key}, {self.moment(each.at_ms)}" for each in fact.messages[:NAMED]]
        more = len(fact.messages) - NAMED
        return [*([f"{more} before"] if more > 0 else []), *reversed(told)]


def _published(imprint: Imprint | UnsetType) -> str:
    """Say what a publication made of journeys, of whom it is, and why; states have own lines."""
    if isinstance(imprint, UnsetType):
        return "journeys are published"
    said = [
        CHANGE_WORDS[each.change].format(each)
        for each in imprint.journeys
        if each.change in CHANGE_WORDS
    ]
    more = f" and {len(said) - NAMED:,} journeys more" if len(said) > NAMED else ""
    changes = f": {', '.join(said[:NAMED])}{more}" if said else ""
    who = "a start" if imprint.what == "run" else imprint.by
    note = f' ("{imprint.note}")' if imprint.note else ""
    return f"publication {imprint.number} by {who}{changes}{note}"


def _outcome(outcome: Outcome, *, recorded: bool) -> tuple[str, str]:
    if recorded:
        reason = f" ({outcome.reason})" if outcome.reason else ""
        return f"the log says of {outcome.key}: {outcome.outcome}{reason}, and that holds", BAD
    if outcome.outcome == SENT:
        return f"message by {outcome.channel} is on its way ({outcome.key})", f"bold {GOOD}"
    if outcome.outcome == CONVERTED:
        return f"goal reached, {outcome.reason}", GOOD
    reason = f" ({_with_spans(outcome.reason)})" if outcome.reason else ""
    return f"no message, {outcome.outcome.replace('_', ' ')}{reason}", f"bold {BAD}"


def _with_spans(text: str) -> str:
    """Write long spans as people do: what is told of is kept exactly."""
    return SPAN.sub(lambda found: span_words(int(found[1])), text)


def _is_plain(entry: StoryEntry) -> bool:
    told = entry.input
    return isinstance(told, InputTold) and told.what == "event" and told.verdict == "applied"


def _name(entry: StoryEntry) -> str:
    assert isinstance(entry.input, InputTold)
    return entry.input.name


def _input_id(entry: StoryEntry) -> str:
    assert isinstance(entry.input, InputTold)
    return entry.input.id


def _several(ids: list[str]) -> str:
    return ", ".join(ids) if len(ids) <= NAMED else f"{ids[0]} ... {ids[-1]}, {len(ids)} in all"


def _value(value: Any, *, worded: bool = False) -> str:
    """Return a value on a line, a text in quotes but for words of ours; a longer one is cut."""
    if value is None:
        return "nothing"
    text = _with_spans(value) if worded else msgspec.json.encode(value).decode()
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]} ..."
