"""What a store was made with, and cannot change: `store.json` in its folder."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.errors import OperatorError
from actors.settings import SHARDS_MAX, ClockName
from actors.store.disk import REAL_DISK
from actors.store.keyfile import checked_key, find_key, fingerprint_of, make_key
from engine.limits import PARTITIONS

STORE_VERSION: Final = 2
MOVING: Final = "moving"
"""Ends the name of what stands where a move of a store (see actors.relocation) has not ended."""

MOVED: Final = "moved"
"""Ends the name under which a store that was moved elsewhere keeps what it was made with."""


class Store(Struct, frozen=True, kw_only=True):
    """What a store was made with, and cannot change; `store.json` in its folder."""

    version: int = STORE_VERSION
    partitions: int = PARTITIONS
    shards: int
    clock: ClockName
    encrypted: bool = False
    key_fingerprint: str = ""
    """Of the key it is encrypted with."""


def open_store(
    folder: Path,
    shards: int | None,
    clock: ClockName,
    *,
    encrypted: bool | None = None,
    key_file: Path | None = None,
) -> Store:
    """Read what the store was made with, or make it. Raises OperatorError if it does not fit.

    A new one is encrypted unless it is said not to be; its key is made if there is none.
    """
    if not is_store(folder):
        return _make_store(folder, 2 if shards is None else shards, clock, encrypted, key_file)
    store = read_store(folder)
    if shards is not None and shards != store.shards:
        text = f"{folder} has {store.shards} shards, not {shards}; start with --shards"
        raise OperatorError(f"{text} {store.shards}, or name another --data")
    if clock != store.clock:
        text = f"{folder} runs on the clock `{store.clock}`; start with --clock {store.clock}"
        raise OperatorError(f"{text}, or name another --data")
    if encrypted is not None and encrypted != store.encrypted:
        made = "on" if store.encrypted else "off"
        text = f"{folder} was made with --encryption {made}; start with that"
        raise OperatorError(f"{text}, or name another --data")
    if store.encrypted:
        checked_key(folder, key_file, store.key_fingerprint)
    return store


def is_store(folder: Path) -> bool:
    """Say whether a folder has a store already."""
    return (folder / "store.json").exists()


def read_store(folder: Path) -> Store:
    """Read what a store was made with. Raises OperatorError."""
    path = folder / "store.json"
    try:
        store = msgspec.json.decode(path.read_bytes(), type=Store)
    except FileNotFoundError:
        _check_not_moved(folder)
        text = f"{folder} is no data folder of Anlass; name one with --data"
        raise OperatorError(text) from None
    except (msgspec.DecodeError, OSError) as error:
        raise OperatorError(f"{path} cannot be read: {error}; restore it from a copy") from None
    if store.version != STORE_VERSION or store.partitions != PARTITIONS:
        raise OperatorError(f"{folder} was made by another version of Anlass; use that one")
    return store


def write_store(folder: Path, store: Store) -> None:
    """Write down durably what a store was made with. Raises OSError."""
    path = folder / "store.json"
    new = folder / "store.json.new"
    file = REAL_DISK.create(new)
    file.write(msgspec.json.format(msgspec.json.encode(store)), 0)
    file.sync()
    file.close()
    REAL_DISK.rename(new, path)
    REAL_DISK.sync_folder(folder)


def shard_folder(folder: Path, slot: int) -> Path:
    """Return the folder of one shard's log."""
    return folder / f"shard-{slot}"


def _make_store(
    folder: Path,
    shards: int,
    clock: ClockName,
    encrypted: bool | None,  # noqa: FBT001
    key_file: Path | None,
) -> Store:
    if not 1 <= shards <= SHARDS_MAX:
        raise OperatorError(f"--shards {shards} is out of range; use 1 to {SHARDS_MAX}")
    _check_not_moved(folder)
    if any(folder.glob("shard-*")):
        raise OperatorError(f"{folder} holds shards, but no store.json; restore it from a copy")
    if encrypted is False and key_file is not None:
        raise OperatorError("--encryption off uses no key; leave out --key-file")
    fingerprint = ""
    try:
        REAL_DISK.make_folder(folder)
        if encrypted is not False:
            fingerprint = fingerprint_of(find_key(folder, key_file) or make_key(folder))
        store = Store(
            shards=shards,
            clock=clock,
            encrypted=bool(fingerprint),
            key_fingerprint=fingerprint,
        )
        write_store(folder, store)
    except OSError as error:
        raise OperatorError(f"{folder} cannot be written: {error.strerror}") from None
    return store


def _check_not_moved(folder: Path) -> None:
    if (folder / f"store.json.{MOVING}").exists():
        text = f"{folder} holds the half of a store that was moved there; say `anlass move-store`"
        raise OperatorError(f"{text} as before: it begins anew")
    path = folder / f"store.json.{MOVED}"
    if path.exists():
        text = f"the store in {folder} was moved to Redis; start with --redis"
        raise OperatorError(f"{text}, or to go back to what it was then, rename {path.name}")
