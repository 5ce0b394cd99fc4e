"""Keyring: the write keys that may send events."""

from hashlib import sha256
from hmac import compare_digest


class Keyring:
    """Knows write keys by their digests; without any key everybody may write."""

    def __init__(self, keys: list[str]) -> None:
        self._digests = [sha256(key.encode()).digest() for key in keys]

    @property
    def empty(self) -> bool:
        """Whether no key is asked for."""
        return not self._digests

    def admits(self, key: bytes) -> bool:
        """Say whether this is one of the keys, in a time that tells nothing about them."""
        digest = sha256(key).digest()
        found = False
        for each in self._digests:
            found |= compare_digest(digest, each)
        return found
