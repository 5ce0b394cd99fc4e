"""Standing: how a journey is: its version and state, whether it is tested, and what waits."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from engine.fold.succession import State, versions_of
from engine.language.journey import Publication

NO_QUEUES: Final[Mapping[str, int]] = {}


class Standing(Struct, kw_only=True):
    """How a journey is."""

    journey: str
    version: int
    """0: it was published before journeys had numbers, or is not in force."""
    state: State
    """`ended` where it is not in force, too."""
    in_test: bool
    """Whether only test contacts get its messages."""
    queued: int | None
    """Entries that wait as it is paused; None where nobody can say it."""


def standings_of(
    publication: Publication, queued: Mapping[str, int] | None = NO_QUEUES
) -> list[Standing]:
    """Return the journeys that a publication has in force, by name."""
    versions = versions_of(publication)
    found = []
    for document in publication.journeys.values():
        name = document["journey"]
        version = versions.get(name)
        found.append(
            Standing(
                journey=name,
                version=0 if version is None else version.number,
                state="live" if version is None else version.state,
                in_test=document.get("test") is not None,
                queued=None if queued is None else queued.get(name, 0),
            )
        )
    return sorted(found, key=lambda each: each.journey)


def standing_words(standing: Standing) -> str:
    """Return for a person what is to be known of a journey beside its name; empty: nothing."""
    words = [f"version {standing.version}"] if standing.version else []
    if standing.state != "live":
        words.append(standing.state)
    if standing.in_test:
        words.append("in test mode")
    if standing.queued:
        entries = "entry waits" if standing.queued == 1 else "entries wait"
        words.append(f"{standing.queued:,} {entries} to be let in")
    return ", ".join(words)


def in_force_words(standings: list[Standing] | None) -> str:
    """Return for a person which journeys are in force, and how; None: nobody can say it."""
    if standings is None:
        return "Journeys in force: not known"
    names = [
        f"{each.journey} ({words})" if (words := standing_words(each)) else each.journey
        for each in standings
    ]
    return f"Journeys in force: {', '.join(names) or 'none'}"
