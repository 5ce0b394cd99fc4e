"""Erasure: tombstones keep out what comes late of a contact that was erased.

A tombstone holds no name, only a digest of the contact's key. Whoever knows a key can tell whether
it was erased; the digest alone tells nothing that could not be guessed by trying keys.
"""

from collections.abc import Iterable
from hashlib import blake2b

from engine.limits import TOMBSTONES_MAX

Tombstones = dict[str, int]
"""Digest of a contact's key -> until when (epoch ms) its events are kept out; oldest first."""


def digest_of(contact: str) -> str:
    """Return what stands for an erased contact's key: 32 hex digits. Can never change."""
    return blake2b(contact.encode(), digest_size=16).hexdigest()


def is_entombed(tombstones: Tombstones, contact: str, now_ms: int) -> bool:
    """Say whether this contact was erased and is kept out at `now_ms`. Changes nothing."""
    return tombstones.get(digest_of(contact), 0) > now_ms


def entomb(tombstones: Tombstones, digest: str, until_ms: int, now_ms: int) -> int:
    """Keep a contact out from now on until then, by the digest of its key.

    Tombstones that have expired go; past TOMBSTONES_MAX the oldest go before their time, and how
    many these are is returned.
    """
    for other in [each for each, ends_ms in tombstones.items() if ends_ms <= now_ms]:
        del tombstones[other]
    tombstones.pop(digest, None)
    if until_ms <= now_ms:
        return 0
    dropped = max(len(tombstones) + 1 - TOMBSTONES_MAX, 0)
    for other in list(tombstones)[:dropped]:
        del tombstones[other]
    tombstones[digest] = until_ms
    return dropped


def find_erased(contacts: Iterable[str], digest: str) -> str | None:
    """Return which of these keys the digest stands for (1 µs each)."""
    return next((contact for contact in contacts if digest_of(contact) == digest), None)
