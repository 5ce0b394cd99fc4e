"""Logbook: what the logs of a store tell: outcomes, and inputs that failed."""

from contextlib import closing
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Final

from msgspec import Struct

from actors.errors import OperatorError
from actors.kept.kept import StorePlace
from actors.kept.opening import open_kept
from engine.decision import Outcome
from engine.limits import FAR_MS

FAILED_USUAL: Final = 1_000
FAILED_MAX: Final = 10_000
"""So many inputs that failed are listed at once; with the longest of texts they are 20 MB."""


class FailedInput(Struct, frozen=True):
    """One input or timer that failed, and where it stands."""

    shard: str
    position: int
    contact: str
    what: str
    error: str
    at_ms: int = 0
    """When: as late as anything in its frame."""


class FailedInputs(Struct):
    """The last inputs that failed."""

    failed: list[FailedInput]
    """The newest last."""
    left_off: int
    """How many older ones there are."""


def failed_inputs(
    data: StorePlace,
    key_file: Path | None = None,
    limit: int = FAILED_USUAL,
    until_ms: int = FAR_MS,
) -> FailedInputs:
    """Read the last faults that a store's logs tell of, up to a moment; it may run meanwhile.

    No more than `limit` are ever held in memory: whatever poisons one input may poison millions.
    """
    last: list[tuple[tuple[int, int, int, int], FailedInput]] = []
    count = 0
    with closing(open_kept(data, key_file)) as kept:
        for slot, frame in kept.frames():
            if not frame.faults:
                continue
            at_ms = max((record.now_ms for record in frame.records), default=0)
            if at_ms > until_ms:
                continue
            where = kept.place(slot), frame.position
            for number, fault in enumerate(frame.faults):
                found = FailedInput(*where, fault.contact, fault.what, fault.error, at_ms)
                put = heappush if count < limit else heappushpop
                put(last, ((at_ms, slot, frame.position, number), found))
                count += 1
    return FailedInputs([found for _, found in sorted(last)], count - len(last))


def outcomes_in(data: StorePlace, key_file: Path | None = None) -> dict[str, Outcome]:
    """Read what came of all visits and messages, by key: the last outcome of each holds."""
    with closing(open_kept(data, key_file)) as kept:
        return {outcome.key: outcome for _, frame in kept.frames() for outcome in frame.outcomes}


def shard_folders(data: Path) -> list[Path]:
    """Return the folders of a data folder's shards. Raises OperatorError where it is none."""
    if not (data / "store.json").is_file():
        raise OperatorError(f"{data} is no data folder of Anlass; name one with --data")
    return sorted(data.glob("shard-*"))
