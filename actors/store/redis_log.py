"""The log of a slot in Redis: a stream, and beside it a hash that says who may append, and where.

The stream is `{P}:log:<n>`, see redis_stream; the hash is `{P}:slot:<n>`, see redis_owner.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from actors.errors import LogCorruptError
from actors.frame import Frame
from actors.store.newfile import Pause
from actors.store.port import StoreFullError, StoreLostError
from actors.store.redis_owner import RedisOwner, take_slot
from actors.store.redis_rewrite import StreamRewriting
from actors.store.redis_ring import Ring
from actors.store.redis_server import RedisServer, script
from actors.store.redis_stream import (
    Entry,
    Reader,
    Writer,
    end_of,
    id_of,
    latest_entries,
    read_entries,
    read_redis_log,
)
from actors.store.rewrite import Replace

LEASE_S: Final = 3.0
GRACE_S: Final = 2.0
"""An owner that has heard nothing for longer than a lease, and then meets a server that may have
forgotten who owns the slot, waits so long for a newer owner to say so."""

REREAD_BYTES: Final = 4 << 20
"""Of the log's end are kept when it is opened: the server may lose what an owner before wrote."""

RELEASE_BYTES: Final = 64 << 20
"""What is released goes by so many bytes at a time: as much as a file of the archive then holds."""

TRIES: Final = 3
"""An append is tried so often anew where the server had to be told what it had lost."""

_APPEND: Final = script(
    """
    local slot, log = KEYS[1], KEYS[2]
    local epoch, position, following, id, value, mark = unpack(ARGV, 1, 6)
    local said = redis.call('HMGET', slot, 'epoch', 'position', 'last', 'bytes')
    if said[1] ~= epoch then return {'FENCED', said[1] or '0'} end
    if said[2] == following and said[3] == mark then
        redis.call('HDEL', slot, '')
        redis.call('HSET', slot, 'last', mark)
        return {'AGAIN'}
    end
    if said[2] ~= position then return {'GAP', said[2] or '0', said[3] or ''} end
    if said[4] + #value > tonumber(ARGV[7]) then return {'FULL', said[4]} end
    redis.call('XADD', log, id, 'b', value)
    redis.call('HSET', slot, 'position', following, 'last', mark)
    redis.call('HINCRBY', slot, 'bytes', #value)
    return {'OK'}
    """
)

_RELEASE: Final = script(
    """
    local slot, log, epoch, first = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
    local said = redis.call('HMGET', slot, 'epoch', 'first')
    if said[1] ~= epoch then return {'FENCED', said[1] or '0'} end
    if tonumber(said[2]) >= tonumber(first) then return {'AGAIN'} end
    redis.call('XTRIM', log, 'MINID', ARGV[3])
    redis.call('HSET', slot, 'first', first)
    redis.call('HINCRBY', slot, 'bytes', '-' .. ARGV[4])
    return {'OK'}
    """
)

log = structlog.get_logger()


class StreamArchive(NamedTuple):
    """Where goes what a log releases."""

    keep: Callable[[int, Iterator[tuple[Path, list[bytes]]]], object]
    """Given a position, and from there on the frames of each entry with its place; it
    returns when what it keeps is durable. It may be given the same again after a crash."""
    prune: Callable[[], object] = lambda: None
    """Lets go what was kept for long enough. Called with each release."""


