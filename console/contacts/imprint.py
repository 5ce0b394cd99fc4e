"""Imprint: who published what is in force from some record of the log on, and why."""

from msgspec import Struct

from actors.publications import JourneyNote, PublicationNote, digest_of_source


class Imprint(Struct, kw_only=True, omit_defaults=True):
    """What the history of publications says of one."""

    number: int
    by: str
    what: str
    """The command: `run`, `publish`, `pause`, `resume`, `end`, `roll-back`."""
    note: str = ""
    journeys: list[JourneyNote] = []


class Imprints:
    """Finds the publications of a log's records, which carry what was published alone."""

    def __init__(self, notes: list[PublicationNote], *, by_time: bool) -> None:
        """`by_time`: the log's times and those of the notes are of one clock."""
        self._notes: dict[str, list[PublicationNote]] = {}
        for note in notes:
            self._notes.setdefault(note.digest, []).append(note)
        self._by_time = by_time
        self._last = 0
        """Number of the one that was found last."""

    def of(self, source: bytes, now_ms: int) -> Imprint | None:
        """Return that of a record; records are asked for in their order. None: none is kept.

        What is published is the same again where a journey was paused and resumed: then it is the
        next one. The first of a story is, where clocks can say it, the last one by then.
        """
        same = self._notes.get(digest_of_source(source), [])
        if not same:
            return None
        found = next((each for each in same if each.number > self._last), same[-1])
        if self._by_time and not self._last:
            found = next((each for each in reversed(same) if each.at_ms <= now_ms), found)
        self._last = found.number
        return Imprint(
            number=found.number,
            by=found.by,
            what=found.what,
            note=found.note,
            journeys=found.journeys,
        )
