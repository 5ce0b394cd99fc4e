"""Parts of a snapshot in Redis, as they are written; see redis_snapshots for what is where."""

from typing import Final

import msgspec
from msgspec import Struct

from actors.store.port import FencedError, SnapshotHead, StoreLostError
from actors.store.redis_owner import RedisOwner
from actors.store.redis_server import RedisServer, Script, script

PUSH_BYTES: Final = 256 << 10
"""Of parts are sent at once, unless one has more: the server does nothing else meanwhile."""
_BEGIN: Final = script(
    """
    local slot, index, parts = KEYS[1], KEYS[2], KEYS[3]
    local epoch, id, prefix = unpack(ARGV)
    local current = redis.call('HGET', slot, 'epoch') or '0'
    if current ~= epoch then return {'FENCED', current} end
    redis.call('UNLINK', parts)
    local before = redis.call('HGET', index, 'new')
    if before then redis.call('UNLINK', prefix .. before) end
    redis.call('HSET', index, 'new', id)
    return {'OK'}
    """
)

_PUSH: Final = script(
    """
    local slot, index, parts = KEYS[1], KEYS[2], KEYS[3]
    local epoch, id, begin = unpack(ARGV, 1, 3)
    local current = redis.call('HGET', slot, 'epoch') or '0'
    if current ~= epoch then return {'FENCED', current} end
    if redis.call('HGET', index, 'new') ~= id then return {'GONE'} end
    local length = redis.call('LLEN', parts)
    if length == begin + #ARGV - 3 then return {'AGAIN'} end
    if length ~= tonumber(begin) then return {'GONE'} end
    redis.call('HDEL', slot, '')
    redis.call('RPUSH', parts, unpack(ARGV, 4))
    return {'OK'}
    """
)

_FINISH: Final = script(
    """
    local slot, index, parts, owners = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
    local epoch, slot_number, partition, id, field, value, length = unpack(ARGV, 1, 7)
    local current = redis.call('HGET', slot, 'epoch') or '0'
    if current ~= epoch then return {'FENCED', current} end
    if redis.call('HGET', index, field) == value then return {'AGAIN'} end
    if redis.call('HGET', index, 'new') ~= id then return {'GONE'} end
    if redis.call('LLEN', parts) ~= tonumber(length) then return {'GONE'} end
    local owner = redis.call('HGET', owners, partition)
    if owner and owner ~= slot_number then return {'MOVED', owner} end
    redis.call('HDEL', index, 'new')
    redis.call('HSET', index, field, value)
    for at = 8, #ARGV do redis.call('HDEL', index, ARGV[at]) end
    for at = 5, #KEYS do redis.call('UNLINK', KEYS[at]) end
    return {'OK'}
    """
)

_encode: Final = msgspec.msgpack.Encoder().encode


class Kept(Struct, array_like=True, frozen=True, gc=False):
    """What the index says of a snapshot."""

    id: str
    number: int
    """Of the snapshot among all that were written: the latest has the highest."""
    parts: int
    bytes: int


class Listed(Struct, frozen=True):
    """A snapshot that an index names."""

    partition: int
    field: str
    kept: Kept

    @property
    def slot(self) -> int:
        """Whose log `position` is of."""
        return int(self.field.split(":")[0])

    @property
    def position(self) -> int:
        """As its head says."""
        return int(self.field.split(":")[1])


class SnapshotWriting:
    """A snapshot being written: parts that do not count yet."""

    def __init__(self, server: RedisServer, owner: RedisOwner, partition: int, number: str) -> None:
        self.size = 0
        """Of all its parts."""
        self._server = server
        self._owner = owner
        self._partition = partition
        self._id = f"{owner.slot}-{number}"
        self._index = server.key("snaps", partition)
        self._parts = server.key("snap", partition, self._id)
        self._sent = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def begin(self, prefix: str) -> None:
        """Remove what an earlier one left that was not finished, and note this one."""
        self._call(_BEGIN, [self._index, self._parts], self._id, prefix)

    def add(self, part: bytes) -> None:
        """Add a part, which may be sent later."""
        self.size += len(part)
        self._waiting.append(part)
        self._waiting_bytes += len(part)
        if self._waiting_bytes >= PUSH_BYTES:
            self._push()

    def finish(self, field: str, number: int, replaced: list[Listed]) -> None:
        """Let it count, in place of others, which go."""
        self._push()
        kept = Kept(self._id, number, self._sent, self.size)
        gone = [self._server.key("snap", self._partition, each.kept.id) for each in replaced]
        fields = [each.field for each in replaced if each.field != field]
        self._call(
            _FINISH,
            [self._index, self._parts, self._server.key("owners"), *gone],
            self._owner.slot,
            self._partition,
            self._id,
            field,
            _encode(kept),
            self._sent,
            *fields,
        )

    def _push(self) -> None:
        if not self._waiting:
            return
        self._call(_PUSH, [self._index, self._parts], self._id, self._sent, *self._waiting)
        self._sent += len(self._waiting)
        self._waiting, self._waiting_bytes = [], 0

    def _call(self, code: Script, keys: list[str], *arguments: str | bytes | int) -> None:
        owner = self._owner
        said, *more = self._server.call(code, [owner.key, *keys], owner.epoch, *arguments)
        if said == b"FENCED" and int(more[0]) > owner.epoch:
            raise owner.fenced(int(more[0]))
        if said == b"MOVED":
            text = f"partition {self._partition} belongs to slot {int(more[0])} by now"
            raise FencedError(f"{text}, and slot {owner.slot} keeps no snapshot of it")
        if said not in {b"OK", b"AGAIN"}:
            text = f"{self._server.name} lost what was written of {self._parts}"
            raise StoreLostError(f"{text}, or another process writes one of this partition")


def field_of(slot: int, head: SnapshotHead) -> str:
    """Return how the index names a snapshot of a slot."""
    return f"{slot}:{head.position}"
