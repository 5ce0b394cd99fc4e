"""Recall: of the contact's past events, those that a condition means.

A test of its own for all that `condition.Happened` is too plain, and therefore faster, for.
"""

from collections.abc import Callable, Iterator
from math import inf
from typing import Any, Final

from engine.calendar.span import span_text
from engine.conditions.condition import Test, range_text
from engine.conditions.reads import Reads
from engine.contacts.happening import fields_of, happened_at_ms, unpack
from engine.contacts.history import past_of, told_events
from engine.fact import Fact
from engine.input import SESSION_START
from engine.limits import FAR_MS, HISTORY_EVENTS_MAX
from engine.moment import Moment
from engine.notes import Notes
from engine.value import MISSING, value_at

Past = list[dict[str, Any]]
"""What is known of the payloads of some past events, the latest first."""

SUM_DIGITS: Final = 6
"""Sums and averages are compared so exactly: 0.1 + 0.2 is to be 0.3."""


class Window:
    """When events must have happened to be meant: moments later than one, up to another."""

    __slots__ = ("from_ms", "since", "span_ms", "until_ms")

    def __init__(self, span_ms: int) -> None:
        self.span_ms = span_ms
        """Only the last span, (now - span, now]. There always is one: the past is bounded."""
        self.since = ""
        """Only later than the last event of this name, if there is one."""
        self.from_ms = 0
        self.until_ms = FAR_MS
        """Only from the first of these moments to before the second."""

    def bounds(self, moment: Moment) -> tuple[int, int]:
        """Return after which moment, and up to which, events are meant."""
        after_ms = max(moment.now_ms - self.span_ms, self.from_ms - 1)
        if self.since:
            past = moment.contact.history.get(self.since)
            if past:
                after_ms = max(after_ms, happened_at_ms(past[-1]))
        return after_ms, min(moment.now_ms, self.until_ms - 1)

    def leaves_out(self, name: str, moment: Moment) -> bool:
        """Say whether events of a name are never meant."""
        return False

    def text(self) -> str:
        """Return it in words."""
        since = f" since the last {self.since}" if self.since else ""
        if self.from_ms or self.until_ms < FAR_MS:
            return f" between two dates{since}"
        return f" in the last {span_text(self.span_ms)}{since}"

    def note_reads(self, reads: Reads) -> None:
        """Note what moves its bounds, beside time."""
        if self.since:
            reads.note(self.since, self.span_ms, set())

    def changes_at_ms(self, moment: Moment) -> int:
        """Return when its bounds jump though nothing comes in; FAR_MS for never."""
        return FAR_MS


class VisitWindow(Window):
    """Since the visit was entered: later than that moment. Nothing where there is no visit."""

    __slots__ = ()

    def bounds(self, moment: Moment) -> tuple[int, int]:
        """See Window."""
        after_ms, until_ms = super().bounds(moment)
        visit = moment.visit
        entered_at_ms = moment.now_ms if visit is None else visit.entered_at_ms
        return max(after_ms, entered_at_ms), until_ms

    def text(self) -> str:
        """See Window."""
        return " in the visit" + (f" since the last {self.since}" if self.since else "")


class SessionWindow(Window):
    """In the session: the one at this moment, else the one whose end is the event at hand.

    Senders' clocks, and the way of an event, let the first event of a session happen a little
    before it began here. So what happened less than the gap before belongs to it as well: an event
    of the session before cannot have, or that would have gone on.
    """

    __slots__ = ()

    def bounds(self, moment: Moment) -> tuple[int, int]:
        """See Window."""
        after_ms, until_ms = super().bounds(moment)
        session = moment.contact.session
        if session is not None:
            return max(after_ms, session.started_at_ms - session.gap_ms), until_ms
        ended = _ended_session(moment)
        if ended is None:
            return moment.now_ms, until_ms
        started_at_ms, ended_at_ms, gap_ms = ended
        return max(after_ms, started_at_ms - gap_ms), min(until_ms, ended_at_ms - 1)

    def leaves_out(self, name: str, moment: Moment) -> bool:
        """See Window. What is no activity of the contact's own is in no session."""
        return name in moment.rules.no_session

    def text(self) -> str:
        """See Window."""
        return " in the session" + (f" since the last {self.since}" if self.since else "")

    def note_reads(self, reads: Reads) -> None:
        """See Window."""
        super().note_reads(reads)
        reads.moving.add(SESSION_START)

    def changes_at_ms(self, moment: Moment) -> int:
        """See Window."""
        session = moment.contact.session
        return FAR_MS if session is None else session.due_at_ms


