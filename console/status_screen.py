"""The command `anlass status`, and how a status looks to a person."""

from pathlib import Path
from typing import Final

import uvloop
from rich.table import Table
from rich.text import Text

from console.cluster_screen import late_words, show_cluster_status
from console.cluster_status import cluster_status_of
from console.control_client import Control, ControlClient, ControlKeyOption
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
from console.screen import console, size_words, span_words
from console.status import ShardLine, SystemStatus, status_of

NOT_KNOWN: Final = "-"


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
        up = span_words(found.uptime_s)
        head = f"Anlass at {found.url}, up for {up} (process {found.pid}), clock {found.clock}"
        journeys = "not known" if found.journeys is None else ", ".join(found.journeys) or "none"
        head += "" if found.gateways == 1 else f", {found.gateways} gateways"
        console.print(f"{head}\nJourneys in force: {journeys}", soft_wrap=True, highlight=False)
    else:
        text = f"Nothing runs on {found.folder} (clock {found.clock}). It holds:"
        console.print(text, soft_wrap=True, highlight=False)
    console.print(status_table(found))
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


def status_table(found: SystemStatus) -> Table:
    """Return a table of a line a shard, and their sums."""
    table = Table(show_footer=True)
    rows = [_cells(line) for line in [*found.shards, found.total]]
    for name, cells in zip(rows[0], zip(*[row.values() for row in rows], strict=True), strict=True):
        if all(cell == NOT_KNOWN for cell in cells):
            continue
        footer = "all" if name == "shard" else cells[-1]
        if name in {"pid", "state"}:
            footer = ""
        table.add_column(name, footer=footer, justify="left" if name == "state" else "right")
    shown = [str(column.header) for column in table.columns]
    for row in rows[:-1]:
        table.add_row(*[row[name] for name in shown])
    return table


def _cells(line: ShardLine) -> dict[str, str]:
    state = NOT_KNOWN if line.pid is None and not line.stalled else "serves"
    return {
        "shard": str(line.shard),
        "pid": NOT_KNOWN if line.pid is None else str(line.pid),
        "partitions": str(line.partitions),
        "contacts": _number(line.contacts),
        "position": _number(line.position),
        "events/s": _number(line.events_per_s),
        "not durable": _number(line.uncommitted),
        "queued": _number(line.queue),
        "timers late": NOT_KNOWN
        if line.timers_late_ms is None
        else late_words(line.timers_late_ms),
        "outbox": _number(line.outbox),
        "log": size_words(line.log_bytes),
        "snapshots": size_words(line.snapshot_bytes),
        "archive": size_words(line.archive_bytes),
        "memory": NOT_KNOWN if line.memory_bytes is None else size_words(line.memory_bytes),
        "state": "STALLED" if line.stalled else state,
    }


def _number(value: float | None) -> str:
    return NOT_KNOWN if value is None else f"{value:,.0f}"
