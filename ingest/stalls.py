"""Stalls: which shards take no events, and why; told once as that begins, changes and ends."""

from collections.abc import Mapping
from typing import Any

import structlog

log = structlog.get_logger()


class Stalls:
    """What was told of each shard last. Who reads the log of `anlass run` has it there."""

    def __init__(self) -> None:
        self._why: dict[int, str] = {}

    def note(self, statuses: Mapping[int, dict[str, Any] | None]) -> None:
        """Take in how shards are, by slot; one that does not answer is as it was."""
        for slot, status in statuses.items():
            if status is None:
                continue
            why = str(status.get("stalled", ""))
            if why == self._why.get(slot, ""):
                continue
            self._why[slot] = why
            if why:
                log.error("a shard takes no events", shard=slot, why=why)
            else:
                log.warning("a shard takes events again", shard=slot)
