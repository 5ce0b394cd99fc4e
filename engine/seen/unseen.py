"""Unseen: names of events and fields that journeys use and nobody has sent yet. Notes, no mistakes.

It reads what authors wrote as plain data, so that it works also where that does not compile yet.
"""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from engine.input import SESSION_END
from engine.language.author import nearest
from engine.limits import SEEN_DEPTH_MAX
from engine.seen.sighting import ODD, EventSighting, Sightings, shown

EVENT_KEYS: Final = ("event", "happened")
"""What names an event; the conditions under it are about that event's fields."""

DEPTH_MAX: Final = 60


class Note(Struct, frozen=True, order=True):
    """Something an author may want to look at; it goes live all the same."""

    file: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text} - at `{self.path}`"


def unseen(journeys: dict[str, Any], seen: Sightings) -> list[Note]:
    """Return a note for each name or field of these journeys (by file) that was not seen yet.

    Where nothing was seen at all there is nothing to compare with, and nothing is noted. Nor is it
    of fields where not all that were seen are kept, and of the engine's own event.
    """
    if not seen.events:
        return []
    notes = []
    for file, journey in sorted(journeys.items()):
        for path, event, field in uses_in(journey):
            text = _told(event, field, seen)
            if text:
                notes.append(Note(file, path, text))
    return list(dict.fromkeys(notes))


def uses_in(journey: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (path, event name, field) of all that a journey uses; no field where it is the name.

    Fields whose event is not known are left out.
    """
    if not isinstance(journey, dict):
        return
    entry = journey.get("entry")
    event = entry.get("event") if isinstance(entry, dict) else None
    yield from _uses(journey, "$", event if isinstance(event, str) else "", 0)


def _uses(value: Any, path: str, event: str, depth: int) -> Iterator[tuple[str, str, str]]:
    if depth > DEPTH_MAX:
        return
    if isinstance(value, list):
        for at, each in enumerate(value):
            inner = f"{path}[{at}]"
            if isinstance(each, str) and path.endswith(".exit_on"):
                yield inner, each, ""
            yield from _uses(each, inner, event, depth + 1)
    elif isinstance(value, dict):
        for key in EVENT_KEYS:
            said = value.get(key)
            if isinstance(said, str):
                event = said
                yield f"{path}.{key}", said, ""
        field = value.get("field")
        if isinstance(field, str) and field and event:
            yield f"{path}.field", event, field
        for key, each in value.items():
            yield from _uses(each, f"{path}.{key}", event, depth + 1)


def _told(event: str, field: str, seen: Sightings) -> str:
    """Return what there is to note of a name, or of a field of it; empty where nothing is."""
    if event == SESSION_END or shown(event) == ODD:
        return ""
    sighting = seen.events.get(event)
    if sighting is None:
        return "" if field else f"no event {event!r} was seen yet; {nearest(event, _names(seen))}"
    if not field or _was_seen(field, sighting):
        return ""
    return f"no field {field!r} was seen in {event!r} yet; {nearest(field, list(sighting.fields))}"


def _names(seen: Sightings) -> list[str]:
    return [name for name in seen.events if name != ODD]


def _was_seen(field: str, sighting: EventSighting) -> bool:
    """Say whether a field was seen, or may have been: where what is kept cannot tell, it was."""
    if not sighting.looked or sighting.more_fields or field in sighting.fields:
        return True
    names = field.split(".")
    if len(names) > SEEN_DEPTH_MAX:
        return True
    return any(".".join([*names[:at], ODD]) in sighting.fields for at in range(len(names)))
