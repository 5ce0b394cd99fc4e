"""Sighting: what was seen of an event name and of the fields of its payloads. Bounded, and merged.

For authors, who get names and fields offered with operators that fit. No decision rests on it: it
is sampled (see `engine.seen.lookout`), and may lose its last minutes.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from msgspec import Struct

from engine.limits import (
    SEEN_FIELDS_MAX,
    SEEN_KEY_CHARS_MAX,
    SEEN_NAMES_MAX,
    SEEN_SAMPLES_MAX,
)

TEXT: Final = "text"
NUMBER: Final = "number"
BOOLEAN: Final = "boolean"
DATE: Final = "date"
LIST: Final = "list"
OBJECT: Final = "object"
NULL: Final = "null"

OPERATORS_FOR: Final[dict[str, tuple[str, ...]]] = {
    TEXT: (
        "equals",
        "not_equals",
        "one_of",
        "none_of",
        "contains",
        "starts_with",
        "ends_with",
        "exists",
    ),
    NUMBER: (
        "equals",
        "not_equals",
        "at_least",
        "more_than",
        "at_most",
        "less_than",
        "between",
        "one_of",
        "exists",
    ),
    BOOLEAN: ("equals", "exists"),
    DATE: ("before", "after", "within_last", "within_next", "exists"),
    LIST: ("contains", "contains_any", "contains_all", "exists"),
    OBJECT: ("exists",),
    NULL: ("exists",),
}
"""Which operators fit a value, by its type."""

ODD: Final = "*"
"""Stands for all names and keys that look like data: see `shown`."""

LIST_MARK: Final = "[]"
_ODD_SIGNS: Final = re.compile(r"[@.\[\]*]|\d{5}")


class FieldSighting(Struct, array_like=True, gc=False):
    """What was seen of one field. Stored: it grows at the end, with defaults."""

    types: dict[str, int] = {}
    """How often each type was seen."""
    low: float | None = None
    high: float | None = None
    """Of its numbers, rounded outward to two digits: an exact one may be one contact's alone."""
    samples: list[str] = []
    """Texts that were told of several contacts each."""


class EventSighting(Struct, array_like=True, gc=False):
    """What was seen of one event name. Stored: it grows at the end, with defaults."""

    count: int = 0
    """Events of the name in the log, repeats too."""
    first_ms: int = 0
    last_ms: int = 0
    looked: int = 0
    """Events of which the payload was looked into."""
    fields: dict[str, FieldSighting] = {}
    """By path: names with dots between them, `[]` behind that of a list for its elements."""
    more_fields: bool = False
    """Whether there were more fields than are kept."""


class Sightings(Struct, array_like=True, gc=False):
    """All that was seen. Stored: it grows at the end, with defaults."""

    events: dict[str, EventSighting] = {}
    """By name, the one seen longest ago first."""
    names_dropped: int = 0
    """Names that went because there were too many."""
    uncounted: int = 0
    """Events that nobody looked at, as there were too many at a time."""


def operators_for(types: Iterable[str]) -> list[str]:
    """Return the operators that fit a field of which these types were seen, each once."""
    return list(dict.fromkeys(each for type in types for each in OPERATORS_FOR.get(type, ())))


@lru_cache(maxsize=4_096)
def shown(key: str) -> str:
    """Return a name or key as it may be kept: ODD for one that looks like data, or is too long.

    Senders put ids and addresses into keys (`{"ada@shop.example": 3}`): those must not be kept.
    And what no path can name, as it has a dot in it, helps nobody.
    """
    odd = (
        not key or len(key) > SEEN_KEY_CHARS_MAX or _ODD_SIGNS.search(key) or not key.isprintable()
    )
    return ODD if odd else key


def merged(parts: Iterable[Sightings]) -> Sightings:
    """Put together what several shards have seen, within the same bounds; their order is no matter.

    Names go by when they were last seen; of fields and samples, the first by their text stay.
    """
    whole = Sightings()
    for part in parts:
        whole.names_dropped += part.names_dropped
        whole.uncounted += part.uncounted
        for name, sighting in part.events.items():
            _merge_event(whole.events.setdefault(name, EventSighting()), sighting)
    ordered = sorted(whole.events.items(), key=lambda item: (item[1].last_ms, item[0]))
    whole.names_dropped += max(0, len(ordered) - SEEN_NAMES_MAX)
    whole.events = dict(ordered[-SEEN_NAMES_MAX:])
    for sighting in whole.events.values():
        sighting.more_fields = sighting.more_fields or len(sighting.fields) > SEEN_FIELDS_MAX
        sighting.fields = dict(sorted(sighting.fields.items())[:SEEN_FIELDS_MAX])
        for field in sighting.fields.values():
            field.samples = sorted(field.samples)[:SEEN_SAMPLES_MAX]
    return whole


def _merge_event(into: EventSighting, other: EventSighting) -> None:
    into.first_ms = min(into.first_ms, other.first_ms) if into.count else other.first_ms
    into.last_ms = max(into.last_ms, other.last_ms)
    into.count += other.count
    into.looked += other.looked
    into.more_fields = into.more_fields or other.more_fields
    for path, theirs in other.fields.items():
        mine = into.fields.setdefault(path, FieldSighting())
        for type, number in theirs.types.items():
            mine.types[type] = mine.types.get(type, 0) + number
        mine.low = min((each for each in (mine.low, theirs.low) if each is not None), default=None)
        mine.high = max(
            (each for each in (mine.high, theirs.high) if each is not None), default=None
        )
        mine.samples = sorted({*mine.samples, *theirs.samples})
