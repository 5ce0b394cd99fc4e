"""Logbook: what the logs of a store tell: outcomes, and inputs that failed."""

from contextlib import closing
from pathlib import Path

from msgspec import Struct

from actors.errors import OperatorError
from actors.kept.kept import StorePlace
from actors.kept.opening import open_kept
from engine.decision import Outcome


class FailedInput(Struct, frozen=True):
    """One input or timer that failed, and where it stands."""

    shard: str
    position: int
    contact: str
    what: str
    error: str


def failed_inputs(data: StorePlace, key_file: Path | None = None) -> list[FailedInput]:
    """Read all faults that a store's logs tell of; the system may run meanwhile."""
    with closing(open_kept(data, key_file)) as kept:
        return [
            FailedInput(f"shard-{slot}", frame.position, fault.contact, fault.what, fault.error)
            for slot, frame in kept.frames()
            for fault in frame.faults
        ]


def outcomes_in(data: StorePlace, key_file: Path | None = None) -> dict[str, Outcome]:
    """Read what came of all visits and messages, by key: the last outcome of each holds."""
    with closing(open_kept(data, key_file)) as kept:
        return {outcome.key: outcome for _, frame in kept.frames() for outcome in frame.outcomes}


def shard_folders(data: Path) -> list[Path]:
    """Return the folders of a data folder's shards. Raises OperatorError where it is none."""
    if not (data / "store.json").is_file():
        raise OperatorError(f"{data} is no data folder of Anlass; name one with --data")
    return sorted(data.glob("shard-*"))
