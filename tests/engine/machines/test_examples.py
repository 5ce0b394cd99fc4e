"""Every shipped journey under its own events, in any order, repeated and late.

What a folder asks about is read from its files: names of events, fields, and the values that they
are compared with. So journeys that come to lie there are tried as well.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from actors.folder import read_folder
from engine.decision import SENT, Decision, Delivery, Fault, Outcome
from engine.input import (
    STANDARD_NAMES,
    Advance,
    Event,
    Handover,
    Input,
    Publish,
    Receipt,
    is_derived,
)
from engine.limits import DAY_MS, FAR_MS, MESSAGES_COUNTED_MAX, PENDING_MAX, VISITS_MAX
from engine.partition import Partition
from tests.engine.machines.profiles import tried

EXAMPLES = Path(__file__).parents[3] / "examples"
FOLDERS = sorted(each.parent for each in EXAMPLES.glob("**/anlass.yaml"))
START_MS = 1_774_684_800_000  # 2026-03-28 08:00 UTC: clocks go forward in Berlin that night.
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LONGEST_MS = 800 * DAY_MS
CONTACTS = ("c-1", "c-2")
EVENT_KEYS = ("event", "happened", "not_happened", "since", "emit")
FIELD_KEYS = ("field", "sum", "max", "min", "average", "distinct", "key", "same")
COMPARISONS = (
    "equals", "not_equals", "at_least", "more_than", "at_most", "less_than", "between",
    "one_of", "none_of", "contains", "contains_any", "contains_all",
)  # fmt: skip
ORDINARY: dict[str, list[Any]] = {
    "product_id": ["p-1", "p-2"],
    "price": [5, 80],
    "quantity": [1],
    "order_id": ["o-1"],
}


class Asked:
    """What a folder's files ask about."""

    def __init__(self, files: dict[str, Any]) -> None:
        self.names: set[str] = set(STANDARD_NAMES)
        self.fields: dict[str, list[Any]] = {name: [*few] for name, few in ORDINARY.items()}
        self.attributes: dict[str, list[Any]] = {"time_zone": ["America/New_York", "Mars"]}
        self.lists: set[str] = set()
        self.good: dict[str, Any] = {}
        """Attributes of a contact of whom all is known."""
        for each in files.values():
            self._look_into(each)
        self.names = {each for each in self.names if not is_derived(each)} - {"identify", "consent"}

    def _look_into(self, written: Any) -> None:
        if isinstance(written, list):
            for each in written:
                self._look_into(each)
        if not isinstance(written, dict):
            return
        for key in (*EVENT_KEYS, "exit_on"):
            self.names.update(each for each in _texts(written.get(key)) if each)
        for key in FIELD_KEYS:
            for each in _texts(written.get(key)):
                self.fields.setdefault(each.removeprefix("trigger."), ["x", 3])
        self._look_at_operands(written)
        if written.get("list") is True:
            self.lists.add(written["segment"])
        for value in written.values():
            self._look_into(value)

    def _look_at_operands(self, written: dict[str, Any]) -> None:
        operands = [each for name in COMPARISONS for each in _each(written.get(name))]
        near = [*operands, *_beside(operands)]
        for each in _texts(written.get("field")):
            self.fields[each] += near
        for name in ("attribute", "date"):
            for each in _texts(written.get(name)):
                self.attributes.setdefault(each, ["x", 3, "2026-03-30", None]).extend(near)
                self.good[each] = next(iter(near), "1990-03-30")
        for each in _texts(written.get("needs")):
            if each.startswith("contact."):
                self.good[each.removeprefix("contact.")] = "Ann"
        for channel, attribute in (written.get("addresses") or {}).items():
            self.good[attribute] = "ann@example.com" if channel == "email" else "+4915112345678"

    def known(self) -> dict[str, Any]:
        """Return the payload of an `identify` that says all, and that the contact agrees."""
        consent = dict.fromkeys(("email", "sms", "push", "web"), "double_opt_in")
        lists = dict.fromkeys(sorted(self.lists), True)
        return {"attributes": _nested(self.good), "consent": consent, "lists": lists}

    def payloads(self) -> some.SearchStrategy[dict[str, Any]]:
        """Return payloads with some of the fields, those in others where a path says so."""
        values = {path: some.sampled_from(few) for path, few in sorted(self.fields.items())}
        return some.fixed_dictionaries({}, optional=values).map(_nested)

    def happenings(self) -> some.SearchStrategy[tuple[str, dict[str, Any]]]:
        levels = some.sampled_from(["opt_in", "double_opt_in", "double_opt_in", "opt_out"])
        attributes = some.fixed_dictionaries(
            {}, optional={k: some.sampled_from(few) for k, few in sorted(self.attributes.items())}
        )
        told = some.fixed_dictionaries(
            {"attributes": attributes.map(_nested)},
            optional={
                "consent": some.fixed_dictionaries({"email": levels}),
                "lists": some.dictionaries(
                    some.sampled_from(sorted(self.lists) or ["none"]), some.booleans()
                ),
            },
        )
        return some.one_of(
            *[some.tuples(some.sampled_from(sorted(self.names)), self.payloads())] * 5,
            some.tuples(some.just("identify"), told),
            some.tuples(some.just("consent"), some.fixed_dictionaries({"email": levels})),
        )


