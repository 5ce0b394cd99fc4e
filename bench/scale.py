"""Scale: what 1, 10 and 100 machines carry, by arithmetic from measured costs: `-m bench.scale`.

No measurement: the costs are those that `python -m bench growth` and `cluster` print, to be put in
here anew when they change; docs/scale.md shows the table and says what it leaves out.
"""

from typing import Final

from msgspec import Struct
from rich.console import Console
from rich.table import Table

MACHINES: Final = (1, 10, 100)


class Costs(Struct, frozen=True):
    """What was measured, and what a machine has."""

    event_us: float = 15.0
    """CPU of gateway and shards for an event in large batches, 2 shards (`bench growth`)."""
    single_us: float = 60.0
    """The same for an event that comes alone: two cores took 30,000 of them in a second (wrk)."""
    event_log_bytes: float = 190.0
    """An event's share of a frame in the log, compressed (`demo` says the size of its log)."""
    server_bytes_per_s: float = 200e6
    """What one Redis server with `appendfsync always` takes in: its disk, or one core of it."""
    server_commits_per_s: float = 4_000.0
    """Scripts a second, each with its sync: what a disk of 0.1 to 0.25 ms a sync allows."""
    slot_commits_per_s: float = 400.0
    """Commits of a slot at full load: frames collect while one is on its way."""
    cores: int = 8
    use: float = 0.6
    """Part of the cores that may be used: the rest is for couriers, snapshots and peaks."""
    contact_bytes: float = 1_800.0
    """Resident memory of a contact, all told (`bench recovery`: 1.8 GB for a million)."""
    memory_bytes: float = 24e9


class Estimate(Struct, frozen=True):
    """What so many machines carry."""

    machines: int
    batched_per_s: float
    single_per_s: float
    contacts: float
    servers: int
    """Redis servers that it takes; there is one today, so more than one says where it ends."""
    limit: str


def estimate(machines: int, costs: Costs) -> Estimate:
    """Return what `machines` carry if nothing but their cores is in the way, and what else is."""
    cores = machines * costs.cores
    batched = cores * costs.use * 1e6 / costs.event_us
    single = cores * costs.use * 1e6 / costs.single_us
    slots = machines * costs.cores / 2
    by_bytes = batched * costs.event_log_bytes / costs.server_bytes_per_s
    by_commits = slots * costs.slot_commits_per_s / costs.server_commits_per_s
    needed = max(by_bytes, by_commits)
    limit = "cores"
    if needed > 1:
        limit = "Redis: commits" if by_commits > by_bytes else "Redis: bytes"
    if slots > 256:
        limit = "256 partitions"
    contacts = machines * costs.memory_bytes * costs.use / costs.contact_bytes
    return Estimate(machines, batched, single, contacts, max(1, round(needed + 0.499)), limit)


def table(costs: Costs) -> Table:
    """Return the table of docs/scale.md."""
    shown = Table(title="Machines of 8 cores and 24 GB", title_justify="left")
    for name in ("machines", "events/s, batches", "events/s, alone", "contacts", "Redis", "limit"):
        shown.add_column(name)
    for machines in MACHINES:
        each = estimate(machines, costs)
        shown.add_row(
            f"{machines}",
            f"{each.batched_per_s:,.0f}",
            f"{each.single_per_s:,.0f}",
            f"{each.contacts / 1e6:,.0f} M",
            f"{each.servers}",
            each.limit,
        )
    return shown


if __name__ == "__main__":
    Console(width=100).print(table(Costs()))
