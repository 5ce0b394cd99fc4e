"""The commands that change what is in force while it runs: publish, pause, resume, end, roll-back.

And `diff` and `history`, which change nothing.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
import uvloop
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from actors.errors import OperatorError
from actors.kept.opening import publications_of
from actors.publications import PublicationNote
from console.journeys.audit import noted
from console.journeys.diff import Diff
from console.journeys.diff_screen import show_diff
from console.journeys.publication import (
    ENTRIES_S,
    Considered,
    Request,
    considered,
    of_folder,
    read_maps,
    roll_back_words,
    to_older,
    to_state,
)
from console.journeys.remote import Agreed, changed_there, draft_body, state_path
from console.options import AsJson, Data, Journeys, KeyFile, print_json
from console.remote.client import Control, ControlClient, ControlKeyOption
from console.remote.field_words import in_options
from console.reports.events import moment_words
from console.screen import console, errors

DAYS: Final = 7
REFUSED: Final = 1
"""Exit code where who was asked said no."""

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
Days = Annotated[
    int, typer.Option(min=0, help="Say who would have entered since; 0: do not replay the log.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
JourneyId = Annotated[str, typer.Argument(metavar="JOURNEY", help="Its id.")]


def publish(  # noqa: PLR0913, PLR0917 - the options of a command
    journeys: Journeys,
    data: Data = Path("data"),
    in_flight: InFlight = "follow",
    map: Maps = None,
    days: Days = DAYS,
    note: Note = "",
    by: By = "",
    yes: Yes = False,  # noqa: FBT002
    key_file: KeyFile = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Put a folder of journeys in force; show first what that does to visits in flight."""
    if control:
        body = draft_body(journeys, in_flight, map) | {"note": note, "days": days}
        there = There(ControlClient(control, control_key), "/v1/publish", body, by)
        _change_there(there, yes=yes, json=json)
        return
    make = of_folder(journeys, in_flight, map)
    request = Request(data=data, key_file=key_file, what="publish", make=make, note=note, by=by)
    request.days, request.most_s = days, ENTRIES_S
    _change(request, yes=yes, json=json)


