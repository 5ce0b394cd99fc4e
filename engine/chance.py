"""Chance without dice: a hash says on which side a contact falls, and always says the same."""

from hashlib import blake2b
from typing import Final

STEPS: Final = 1 << 32


def point_of(contact: str, salt: str) -> float:
    """Return where a contact stands for this salt, evenly spread over [0, 100)."""
    digest = blake2b(f"{salt}\0{contact}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) * 100 / STEPS


def falls_within(share: float, contact: str, salt: str) -> bool:
    """Say whether a contact is among this percentage of all for this salt."""
    return share > 0 and point_of(contact, salt) < share
