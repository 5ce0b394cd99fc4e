"""The file of a store's one key: made once, kept, never overwritten."""

import base64
import hmac
import os
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog

from actors.errors import OperatorError
from actors.settings import STORE_KEY_VARIABLE, store_key_of_environment
from actors.store.disk import FILE_MODE, REAL_DISK
from actors.store.seal import KEY_BYTES

KEY_FILE: Final = "store.key"
FINGERPRINT_CHARS: Final = 16

log = structlog.get_logger()


def find_key(folder: Path, key_file: Path | None) -> bytes | None:
    """Return the key of a store: of the file named, else of the environment, else its own file.

    None where there is none. Raises OperatorError for a file named that is not there, and for
    what is no key.
    """
    if key_file is not None:
        return _read_key(key_file)
    said = store_key_of_environment()
    if said:
        return _decode_key(said, STORE_KEY_VARIABLE)
    own = folder / KEY_FILE
    return _read_key(own) if own.exists() else None


def make_key(folder: Path) -> bytes:
    """Make a key and keep it durably in the store's folder. Raises OSError, also if one is there.

    It counts as made only as a whole: under another name until then.
    """
    key = os.urandom(KEY_BYTES)
    path, new = folder / KEY_FILE, folder / f"{KEY_FILE}.new"
    new.unlink(missing_ok=True)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        os.write(file, base64.b64encode(key) + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    path.hardlink_to(new)  # Never in place of another, as a rename would be.
    new.unlink()
    REAL_DISK.sync_folder(folder)
    log.warning(
        "made the key of this store: keep a copy elsewhere, nothing can be read without it",
        path=str(path),
    )
    return key


def fingerprint_of(key: bytes) -> str:
    """Return what tells a key from others, and nothing of it."""
    return hmac.new(key, b"anlass store key", sha256).hexdigest()[:FINGERPRINT_CHARS]


def checked_key(folder: Path, key_file: Path | None, fingerprint: str) -> bytes:
    """Return the key of an encrypted store. Raises OperatorError if it is another, or missing."""
    key = find_key(folder, key_file)
    if key is None:
        text = f"{folder} is encrypted and its key {folder / KEY_FILE} is missing; put it back"
        raise OperatorError(f"{text}, name it with --key-file, or set {STORE_KEY_VARIABLE}")
    if fingerprint_of(key) != fingerprint:
        text = f"{folder} was made with another key, of fingerprint {fingerprint}"
        raise OperatorError(f"{text}; name that one with --key-file or {STORE_KEY_VARIABLE}")
    return key


def _read_key(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror}; name a file that holds the store's key"
        raise OperatorError(text) from None
    return _decode_key(text, str(path))


def _decode_key(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise OperatorError(f"{where} holds no key; it is {KEY_BYTES} random bytes in base64")
    return key
