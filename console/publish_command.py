"""The commands that change what is in force while it runs: publish, pause, resume, end, roll-back.

And `diff` and `history`, which change nothing.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer
import uvloop
from rich.table import Table
from rich.text import Text

from actors.errors import OperatorError
from actors.publications import PublicationNote
from console.diff import Diff, show_diff
from console.events import moment_words
from console.options import AsJson, Data, Journeys, KeyFile, print_json
from console.publication import (
    Request,
    considered,
    of_folder,
    publications_of,
    read_maps,
    to_older,
    to_state,
)
from console.screen import console, errors

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
    make = of_folder(journeys, in_flight, map)
    request = Request(data=data, key_file=key_file, what="publish", make=make, note=note, by=by)
    _change(request, yes=yes, json=json)


def diff(
    journeys: Journeys,
    data: Data = Path("data"),
    in_flight: InFlight = "follow",
    map: Maps = None,
    days: Annotated[
        int, typer.Option(min=0, help="Say who would have entered since; 0: do not replay the log.")
    ] = 7,
    key_file: KeyFile = None,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Say what publishing a folder would change, with numbers from the live state."""
    problems: list[str] = []

    def agreed(_: Diff, found: list[str]) -> bool:
        problems.extend(found)
        return False

    make = of_folder(journeys, in_flight, map)
    request = Request(data=data, key_file=key_file, what="diff", make=make, days=days)
    found, _ = uvloop.run(considered(request, agreed))
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
    make = to_state(journey, "paused")
    request = Request(data=data, key_file=key_file, what="pause", make=make, note=note, by=by)
    _change(request, yes=True)


def resume(
    journey: JourneyId,
    data: Data = Path("data"),
    note: Note = "",
    by: By = "",
    key_file: KeyFile = None,
) -> None:
    """Let a paused journey go on, and what waited for it; or take an ended one up again."""
    make = to_state(journey, "live")
    request = Request(data=data, key_file=key_file, what="resume", make=make, note=note, by=by)
    _change(request, yes=True)


def end(
    journey: JourneyId,
    data: Data = Path("data"),
    note: Note = "",
    by: By = "",
    yes: Yes = False,  # noqa: FBT002
    key_file: KeyFile = None,
) -> None:
    """End all visits of a journey, and let nobody in any more."""
    make = to_state(journey, "ended")
    request = Request(data=data, key_file=key_file, what="end", make=make, note=note, by=by)
    _change(request, yes=yes)


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
    publications = publications_of(data, key_file)
    make = to_older(publications, journey, to, in_flight, read_maps(map or []))
    request = Request(data=data, key_file=key_file, what="roll-back", make=make, note=note, by=by)
    _change(request, yes=yes, json=json)
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
    notes = publications_of(data, key_file).notes()
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


def _change(request: Request, *, yes: bool, json: bool = False) -> None:
    """Show what a change does, ask, and publish it."""

    def agreed(found: Diff, problems: list[str]) -> bool:
        if not json:
            show_diff(found)
        if problems:
            raise OperatorError("\n".join(problems))
        if not (found.empty or yes or typer.confirm("Publish this?")):
            raise typer.Abort
        return True

    _, said = uvloop.run(considered(request, agreed))
    if said is not None and json:
        print_json(said)
    elif said is not None:
        console.print(f"Publication {said.number} is in force.")