def _each(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _texts(value: Any) -> list[str]:
    return [each for each in _each(value) if isinstance(each, str)]


def _beside(operands: list[Any]) -> Iterator[Any]:
    for each in operands:
        if isinstance(each, int | float) and not isinstance(each, bool):
            yield from (each - 1, each + 1)


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    for path, value in flat.items():
        *outer, last = path.split(".")
        inner = payload
        for name in outer:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                break
        else:
            inner[last] = value
    return payload


def published(folder: Path) -> tuple[bytes, Asked]:
    read = read_folder(folder)
    said = read.publication
    files = {**said.journeys, **said.segments, said.settings_file: said.settings}
    return msgspec.json.encode(read.publication, order="sorted"), Asked(files)


PUBLISHED = {folder.name: published(folder) for folder in FOLDERS}
pauses = some.sampled_from(
    [*[0] * 4, 1, MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS - 1, 30 * MINUTE_MS, HOUR_MS,
     2 * HOUR_MS, 6 * HOUR_MS, DAY_MS, 8 * DAY_MS, 40 * DAY_MS]
)  # fmt: skip
lateness = some.sampled_from([*[0] * 5, -MINUTE_MS, MINUTE_MS, HOUR_MS, 7 * HOUR_MS, 3 * DAY_MS])
courses = some.sampled_from(
    ["event"] * 6
    + ["burst", "burst", "again", "advance", "handover", "delivered", "opened", "failed"]
)


class Course:
    """A stream of inputs, folded as it is drawn up; what is there may be handed over."""

    def __init__(self, source: bytes, *, rests: bool) -> None:
        self.rests = rests
        """Whether all contacts are held as bytes after each input."""
        self.decisions: list[Decision] = []
        self.partition = Partition(0, self.decisions)
        self.now_ms = START_MS
        self.events: list[tuple[Event, int]] = []
        self.fold(Publish(source))

    def fold(self, input: Input) -> None:
        self.partition.fold(input, self.now_ms)
        if self.rests:
            self.partition.cool()

    def go_on(self, i: int, drawn: tuple[Any, ...]) -> None:
        kind, contact, (name, payload), pause_ms, late_ms = drawn
        self.now_ms += pause_ms
        if kind == "again" and self.events:
            event, first_at_ms = self.events[late_ms % len(self.events)]
            if self.now_ms - first_at_ms < DAY_MS:  # So long it is known.
                self.fold(event)
        elif kind == "advance":
            self.fold(Advance(self.now_ms))
        elif kind in ("handover", "delivered", "opened", "failed"):
            self.settle(kind)
        elif kind == "burst":
            for j in range(7):
                self.happens(f"e-{i}-{j}", contact, name, payload | {"product_id": f"p-{j}"}, 0)
                self.now_ms += MINUTE_MS
        else:
            self.happens(f"e-{i}", contact, name, payload, late_ms)

    def happens(
        self, id: str, contact: str, name: str, payload: dict[str, Any], late_ms: int
    ) -> None:
        raw = msgspec.Raw(msgspec.json.encode(payload))
        event = Event(id, contact, name, self.now_ms - late_ms, raw)
        self.events.append((event, self.now_ms))
        self.fold(event)

    def settle(self, kind: str) -> None:
        for sent in [each for each in self.decisions if is_sent(each)][-2:]:
            assert isinstance(sent, Outcome)
            if kind == "handover":
                self.fold(Handover(sent.contact, sent.key, self.now_ms))
            elif kind == "opened":
                self.fold(Receipt(sent.contact, sent.key, delivered=True, kind=kind))
            else:
                self.fold(Receipt(sent.contact, sent.key, kind == "delivered", "bounced"))

    def check_bounds(self) -> None:
        for key in self.partition.contact_keys():
            contact = self.partition.contact(key)
            assert contact is not None
            assert len(contact.visits) <= VISITS_MAX
            assert len(contact.pending) <= PENDING_MAX
            assert len(contact.messages) <= MESSAGES_COUNTED_MAX
            assert len({visit.id for visit in contact.visits}) == len(contact.visits)

    def visits(self) -> set[str]:
        found = set()
        for key in self.partition.contact_keys():
            contact = self.partition.contact(key)
            assert contact is not None
            found |= {visit.id for visit in contact.visits}
        return found

    def run_out(self, inside: set[str]) -> None:
        """Let time go on until these visits have ended; schedules may open others for ever."""
        until_ms = self.now_ms
        while inside & self.visits():
            until_ms += 10 * DAY_MS
            assert until_ms < self.now_ms + LONGEST_MS, "a visit that never ends"
            while self.partition.next_due_at_ms <= until_ms:
                self.fold(Advance(until_ms))


def is_sent(decision: Decision) -> bool:
    return isinstance(decision, Outcome) and decision.outcome == SENT


@pytest.mark.timeout(300)
@pytest.mark.parametrize("folder", PUBLISHED)
@tried(200)
@given(data=some.data())
def test_any_order_of_events_leads_somewhere(folder: str, data: some.DataObject) -> None:
    source, asked = PUBLISHED[folder]
    drawn = some.tuples(courses, some.sampled_from(CONTACTS), asked.happenings(), pauses, lateness)
    stream = data.draw(some.lists(drawn, min_size=10, max_size=40))
    course, again = Course(source, rests=False), Course(source, rests=True)
    for contact in data.draw(some.sets(some.sampled_from(CONTACTS))):
        for each_course in (course, again):
            each_course.happens(f"known-{contact}", contact, "identify", asked.known(), 0)
    for i, each in enumerate(stream):
        course.go_on(i, each)
        again.go_on(i, each)
    course.check_bounds()
    inside = course.visits()
    course.run_out(inside)
    again.run_out(inside)
    assert course.decisions == again.decisions
    assert not [each for each in course.decisions if isinstance(each, Fault)]
    sent = [each.key for each in course.decisions if isinstance(each, Outcome) and is_sent(each)]
    assert len(sent) == len(set(sent))
    assert {each.key for each in course.decisions if isinstance(each, Delivery)} <= set(sent)


def test_there_are_shipped_journeys() -> None:
    assert "journeys" in PUBLISHED
    assert FAR_MS > START_MS + LONGEST_MS
