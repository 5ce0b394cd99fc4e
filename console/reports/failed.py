"""The command `anlass failed`: the inputs that could not be applied, with the reason."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from console.options import (
    ArchiveUrl,
    AsJson,
    Data,
    KeyFile,
    Redis,
    RedisCa,
    RedisPrefix,
    print_json,
    store_place,
)
from console.remote.client import Control, ControlClient, ControlKeyOption
from console.replay.logbook import FAILED_MAX, FAILED_USUAL, FailedInputs, failed_inputs
from console.replay.recorded import moment_ms
from console.reports.events import moment_words
from console.screen import console, errors
from engine.limits import FAR_MS


def failed(  # noqa: PLR0913, PLR0917 - the options of a command
    data: Data = Path("data"),
    limit: Annotated[
        int, typer.Option(min=1, max=FAILED_MAX, help="List so many, the newest.")
    ] = FAILED_USUAL,
    until: Annotated[
        str, typer.Option(help="As of this moment, ISO or epoch milliseconds: to see older ones.")
    ] = "",
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """List the inputs that could not be applied, with the reason; the newest last."""
    if control:
        client = ControlClient(control, control_key)
        found = client.ask("GET", "/v1/failed", FailedInputs, limit=limit, until=until)
    else:
        place = store_place(data, redis, redis_prefix, redis_ca, archive)
        until_ms = moment_ms(until) if until else FAR_MS
        found = failed_inputs(place, key_file, limit, until_ms)
    if json:
        for each in found.failed:
            print_json(each)
    else:
        show_failed(found)
    if found.left_off:
        text = f"note: {found.left_off:,} older ones are left off; "
        more = "name a higher --limit, or --until an earlier moment"
        errors.print(Text(text + more), soft_wrap=True)


def show_failed(found: FailedInputs) -> None:
    """Print the inputs that failed."""
    if not found.failed:
        console.print("No input has failed.")
        return
    title = f"{len(found.failed):,} inputs that could not be applied"
    table = Table(title=title, title_justify="left")
    for name in ("when (UTC)", "shard", "position", "contact", "event or timer", "error"):
        table.add_column(name, overflow="fold")
    for each in found.failed:
        cells = (each.shard, str(each.position), each.contact, each.what, each.error)
        table.add_row(*map(Text, (moment_words(each.at_ms), *cells)))
    console.print(table)
