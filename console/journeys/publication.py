"""Publication: how a command changes what is in force: what it makes of it, and what that does."""

import os
import pwd
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from actors.errors import OperatorError, UnknownError
from actors.folder import checked_folder
from actors.kept.kept import StorePlace
from actors.kept.opening import publications_of
from actors.opened import opened_store
from actors.publications import PublicationNote, Publications
from actors.publisher import EMPTY, Publisher
from console.journeys.diff import Diff, diff_of, unmapped
from console.journeys.entrants import Lookback, entrants_of
from engine.fold.succession import (
    Choice,
    State,
    changed_journeys,
    documents_of,
    nodes_before,
    nodes_of,
    source_of,
    succeed,
    versions_of,
    with_state,
)
from engine.language.author import nearest
from engine.language.journey import Publication
from engine.limits import DAY_MS

MAP_FORM: Final = "write JOURNEY:OLD=NEW, such as welcome:wait-1=wait-2"

ENTRIES_S: Final = 20.0
"""How long a publish may take to see who would have entered."""

Maps = dict[str, dict[str, str]]
"""Of journeys, where visits at a node go: to which other."""


class Change(msgspec.Struct):
    """A publication to come, and what to say of it."""

    after: Publication
    maps: Maps = {}


Make = Callable[[Publisher, Publication], Awaitable[Change]]


def older(
    publications: Publications, before: Publication, journey: str | None, to: int
) -> Publication:
    """Return a draft: what is in force with a journey, or all, as it was. Raises OperatorError."""
    if journey is None:
        found = msgspec.json.decode(publications.source(to), type=Publication)
        return replace(found, versions=msgspec.UNSET)
    numbers = []
    for note in publications.notes():
        for each in note.journeys:
            if each.journey == journey and each.change in {"new", "changed"}:
                numbers.append(each.number)
                if each.number == to:
                    source = publications.source(note.number)
                    document = documents_of(msgspec.json.decode(source, type=Publication))[journey]
                    return _with_document(before, journey, document)
    if not numbers:
        ever = sorted({each.journey for note in publications.notes() for each in note.journeys})
        raise UnknownError(f"no journey {journey!r} was ever published; {nearest(journey, ever)}")
    known = ", ".join(map(str, numbers))
    raise UnknownError(f"{journey}: version {to} is not kept; there are: {known}")


def _with_document(before: Publication, journey: str, document: Any) -> Publication:
    names = [name for name, each in before.journeys.items() if each["journey"] == journey]
    name = names[0] if names else f"{journey}.yaml"
    return replace(before, journeys=before.journeys | {name: document})


def of_folder(journeys: Path, in_flight: str, said: list[str] | None) -> Make:
    """Return what makes a change to what a folder says. Raises AuthorError, OperatorError."""
    return of_draft(checked_folder(journeys).publication, in_flight, read_maps(said or []))


def of_draft(draft: Publication, in_flight: str, maps: Maps) -> Make:
    """Return what makes a change to a draft, which is in order."""

    async def make(publisher: Publisher, before: Publication) -> Change:
        return await _succession(publisher, before, draft, in_flight, maps)

    return make


def to_older(
    publications: Publications,
    journey: str | None,
    to: int,
    in_flight: str,
    maps: Maps,
) -> Make:
    """Return what makes a change back to a version of a journey, or to a whole publication."""

    async def make(publisher: Publisher, before: Publication) -> Change:
        draft = older(publications, before, journey, to)
        return await _succession(publisher, before, draft, in_flight, maps)

    return make


def to_state(journey: str, state: State) -> Make:
    """Return what makes a change of a journey to this state."""

    async def make(publisher: Publisher, before: Publication) -> Change:
        there = documents_of(before)
        if journey not in there:
            raise UnknownError(f"no journey {journey!r} is in force; {nearest(journey, [*there])}")
        known = publisher.known(await publisher.visits())
        version = versions_of(before).get(journey)
        if (version.state if version is not None else "live") == state:
            raise OperatorError(f"{journey} is {state} already")
        return Change(with_state(before, journey, state, known))

    return make


