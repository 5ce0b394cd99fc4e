"""Who owns a slot of a store in Redis: whoever raised its epoch last.

`{P}:slot:<n>` is a hash: epoch and owner; and of the slot's log (see redis_log) position, that of
the next record; first, at which the stream begins; bytes in it; last, the mark of the last entry.
Every script that writes for a slot compares the epoch.
"""

import os
import socket
from typing import Final

from actors.errors import LogCorruptError
from actors.store.port import FencedError, StoreLostError
from actors.store.redis_server import RedisServer, script

_ACQUIRE: Final = script(
    """
    local slot, owner, expected = KEYS[1], ARGV[1], ARGV[2]
    local epoch = redis.call('HGET', slot, 'epoch') or '0'
    if redis.call('HGET', slot, 'owner') ~= owner then
        if expected ~= '' and expected ~= epoch then return {'FENCED', epoch} end
        epoch = string.format('%.0f', epoch + 1)
    end
    redis.call('HDEL', slot, '')
    redis.call('HSETNX', slot, 'position', '0')
    redis.call('HSETNX', slot, 'first', '0')
    redis.call('HSETNX', slot, 'bytes', '0')
    redis.call('HSETNX', slot, 'last', '')
    redis.call('HSET', slot, 'epoch', epoch, 'owner', owner)
    return {'OK', epoch, unpack(redis.call('HMGET', slot, 'position', 'bytes', 'last'))}
    """
)

_CONFIRM: Final = script(
    """
    local slot, epoch, owner = KEYS[1], ARGV[1], ARGV[2]
    local current = redis.call('HGET', slot, 'epoch')
    if not current then return {'EMPTY'} end
    if tonumber(current) > tonumber(epoch) then return {'FENCED', current} end
    if current ~= epoch then
        redis.call('HDEL', slot, '')
        redis.call('HSET', slot, 'epoch', epoch, 'owner', owner)
    end
    return {'OK', unpack(redis.call('HMGET', slot, 'position', 'last'))}
    """
)


class RedisOwner:
    """One owner of a slot, from when it took it. Made by `take_slot`."""

    def __init__(self, server: RedisServer, slot: int, name: str, taken: list[bytes]) -> None:
        self.server = server
        self.slot = slot
        self.key = server.key("slot", slot)
        self.epoch = int(taken[0])
        self.position = int(taken[1])
        """Where the log ended."""
        self.bytes = int(taken[2])
        """In the log."""
        self.mark = taken[3]
        """Of the log's last entry."""
        self._name = name

    def confirm(self) -> tuple[int, bytes]:
        """Ask once whether its epoch stands, and say so where the server forgot it in a failover.

        Return where the log ends there, and the mark of its last entry. Raises FencedError,
        LogCorruptError, and what RedisServer.send raises.
        """
        answer = self.server.send_script(_CONFIRM, [self.key], (self.epoch, self._name))[0]
        if answer[0] == b"FENCED":
            raise self.fenced(int(answer[1]))
        if answer[0] == b"EMPTY":
            text = f"{self.server.name} has nothing of {self.key}: it was emptied, or is another"
            raise LogCorruptError(f"{text} database; restore it from a copy")
        return int(answer[1]), answer[2]

    def refused(self, epoch: int) -> FencedError | StoreLostError:
        """Return the error of a write that found the slot with another epoch."""
        if epoch > self.epoch:
            return self.fenced(epoch)
        return StoreLostError(f"{self.server.name} has forgotten who owns {self.key}")

    def fenced(self, epoch: int) -> FencedError:
        """Return the error that says who it is that owns the slot."""
        return FencedError(
            f"slot {self.slot} has epoch {epoch}, and this process had {self.epoch}: another"
            " process owns it by now"
        )


def take_slot(server: RedisServer, slot: int, expected: int | None = None) -> RedisOwner:
    """Own a slot from now on: nobody else can write there any more, whoever owned it before.

    As many replicas as are asked for know of it then: one of them may be the server next.
    With `expected` only if its epoch is that one, 0 where it has had no owner: raises FencedError.
    Raises OperatorError, StoreStalledError.
    """
    name = f"{socket.gethostname()} {os.getpid()} {os.urandom(8).hex()}"
    keys, arguments = [server.key("slot", slot)], (name, "" if expected is None else expected)
    said, *taken = server.again(lambda: server.send_written(_ACQUIRE, keys, arguments))
    if said == b"FENCED":
        text = f"slot {slot} has epoch {int(taken[0])}, not {expected}"
        raise FencedError(f"{text}: another process has taken it meanwhile")
    return RedisOwner(server, slot, name, taken)
