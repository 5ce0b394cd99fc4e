"""Lookout: counts events by name and looks into some of their payloads. Bounded; never raises.

What it keeps must not tell of a contact: a text becomes a sample when several contacts have told
it, numbers are rounded, and what looks like an address or a number of something is never kept. Who
told a text is remembered in memory alone, as a hash with a salt, so that an erasure can take back
what rests on the contact.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import islice
from typing import Any, Final

from engine.contacts.erasure import digest_of
from engine.limits import (
    SEEN_CANDIDATES_MAX,
    SEEN_DEPTH_MAX,
    SEEN_ELEMENTS_MAX,
    SEEN_FIELDS_MAX,
    SEEN_FIELDS_TOTAL_MAX,
    SEEN_NAMES_MAX,
    SEEN_NEW_NAMES_MAX,
    SEEN_SAMPLE_CHARS_MAX,
    SEEN_SAMPLES_MAX,
    SEEN_VALUES_MAX,
    SEEN_WITNESSES,
)
from engine.seen.sighting import (
    BOOLEAN,
    DATE,
    LIST,
    LIST_MARK,
    NULL,
    NUMBER,
    OBJECT,
    TEXT,
    EventSighting,
    FieldSighting,
    Sightings,
    shown,
)

LOOKS_FIRST: Final = 100
"""So many events of a name are looked into first of all, then each of these:"""
LOOK_EVERY: Final = 64
LOOK_EVERY_LATER: Final = 1_024
LATER: Final = 1_000
"""From so many events of a name on, the latter. A look takes 20 µs, a fold 6: every 64th for good
would cost 5 % of it."""

RANGE_DIGITS: Final = 2
PRIVATE_DIGITS: Final = 7
"""A text with so many digits is somebody's number (phone, order, customer), not a choice."""

_DATE: Final = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?( ?(Z|[+-]\d\d:?\d\d))?)?"
)


class Lookout:
    """Keeps the sightings of one shard: `count` for every event, `look` for those it asks for."""

    def __init__(self) -> None:
        self.seen = Sightings()
        self._fields = 0
        self._events: OrderedDict[str, EventSighting] = OrderedDict()
        """Those of `seen`. A plain dict looks past all that was ever deleted for its first one."""
        self._told_by: OrderedDict[tuple[str, str, str], tuple[str, ...]] = OrderedDict()
        """Name, path and text -> of the first contacts that told it, the digests of their keys."""
        self.load(self.seen)

    def load(self, seen: Sightings) -> None:
        """Go on from what an earlier life has seen."""
        ordered = sorted(seen.events.items(), key=lambda item: item[1].last_ms)
        seen.names_dropped += max(0, len(ordered) - SEEN_NAMES_MAX)
        seen.events = self._events = OrderedDict(ordered[-SEEN_NAMES_MAX:])
        self.seen = seen
        self._fields = sum(len(each.fields) for each in seen.events.values())

    def count(self, numbers: Mapping[str, int], now_ms: int) -> set[str]:
        """Count so many more events of these names; return those of which one should be shown."""
        wanted = set()
        events, new = self._events, 0
        for name, number in numbers.items():
            sighting = events.get(name)
            if sighting is None:
                new += 1
                if new > SEEN_NEW_NAMES_MAX:
                    self.seen.names_dropped += 1
                    continue
                sighting = self._take_up(name, now_ms)
            else:
                events.move_to_end(name)
            before = sighting.count
            sighting.count = after = before + number
            sighting.last_ms = max(sighting.last_ms, now_ms)
            every = LOOK_EVERY if after < LATER else LOOK_EVERY_LATER
            if sighting.looked < LOOKS_FIRST or before // every != after // every:
                wanted.add(name)
        return wanted

    def look(self, name: str, contact: str, payload: dict[str, Any]) -> bool:
        """Look into an event that was counted; say whether another of its name is wanted."""
        kept = shown(name)
        sighting = self._events.get(kept)
        if sighting is None:
            return False  # Of a frame with so many names that this one went again.
        sighting.looked += 1
        witness = digest_of(contact)
        for path, value in values_of(payload):
            field = sighting.fields.get(path)
            if field is None:
                if len(sighting.fields) >= SEEN_FIELDS_MAX or self._fields >= SEEN_FIELDS_TOTAL_MAX:
                    sighting.more_fields = True
                    continue
                self._fields += 1
                field = sighting.fields[path] = FieldSighting()
            type = type_of(value)
            field.types[type] = field.types.get(type, 0) + 1
            if type == TEXT:
                self._hear(field, (kept, path, value), witness)
            elif type == NUMBER:
                _widen(field, value)
        return sighting.looked < LOOKS_FIRST

    def forget(self, digest: str) -> None:
        """Take back what rests on an erased contact, named by erasure.digest_of its key.

        Samples go of which nobody knows any more who told them: they come back when told again.
        """
        told_by = self._told_by
        for name, sighting in self._events.items():
            for path, field in sighting.fields.items():
                field.samples = [
                    text
                    for text in field.samples
                    if digest not in told_by.get((name, path, text), (digest,))
                ]
        for told in [each for each, witnesses in told_by.items() if digest in witnesses]:
            del told_by[told]

    def _take_up(self, said: str, now_ms: int) -> EventSighting:
        """Return the sighting of a name that is new, or of what stands for it."""
        events = self._events
        name = shown(said)
        if name in events:
            events.move_to_end(name)
            return events[name]
        if len(events) >= SEEN_NAMES_MAX:
            _, oldest = events.popitem(last=False)
            self._fields -= len(oldest.fields)
            self.seen.names_dropped += 1
        sighting = events[name] = EventSighting(0, now_ms, now_ms)
        return sighting

    def _hear(self, field: FieldSighting, told: tuple[str, str, str], witness: str) -> None:
        """Make a text a sample when enough contacts have told it."""
        text = told[2]
        if (
            len(text) > SEEN_SAMPLE_CHARS_MAX
            or len(field.samples) >= SEEN_SAMPLES_MAX
            or text in field.samples
        ):
            return
        told_by = self._told_by
        known = told_by.get(told, ())
        if witness not in known:
            told_by[told] = known = (*known, witness)
        told_by.move_to_end(told)
        if len(told_by) > SEEN_CANDIDATES_MAX:
            told_by.popitem(last=False)
        if len(known) >= SEEN_WITNESSES and not is_private(text):
            field.samples.append(text)


