"""Stores made for measurements, without a system: snapshots of many contacts, and a log behind."""

import subprocess
import sys
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from actors.clock import WallClock
from actors.folder import read_folder
from actors.frame import encode_frame
from actors.links.link import LinkEvent
from actors.map import shard_of
from actors.shards.shard import Shard
from actors.store.key import store_key
from actors.store.log import open_log
from actors.store.manifest import open_store, read_store, shard_folder
from actors.store.port import Log, Row, SnapshotHead, Snapshots
from actors.store.snapshots import open_snapshots
from bench.footprint import BEGIN_MS, ordinary_contact
from bench.running import EXAMPLES
from engine.contacts.contact import Contact, encode_contact
from engine.contacts.identity import partition_of
from engine.limits import FAR_MS
from engine.partition import Partition

SHARDS: Final = 2
EVENTS_PER_FRAME: Final = 100
FRAMES_PER_BLOCK: Final = 20
RECENT_EVENTS: Final = 5
ID_CHARS: Final = 24
FIRST: Final = 1_000_000
"""Position of the snapshots: the log before it has gone to an archive that was thrown away."""

ROWS_PER_SLICE: Final = 1_000
PAYLOAD: Final = (
    b'{"product_id":"sku-%d","price":12.5,"category":"shoes","currency":"EUR",'
    b'"url":"https://shop.example/products/sku-%d"}'
)


class Built(Struct, frozen=True):
    """What a store was made of."""

    log_bytes: int
    snapshot_bytes: int


def key_of(number: int) -> str:
    """Return the key of one of the contacts."""
    return f"contact-{number:08}"


def contact_of_shard(slot: int) -> str:
    """Return the key of some contact that a slot owns."""
    numbers = iter(range(1_000_000))
    return next(key for key in map(key_of, numbers) if shard_of(partition_of(key), SHARDS) == slot)


def build_store(data: Path, contacts: int, events: int) -> Built:
    """Make a store with a snapshot of so many idle contacts, and then so many events of log.

    A slot each in a process of its own: making takes longer than reading.
    """
    open_store(data, SHARDS, "wall")
    told = [str(data), str(contacts), str(events)]
    makers = [
        subprocess.Popen([sys.executable, "-m", "bench.stored", str(slot), *told])
        for slot in range(SHARDS)
    ]
    for maker in makers:
        if maker.wait():
            raise RuntimeError(f"making a store of {contacts:,} contacts failed")
    return Built(
        log_bytes=sum(path.stat().st_size for path in data.glob("shard-*/log-*.seg")),
        snapshot_bytes=sum(path.stat().st_size for path in data.glob("shard-*/snapshots/*")),
    )


def build_slot(data: Path, slot: int, contacts: int, events: int) -> None:
    """Make one slot: its snapshots, then its share of the events."""
    key = store_key(data)
    folder = shard_folder(data, slot)
    shards = read_store(data).shards
    log = open_log(folder, key)
    source = read_folder(EXAMPLES).source
    template = ordinary_contact(RECENT_EVENTS, source)
    shard = Shard(slot, shards, WallClock())
    keys = names_by_partition(shard, contacts)

    def row_of(name: str) -> Row:
        state = encode_contact(contact_like(template, name))
        return Row(name, 0, FAR_MS, pending=False, state=state)

    write_snapshots(shard, open_snapshots(folder / "snapshots", key), source, keys, row_of)
    names = [name for each in keys.values() for name in each]
    write_events(shard, log, names, max(events // shards, 1))  # A log without any would be lost.
    log.close()


def names_by_partition(shard: Shard, contacts: int) -> dict[int, list[str]]:
    """Return those of so many contacts that a shard owns, by partition."""
    names: dict[int, list[str]] = {number: [] for number in shard.partitions}
    for name in map(key_of, range(contacts)):
        if (number := partition_of(name)) in names:
            names[number].append(name)
    return names


def write_snapshots(
    shard: Shard,
    snapshots: Snapshots,
    source: bytes,
    names: dict[int, list[str]],
    row_of: Callable[[str], Row],
) -> None:
    """Write a snapshot of each partition with these contacts; the shard goes on from there."""
    shard.published, shard.position = source, FIRST
    for number, each in sorted(names.items()):
        rows = [row_of(name) for name in each]
        partition = shard.partitions[number]
        partition.load(source, [(row.key, row.armed_at_ms, row.state) for row in rows])
        slices = [rows[at : at + ROWS_PER_SLICE] for at in range(0, len(rows), ROWS_PER_SLICE)]
        snapshots.write(head_of(partition, len(rows)), slices)


def contact_like(template: Contact, key: str) -> Contact:
    """Return a contact with ids and an address of its own, so that files compress as they would."""
    digest = blake2b(key.encode()).hexdigest()
    ids = (digest[at : at + ID_CHARS] for at in range(len(digest)))
    return replace(
        template,
        key=key,
        attributes=template.attributes | {"email": f"{digest[:12]}@shop.example"},
        event_ids=dict(zip(ids, template.event_ids.values(), strict=False)),
    )


def head_of(partition: Partition, rows: int) -> SnapshotHead:
    """Return the head of a snapshot taken right before the log that there is."""
    return SnapshotHead(
        partition=partition.number,
        position=FIRST,
        pseq=0,
        now_ms=BEGIN_MS,
        published=partition.published,
        tombstones={},
        counts={},
        outcomes={},
        rows=rows,
    )


def write_events(shard: Shard, log: Log, names: list[str], count: int) -> None:
    """Fold and log events of these contacts in turn, as of now: so their sessions are open."""
    now_ms = WallClock().read()
    frames: list[bytes] = []
    begin = shard.position
    for number in range(count):
        name = names[number * 7919 % len(names)]
        payload = PAYLOAD % (number % 997, number % 997)
        event = LinkEvent(
            partition_of(name), name, f"b-{shard.slot}-{number}", "product_view", None, payload
        )
        shard.apply_event(event, now_ms)
        if (number + 1) % EVENTS_PER_FRAME == 0 or number + 1 == count:
            frame = shard.cut()
            assert frame is not None
            frames.append(encode_frame(frame))
        if len(frames) == FRAMES_PER_BLOCK or (frames and number + 1 == count):
            log.append(begin, frames)
            begin, frames = shard.position, []


if __name__ == "__main__":
    slot, data, contacts, events = sys.argv[1:]
    build_slot(Path(data), int(slot), int(contacts), int(events))