def _ended_session(moment: Moment) -> tuple[int, int, int] | None:
    """Return begin, end and gap of the session whose summary is at hand; None where none is."""
    triggers = [moment.trigger]
    if moment.visit is not None:
        triggers.append(moment.visit.trigger)
    for trigger in triggers:
        started_at_ms = trigger.get("started_at_ms")
        ended_at_ms = trigger.get("ended_at_ms")
        duration_ms = trigger.get("duration_ms")
        if (
            isinstance(started_at_ms, int)
            and isinstance(ended_at_ms, int)
            and isinstance(duration_ms, int)
        ):
            return started_at_ms, ended_at_ms, ended_at_ms - started_at_ms - duration_ms
    return None


class Recall(Test):
    """Of the events of some names in a window, those that match: a measure of them is such."""

    __slots__ = (
        "at_least",
        "at_most",
        "fields",
        "measure",
        "measured",
        "names",
        "same",
        "where",
        "window",
    )

    def __init__(self, names: list[str], window: Window, at_least: float, at_most: float) -> None:
        self.names = names
        self.window = window
        self.at_least = at_least
        self.at_most = at_most
        self.where: Test | None = None
        """Asked of what is known of each event's payload, as if that were the event at hand."""
        self.same: list[list[str]] = []
        """Paths of values that must be as in the event that the visit was entered on."""
        self.measure: Callable[[Past, list[str]], float | None] = count
        self.measured: list[str] = []
        """Path of the field that is measured."""
        self.fields: set[str] = set()
        """All paths that it looks at in past events."""

    def holds(self, moment: Moment) -> bool:
        """See Test."""
        if self.measure is count:
            return self._is_count_right(moment)
        value = self.measure([fields for _, fields in self._matching(moment)], self.measured)
        return value is not None and self.at_least <= value <= self.at_most

    def _is_count_right(self, moment: Moment) -> bool:
        """Say whether there are so many; it looks at no more events than tell."""
        decided = self.at_least if self.at_most == inf else self.at_most + 1
        found = 0
        if found < decided:
            for _ in self._matching(moment):
                found += 1
                if found >= decided:
                    break
        return self.at_least <= found <= self.at_most

    def note_reads(self, reads: Reads) -> None:
        """See Test."""
        for name in self.names:
            reads.note(name, self.window.span_ms, self.fields)
        self.window.note_reads(reads)

    def changes_at_ms(self, moment: Moment) -> int:
        """See Test. Whatever matches and goes out of the span may be what it rests on."""
        at_ms = self.window.changes_at_ms(moment)
        for happened_ms, _ in self._matching(moment):
            at_ms = min(at_ms, happened_ms + self.window.span_ms)
        if self.where is not None:
            looked = _looking(moment)
            for _, fields in self._in_window(moment):
                looked.trigger = fields
                at_ms = min(at_ms, self.where.changes_at_ms(looked))
        return at_ms

    def explain(self, moment: Moment) -> Fact:
        """See Test."""
        after_ms, until_ms = self.window.bounds(moment)
        looked, wanted = _looking(moment), _values_of(moment, self.same)
        events = []
        in_window = 0
        for name in self.names:
            if self.window.leaves_out(name, moment):
                continue
            for event in told_events(moment.contact, name, after_ms, until_ms):
                in_window += 1
                looked.trigger = event.fields
                if all(_is_same(event.fields, path, value) for path, value in wanted) and (
                    self.where is None or self.where.holds(looked)
                ):
                    events.append(event)
        measure = MEASURE_NAMES[self.measure]
        of = f"{measure} of {'.'.join(self.measured)} of " if measure else ""
        return Fact(
            what=f"{of}{' or '.join(self.names)}{self.window.text()}{self._narrowed(moment)}",
            holds=self.holds(moment),
            wanted=range_text(self.at_least, self.at_most, inf),
            found=self.measure([event.fields for event in events], self.measured),
            events=events,
            out_of=in_window if in_window > len(events) else None,
            since_ms=after_ms,
        )

    def _narrowed(self, moment: Moment) -> str:
        """Say in words which of the events are meant."""
        asked = [] if self.where is None else [_asked(self.where.explain(_looking(moment)))]
        same = " and ".join(".".join(path) for path in self.same)
        return ",".join(
            [f" with {each}" for each in [*asked, *([f"the same {same}"] * bool(same))]]
        )

    def _matching(self, moment: Moment) -> Iterator[tuple[int, dict[str, Any]]]:
        if self.where is None and not self.same:
            yield from self._in_window(moment)
            return
        wanted = _values_of(moment, self.same)
        looked = _looking(moment)
        for happened_ms, fields in self._in_window(moment):
            if not all(_is_same(fields, path, value) for path, value in wanted):
                continue
            looked.trigger = fields
            if self.where is None or self.where.holds(looked):
                yield happened_ms, fields

    def _in_window(self, moment: Moment) -> Iterator[tuple[int, dict[str, Any]]]:
        after_ms, until_ms = self.window.bounds(moment)
        for name in self.names:
            if self.window.leaves_out(name, moment):
                continue
            for happening in reversed(past_of(moment.contact, name)):
                unpacked = unpack(happening)
                happened_ms = unpacked if unpacked.__class__ is int else unpacked[0]
                if happened_ms <= after_ms:
                    break
                if happened_ms <= until_ms:
                    yield happened_ms, fields_of(unpacked) if self.fields else {}


