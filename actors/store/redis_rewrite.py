"""Rewriting a log's stream in Redis, to erase a contact: a copy takes its place in one step.

An entry in a stream cannot be changed. So the stream is copied within the server to
`{P}:log:<n>:new`, with other entries where there is something to erase, while the log goes on; the
last step copies what came meanwhile, and renames.
"""

import os
from collections.abc import Iterator
from typing import Final

from actors.frame import encode_frame
from actors.store.body import read_frame
from actors.store.newfile import Pause
from actors.store.port import StoreLostError
from actors.store.redis_owner import RedisOwner
from actors.store.redis_server import RedisServer, Script, script
from actors.store.redis_stream import PREFIX_BYTES, Entry, Reader, Writer, id_of, read_entries
from actors.store.rewrite import Replace

COPIED_AT_ONCE: Final = 100
SENT_BYTES: Final = 256 << 10

_DROP: Final = script(
    """
    local current = redis.call('HGET', KEYS[1], 'epoch') or '0'
    if current ~= ARGV[1] then return {'FENCED', current} end
    redis.call('UNLINK', KEYS[2])
    return {'OK'}
    """
)

_COPY: Final = script(
    """
    local slot, log, new, epoch, finish = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]
    local current = redis.call('HGET', slot, 'epoch') or '0'
    if current ~= epoch then return {'FENCED', current} end
    if finish ~= '' and redis.call('HGET', slot, 'rewritten') == finish then return {'OK', 0} end
    local changed = {}
    for at = 6, #ARGV, 2 do changed[ARGV[at]] = ARGV[at + 1] end
    local last = redis.call('XREVRANGE', new, '+', '-', 'COUNT', 1)[1]
    local from = last and '(' .. last[1] or '-'
    local page
    if finish == '' then page = redis.call('XRANGE', log, from, ARGV[3], 'COUNT', ARGV[4])
    else page = redis.call('XRANGE', log, from, '+') end
    for _, entry in ipairs(page) do
        redis.call('XADD', new, entry[1], 'b', changed[entry[1]] or entry[2][2])
        last = entry
    end
    if finish == '' then return {'OK', #page, last and last[1] or ''} end
    last = redis.call('XREVRANGE', new, '+', '-', 'COUNT', 1)[1]
    if last then
        redis.call('RENAME', new, log)
        redis.call('HSET', slot, 'last', string.sub(last[2][2], 1, tonumber(ARGV[4])))
    end
    redis.call('HINCRBY', slot, 'bytes', ARGV[5])
    redis.call('HSET', slot, 'rewritten', finish)
    return {'OK', #page}
    """
)


class StreamRewriting:
    """One rewriting of a slot's stream; nothing may be released meanwhile."""

    def __init__(self, server: RedisServer, owner: RedisOwner, key: bytes | None) -> None:
        self.new: dict[bytes, Entry] = {}
        """By the mark of an entry that changes, what stands in its place."""
        self.grown_bytes = 0
        """What the stream is larger by."""
        self._server = server
        self._owner = owner
        self._key = key
        self._log = server.key("log", owner.slot)
        self._keys = [owner.key, self._log, f"{self._log}:new"]

    def prepare(self, last: int, replace: Replace, pause: Pause) -> None:
        """Read the entries with records up to position `last`, and make those that change."""
        reader, writer = Reader(self._log, self._key), Writer(self._key)
        for entry in read_entries(self._server, self._log, 0):
            if entry.first > last:
                return
            frames, replaced = self._replaced(reader, entry, replace)
            if replaced:
                new = writer.entry(entry.first, frames)
                self.new[entry.mark] = new
                self.grown_bytes += len(new.value) - len(entry.value)
                pause()

    def copy(self, pause: Pause) -> None:
        """Copy the stream, all but what comes meanwhile."""
        self._call(_DROP, [self._keys[0], self._keys[2]])
        left = sorted(self.new.values(), key=_first_of)
        while True:
            sent = list(_portion(left))
            end = f"({id_of(left[len(sent)].first)}" if len(left) > len(sent) else "+"
            pairs = [part for entry in sent for part in (id_of(entry.first), entry.value)]
            said = self._call(_COPY, self._keys, "", end, COPIED_AT_ONCE, 0, *pairs)
            copied, done = int(said[0]), int(said[1].split(b"-")[0] or 0)
            left = [entry for entry in left if entry.first + 1 > done]
            if copied < COPIED_AT_ONCE and not left:
                return
            if not copied:
                raise StoreLostError(f"{self._server.name} lost what was copied of {self._log}")
            pause()

    def finish(self) -> None:
        """Copy the rest, and let the copy take the stream's place. Nothing may be appended now."""
        token = os.urandom(8).hex()
        self._call(_COPY, self._keys, token, "+", PREFIX_BYTES, self.grown_bytes)

    def _replaced(self, reader: Reader, entry: Entry, replace: Replace) -> tuple[list[bytes], bool]:
        place = reader.place(entry)
        frames = []
        replaced = False
        for encoded in reader.bodies(entry):
            after = replace(read_frame(place, encoded))
            replaced = replaced or after is not None
            frames.append(encoded if after is None else encode_frame(after))
        return frames, replaced

    def _call(self, code: Script, keys: list[str], *arguments: str | bytes | int) -> list[bytes]:
        said, *more = self._server.call(code, keys, self._owner.epoch, *arguments)
        if said != b"FENCED":
            return list(more)
        raise self._owner.refused(int(more[0]))


def _portion(entries: list[Entry]) -> Iterator[Entry]:
    size = 0
    for entry in entries:
        if size > SENT_BYTES:
            return
        size += len(entry.value)
        yield entry


def _first_of(entry: Entry) -> int:
    return entry.first
