"""How the status of a cluster looks to a person."""

from typing import Final

from rich.table import Table
from rich.text import Text

from console.reports.cells import (
    NOT_KNOWN,
    Cells,
    fitting,
    known_columns,
    load_cells,
    number_cell,
    size_cell,
)
from console.reports.cluster_status import ClusterStatus, MemberLine, ServerLine, SlotLine
from console.reports.standing import in_force_words
from console.screen import console, size_words

FULL_SHARE: Final = 0.8
"""A server with so much of its memory in use is shown in red."""

TEXTS: Final = {"shard", "node", "state"}


def show_cluster_status(found: ClusterStatus) -> None:
    """Print it: the whole, then shards by node, then slots."""
    head = f"Cluster in {found.redis}: {found.wanted} shards wanted, generation {found.generation}"
    console.print(f"{head}, {found.controller}", soft_wrap=True, highlight=False)
    console.print(Text(in_force_words(found.journeys)), soft_wrap=True)
    text, full = server_words(found.server)
    console.print(Text(text, style="red" if full else ""), soft_wrap=True)
    if found.stopping:
        console.print("It stops." if found.shards else "It is stopped.")
    if found.moving:
        console.print(f"{found.moving} partitions are to move", highlight=False)
    if found.shards:
        _show([_member_cells(line) for line in found.shards])
    if found.slots:
        _show([_slot_cells(line) for line in found.slots])
    for line in found.slots:
        for why in (line.stalled and f"takes no events: {line.stalled}", line.snapshot_error):
            if why and not found.stopping:
                console.print(Text(f"slot {line.slot}: {why}", style="red"), soft_wrap=True)


def server_words(line: ServerLine) -> tuple[str, bool]:
    """Return what to say of a server's memory, and whether it is nearly full."""
    if line.used_bytes is None or line.max_bytes is None:
        return "Redis: its user may not ask how much memory it uses", False
    replicas = "" if line.replicas is None else f", {line.replicas} replicas"
    peak = "" if line.peak_bytes is None else f" (at most {size_words(line.peak_bytes)})"
    used = f"Redis: {size_words(line.used_bytes)} in use{peak}"
    if not line.max_bytes:
        return f"{used}, without a bound: set maxmemory{replicas}", False
    share = line.used_bytes / line.max_bytes
    text = f"{used} of {size_words(line.max_bytes)}, {share:.0%}{replicas}"
    if share < FULL_SHARE:
        return text, False
    return f"{text}: beyond that nothing is accepted; raise maxmemory", True


def _show(rows: list[Cells]) -> None:
    """Print the columns of which something is known, in tables that fit."""
    for shown in fitting(known_columns(rows), rows, console.width):
        table = Table()
        for name in shown:
            table.add_column(name, justify="left" if name in TEXTS else "right", no_wrap=True)
        for row in rows:
            table.add_row(*[Text(row[name]) for name in shown])
        console.print(table)


def _member_cells(line: MemberLine) -> Cells:
    return {
        "shard": line.shard,
        "node": line.node,
        "state": line.state,
        "pid": NOT_KNOWN if line.pid is None else str(line.pid),
        "gen": str(line.generation),
        "slots": " ".join(map(str, line.slots)),
        "partitions": str(line.partitions),
        "events/s": number_cell(line.events_per_s),
        "lease": NOT_KNOWN if line.heard_ms is None else f"{line.heard_ms} ms ago",
        "lag": NOT_KNOWN if line.lag_ms is None else f"{line.lag_ms} ms",
        "memory": size_cell(line.memory_bytes),
    }


def _slot_cells(line: SlotLine) -> Cells:
    return {
        "slot": str(line.slot),
        "shard": line.shard or "nobody",
        "epoch": str(line.epoch),
        **load_cells(line),
    }
