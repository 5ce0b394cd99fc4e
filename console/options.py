"""Options that several commands share, and how a command prints JSON."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import orjson
import typer

Consent = Literal["asked", "all"]

Journeys = Annotated[Path, typer.Option(help="Folder of journeys, templates and anlass.yaml.")]
Data = Annotated[Path, typer.Option(help="Folder of the store.")]
KeyFile = Annotated[
    Path | None, typer.Option(help="The store's key, if neither in its folder nor in the variable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON instead of tables.")]
Format = Annotated[str, typer.Option(help="canonical, rees46, d2c, w1, or auto.")]
ConsentOption = Annotated[
    Consent, typer.Option(help="`all`: every contact counts as double opted in.")
]


def print_json(report: Any) -> None:
    """Print a Struct, or what is made of Structs, as a line of JSON."""
    sys.stdout.write(orjson.dumps(msgspec.to_builtins(report, str_keys=True)).decode() + "\n")
