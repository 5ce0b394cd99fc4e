"""The map of a store in Redis: which slot owns each partition; changed by compare-and-set.

`{P}:map` is a hash: version, the controller's document, and who changed it last. `{P}:owners` is a
hash: partition -> slot. A slot's own hash (`{P}:slot:<n>`, see redis_log) holds the epoch by which
a partition is given away. Scripts begin as `redis_server.script` says, so that the map can be
changed in a server without memory.
"""

import os
from typing import Final

from msgspec import Struct

from actors.store.port import FencedError
from actors.store.redis_server import RedisServer, script
from engine.limits import PARTITIONS

NOBODY: Final = -1

_CHANGE: Final = script(
    """
    local map, owners = KEYS[1], KEYS[2]
    local version = redis.call('HGET', map, 'version') or '0'
    if redis.call('HGET', map, 'last') == ARGV[2] then return {'AGAIN', version} end
    local following = string.format('%.0f', version + 1)
    local fits = ARGV[1] == version
    if ARGV[3] == 'restore' then
        following = ARGV[1]
        fits = tonumber(version) < tonumber(following)
    end
    if not fits then return {'CHANGED', version} end
    redis.call('HDEL', map, '')
    redis.call('HSET', map, 'version', following, 'last', ARGV[2])
    if ARGV[4] == '1' then redis.call('HSET', map, 'document', ARGV[5]) end
    if #ARGV > 5 then redis.call('HSET', owners, unpack(ARGV, 6)) end
    return {'OK', following}
    """
)

_GIVE: Final = script(
    """
    local map, owners, slot = KEYS[1], KEYS[2], KEYS[3]
    local partition, from, epoch, to = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
    local version = redis.call('HGET', map, 'version') or '0'
    local owner = redis.call('HGET', owners, partition) or '-1'
    if owner == to then return {'OK', version} end
    local current = redis.call('HGET', slot, 'epoch') or '0'
    if current ~= epoch then return {'FENCED', current} end
    if owner ~= from then return {'ELSEWHERE', owner} end
    version = string.format('%.0f', version + 1)
    redis.call('HDEL', map, '')
    redis.call('HSET', owners, partition, to)
    redis.call('HSET', map, 'version', version)
    return {'OK', version}
    """
)


class MapChangedError(Exception):
    """Someone else changed the map: read it again."""


class Map(Struct, frozen=True):
    """The map at one version; 0 is one that nobody has made."""

    version: int
    owners: list[int]
    """The slot of each partition; NOBODY where none is said."""
    document: bytes
    """What the controller notes, moves under way say; nobody else reads it."""


class RedisMap:
    """The map. From any thread. All methods raise what RedisServer.again raises."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._map = server.key("map")
        self._owners = server.key("owners")

    def read(self) -> Map:
        """Read all of it, as of one moment."""
        _, _, _, (said, owners) = self._server.run_all(
            [
                ("MULTI",),
                ("HMGET", self._map, "version", "document"),
                ("HGETALL", self._owners),
                ("EXEC",),
            ]
        )
        slots = [NOBODY] * PARTITIONS
        for partition, slot in zip(*[iter(owners)] * 2, strict=True):
            slots[int(partition)] = int(slot)
        return Map(int(said[0] or 0), slots, said[1] or b"")

    def version(self) -> int:
        """Read the version alone: 0 where there is no map."""
        return int(self._server.run("HGET", self._map, "version") or 0)

    def change(
        self,
        version: int,
        owners: dict[int, int] | None = None,
        document: bytes | None = None,
    ) -> int:
        """Change these, all at once, if the map still has this version; return its new one.

        What is None, and a partition not named, stays. Raises MapChangedError.
        """
        return self._change(version, owners or {}, document, "")

    def restore(self, known: Map) -> None:
        """Put a map back that the server lost in a failover: where it has an older version.

        Raises MapChangedError where it has the same or a later one.
        """
        owners = {number: slot for number, slot in enumerate(known.owners) if slot != NOBODY}
        self._change(known.version, owners, known.document, "restore")

    def give(self, partition: int, from_slot: int, epoch: int, to_slot: int) -> int:
        """Give a partition to another slot; return the map's new version.

        For the owner of the giving slot, with its epoch: raises FencedError where that is another
        one. To do it again changes nothing. Raises MapChangedError where neither has it.
        """
        said, number = self._server.call(
            _GIVE,
            [self._map, self._owners, self._server.key("slot", from_slot)],
            partition,
            from_slot,
            epoch,
            to_slot,
        )
        if said == b"FENCED":
            text = f"slot {from_slot} has epoch {int(number)}, not {epoch}: another owns it"
            raise FencedError(f"{text}, and it gives nothing away")
        if said == b"ELSEWHERE":
            text = f"partition {partition} belongs to slot {int(number)}, not to {from_slot}"
            raise MapChangedError(text)
        return int(number)

    def _change(
        self, version: int, owners: dict[int, int], document: bytes | None, how: str
    ) -> int:
        fields = [each for pair in sorted(owners.items()) for each in pair]
        said, number = self._server.call(
            _CHANGE,
            [self._map, self._owners],
            version,
            os.urandom(8).hex(),  # Told again after a lost answer, it changes nothing.
            how,
            int(document is not None),
            document or b"",
            *fields,
        )
        if said == b"CHANGED":
            raise MapChangedError(f"the map has version {int(number)}, not {version}")
        return int(number)
