"""Served: where the shards of a store are reached, for commands that ask them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from actors.control.charter import Charter
from actors.control.host import host_name
from actors.control.publishing import Publishing
from actors.kept.kept import StorePlace
from actors.links.credentials import Credentials
from actors.map import even_map
from actors.running import running_system


@dataclass(frozen=True)
class Served:
    """The shards of a store that runs."""

    addresses: dict[int, str]
    """By slot, of those that own partitions and are served just now."""
    owners: list[int]
    """The slot of each partition."""
    credentials: Credentials | None
    charter: Charter | None = None
    """Of a cluster."""

    @property
    def spread(self) -> Callable[[bytes], Awaitable[object]] | None:
        """What puts a publication in force in a cluster; None where partitions do not move."""
        if self.charter is None:
            return None
        return Publishing(self.charter, host_name(), self.credentials).publish


def served_store(place: StorePlace) -> Served | None:
    """Return where a store's shards are; None where nothing runs. Blocks. Raises OperatorError."""
    if isinstance(place, Path):
        running = running_system(place)
        if running is None:
            return None
        credentials = Credentials.open(running.keys, "operator")
        owners = even_map(running.sockets).owners
        return Served(dict(enumerate(running.sockets)), owners, credentials)
    charter = Charter(place.redis)
    _, told = charter.read()
    host = host_name()
    addresses = {
        slot: site.address(host) for slot, site in sorted(told.sites.items()) if slot in told.owners
    }
    keys = "" if place.keys is None else str(place.keys)
    return (
        Served(addresses, told.owners, Credentials.open(keys, "operator"), charter)
        if addresses
        else None
    )