def _asked(fact: Fact) -> str:
    """Put in words what a fact is about, whatever was found."""
    if not fact.parts:
        return f"{fact.what} {fact.wanted}".strip()
    inner = f" {'or' if fact.what == 'any of' else 'and'} ".join(map(_asked, fact.parts))
    return f"not ({inner})" if fact.what == "not" else f"({inner})"


def _looking(moment: Moment) -> Moment:
    """Return a moment to look at past events at: no visit, and no decision can come of it."""
    return Moment(moment.rules, moment.contact, moment.now_ms, Notes(), {})


def _values_of(moment: Moment, paths: list[list[str]]) -> list[tuple[list[str], Any]]:
    visit = moment.visit
    trigger = moment.trigger if visit is None else visit.trigger
    return [(path, value_at(trigger, path)) for path in paths]


def _is_same(fields: dict[str, Any], path: list[str], value: Any) -> bool:
    """Compare with a past event's value: a missing one is like no other, true is not 1."""
    past = value_at(fields, path)
    if past is MISSING or past is None:
        return False
    return bool(past == value) and (past.__class__ is bool) is (value.__class__ is bool)


def count(past: Past, path: list[str]) -> float | None:
    """Return how many events there are."""
    return len(past)


def total(past: Past, path: list[str]) -> float | None:
    """Return the sum of the numbers there; 0 where there are none."""
    # No `sum`: that of Python 3.12 rounds otherwise than that of 3.11.
    added: float = 0
    for value in _numbers(past, path):
        added += value
    return round(added, SUM_DIGITS)


def greatest(past: Past, path: list[str]) -> float | None:
    """Return the greatest number; None where there is none."""
    return max(_numbers(past, path), default=None)


def least(past: Past, path: list[str]) -> float | None:
    """Return the smallest number; None where there is none."""
    return min(_numbers(past, path), default=None)


def average(past: Past, path: list[str]) -> float | None:
    """Return the mean of the numbers; None where there are none."""
    numbers = _numbers(past, path)
    if not numbers:
        return None
    added: float = 0
    for value in numbers:
        added += value
    return round(added / len(numbers), SUM_DIGITS)


def distinct(past: Past, path: list[str]) -> float | None:
    """Return how many different texts, numbers and truths there are."""
    values = [value_at(fields, path) for fields in past]
    return len({(each.__class__ is bool, each) for each in values if each.__class__ in SCALARS})


def _numbers(past: Past, path: list[str]) -> list[float]:
    values = [value_at(fields, path) for fields in past]
    return [each for each in values if each.__class__ in NUMBERS]


NUMBERS: Final = (int, float)
SCALARS: Final = (str, int, float, bool)
MEASURES: Final[dict[str, Callable[[Past, list[str]], float | None]]] = {
    "sum": total,
    "max": greatest,
    "min": least,
    "average": average,
    "distinct": distinct,
}
MEASURE_NAMES: Final = {count: ""} | {measure: name for name, measure in MEASURES.items()}
COUNT_MAX: Final = HISTORY_EVENTS_MAX
"""Of one name: no more are kept."""
