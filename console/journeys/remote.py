"""Remote: what is in force on a system elsewhere, changed through its control API."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.errors import OperatorError
from actors.folder import checked_folder
from actors.publications import PublicationNote
from console.journeys.diff import Diff
from console.journeys.publication import Considered, read_maps
from console.remote.client import ControlClient, draft_of_folder, part
from console.remote.field_words import in_options

Agreed = Callable[[Diff, list[str]], bool]


def draft_body(journeys: Path, in_flight: str, said: list[str] | None) -> dict[str, Any]:
    """Return a folder as the API takes it where it may be published. Raises AuthorError."""
    draft = draft_of_folder(checked_folder(journeys))
    return {"draft": draft, "in_flight": in_flight, "map": read_maps(said or [])}


def state_path(journey: str, what: str) -> str:
    """Return where a journey's state is changed."""
    return f"/v1/journeys/{part(journey)}/{what}"


def changed_there(
    client: ControlClient, path: str, body: dict[str, Any], by: str, agreed: Agreed
) -> PublicationNote | None:
    """Say what a change does, and publish it if that is agreed; else there is no note.

    Where something else was published meanwhile, what was agreed to is refused.
    """
    if by:
        raise OperatorError("--by is the name of the key where --control is; leave it out")
    notes = client.ask("GET", "/v1/history", list[PublicationNote])
    after = notes[-1].number if notes else 0
    found = client.ask("POST", path, Considered, body | {"dry": True})
    if not agreed(found.diff, [in_options(each) for each in found.problems]) or found.diff.empty:
        return None
    firm = {name: said for name, said in body.items() if name != "days"}  # It was said by now.
    return client.ask("POST", path, Considered, firm | {"after": after}).published
