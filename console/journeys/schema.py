"""`anlass schema`: what an author's files may say, as JSON Schema for editors."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer

from actors.errors import OperatorError
from engine.language.schema import DOCUMENTS, schema_of

Document = Literal["journey", "segment", "settings"]


def schema(
    document: Annotated[Document, typer.Argument(help="Which kind of file.")] = "journey",
    out: Annotated[
        Path | None, typer.Option(help="Folder for all of them, as NAME.schema.json.")
    ] = None,
) -> None:
    """Print the JSON Schema of a kind of file, so that editors complete and check it."""
    if out is None:
        sys.stdout.write(_text_of(document))
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in DOCUMENTS:
            (out / f"{name}.schema.json").write_text(_text_of(name))
    except OSError as error:
        raise OperatorError(f"{out} cannot be written: {error.strerror}") from None


def _text_of(document: str) -> str:
    return orjson.dumps(schema_of(document), option=orjson.OPT_INDENT_2).decode() + "\n"
