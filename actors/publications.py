"""Publications: who published what when, kept so that it can be listed and rolled back.

The last 1,000 are kept, and 64 MB of them; a number is never given twice all the same.

A port: files today (`actors.store.published`). What is in force the log says, not this.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, Protocol

from msgspec import Struct

from engine.fold.succession import Known, changed_journeys, versions_of
from engine.language.journey import Publication

PUBLICATIONS_MAX: Final = 1_000
PUBLICATIONS_BYTES_MAX: Final = 64 << 20
"""Kept of a store, the latest first; the last one always."""
NUMBERED_MAX: Final = 4_096
"""Journeys whose last number is known, those published last; one that comes back after that many
others begins at 1 again."""

COME_OVER: Final = ("changed", "gone", "ended")
"""Changes with which visits come over to another version."""


class JourneyNote(Struct, frozen=True, kw_only=True):
    """What a publication made of one journey."""

    journey: str
    number: int
    change: str
    """`new`, `changed` or `gone`; `paused`, `live` or `ended`."""
    in_flight: str = ""
    map: dict[str, str] = {}


class PublicationNote(Struct, frozen=True, kw_only=True):
    """One publication: who put what in force when, and why."""

    number: int
    """Of the publication, from 1."""
    at_ms: int
    by: str
    what: str
    """The command: `run`, `publish`, `pause`, `resume`, `end`, `roll-back`."""
    note: str = ""
    digest: str
    """Of its source."""
    journeys: list[JourneyNote] = []
    numbers: dict[str, int] = {}
    """The last number that each journey had by then, those published last at the end: so that the
    notes before can go."""


class Publications(Protocol):
    """All publications of a store."""

    def notes(self) -> list[PublicationNote]:
        """Return all that are kept, the oldest first. Raises LogCorruptError, OSError."""
        ...

    def source(self, number: int) -> bytes:
        """Return the source of one. Raises OperatorError where it is not kept."""
        ...

    def add(self, note: PublicationNote, source: bytes) -> None:
        """Keep one more, durably, and let go of those that are too many.

        Raises OperatorError where its number is taken.
        """
        ...


def digest_of_source(source: bytes) -> str:
    """Return a short name of a publication's source: 16 hex digits."""
    return blake2b(source, digest_size=8).hexdigest()


def numbers_of(notes: list[PublicationNote]) -> dict[str, int]:
    """Return the last number that each journey had, those published last at the end."""
    numbers: dict[str, int] = {}
    for note in notes:
        said = [*note.numbers.items(), *((each.journey, each.number) for each in note.journeys)]
        for journey, number in said:
            numbers[journey] = max(number, numbers.get(journey, 0))
        for each in note.journeys:
            numbers[each.journey] = numbers.pop(each.journey)
    return numbers


def numbers_with(notes: list[PublicationNote], journeys: list[JourneyNote]) -> dict[str, int]:
    """Return what a note that follows these is to say of numbers: a bounded number of them."""
    numbers = numbers_of(notes)
    for each in journeys:
        numbers[each.journey] = max(each.number, numbers.pop(each.journey, 0))
    return dict([*numbers.items()][-NUMBERED_MAX:])


def too_many(sizes: Mapping[int, int]) -> list[int]:
    """Return the numbers of the publications that are not to be kept, of these sizes in bytes."""
    found: list[int] = []
    total = 0
    for kept, number in enumerate(sorted(sizes, reverse=True)):
        total += sizes[number]
        if kept and (kept >= PUBLICATIONS_MAX or total > PUBLICATIONS_BYTES_MAX):
            found.append(number)
    return found


def known_of(notes: list[PublicationNote], in_use: Mapping[str, set[int]] | None = None) -> Known:
    """Return what a succession needs to know."""
    return Known(numbers_of(notes), in_use)


def journey_notes(
    before: Publication, after: Publication, numbers: Mapping[str, int]
) -> list[JourneyNote]:
    """Say what a publication makes of each journey that it changes."""
    old, new = versions_of(before), versions_of(after)
    changes = changed_journeys(before, after)
    for journey, version in new.items():
        if journey not in changes:
            was = old[journey].state if journey in old else "live"
            if was != version.state:
                changes[journey] = version.state
    notes = []
    for journey, change in sorted(changes.items()):
        line = new.get(journey)
        number = numbers.get(journey, 0) + 1 if line is None else line.number
        passages = [] if line is None or change not in COME_OVER else line.passages
        passage = next((each for each in passages if each.number == number), None)
        notes.append(
            JourneyNote(
                journey=journey,
                number=number,
                change=change,
                in_flight="" if passage is None else passage.in_flight,
                map={} if passage is None else passage.map,
            )
        )
    return notes
