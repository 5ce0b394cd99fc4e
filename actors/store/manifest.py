"""What a store was made with, and cannot change: `store.json` in its folder."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.errors import OperatorError
from actors.settings import SHARDS_MAX, ClockName
from actors.store.disk import REAL_DISK
from engine.limits import PARTITIONS

STORE_VERSION: Final = 1


class Store(Struct, frozen=True, kw_only=True):
    """What a store was made with, and cannot change; `store.json` in its folder."""

    version: int = STORE_VERSION
    partitions: int = PARTITIONS
    shards: int
    clock: ClockName


def open_store(folder: Path, shards: int | None, clock: ClockName) -> Store:
    """Read what the store was made with, or make it. Raises OperatorError if it does not fit."""
    path = folder / "store.json"
    try:
        store = msgspec.json.decode(path.read_bytes(), type=Store)
    except FileNotFoundError:
        return _make_store(folder, path, 2 if shards is None else shards, clock)
    except (msgspec.DecodeError, OSError) as error:
        raise OperatorError(f"{path} cannot be read: {error}; restore it from a copy") from None
    if store.version != STORE_VERSION or store.partitions != PARTITIONS:
        raise OperatorError(f"{folder} was made by another version of Anlass; use that one")
    if shards is not None and shards != store.shards:
        text = f"{folder} has {store.shards} shards, not {shards}; start with --shards"
        raise OperatorError(f"{text} {store.shards}, or name another --data")
    if clock != store.clock:
        text = f"{folder} runs on the clock `{store.clock}`; start with --clock {store.clock}"
        raise OperatorError(f"{text}, or name another --data")
    return store


def read_store(folder: Path) -> Store:
    """Read what a store was made with. Raises OperatorError where there is none."""
    path = folder / "store.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Store)
    except FileNotFoundError:
        text = f"{folder} is no data folder of Anlass; name one with --data"
        raise OperatorError(text) from None
    except (msgspec.DecodeError, OSError) as error:
        raise OperatorError(f"{path} cannot be read: {error}; restore it from a copy") from None


def shard_folder(folder: Path, slot: int) -> Path:
    """Return the folder of one shard's log."""
    return folder / f"shard-{slot}"


def _make_store(folder: Path, path: Path, shards: int, clock: ClockName) -> Store:
    if not 1 <= shards <= SHARDS_MAX:
        raise OperatorError(f"--shards {shards} is out of range; use 1 to {SHARDS_MAX}")
    store = Store(shards=shards, clock=clock)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / "store.json.new"
        new.write_bytes(msgspec.json.format(msgspec.json.encode(store)))
        new.rename(path)
        REAL_DISK.sync_folder(folder)
    except OSError as error:
        raise OperatorError(f"{folder} cannot be written: {error.strerror}") from None
    return store
