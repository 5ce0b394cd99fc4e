"""The command `anlass status`, and how a status looks to a person."""

from pathlib import Path

import uvloop
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from console.options import (
    ArchiveUrl,
    AsJson,
    Data,
    KeyFile,
    Keys,
    Redis,
    RedisCa,
    RedisPrefix,
    archive_url,
    print_json,
    redis_settings,
)
from console.remote.client import Control, ControlClient, ControlKeyOption
from console.reports.cells import NOT_KNOWN, Cells, fitting, known_columns, load_cells, size_cell
from console.reports.cluster_screen import show_cluster_status
from console.reports.cluster_status import cluster_status_of
from console.reports.standing import in_force_words
from console.reports.status import ShardLine, SystemStatus, status_of
from console.screen import console, size_words
from engine.calendar.span import span_words


def status(  # noqa: PLR0913, PLR0917 - the options of a command
    data: Data = Path("data"),
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    keys: Keys = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show how each shard is: position, lag, sizes, memory, events/s; or what the folder holds.

    With --redis, of a whole cluster: shards by node, leases, slots, and the memory of the server.
    """
    if redis:
        where = redis_settings(redis, redis_prefix, ca=redis_ca)
        own = data / "archive"
        place = archive_url(archive, data) if archive or own.is_dir() else ""
        whole = uvloop.run(cluster_status_of(where, keys, place))
        if json:
            print_json(whole)
        else:
            show_cluster_status(whole)
        return
    if control:
        found = ControlClient(control, control_key).ask("GET", "/v1/status", SystemStatus)
    else:
        found = uvloop.run(status_of(data, key_file))
    if json:
        print_json(found)
    else:
        show_status(found)


def show_status(found: SystemStatus) -> None:
    """Print a status."""
    if found.running:
        assert found.uptime_s is not None
        up = span_words(round(found.uptime_s) * 1000)
        head = f"Anlass at {found.url}, up for {up} (process {found.pid}), clock {found.clock}"
        head += "" if found.gateways == 1 else f", {found.gateways} gateways"
        console.print(Text(f"{head}\n{in_force_words(found.journeys)}"), soft_wrap=True)
    else:
        text = f"Nothing runs on {found.folder} (clock {found.clock}). It holds:"
        console.print(text, soft_wrap=True, highlight=False)
    for table in status_tables(found, console.width):
        console.print(table)
    if found.earlier_bytes:
        size = size_words(found.earlier_bytes)
        text = f"Of the archive {size} are of the time in Redis, in `earlier/`"
        console.print(text, soft_wrap=True, highlight=False)
    for number in found.gateways_silent:
        text = f"gateway {number} does not answer; it starts again where its process died"
        console.print(Text(text, style="red"), soft_wrap=True)
    for notice in found.notices:
        console.print(Text(notice, style="yellow"), soft_wrap=True)
    for line in found.shards:
        if line.stalled:
            text = f"shard {line.shard} takes no events: {line.stalled}"
            console.print(Text(text, style="red"), soft_wrap=True)
        if line.snapshot_error:
            text = f"shard {line.shard}: {line.snapshot_error}"
            console.print(Text(text, style="red"), soft_wrap=True)


def status_tables(found: SystemStatus, width: int) -> list[Table]:
    """Return a table of a line a shard, and their sums; where it is too wide, several."""
    rows = [_cells(line) for line in [*found.shards, found.total]]
    return [_table(shown, rows) for shown in fitting(known_columns(rows), rows, width)]


def _table(shown: list[str], rows: list[Cells]) -> Table:
    table = Table(show_footer=True)
    for name in shown:
        footer = "all" if name == "shard" else rows[-1][name]
        if name in {"pid", "state"}:
            footer = ""
        justify: JustifyMethod = "left" if name == "state" else "right"
        table.add_column(name, footer=footer, justify=justify, no_wrap=True)
    for row in rows[:-1]:
        table.add_row(*[row[name] for name in shown])
    return table


def _cells(line: ShardLine) -> Cells:
    state = NOT_KNOWN if line.pid is None and not line.stalled else "serves"
    return {
        "shard": str(line.shard),
        "pid": NOT_KNOWN if line.pid is None else str(line.pid),
        **load_cells(line),
        "memory": size_cell(line.memory_bytes),
        "state": "STALLED" if line.stalled else state,
    }
