"""The key of a store, for those who read its files."""

from pathlib import Path

from actors.store.keyfile import checked_key
from actors.store.manifest import read_store


def store_key(folder: Path, key_file: Path | None = None) -> bytes | None:
    """Return the key that the files of a store are sealed with; None where they are not.

    Of the file named, else of ANLASS_STORE_KEY, else of the store's own file. Raises OperatorError
    where it is missing or another.
    """
    store = read_store(folder)
    return checked_key(folder, key_file, store.key_fingerprint) if store.encrypted else None
