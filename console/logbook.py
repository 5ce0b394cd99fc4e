"""Logbook: what the logs of a data folder tell: outcomes, and inputs that failed."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from actors.errors import OperatorError
from actors.frame import Frame
from actors.store.history import read_history
from actors.store.key import store_key
from engine.decision import Outcome


class FailedInput(Struct, frozen=True):
    """One input or timer that failed, and where it stands."""

    shard: str
    position: int
    contact: str
    what: str
    error: str


def frames_of(folder: Path, key: bytes | None) -> Iterator[Frame]:
    """Read all that a shard ever logged and still keeps; it may run meanwhile."""
    return read_history(folder, key)


def failed_inputs(data: Path, key_file: Path | None = None) -> list[FailedInput]:
    """Read all faults of a data folder; the system may run meanwhile."""
    key = store_key(data, key_file)
    return [
        FailedInput(folder.name, frame.position, fault.contact, fault.what, fault.error)
        for folder in shard_folders(data)
        for frame in frames_of(folder, key)
        for fault in frame.faults
    ]


def outcomes_in(data: Path, key_file: Path | None = None) -> dict[str, Outcome]:
    """Read what came of all visits and messages, by key: the last outcome of each holds."""
    key = store_key(data, key_file)
    return {
        outcome.key: outcome
        for folder in shard_folders(data)
        for frame in frames_of(folder, key)
        for outcome in frame.outcomes
    }


def shard_folders(data: Path) -> list[Path]:
    """Return the folders of a data folder's shards. Raises OperatorError where it is none."""
    if not (data / "store.json").is_file():
        raise OperatorError(f"{data} is no data folder of Anlass; name one with --data")
    return sorted(data.glob("shard-*"))