class RedisLog:
    """The log of one slot, see Log. Made by `open_redis_log`. Appends and releases from any thread.

    An append whose answer is lost is sent again; the entry's mark tells the server that it has it.
    """

    def __init__(self, owner: RedisOwner, key: bytes | None, archive: StreamArchive | None) -> None:
        """Keeps the end of the log, as if this owner had written it just now."""
        self.epoch = owner.epoch
        self.position = owner.position
        """Behind what is acknowledged."""
        self.commits = 0
        self.written_again = 0
        """Entries that the server had lost in a failover, and has again."""
        self.before_release: Callable[[int], None] | None = None
        """Asked whether the log is needed from a position on only; raises where it is not."""
        self.owner = owner
        self._server = owner.server
        self._reader_server = RedisServer(self._server.settings)
        """Another connection: what is read and released must not hold up what is appended."""
        self._log_key = self._server.key("log", owner.slot)
        self._key = key
        self._writer = Writer(key)
        self._archive = archive
        self._bytes = owner.bytes
        self._ring = Ring(owner.position, owner.mark)
        self._unsure: tuple[Entry, int, list[bytes]] | None = None
        """An entry that may be there or not, where it ends, and its frames."""
        self._heard_at_s = time.monotonic()
        self._turn = threading.RLock()
        self._releasing = threading.RLock()
        self._reread()
        self._server.met_another = self._meet

    @property
    def size_bytes(self) -> int:
        """See Log: what is in the server's memory, but for what Redis adds to it."""
        return self._bytes

    def frames(self, position: int | None = 0) -> Iterator[Frame]:
        """See Log."""
        return read_redis_log(self._reader_server, self.owner.slot, self._key, position)

    def append(self, position: int, frames: list[bytes]) -> None:
        """Append frames as one entry, and wait until the server has made it durable.

        Raises StoreStalledError: the next call must begin with the same frames; FencedError;
        LogCorruptError where the server has lost more than can be written again.
        """
        with self._turn:
            if self._unsure is not None:
                entry, end, sent = self._unsure
                assert frames[: len(sent)] == sent, "what may be there must come again"
                self._write(entry, end)
                position, frames = end, frames[len(sent) :]
            if frames:
                assert position == self.position, "frames follow each other"
                entry = self._writer.entry(position, frames)
                self._unsure = (entry, end_of(frames), frames)
                self._write(entry, self._unsure[1])

    def check(self) -> None:
        """Make sure that this is still the owner; for one that has nothing to append.

        Raises FencedError, StoreStalledError, LogCorruptError.
        """
        with self._turn:
            self._server.again(self._confirm)

    def release(self, position: int) -> None:
        """Hand entries wholly before `position` over to the archive, if there is one.

        Before, the archive lets go what it has kept for long enough. Takes as long as the archive
        takes: not on the loop. Raises StoreStalledError, FencedError, OSError.
        """
        if self._archive is None:
            return
        with self._releasing:
            self._archive.prune()  # First: on a full disk it makes room.
            if self.before_release is not None:
                self.before_release(position)
            released = 0
            while entries := self._entries_before(position):
                self._release(self._archive, entries)
                released += len(entries)
            if released:
                self._archive.prune()  # What came may be old already.

    def rewrite(self, last: int, replace: Replace, pause: Pause) -> bool:
        """Write entries with records up to position `last` again; say whether any changed.

        See actors.store.rewrite. Nothing is released meanwhile, commits go on. Raises
        LogCorruptError, StoreStalledError, FencedError; then it is as it was.
        """
        with self._releasing:
            rewriting = StreamRewriting(self._reader_server, self.owner, self._key)
            rewriting.prepare(last, replace, pause)
            if not rewriting.new:
                return False
            rewriting.copy(pause)
            with self._turn:
                if self._unsure is not None:
                    raise StoreLostError(f"{self._server.name} is away; nothing was rewritten")
                rewriting.finish()
                self._ring.replace(rewriting.new)
                self._bytes += rewriting.grown_bytes
        return True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Release nothing to the archive meanwhile; commits go on."""
        with self._releasing:
            yield

    def close(self) -> None:
        """Close the connections. Another owner can open the log at any time."""
        with contextlib.suppress(OSError):
            self._server.close()
            self._reader_server.close()

    def _write(self, entry: Entry, end: int) -> None:
        for _ in range(TRIES):
            said, *more = self._server.again(lambda: self._send(entry, end))
            if said in {b"OK", b"AGAIN"}:
                self._unsure = None
                self._written(entry, end)
                return
            if said == b"FULL":
                raise StoreFullError(self._full_text(int(more[0])))
            if said == b"FENCED" and int(more[0]) > self.epoch:
                raise self.owner.fenced(int(more[0]))
            self._server.again(self._confirm)  # It has lost something, or it is not as we left it.
        raise StoreLostError(f"the store's server {self._server.name} does not keep what it takes")

    def _written(self, entry: Entry, end: int) -> None:
        self.commits += 1
        self.position = end
        self._bytes += len(entry.value)
        self._heard_at_s = time.monotonic()
        self._ring.add(entry, end, self._heard_at_s)

    def _send(self, entry: Entry, end: int) -> list[bytes]:
        return self._server.send_written(
            _APPEND,
            [self.owner.key, self._log_key],
            (
                self.epoch,
                entry.first,
                end,
                id_of(entry.first),
                entry.value,
                entry.mark,
                self._server.settings.log_bytes_max,
            ),
        )

    def _meet(self) -> None:
        """Meet a server that is another one, or was restarted: it may have forgotten something."""
        if time.monotonic() - self._heard_at_s > LEASE_S:
            self.owner.confirm()
            time.sleep(GRACE_S)
        self._confirm()

    def _confirm(self) -> None:
        """Ask whether this owner's epoch stands, say so where it was forgotten, and heal the log.

        Raises FencedError, LogCorruptError.
        """
        position, mark = self.owner.confirm()
        self._heard_at_s = time.monotonic()
        if self._ring.ends_at(position, mark):
            return
        if self._unsure is not None:
            entry, end, _ = self._unsure
            if (position, mark) == (end, entry.mark):
                return  # It had come through.
        lost = self._ring.since(position, mark)
        if lost is None:
            raise LogCorruptError(self._lost_text(position))
        for each in lost:
            (said, *_) = self._send(each.entry, each.next)
            if said not in {b"OK", b"AGAIN"}:
                raise StoreLostError(f"{self._server.name} changes while it is told what it lost")
            self.written_again += 1
        log.warning("the server had lost entries, and has them again", entries=len(lost))

    def _entries_before(self, position: int) -> list[tuple[Entry, int]]:
        """Return the first entries that lie wholly before `position`, and where each ends."""
        found: list[tuple[Entry, int]] = []
        size = 0
        before: Entry | None = None
        for entry in read_entries(self._reader_server, self._log_key, 0):
            if before is not None:
                if entry.first > position or size > RELEASE_BYTES:
                    return found
                found.append((before, entry.first))
                size += len(before.value)
            before = entry
        if before is not None and size <= RELEASE_BYTES:
            end = end_of(Reader(self._log_key, self._key).bodies(before))
            if end <= position:
                found.append((before, end))
        return found

    def _release(self, archive: StreamArchive, entries: list[tuple[Entry, int]]) -> None:
        reader = Reader(self._log_key, self._key)
        bodies = ((reader.place(entry), reader.bodies(entry)) for entry, _ in entries)
        archive.keep(entries[0][0].first, bodies)
        end = entries[-1][1]
        size = sum(len(entry.value) for entry, _ in entries)
        said, *more = self._reader_server.call(
            _RELEASE, [self.owner.key, self._log_key], self.epoch, end, id_of(end), size
        )
        if said == b"FENCED":
            raise self.owner.fenced(int(more[0]))
        self._bytes -= size

    def _reread(self) -> None:
        """Keep the end of the log, as if it had been written by this owner just now."""
        entries = latest_entries(self._reader_server, self._log_key, REREAD_BYTES)
        ends = [*(entry.first for entry in entries[1:]), self.position]
        if len(entries) < 2:
            return
        self._ring = Ring(ends[0], entries[0].mark)
        for entry, end in list(zip(entries, ends, strict=True))[1:]:
            self._ring.add(entry, end, self._heard_at_s)

    def _full_text(self, size: int) -> str:
        allowed = self._server.settings.log_bytes_max
        text = f"{self._log_key} has {size} of {allowed} bytes in {self._server.name}"
        return f"{text}, as snapshots do not keep up; see why, or allow more (--redis-log-bytes)"

    def _lost_text(self, position: int) -> str:
        text = f"{self._log_key} ends at position {position}, but was written up to {self.position}"
        return (
            f"{text}, and no process has that in memory; restore the server's data from a copy, or"
            " go on without what is missing (a start takes the log as it is)"
        )


def open_redis_log(
    server: RedisServer,
    slot: int,
    key: bytes | None = None,
    *,
    expected: int | None = None,
    archive: StreamArchive | None = None,
) -> RedisLog:
    """Open a slot's log to write, see `take_slot`.

    Raises FencedError, OperatorError, StoreStalledError.
    """
    return RedisLog(take_slot(server, slot, expected), key, archive)
