"""The command `anlass validate`: whether a folder is in order, and what may not be meant in it."""

from pathlib import Path
from typing import Annotated

import typer
import uvloop
from msgspec import Struct

from actors.folder import Folder, read_folder
from console.options import KeyFile
from console.remote.client import Control, ControlClient, ControlKeyOption, draft_of_folder
from console.reports.events import sightings_of
from console.screen import console, errors
from engine.compile.publication import compile_publication
from engine.errors import AuthorError
from engine.nodes.dry_run import in_test_words
from engine.seen.sighting import Sightings
from engine.seen.unseen import unseen


class Checked(Struct, kw_only=True):
    """A draft that is in order."""

    journeys: int
    templates: int
    notes: list[str]
    """What is no mistake, yet may not be meant."""


def notes_of(
    found: Folder, seen: Sightings | None = None, faults: tuple[str, ...] = ()
) -> list[str]:
    """Return what is no mistake, yet may not be meant: of names, against what was seen.

    `faults`: what could not be had of that, and why.
    """
    notes = list(found.notes)
    if seen is not None:
        notes += [*faults, *map(str, unseen(found.publication.journeys, seen))]
    programs, _ = compile_publication(found.publication)
    return notes + ([] if programs is None else in_test_words(programs.by_journey.values()))


def checked_of(
    found: Folder, seen: Sightings | None = None, faults: tuple[str, ...] = ()
) -> Checked:
    """Say of a folder without mistakes what is in it."""
    return Checked(
        journeys=len(found.publication.journeys),
        templates=len(found.publication.templates),
        notes=notes_of(found, seen, faults),
    )


def validate(
    folder: Annotated[Path, typer.Argument(help="Folder of journeys.")],
    data: Annotated[
        Path | None, typer.Option(help="Store: note what was not seen there yet.")
    ] = None,
    key_file: KeyFile = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
) -> None:
    """Check a folder of journeys: every mistake of every file at once, with path and fix.

    With --control and no --data: as that system sees it, with its channels and events.
    """
    found = read_folder(folder)
    seen, faults = (None, []) if data is None else uvloop.run(sightings_of(data, key_file))
    if control and data is None and not found.mistakes:
        draft = draft_of_folder(found)
        checked = ControlClient(control, control_key).ask("POST", "/v1/validate", Checked, draft)
    else:
        checked = checked_of(found, seen, tuple(faults))
    for note in checked.notes:
        errors.print(f"note: {note}", soft_wrap=True, markup=False)
    if found.mistakes:
        raise AuthorError(found.mistakes)
    count = checked.journeys
    console.print(f"{count} journeys, {checked.templates} templates: all in order.")
