"""The clock, a port with two adapters. The only file that reads the time of day."""

import os
import time
from collections.abc import Collection
from typing import Protocol

from engine.limits import FAR_MS
from engine.partition import Partition


class Clock(Protocol):
    """Says what `now` is for an input; it is logged with the input, so a refold needs no clock."""

    def read(self) -> int:
        """Return the time of day in milliseconds; asked once a slice."""
        ...

    def now_ms(self, read_ms: int, partition: Partition, at_ms: int | None) -> int:
        """Return `now` for an event that says it happened at `at_ms`, at a time of day read."""
        ...

    def as_of_ms(self, now_ms: int, decided_at_ms: int) -> int:
        """Return the moment up to which things may still stop a message decided then."""
        ...

    def due_at_ms(self, partitions: Collection[Partition]) -> int:
        """Return the time of day at which a timer of theirs is due, if nothing is folded before.

        FAR_MS where that is never.
        """
        ...


class WallClock:
    """Now is the time of day."""

    def read(self) -> int:
        """See Clock."""
        return time.time_ns() // 1_000_000

    def now_ms(self, read_ms: int, partition: Partition, at_ms: int | None) -> int:
        """See Clock."""
        return read_ms

    def as_of_ms(self, now_ms: int, decided_at_ms: int) -> int:
        """See Clock."""
        return now_ms

    def due_at_ms(self, partitions: Collection[Partition]) -> int:
        """See Clock."""
        # A list, as it is quicker: this goes through all partitions, up to 100 times a second.
        return min([each.next_due_at_ms for each in partitions], default=FAR_MS)


class EventClock:
    """Now is the latest moment an event of the partition has named: hours pass in seconds."""

    def read(self) -> int:
        """See Clock."""
        return 0

    def now_ms(self, read_ms: int, partition: Partition, at_ms: int | None) -> int:
        """See Clock."""
        return partition.now_ms if at_ms is None or at_ms < partition.now_ms else at_ms

    def as_of_ms(self, now_ms: int, decided_at_ms: int) -> int:
        """See Clock. No simulated time passes between a decision and its handover."""
        return decided_at_ms

    def due_at_ms(self, partitions: Collection[Partition]) -> int:
        """See Clock. At once, or when an event brings the moment."""
        due = any(each.next_due_at_ms <= each.now_ms for each in partitions)
        return self.read() if due else FAR_MS


CLOCKS: dict[str, type[Clock]] = {"wall": WallClock, "events": EventClock}


def process_age_s(start: str) -> float:
    """Return for how long a process runs that started then, as `process_start` says it."""
    with open("/proc/uptime", encoding="ascii") as uptime:  # noqa: PTH123
        since_boot_s = float(uptime.read().split()[0])
    return max(since_boot_s - int(start) / os.sysconf("SC_CLK_TCK"), 0.0)


def process_start(pid: int) -> str:
    """Return when a process started, as the kernel says it; empty where there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""
