"""Snapshots in Redis: the latest two of each partition, there as a whole or not at all.

`{P}:snaps:<partition>` is a hash, the index: `<slot>:<position>` -> what is kept of that snapshot.
`{P}:snap:<partition>:<id>` is a list: the parts of what would be a file, see snapshots and block:
header, head, rows in slices, end. While one is being written its id is the index's field `new`: it
counts from when it is in the index itself.
"""

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from actors.errors import LogCorruptError
from actors.store.block import HEADER, SNAPSHOT, Blocks, blocks_of, new_blocks, read_body
from actors.store.port import Row, SnapshotHead, StoreLostError
from actors.store.redis_owner import RedisOwner
from actors.store.redis_parts import Kept, Listed, SnapshotWriting, field_of
from actors.store.redis_server import RedisServer
from actors.store.snapshot_body import HeadBody, decode_rows, end_body, is_end, row_bodies
from engine.limits import PARTITIONS
from engine.numbers import without

KEPT: Final = 2
NEW: Final = "new"
PAGE_PARTS: Final = 8


_decode_kept: Final = msgspec.msgpack.Decoder(Kept).decode


class RedisSnapshots:
    """See actors.store.port.Snapshots. Made by who only reads without an owner.

    A partition's snapshots may be of several slots that owned it: the latest written comes first,
    as positions of different logs cannot be compared. Methods may be called from any thread.
    """

    def __init__(
        self, server: RedisServer, key: bytes | None, owner: RedisOwner | None = None
    ) -> None:
        self._server = server
        self._key = key
        self._owner = owner
        self._head_body = HeadBody()
        self._turn = threading.Lock()
        self._begun = 0
        """How many were begun: it makes their ids unique."""
        self._known: set[int] = set()
        """Partitions with a snapshot of this slot, as far as was seen."""

    def write(self, head: SnapshotHead, rows: Iterable[list[Row]]) -> None:
        """See Snapshots. Raises StoreStalledError, FencedError; then nothing of it counts.

        `head.rows` must be the number of rows that come.
        """
        with self._turn:
            listed = self._listed([head.partition])
            number = max((each.kept.number for each in listed), default=0) + 1
            self._write(head, rows, number, self._too_many(head, listed))

    def rewrite_snapshot(self, head: SnapshotHead, drop: Callable[[Row], bool]) -> bool:
        """See actors.store.snapshots.SnapshotFiles."""
        with self._turn:
            dropped = [row.state for rows in self.rows(head) for row in rows if drop(row)]
            if not dropped:
                return False
            (found,) = self._find(head)
            kept = ([row for row in rows if not drop(row)] for rows in self.rows(head))
            numbers = without(head.numbers, dropped, head.now_ms)
            rest = replace(head, rows=head.rows - len(dropped), numbers=numbers)
            self._write(rest, kept, found.kept.number, [found])
        return True

    def heads(self, partition: int) -> list[SnapshotHead]:
        """See Snapshots; only the first parts of each are read."""
        return self.all_heads(partition).get(partition, [])

    def all_heads(self, partition: int | None = None) -> dict[int, list[SnapshotHead]]:
        """Return the heads of all partitions, or of one, as `heads` does."""
        found: dict[int, list[SnapshotHead]] = {}
        for each in self._listed(range(PARTITIONS) if partition is None else [partition]):
            head = self._head_if_whole(each)
            if head is not None:
                found.setdefault(each.partition, []).append(head)
                if self._owner is not None and each.slot == self._owner.slot:
                    self._known.add(each.partition)
        return found

    def check_release(self, position: int) -> None:
        """Raise StoreLostError where the log is needed before `position`, for all that was said.

        A server may have lost in a failover snapshots that were written, and rest on older ones.
        """
        assert self._owner is not None
        latest: dict[int, int] = {}
        known = self._known.intersection(self._partitions())
        for each in self._listed(sorted(known)):
            if each.slot == self._owner.slot:
                latest[each.partition] = max(latest.get(each.partition, -1), each.position)
        for number in known:
            if latest.get(number, -1) < position:
                text = f"{self._server.name} has lost the latest snapshot of partition {number}"
                raise StoreLostError(f"{text}: the log stays until there is another")

    def faults(self) -> list[LogCorruptError]:
        """See Snapshots: of partitions that no other slot owns."""
        found = []
        for each in self._listed(self._partitions()):
            try:
                self._head(each)
            except LogCorruptError as error:
                if each in self._listed([each.partition]):
                    found.append(error)  # Else a later one took its place meanwhile.
        return found

    def rows(self, head: SnapshotHead) -> Iterator[list[Row]]:
        """See Snapshots. Where it is damaged, rows before the place may have been returned."""
        found = self._find(head)
        if not found:
            text = f"{self._server.key('snaps', head.partition)} of position {head.position}"
            raise LogCorruptError(f"{text} is gone; list the snapshots again")
        place = self._place(found[0])
        count = 0
        last = b""
        for body in self._bodies(found[0]):
            if last:
                rows = decode_rows(place, last)
                count += len(rows)
                yield rows
            last = body
        if not is_end(last, count):
            raise LogCorruptError(f"{place} ends early, after {count} rows; restore it from a copy")

    @property
    def size_bytes(self) -> int:
        """What this slot's snapshots hold; all there are for who only reads."""
        own = None if self._owner is None else self._owner.slot
        return sum(each.kept.bytes for each in self.listed() if own is None or each.slot == own)

    def listed(self) -> list[Listed]:
        """Return what the indexes of all partitions name."""
        return self._listed(range(PARTITIONS))

    def close(self) -> None:
        """Close the connection."""
        self._server.close()

    def _write(
        self, head: SnapshotHead, rows: Iterable[list[Row]], number: int, replaced: list[Listed]
    ) -> None:
        owner = self._owner
        assert owner is not None, "only a slot's owner writes snapshots"
        self._begun += 1
        written = SnapshotWriting(
            self._server, owner, head.partition, f"{owner.epoch}-{self._begun}"
        )
        blocks = new_blocks(SNAPSHOT, self._key)
        written.begin(self._server.key("snap", head.partition, ""))
        written.add(blocks.header)
        written.add(blocks.encode(written.size, self._head_body.encode(head)))
        for body in row_bodies(head, rows):
            written.add(blocks.encode(written.size, body))
        written.add(blocks.encode(written.size, end_body(head.rows, written.size)))
        slot = owner.slot if head.slot < 0 else head.slot  # Another's, where one is rewritten.
        written.finish(field_of(slot, head), number, replaced)
        if slot == owner.slot:
            self._known.add(head.partition)

    def _too_many(self, head: SnapshotHead, listed: list[Listed]) -> list[Listed]:
        """Return those that go when this one comes; a damaged one does not count as kept."""
        assert self._owner is not None
        field = field_of(self._owner.slot, head)
        whole = 1
        gone = []
        for each in listed:
            if each.field == field or whole == KEPT:
                gone.append(each)
            elif self._head_if_whole(each) is not None:
                whole += 1
        return gone

    def _partitions(self) -> list[int]:
        """Return the partitions that no other slot owns."""
        owners = self._server.run("HGETALL", self._server.key("owners"))
        slots = {int(key): int(slot) for key, slot in zip(*[iter(owners)] * 2, strict=True)}
        own = None if self._owner is None else self._owner.slot
        return [each for each in range(PARTITIONS) if own is None or slots.get(each, own) == own]

    def _listed(self, partitions: Iterable[int]) -> list[Listed]:
        """Return what the indexes of partitions name, the latest of each first."""
        numbers = list(partitions)
        indexes = self._server.run_all(
            [("HGETALL", self._server.key("snaps", number)) for number in numbers]
        )
        found = []
        for number, index in zip(numbers, indexes, strict=True):
            named = [
                Listed(number, field.decode(), _decode_kept(value))
                for field, value in zip(*[iter(index)] * 2, strict=True)
                if field != NEW.encode()
            ]
            found += sorted(named, key=lambda each: each.kept.number, reverse=True)
        return found

    def _find(self, head: SnapshotHead) -> list[Listed]:
        """Return what the index says of a snapshot; nothing where it is gone.

        A head that does not say whose it is may be of this slot, or else of one before.
        """
        own = self._owner.slot if head.slot < 0 and self._owner is not None else head.slot
        listed = [each for each in self._listed([head.partition]) if each.position == head.position]
        found = [each for each in listed if each.slot == own]
        return (found or (listed if head.slot < 0 else []))[:1]

    def _head_if_whole(self, listed: Listed) -> SnapshotHead | None:
        try:
            return self._head(listed)
        except LogCorruptError:
            return None  # Damaged: `faults` says how. Gone: a later one took its place meanwhile.

    def _head(self, listed: Listed) -> SnapshotHead:
        """Read header and head, and whether the rest is there. Raises LogCorruptError."""
        place = self._place(listed)
        key = self._parts_key(listed)
        length, parts = self._server.run_all([("LLEN", key), ("LRANGE", key, 0, 1)])
        if length != listed.kept.parts:
            text = f"{place} has {length} of its {listed.kept.parts} parts"
            raise LogCorruptError(f"{text}; restore it from a copy")
        blocks = blocks_of(place, parts[0], SNAPSHOT, self._key)
        head = self._head_body.decode(place, _open(place, blocks, HEADER.size, parts[1]))
        if head.position != listed.position:
            raise LogCorruptError(f"{place} holds one of position {head.position}; remove it")
        return head

    def _bodies(self, listed: Listed) -> Iterator[bytes]:
        """Read what the parts behind the head hold, page by page. Raises LogCorruptError."""
        place, key = self._place(listed), self._parts_key(listed)
        blocks: Blocks | None = None
        offset = 0
        at = 0
        while page := self._server.run("LRANGE", key, at, at + PAGE_PARTS - 1):
            for part in page:
                if blocks is None:
                    blocks = blocks_of(place, part, SNAPSHOT, self._key)
                else:
                    body = _open(place, blocks, offset, part)
                    if offset > HEADER.size:
                        yield body
                offset += len(part)
            at += len(page)

    def _place(self, listed: Listed) -> Path:
        return Path(self._server.key("snaps", listed.partition)) / listed.field

    def _parts_key(self, listed: Listed) -> str:
        return self._server.key("snap", listed.partition, listed.kept.id)


def bytes_by_slot(server: RedisServer) -> dict[int, int]:
    """Return what the snapshots of each slot hold. Raises StoreStalledError."""
    found: dict[int, int] = {}
    for each in RedisSnapshots(server, None).listed():
        found[each.slot] = found.get(each.slot, 0) + each.kept.bytes
    return found


def _open(place: Path, blocks: Blocks, offset: int, part: bytes) -> bytes:
    body, _ = read_body(place, io.BytesIO(part), blocks, offset)
    return body
