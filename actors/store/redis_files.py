"""Small files of a slot in Redis: notes that its owner keeps, in the hash `{P}:files:<n>`."""

from pathlib import Path
from typing import Final

from actors.store.object_disk import ObjectDisk
from actors.store.redis_owner import RedisOwner
from actors.store.redis_server import RedisServer, script

_PUT: Final = script(
    """
    local slot, files, epoch, name = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
    local current = redis.call('HGET', slot, 'epoch') or '0'
    if current ~= epoch then return {'FENCED', current} end
    redis.call('HDEL', files, name)
    if #ARGV > 2 then redis.call('HSET', files, name, ARGV[3]) end
    return {'OK'}
    """
)


class RedisFiles:
    """See Objects. Methods raise FencedError, StoreStalledError also."""

    def __init__(self, server: RedisServer, slot: int, owner: RedisOwner | None = None) -> None:
        """Made by who only reads without an owner."""
        self._server = server
        self._owner = owner
        self._key = server.key("files", slot)

    def put(self, path: Path, data: bytes) -> None:
        """See Objects."""
        self._change(path.name, data)

    def get(self, path: Path) -> bytes:
        """See Objects."""
        data = self._server.run("HGET", self._key, path.name)
        if not isinstance(data, bytes):
            raise FileNotFoundError(f"{self._key} has no {path.name}")
        return data

    def size(self, path: Path) -> int:
        """See Objects."""
        return len(self.get(path))

    def names(self, folder: Path) -> list[str]:
        """See Objects: there is one folder."""
        return [name.decode() for name in self._server.run("HKEYS", self._key)]

    def remove(self, path: Path) -> None:
        """See Objects."""
        self._change(path.name)

    def _change(self, name: str, *data: bytes) -> None:
        owner = self._owner
        assert owner is not None, "only a slot's owner writes"
        keys = [owner.key, self._key]
        said, *more = self._server.call(_PUT, keys, owner.epoch, name, *data)
        if said == b"FENCED":
            raise owner.refused(int(more[0]))


def files_disk(server: RedisServer, owner: RedisOwner) -> ObjectDisk:
    """Return the small files of a slot as a disk, for its owner."""
    return ObjectDisk(RedisFiles(server, owner.slot, owner))


def read_files_disk(server: RedisServer, slot: int) -> ObjectDisk:
    """Return the small files of a slot as a disk, to be read only."""
    return ObjectDisk(RedisFiles(server, slot))
