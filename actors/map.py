"""The map: which slot owns each partition, and where it is served. The store decides."""

from typing import Final

from msgspec import Struct

from engine.limits import PARTITIONS

ON_ITS_WAY: Final = -1
"""In place of a slot: the partition is being moved, and who asks will be told where to."""


class Site(Struct, frozen=True, array_like=True, gc=False):
    """Where a slot is served: by its Unix socket on the same host, else by TCP."""

    host: str
    """Who is on the same one reaches the Unix socket (see actors.control.host)."""
    socket: str
    """The path of the Unix socket."""
    tcp: str = ""
    """`host:port` for all others; empty where there is one machine only."""

    def address(self, host: str) -> str:
        """Return the address for who is on `host`; see actors.links.address."""
        return self.socket if host == self.host or not self.tcp else f"tcp://{self.tcp}"


class Move(Struct, frozen=True, array_like=True, gc=False):
    """Which slot owns a partition since a version of the map."""

    partition: int
    slot: int
    """ON_ITS_WAY where it is not known yet."""
    version: int
    site: Site | None = None
    """Where the slot is served; None where that is not known."""


class ClusterMap(Struct, frozen=True, array_like=True, gc=False):
    """All partitions at one version."""

    version: int
    owners: list[int]
    """The slot of each partition."""
    sites: dict[int, Site]
    """By slot; a slot that nobody serves just now is not there."""

    def partitions_of(self, slot: int) -> list[int]:
        """Return the partitions that a slot owns."""
        return [number for number, owner in enumerate(self.owners) if owner == slot]


def partitions_of(slot: int, shards: int) -> range:
    """Return the partitions that slot `slot` of `shards` owns: an even share, in a row."""
    return range(slot * PARTITIONS // shards, (slot + 1) * PARTITIONS // shards)


def shard_of(partition: int, shards: int) -> int:
    """Return the slot that owns a partition: the inverse of `partitions_of`."""
    return ((partition + 1) * shards - 1) // PARTITIONS


def even_map(sockets: list[str]) -> ClusterMap:
    """Return the map of a store whose partitions stay: an even share to each slot, in a row."""
    owners = [shard_of(number, len(sockets)) for number in range(PARTITIONS)]
    return ClusterMap(0, owners, {slot: Site("", socket) for slot, socket in enumerate(sockets)})
