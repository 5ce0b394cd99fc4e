"""Erasures that are not carried out in all slots yet: `{P}:erasures`, a hash that all slots see.

A partition that moves leaves what its contacts did in the logs and archives of the slots where it
was, and each of those has another owner, or none. Of each erasure there is a field with its digest,
which is there before the record that erases is in a log; and one more, `<digest>:<slot>`, for each
slot whose history has nothing of the contact any more. When all slots have theirs, all of it goes.
"""

from typing import Final

import msgspec
from msgspec import Struct

from actors.errors import LogCorruptError
from actors.store.erased import Erasure
from actors.store.redis_owner import RedisOwner
from actors.store.redis_server import RedisServer, Script, script

_POST: Final = script(
    """
    local slot, erasures, epoch, digest, value = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
    local current = redis.call('HGET', slot, 'epoch') or '0'
    if current ~= epoch then return {'FENCED', current} end
    local before = redis.call('HGET', erasures, digest)
    if before and cjson.decode(before).pseq >= cjson.decode(value).pseq then return {'AGAIN'} end
    redis.call('HDEL', erasures, '')
    redis.call('HSET', erasures, digest, value)
    return {'OK'}
    """
)

_NOTE: Final = script(
    """
    local slot, erasures, epoch = KEYS[1], KEYS[2], ARGV[1]
    local current = redis.call('HGET', slot, 'epoch') or '0'
    if current ~= epoch then return {'FENCED', current} end
    redis.call('HDEL', erasures, '')
    for at = 2, #ARGV, 3 do
        if redis.call('HEXISTS', erasures, ARGV[at]) == 1 then
            redis.call('HSET', erasures, ARGV[at + 1], ARGV[at + 2])
        end
    end
    return {'OK'}
    """
)

_CLOSE: Final = script(
    """
    local slot, erasures, epoch, digest, value = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
    local current = redis.call('HGET', slot, 'epoch') or '0'
    if current ~= epoch then return {'FENCED', current} end
    if redis.call('HGET', erasures, digest) ~= value then return {'AGAIN'} end
    for _, field in ipairs(redis.call('HKEYS', erasures)) do
        if string.sub(field, 1, #digest) == digest then redis.call('HDEL', erasures, field) end
    end
    return {'OK'}
    """
)

_decode: Final = msgspec.json.Decoder(Erasure).decode


class Share(Struct, frozen=True, array_like=True):
    """What one slot has done for an erasure."""

    pseq: int
    """Of the erasure: an earlier one of the same contact is another."""
    files: int = 0
    records: int = 0


_decode_share: Final = msgspec.json.Decoder(Share).decode


class OpenErasure(Struct, frozen=True):
    """An erasure, and which slots have done their share."""

    erasure: Erasure
    done: dict[int, Share]
    """By slot."""


class OpenErasures:
    """See above. From any thread. All methods raise what RedisServer.again raises.

    Whoever writes does so as the owner of a slot: raises FencedError.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._name = server.key("erasures")

    def read(self) -> list[OpenErasure]:
        """Return all. Raises LogCorruptError."""
        told = self._server.run("HGETALL", self._name)
        fields = dict(zip(*[iter(told)] * 2, strict=True))
        found: dict[bytes, OpenErasure] = {}
        try:
            for field, value in fields.items():
                if b":" not in field:
                    found[field] = OpenErasure(_decode(value), {})
            for field, value in fields.items():
                digest, _, slot = field.partition(b":")
                if slot and digest in found:
                    share, each = _decode_share(value), found[digest]
                    if share.pseq == each.erasure.pseq:
                        each.done[int(slot)] = share
        except (msgspec.DecodeError, ValueError) as error:
            text = f"{self._name} in {self._server.name} cannot be read: {error}; remove it"
            raise LogCorruptError(f"{text} and erase again who is to be erased") from None
        return list(found.values())

    def post(self, owner: RedisOwner, erasure: Erasure) -> None:
        """Let all slots know of one, in place of an earlier one of the same contact."""
        self._call(_POST, owner, erasure.digest, _encoded(erasure))

    def note(
        self, owner: RedisOwner, slot: int, erasures: list[Erasure], files: int, records: int
    ) -> None:
        """Note that a slot has done its share of these."""
        fields: list[str | bytes] = []
        for each in erasures:
            share = msgspec.json.encode(Share(each.pseq, files, records))
            fields += [each.digest, f"{each.digest}:{slot}", share]
        if fields:
            self._call(_NOTE, owner, *fields)

    def close(self, owner: RedisOwner, done: OpenErasure) -> None:
        """Let go of one that is done, unless a later one of the same contact took its place."""
        self._call(_CLOSE, owner, done.erasure.digest, _encoded(done.erasure))

    def _call(self, code: Script, owner: RedisOwner, *arguments: str | bytes) -> None:
        said, *more = self._server.call(code, [owner.key, self._name], owner.epoch, *arguments)
        if said == b"FENCED":
            raise owner.refused(int(more[0]))


def _encoded(erasure: Erasure) -> bytes:
    return msgspec.json.encode(erasure)


def erased_elsewhere(found: list[OpenErasure]) -> dict[str, tuple[int, int]]:
    """Return what of these a history is to have no more: see actors.erasure.ErasedElsewhere."""
    return {each.erasure.digest: each.erasure.elsewhere for each in found}
