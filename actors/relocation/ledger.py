"""Ledger: what each partition of a store held, short enough to keep, to compare with a copy."""

from hashlib import blake2b

from msgspec import Struct

from actors.shards.shard import Shard
from engine.numbers import SavedNumbers
from engine.partition import Partition


class Entry(Struct, frozen=True):
    """What a partition held."""

    contacts: int
    states: bytes
    """A digest of all contacts' keys and states."""
    published: bytes
    """A digest of the publication in force."""
    tombstones: dict[str, int]
    numbers: SavedNumbers
    now_ms: int


class Ledger:
    """Partitions as they were noted."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}

    @property
    def contacts(self) -> int:
        """How many contacts all partitions noted have."""
        return sum(each.contacts for each in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def note(self, shard: Shard) -> None:
        """Note all partitions of a shard."""
        for number, partition in shard.partitions.items():
            assert number not in self._entries, "a partition has one owner"
            self._entries[number] = _entry_of(partition)

    def differences(self, shard: Shard) -> list[str]:
        """Say where the partitions of another shard are not as noted; nothing where all are."""
        found = []
        for number, partition in shard.partitions.items():
            noted, entry = self._entries[number], _entry_of(partition)
            for name in Entry.__struct_fields__:
                if getattr(noted, name) != getattr(entry, name):
                    told = f": {noted.contacts} and {entry.contacts}" if name == "contacts" else ""
                    found.append(f"partition {number}: `{name}` is another there{told}")
        return found


def _entry_of(partition: Partition) -> Entry:
    states = partition.states()
    digest = blake2b(digest_size=16)
    for key in sorted(states):
        for part in (key.encode(), states[key]):
            digest.update(len(part).to_bytes(4, "big") + part)
    return Entry(
        contacts=len(states),
        states=digest.digest(),
        published=blake2b(partition.published, digest_size=16).digest(),
        tombstones=dict(partition.tombstones),
        numbers=partition.numbers.save(),
        now_ms=partition.now_ms,
    )