def diff(  # noqa: PLR0913, PLR0917 - the options of a command
    journeys: Journeys,
    data: Data = Path("data"),
    in_flight: InFlight = "follow",
    map: Maps = None,
    days: Days = DAYS,
    key_file: KeyFile = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Say what publishing a folder would change, with numbers from the live state."""
    if control:
        body = draft_body(journeys, in_flight, map) | {"days": days}
        told = ControlClient(control, control_key).ask("POST", "/v1/diff", Considered, body)
        _tell(told.diff, [in_options(each) for each in told.problems], json=json)
        return
    problems: list[str] = []

    def agreed(_: Diff, found: list[str]) -> bool:
        problems.extend(found)
        return False

    make = of_folder(journeys, in_flight, map)
    request = Request(data=data, key_file=key_file, what="diff", make=make, days=days)
    found, _ = uvloop.run(considered(request, agreed))
    _tell(found, problems, json=json)


def _tell(found: Diff, problems: list[str], *, json: bool) -> None:
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
    control: Control = "",
    control_key: ControlKeyOption = "",
) -> None:
    """Let a journey's entries and due nodes wait, until it is resumed."""
    if control:
        path, body = state_path(journey, "pause"), {"note": note}
        there = There(ControlClient(control, control_key), path, body, by)
        _change_there(there, yes=True)
        return
    make = to_state(journey, "paused")
    request = Request(data=data, key_file=key_file, what="pause", make=make, note=note, by=by)
    request.about = journey
    _change(request, yes=True)


def resume(
    journey: JourneyId,
    data: Data = Path("data"),
    note: Note = "",
    by: By = "",
    key_file: KeyFile = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
) -> None:
    """Let a paused journey go on, and what waited for it; or take an ended one up again."""
    if control:
        path, body = state_path(journey, "resume"), {"note": note}
        there = There(ControlClient(control, control_key), path, body, by)
        _change_there(there, yes=True)
        return
    make = to_state(journey, "live")
    request = Request(data=data, key_file=key_file, what="resume", make=make, note=note, by=by)
    request.about = journey
    _change(request, yes=True)


def end(  # noqa: PLR0913, PLR0917 - the options of a command
    journey: JourneyId,
    data: Data = Path("data"),
    note: Note = "",
    by: By = "",
    yes: Yes = False,  # noqa: FBT002
    key_file: KeyFile = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
) -> None:
    """End all visits of a journey, and let nobody in any more."""
    if control:
        path, body = state_path(journey, "end"), {"note": note}
        there = There(ControlClient(control, control_key), path, body, by)
        _change_there(there, yes=yes)
        return
    make = to_state(journey, "ended")
    request = Request(data=data, key_file=key_file, what="end", make=make, note=note, by=by)
    request.about = journey
    _change(request, yes=yes)


def roll_back(  # noqa: PLR0913, PLR0917 - the options of a command
    to: Annotated[int, typer.Option(help="A version of the journey; or a publication, of all.")],
    journey: Annotated[str | None, typer.Argument(metavar="[JOURNEY]", help="Its id.")] = None,
    data: Data = Path("data"),
    in_flight: InFlight = "follow",
    map: Maps = None,
    days: Days = DAYS,
    note: Note = "",
    by: By = "",
    yes: Yes = False,  # noqa: FBT002
    key_file: KeyFile = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Publish what an older version said, under a new number: see `anlass history`."""
    if control:
        said = {"journey": journey, "to": to, "in_flight": in_flight, "note": note}
        body = said | {"map": read_maps(map or []), "days": days}
        there = There(ControlClient(control, control_key), "/v1/roll-back", body, by)
        _change_there(there, yes=yes, json=json)
        return
    publications = publications_of(data, key_file)
    make = to_older(publications, journey, to, in_flight, read_maps(map or []))
    request = Request(data=data, key_file=key_file, what="roll-back", make=make, note=note, by=by)
    request.about = roll_back_words(journey, to)
    request.days, request.most_s = days, ENTRIES_S
    _change(request, yes=yes, json=json)
    errors.print(
        "The folder of journeys was not changed: the next `anlass run --journeys` publishes what "
        "it says; without, what is in force goes on.",
        soft_wrap=True,
    )


def history(
    data: Data = Path("data"),
    key_file: KeyFile = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """List who published what when, the latest last."""
    if control:
        client = ControlClient(control, control_key)
        notes = client.ask("GET", "/v1/history", list[PublicationNote])
    else:
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
    if notes[0].number > 1:
        gone = notes[0].number - 1
        console.print(f"The first {gone:,} are not kept any more; see docs/versions.md.")
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


class There(Struct):
    """A change of a system elsewhere."""

    client: ControlClient
    path: str
    body: dict[str, Any]
    by: str


def _change(request: Request, *, yes: bool, json: bool = False) -> None:
    """Show what a change does, ask, note it, and publish it."""
    ask = _asking(yes=yes, json=json)
    folder = request.data if isinstance(request.data, Path) else request.data.data
    with ExitStack() as noting:

        def agreed(found: Diff, problems: list[str]) -> bool:
            ask(found, problems)
            if not found.empty:
                noting.enter_context(noted(folder, request.what, request.about))
            return True

        _, said = uvloop.run(considered(request, agreed))
    _tell_published(said, json=json)


def _change_there(there: There, *, yes: bool, json: bool = False) -> None:
    """Do the same elsewhere."""
    agreed = _asking(yes=yes, json=json)
    said = changed_there(there.client, there.path, there.body, there.by, agreed)
    _tell_published(said, json=json)


def _asking(*, yes: bool, json: bool) -> Agreed:
    def agreed(found: Diff, problems: list[str]) -> bool:
        if not json:
            show_diff(found)
        if problems:
            raise OperatorError("\n".join(problems))
        if not (found.empty or yes or _confirmed()):
            errors.print("Nothing was published.")
            raise typer.Exit(REFUSED)
        return True

    return agreed


def _confirmed() -> bool:
    """Ask. Raises typer.Abort where nobody answers."""
    try:
        return typer.confirm("Publish this?")
    except typer.Abort:
        errors.print("\nNothing was published; say --yes where nobody can answer.")
        raise


def _tell_published(said: PublicationNote | None, *, json: bool) -> None:
    if said is not None and json:
        print_json(said)
    elif said is not None:
        console.print(f"Publication {said.number} is in force.")
