"""Succession: one publication after another: numbers, states, and what becomes of visits between.

Pure: who publishes gives what is in force, what is to be, and what live state says of visits.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from msgspec import Struct, json
from msgspec.structs import replace

from engine.language.journey import Passage, Publication, Version
from engine.limits import PASSAGES_MAX

InFlight = Literal["follow", "stay", "migrate"]
State = Literal["live", "paused", "ended"]


class Choice(Struct, frozen=True):
    """What an author says of a journey's visits in flight."""

    in_flight: InFlight = "follow"
    map: dict[str, str] = {}


class Known(Struct, frozen=True):
    """What is known beside the publications."""

    numbers: Mapping[str, int] = {}
    """The last number that each journey ever had."""
    in_use: Mapping[str, Collection[int]] | None = None
    """The versions that visits are in, by journey; None where that is not known."""


def source_of(publication: Publication) -> bytes:
    """Return a publication as canonical JSON, as a Publish carries it. Raises as msgspec does."""
    return json.encode(publication, order="sorted")


def versions_of(publication: Publication) -> dict[str, Version]:
    """Return the versions that a publication keeps; a copy."""
    return dict(publication.versions) if publication.versions else {}


def documents_of(publication: Publication) -> dict[str, Any]:
    """Return the journeys of a publication as written, by their ids."""
    return {each["journey"]: each for each in publication.journeys.values()}


def nodes_of(publication: Publication) -> dict[str, set[str]]:
    """Return the nodes of each journey."""
    return {
        journey: {node["id"] for node in document["nodes"]}
        for journey, document in documents_of(publication).items()
    }


def nodes_before(before: Publication) -> dict[str, set[str]]:
    """Return the nodes of each journey, with those of versions that visits stayed in."""
    found = nodes_of(before)
    for journey, version in versions_of(before).items():
        for document in version.kept.values():
            found.setdefault(journey, set()).update(node["id"] for node in document["nodes"])
    return found


def changed_journeys(before: Publication, draft: Publication) -> dict[str, str]:
    """Return the journeys that the draft changes: `new`, `changed` or `gone`."""
    old, new = documents_of(before), documents_of(draft)
    changes = {}
    for journey in sorted(old.keys() | new.keys()):
        if journey not in old:
            changes[journey] = "new"
        elif journey not in new:
            changes[journey] = "gone"
        elif old[journey] != new[journey]:
            changes[journey] = "changed"
    return changes


def says_the_same(before: Publication, draft: Publication) -> bool:
    """Say whether a draft's files are those in force; versions are none of its files."""
    plain = [source_of(_without_versions(each)) for each in (before, draft)]
    return plain[0] == plain[1]


def succeed(
    before: Publication,
    draft: Publication,
    choices: Mapping[str, Choice],
    known: Known | None = None,
) -> Publication:
    """Return the draft with the versions that follow those in force.

    A journey that is paused or ended stays so; one whose file is gone ends.
    """
    known = known or Known()
    versions = {
        journey: _trimmed(journey, version, known)
        for journey, version in versions_of(before).items()
    }
    old = documents_of(before)
    for journey, change in changed_journeys(before, draft).items():
        version = versions.get(journey)
        number = _next_number(journey, version, known)
        if change == "new":  # It may have been there before: what is left of its visits ends.
            passages = [] if version is None else version.passages
            versions[journey] = Version(number=number, passages=passages)
        elif change == "gone":
            versions[journey] = _ended(version, number)
        else:
            choice = choices.get(journey, Choice())
            kept = (
                {} if choice.in_flight != "stay" else _kept(journey, version, known, old[journey])
            )
            versions[journey] = _next(version, number, choice, kept)
    return replace(draft, versions=versions)


def with_state(
    before: Publication, journey: str, state: State, known: Known | None = None
) -> Publication:
    """Return what is in force with a journey paused, live again or ended. It must be there."""
    known = known or Known()
    versions = versions_of(before)
    version = versions.get(journey) or Version(number=max(1, known.numbers.get(journey, 1)))
    if state == "ended":
        versions[journey] = _ended(version, _next_number(journey, version, known))
    else:
        versions[journey] = replace(version, state=state)
    return replace(before, versions=versions)


def _kept(journey: str, version: Version | None, known: Known, old: Any) -> dict[str, Any]:
    """Return the versions that visits stay in, when this one is followed by another."""
    before = version or Version(number=0)
    kept = before.kept | {str(before.number): old}
    in_use = {0} if known.in_use is None else known.in_use.get(journey, ())
    if 0 in in_use and before.number not in [each.number for each in before.passages]:
        kept["0"] = old  # Visits that were there before it had a number.
    return kept


def _next(version: Version | None, number: int, choice: Choice, kept: dict[str, Any]) -> Version:
    before = version or Version(number=0)
    passage = Passage(number=number, in_flight=choice.in_flight, map=choice.map)
    passages = [*before.passages, passage][-PASSAGES_MAX:]
    return Version(number=number, state=before.state, passages=passages, kept=kept)


def _ended(version: Version | None, number: int) -> Version:
    passages = [] if version is None else version.passages
    passage = Passage(number=number, in_flight="end")
    return Version(number=number, state="ended", passages=[*passages, passage][-PASSAGES_MAX:])


def _next_number(journey: str, version: Version | None, known: Known) -> int:
    return max(0 if version is None else version.number, known.numbers.get(journey, 0)) + 1


def _trimmed(journey: str, version: Version, known: Known) -> Version:
    """Drop what no visit needs any more, where that is known."""
    if known.in_use is None:
        return version
    in_use = known.in_use.get(journey, ())
    oldest = min(in_use, default=version.number)
    passages = [each for each in version.passages if each.number > oldest]
    kept = {name: each for name, each in version.kept.items() if int(name) in in_use}
    return replace(version, passages=passages, kept=kept)


def _without_versions(publication: Publication) -> Publication:
    return Publication(
        journeys=publication.journeys,
        settings_file=publication.settings_file,
        settings=publication.settings,
        templates=publication.templates,
        segments=publication.segments,
    )