def values_of(payload: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values in a payload with their paths: outer ones first, so many and so deep."""
    waiting: list[tuple[str, Any, int]] = [("", payload, 0)]
    for path, value, depth in waiting:  # It grows meanwhile.
        if path:
            yield path, value
        room = SEEN_VALUES_MAX + 1 - len(waiting)
        if isinstance(value, dict) and depth < SEEN_DEPTH_MAX:
            lead = f"{path}." if path else ""
            waiting += [
                (lead + shown(key), each, depth + 1) for key, each in islice(value.items(), room)
            ]
        elif isinstance(value, list) and not path.endswith(LIST_MARK):
            size = min(room, SEEN_ELEMENTS_MAX)
            waiting += [(path + LIST_MARK, each, depth) for each in value[:size]]


def type_of(value: Any) -> str:
    """Return the type of a JSON value; a text that looks like an ISO date is a date."""
    kind = value.__class__
    if kind is str:
        return DATE if value[:1].isdigit() and _DATE.fullmatch(value) else TEXT
    return _TYPES.get(kind, NULL)


_TYPES: Final = {int: NUMBER, float: NUMBER, bool: BOOLEAN, dict: OBJECT, list: LIST}


def is_private(text: str) -> bool:
    """Say whether a text is no sample, however many told it: one person has several contacts."""
    return (
        not text.strip()
        or "@" in text
        or not text.isprintable()
        or sum(map(str.isdigit, text)) >= PRIVATE_DIGITS
    )


def _widen(field: FieldSighting, value: float) -> None:
    if not math.isfinite(value):
        return
    if field.low is None or value < field.low:
        field.low = _rounded(value, ROUND_FLOOR)
    if field.high is None or value > field.high:
        field.high = _rounded(value, ROUND_CEILING)


def _rounded(value: float, way: str) -> float:
    exact = Decimal(str(value))
    unit = Decimal(1).scaleb(exact.adjusted() + 1 - RANGE_DIGITS)
    rounded = float(exact.quantize(unit, rounding=way)) if exact else 0.0
    return rounded if math.isfinite(rounded) else value
