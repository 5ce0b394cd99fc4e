"""Names derived from content: the same fold gives the same ids, in every process."""

from hashlib import blake2b
from typing import Final
from zlib import crc32

from engine.limits import EVENT_ID_CHARS_KEPT, PARTITIONS

VISIT_ID_CHARS: Final = 20
"""With these the keys of its messages begin."""


def partition_of(contact: str) -> int:
    """Return the hash bucket of a contact's key. Can never change for a running store."""
    return crc32(contact.encode()) % PARTITIONS


def visit_id(journey: str, contact: str, input_id: str) -> str:
    """Name the visit that this input opens: 20 hex digits."""
    return blake2b(f"{journey}\0{contact}\0{input_id}".encode(), digest_size=10).hexdigest()


def message_key(visit: str, node: str, occurrence: int) -> str:
    """Name the message a visit decides at a node, for the `occurrence`-th time (from 1)."""
    return f"{visit}.{node}.{occurrence}"


def shortened_id(event_id: str) -> str:
    """Return what is kept of a long event id to know a repeat: a hash of EVENT_ID_CHARS_KEPT."""
    return blake2b(event_id.encode(), digest_size=EVENT_ID_CHARS_KEPT // 2).hexdigest()
