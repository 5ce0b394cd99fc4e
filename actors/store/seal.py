"""Seal: encryption at rest, AES-GCM with a key for each file, derived from the store's one key."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
NONCE_BYTES: Final = 12


class SealBrokenError(Exception):
    """What was sealed is not as it was, or was sealed with another key."""


class Seal:
    """Seals the blocks of one file.

    The nonce is the block's offset: so a block cannot be moved, and no nonce comes twice as long
    as nothing else is ever sealed for the same file and offset. A salt is used for one file only.
    """

    def __init__(self, store_key: bytes, salt: bytes) -> None:
        assert len(store_key) == KEY_BYTES
        derive = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=b"anlass file")
        self._cipher = AESGCM(derive.derive(store_key))

    def close(self, offset: int, body: bytes) -> bytes:
        """Return the body encrypted, TAG_BYTES longer."""
        return self._cipher.encrypt(offset.to_bytes(NONCE_BYTES, "big"), body, None)

    def open(self, offset: int, sealed: bytes) -> bytes:
        """Return what was sealed. Raises SealBrokenError."""
        try:
            return self._cipher.decrypt(offset.to_bytes(NONCE_BYTES, "big"), sealed, None)
        except InvalidTag:
            raise SealBrokenError from None


def new_salt() -> bytes:
    """Return a salt for one file."""
    return os.urandom(SALT_BYTES)
