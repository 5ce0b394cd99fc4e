"""The commands that change what is in force while it runs: publish, pause, resume, end, roll-back.

And `diff` and `history`, which change nothing.
"""

import os
import pwd
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import typer
import uvloop
from msgspec.structs import replace
from rich.table import Table
from rich.text import Text

from actors.errors import OperatorError
from actors.opened import opened_store
from actors.publications import PublicationNote
from actors.publisher import Publisher
from actors.store.key import store_key
from actors.store.manifest import read_store
from actors.store.published import PublishedFiles
from console.diff import Diff, diff_of, show_diff, unmapped
from console.events import moment_words
from console.options import AsJson, Data, Journeys, KeyFile, print_json
from console.run import checked_folder
from console.screen import console, errors
from engine.author import nearest
from engine.journey import Publication
from engine.succession import (
    Choice,
    State,
    changed_journeys,
    documents_of,
    source_of,
    succeed,
    versions_of,
    with_state,
)

InFlight = Annotated[
    Literal["follow", "stay", "migrate"],
    typer.Option(help="What visits in flight of changed journeys do."),
]
Maps = Annotated[
    list[str] | None,
    typer.Option("--map", help="JOURNEY:OLD=NEW: visits at node OLD go to NEW (and migrate)."),
]
Note = Annotated[str, typer.Option(help="Why, for the history.")]
By = Annotated[str, typer.Option(help="Who, for the history; else this account.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
JourneyId = Annotated[str, typer.Argument(metavar="JOURNEY", help="Its id.")]

MAP_FORM: Final = "write JOURNEY:OLD=NEW, such as welcome:wait-1=wait-2"


class Change(msgspec.Struct):
    """A publication to come, and what to say of it."""

    after: Publication
    maps: dict[str, dict[str, str]] = {}


Make = Callable[[Publisher, Publication], Awaitable[Change]]


def publish(  # noqa: PLR0913, PLR0917 - the options of a command
    journeys: Journeys,
    data: Data = Path("data"),
    in_flight: InFlight = "follow",
    map: Maps = None,
    note: Note = "",
    by: By = "",
    yes: Yes = False,  # noqa: FBT002
    key_file: KeyFile = None,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Put a folder of journeys in force; show first what that does to visits in flight."""
    make = _of_folder(journeys, in_flight, map)
    _change(data, key_file, "publish", make, note=note, by=by, yes=yes, json=json)


def diff(
    journeys: Journeys,
    data: Data = Path("data"),
    in_flight: InFlight = "follow",
    map: Maps = None,
    key_file: KeyFile = None,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Say what publishing a folder would change, with numbers from the live state."""
    found, problems = uvloop.run(_diff(data, key_file, _of_folder(journeys, in_flight, map)))
    if json:
        print_json(found)
    else:
        show_diff(found)
    for problem in problems:
        errors.print(Text(problem), soft_wrap=True)


def pause(
    journey: JourneyId,
    data: Data = Path("data"),
    note: Note = "",
    by: By = "",
    key_file: KeyFile = None,
) -> None:
    """Let a journey's entries and due nodes wait, until it is resumed."""
    _change(data, key_file, "pause", _to_state(journey, "paused"), note=note, by=by, yes=True)


def resume(
    journey: JourneyId,
    data: Data = Path("data"),
    note: Note = "",
    by: By = "",
    key_file: KeyFile = None,
) -> None:
    """Let a paused journey go on, and what waited for it; or take an ended one up again."""
    _change(data, key_file, "resume", _to_state(journey, "live"), note=note, by=by, yes=True)


def end(
    journey: JourneyId,
    data: Data = Path("data"),
    note: Note = "",
    by: By = "",
    yes: Yes = False,  # noqa: FBT002
    key_file: KeyFile = None,
) -> None:
    """End all visits of a journey, and let nobody in any more."""
    _change(data, key_file, "end", _to_state(journey, "ended"), note=note, by=by, yes=yes)


def roll_back(  # noqa: PLR0913, PLR0917 - the options of a command
    to: Annotated[int, typer.Option(help="A version of the journey; or a publication, of all.")],
    journey: Annotated[str | None, typer.Argument(metavar="[JOURNEY]", help="Its id.")] = None,
    data: Data = Path("data"),
    in_flight: InFlight = "follow",
    map: Maps = None,
    note: Note = "",
    by: By = "",
    yes: Yes = False,  # noqa: FBT002
    key_file: KeyFile = None,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Publish what an older version said, under a new number: see `anlass history`."""
    publications = _publications(data, key_file)

    async def make(publisher: Publisher, before: Publication) -> Change:
        draft = older(publications, before, journey, to)
        return await _succession(publisher, before, draft, in_flight, map)

    _change(data, key_file, "roll-back", make, note=note, by=by, yes=yes, json=json)
    errors.print(
        "The folder of journeys was not changed: the next `anlass run` publishes what it says.",
        soft_wrap=True,
    )


def history(
    data: Data = Path("data"),
    key_file: KeyFile = None,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """List who published what when, the latest last."""
    notes = _publications(data, key_file).notes()
    if json:
        for note in notes:
            print_json(note)
    else:
        show_history(notes)


def show_history(notes: list[PublicationNote]) -> None:
    """Print the publications."""
    if not notes:
        console.print("Nothing was published yet.")
        return
    table = Table()
    for column in ("no.", "when (UTC)", "by", "what", "journeys", "note"):
        table.add_column(column, overflow="fold", justify="right" if column == "no." else "left")
    for each in notes:
        journeys = [
            f"{line.journey} {line.number} {line.change}"
            + (f" ({line.in_flight})" if line.in_flight else "")
            for line in each.journeys
        ]
        words = Text("\n".join(journeys))
        when = moment_words(each.at_ms)
        table.add_row(str(each.number), when, Text(each.by), each.what, words, Text(each.note))
    console.print(table)


def older(
    publications: PublishedFiles, before: Publication, journey: str | None, to: int
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
    known = ", ".join(map(str, numbers)) or "none"
    raise OperatorError(f"{journey}: version {to} is not kept; there are: {known}")


def _with_document(before: Publication, journey: str, document: Any) -> Publication:
    names = [name for name, each in before.journeys.items() if each["journey"] == journey]
    name = names[0] if names else f"{journey}.yaml"
    return replace(before, journeys=before.journeys | {name: document})


def _of_folder(journeys: Path, in_flight: str, said: list[str] | None) -> Make:
    folder = checked_folder(journeys)

    async def make(publisher: Publisher, before: Publication) -> Change:
        return await _succession(publisher, before, folder.publication, in_flight, said)

    return make


def _to_state(journey: str, state: State) -> Make:
    async def make(publisher: Publisher, before: Publication) -> Change:
        there = documents_of(before)
        if journey not in there:
            raise OperatorError(f"no journey {journey!r} is in force; {nearest(journey, [*there])}")
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
    said: list[str] | None,
) -> Change:
    maps = read_maps(said or [])
    changes = changed_journeys(before, draft)
    for journey in maps:
        if changes.get(journey) != "changed":
            text = f"--map: {journey!r} is no journey that changes"
            raise OperatorError(f"{text}; {nearest(journey, [*changes])}")
    choices = {
        journey: Choice("migrate" if journey in maps else in_flight, maps.get(journey, {}))
        for journey in changes
    }
    known = publisher.known(await publisher.visits())
    return Change(succeed(before, draft, choices, known), maps)


def read_maps(said: list[str]) -> dict[str, dict[str, str]]:
    """Read JOURNEY:OLD=NEW, any number of them. Raises OperatorError."""
    maps: dict[str, dict[str, str]] = {}
    for each in said:
        journey, colon, nodes = each.partition(":")
        old, equals, new = nodes.partition("=")
        if not (journey and colon and old and equals):
            raise OperatorError(f"--map {each!r} cannot be read; {MAP_FORM}")
        maps.setdefault(journey, {})[old] = new
    return maps


def _publications(data: Path, key_file: Path | None) -> PublishedFiles:
    read_store(data)  # It says so where this is none.
    return PublishedFiles(data, store_key(data, key_file))


async def _diff(data: Path, key_file: Path | None, make: Make) -> tuple[Diff, list[str]]:
    async with opened_store(data, key_file) as sockets:
        publisher = Publisher(sockets, _publications(data, key_file))
        before = await publisher.in_force()
        change = await make(publisher, before)
        visits = await publisher.visits(source_of(change.after))
        found = diff_of(before, change.after, visits, publisher.known().numbers)
        return found, unmapped(found, change.maps)


def _change(  # noqa: PLR0913 - what the options of five commands say
    data: Path,
    key_file: Path | None,
    what: str,
    make: Make,
    *,
    note: str,
    by: str,
    yes: bool,
    json: bool = False,
) -> None:
    """Show what a change does, ask, and publish it."""

    async def changing() -> None:
        async with opened_store(data, key_file) as sockets:
            publisher = Publisher(sockets, _publications(data, key_file))
            before = await publisher.in_force()
            change = await make(publisher, before)
            visits = await publisher.visits(source_of(change.after))
            found = diff_of(before, change.after, visits, publisher.known().numbers)
            if not json:
                show_diff(found)
            if found.empty:
                return
            problems = unmapped(found, change.maps)
            if problems:
                raise OperatorError("\n".join(problems))
            if not yes and not typer.confirm("Publish this?"):
                raise typer.Abort
            said = await publisher.publish(
                before, change.after, by=by or account(), what=what, note=note
            )
            if json:
                print_json(said)
            else:
                console.print(f"Publication {said.number} is in force.")

    uvloop.run(changing())


def account() -> str:
    """Return the name of the account that this process runs under."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
