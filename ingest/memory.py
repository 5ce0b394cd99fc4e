"""Memory: what gateways and shards use of the machine's, and the watermark on it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ingest.limits import MEMORY_FREE_RATIO

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
PROC: Final = Path("/proc")
CGROUPS: Final = Path("/sys/fs/cgroup")


class MemoryWatch:
    """Compares what all processes use with the watermark, with hysteresis.

    Another process that does not say what it uses counts with what it used before: one that stands
    still keeps its memory.
    """

    def __init__(self, max_bytes: int) -> None:
        assert max_bytes > 0
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self.full = False
        self._others: dict[Any, int] = {}

    def note(self, own_bytes: int, others: Mapping[Any, int | None]) -> bool:
        """Take in what is used now, by process, None where unknown; return whether it is too much.

        Once it was, it is until less than `MEMORY_FREE_RATIO` of the watermark is used.
        """
        known = self._others
        self._others = {
            name: known.get(name, 0) if used is None else used for name, used in others.items()
        }
        self.used_bytes = own_bytes + sum(self._others.values())
        limit = self.max_bytes * MEMORY_FREE_RATIO if self.full else self.max_bytes
        self.full = self.used_bytes > limit
        return self.full


def shard_rss_bytes(status: dict[str, Any] | None) -> int | None:
    """Return the resident memory of the shard that has this status; None where nobody knows."""
    if status is None:
        return None
    told = status.get("memory_bytes")
    if isinstance(told, int):
        return told
    pid = status.get("pid")
    return rss_bytes(pid) if isinstance(pid, int) else None


def rss_bytes(pid: int | None = None) -> int | None:
    """Return the resident memory of a process, this one by default; None where it is gone."""
    try:
        pages = (PROC / str(pid or "self") / "statm").read_text().split()[1]
    except OSError:
        return None
    return int(pages) * PAGE_BYTES


def memory_max_bytes(said: int | str, proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Return the watermark: bytes as they are, `80%` of what this system may use at all.

    That is the least of the machine's memory and the limits of its control groups. Raises
    ValueError where it is neither bytes nor a percentage, or less than nothing.
    """
    if isinstance(said, int) and said > 0:
        return said
    digits = said.removesuffix("%").strip() if isinstance(said, str) else ""
    if not digits.isdigit() or not 1 <= int(digits) <= 100 or said == digits:
        error = "memory_max: write bytes as a number, or a percentage from 1% to 100%"
        raise ValueError(f"{error}; this is {said!r}")
    return _available_bytes(proc, cgroups) * int(digits) // 100


def _available_bytes(proc: Path, cgroups: Path) -> int:
    """Return the memory of the machine, or of the tightest control group this process is in."""
    limits = [
        int(line.split()[1]) * 1024
        for line in (proc / "meminfo").read_text().splitlines()
        if line.startswith("MemTotal:")
    ]
    assert limits, f"{proc}/meminfo has no MemTotal"
    try:
        groups = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        groups = []
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if controllers == "":
            root, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = root / path.lstrip("/")
        # In a container the path may be the host's: then the root is the container's own group.
        for each in (folder, *folder.parents):
            if each == root or root in each.parents:
                limits += _limit_in(each / name)
    return min(limits)


def _limit_in(file: Path) -> list[int]:
    try:
        text = file.read_text().strip()
    except OSError:
        return []
    return [int(text)] if text.isdigit() and int(text) > 0 else []