async def _succession(
    publisher: Publisher,
    before: Publication,
    draft: Publication,
    in_flight: Any,
    maps: Maps,
) -> Change:
    changes = changed_journeys(before, draft)
    for journey in maps:
        if changes.get(journey) != "changed":
            text = f"--map: {journey!r} is no journey that changes"
            changed = [name for name, change in changes.items() if change == "changed"]
            fix = nearest(journey, changed) if changed else "this draft changes none"
            raise OperatorError(f"{text}; {fix}")
    _check_nodes(before, draft, maps)
    choices = {
        journey: Choice("migrate" if journey in maps else in_flight, maps.get(journey, {}))
        for journey in changes
    }
    known = publisher.known(await publisher.visits())
    return Change(succeed(before, draft, choices, known), maps)


def _check_nodes(before: Publication, draft: Publication, maps: Maps) -> None:
    """Refuse maps from nodes that no visit can be at, or to nodes that will not be there."""
    before_nodes, then_nodes = nodes_before(before), nodes_of(draft)
    for journey, nodes in maps.items():
        was, now = sorted(before_nodes[journey]), sorted(then_nodes[journey])
        for here, there in nodes.items():
            said = f"--map {journey}:{here}={there}"
            if here not in was:
                text = f"{said}: what is in force has no node {here!r}"
                raise OperatorError(f"{text}; {nearest(here, was)}")
            if there and there not in now:
                text = f"{said}: the new version has no node {there!r}"
                raise OperatorError(f"{text}; {nearest(there, now)}")


def roll_back_words(journey: str | None, to: int) -> str:
    """Say what is rolled back, for the audit log."""
    return f"{journey or 'all'} to {to}"


def read_maps(said: list[str]) -> Maps:
    """Read JOURNEY:OLD=NEW, any number of them. Raises OperatorError."""
    maps: Maps = {}
    for each in said:
        journey, colon, nodes = each.partition(":")
        old, equals, new = nodes.partition("=")
        if not (journey and colon and old and equals):
            raise OperatorError(f"--map {each!r} cannot be read; {MAP_FORM}")
        maps.setdefault(journey, {})[old] = new
    return maps


class Considered(msgspec.Struct, kw_only=True):
    """What a change does, and whether it is in force."""

    diff: Diff
    problems: list[str] = []
    """What stands in its way: with these it is not published."""
    published: PublicationNote | None = None
    """None where it was not asked for, or there was nothing to publish."""


class Request(msgspec.Struct, kw_only=True):
    """What a command is asked to change, and what the history is to say of it."""

    data: StorePlace
    key_file: Path | None = None
    what: str
    make: Make
    about: str = ""
    """What it changes, for the audit log."""
    note: str = ""
    by: str = ""
    days: int = 0
    """How far back to look who would have entered; 0: not at all."""
    most_s: float = float("inf")
    """How long that may take."""


async def considered(
    request: Request, agreed: Callable[[Diff, list[str]], bool]
) -> tuple[Diff, PublicationNote | None]:
    """Say what a change does, and publish it if that is agreed; else there is no note.

    `agreed` is told of the diff, and of nodes with visits that have no place to go to.
    """
    async with opened_store(request.data, request.key_file) as served:
        publications = publications_of(request.data, request.key_file)
        addresses = list(served.addresses.values())
        publisher = Publisher(addresses, publications, served.credentials, served.spread)
        before = await publisher.in_force()
        change = await request.make(publisher, before)
        visits = await publisher.visits(source_of(change.after))
        found = diff_of(before, change.after, visits, publisher.known().numbers)
        if request.days and not found.empty and before != EMPTY:
            entrants = entrants_of(
                Lookback(
                    data=request.data,
                    key_file=request.key_file,
                    from_ms=max(0, await publisher.now_ms() - request.days * DAY_MS),
                    most_s=request.most_s,
                ),
                before,
                change.after,
            )
            found.days, found.entries = request.days, entrants.lines
            found.entries_note = entrants.note
        if not agreed(found, unmapped(found, change.maps)) or found.empty:
            return found, None
        by = request.by or account()
        said = await publisher.publish(
            before, change.after, by=by, what=request.what, note=request.note
        )
        return found, said


def account() -> str:
    """Return the name of the account that this process runs under."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
