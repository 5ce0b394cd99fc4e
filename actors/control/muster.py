"""The muster: who is alive, as the Controller sees it now. Nothing of it is stored."""

from typing import Final

from msgspec import Struct

from actors.control.orders import Beat
from actors.control.roster import Roster

LEASE_S: Final = 3.0
"""A shard that says nothing for so long has lost its slots."""

START_S: Final = 60.0
"""What a shard's process may take until it beats for the first time."""


class Muster(Struct, kw_only=True):
    """What is seen at one moment, by a clock that only goes on."""

    now_s: float
    watched_s: float
    """Since when the Controller hears beats without a pause: after one, leases begin anew."""
    owners: list[int]
    """The slot of each partition, as the store says."""
    beats: dict[str, Beat] = {}
    """The last beat of each shard."""
    heard_s: dict[str, float] = {}
    """When that came; before the first, when the process was asked for."""
    ended: set[str] = set()
    """Shards whose process has ended."""
    nodes: list[str] = []
    """Where shards can be started; empty where nobody knows."""
    may_start: bool = True
    """Whether it is time to start one more: not right after one that could not."""

    def lost(self, roster: Roster, name: str) -> bool:
        """Say whether a shard's lease is over."""
        if name in self.ended:
            return True
        began = name in self.beats or roster.posts[name].sites  # It spoke to a former Controller.
        limit_s = LEASE_S if began else START_S
        return self.now_s - max(self.watched_s, self.heard_s.get(name, 0.0)) > limit_s

    def serves(self, name: str, slot: int) -> bool:
        """Say whether a shard has recovered a slot and serves it."""
        beat = self.beats.get(name)
        return beat is not None and slot in beat.held and beat.held[slot].serves

    def load(self, roster: Roster, name: str) -> int:
        """Return how many partitions a shard holds."""
        counts = self.counts()
        return sum(counts.get(slot, 0) for slot in roster.slots_of(name))

    def counts(self) -> dict[int, int]:
        """Return how many partitions each slot owns."""
        counts: dict[int, int] = {}
        for slot in self.owners:
            if slot >= 0:  # Below, nobody has it yet.
                counts[slot] = counts.get(slot, 0) + 1
        return counts
