"""Shards of a store, opened in this process to fold and to look into, in files or in Redis."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from actors.clock import CLOCKS
from actors.frame import encode_frame
from actors.links.link import LinkEvent
from actors.redis_slot import open_redis_slot
from actors.relocation.relocation import Places
from actors.shards.outbox import Outbox
from actors.shards.recovery import recovered
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.key import store_key
from actors.store.manifest import read_store, shard_folder
from actors.store.port import Log
from actors.store.redis_map import RedisMap
from actors.store.redis_server import RedisServer
from actors.store.redis_store import read_redis_store
from engine.contacts.identity import partition_of
from engine.input import Receipt
from tests.actors.made_store import CONTACTS, HOUR_MS

ALL_MS = 1 << 60


class Opened:
    """The shards of a store, recovered, and their logs."""

    def __init__(self) -> None:
        self.shards: dict[int, tuple[Shard, Log, Outbox]] = {}

    def add(self, shard: Shard, log: Log, files: SlotFiles, snapshots: Any) -> None:
        outbox = Outbox()
        recovered(shard, outbox, files, log, snapshots)
        for number in shard.partitions:
            self.shards[number] = (shard, log, outbox)

    def play(self, numbers: range) -> list[int]:
        """Fold events, one after the other, and settle what they send; return the verdicts."""
        verdicts = []
        for number in numbers:
            contact = f"c-{number * 7 % CONTACTS}"
            name = "bye" if number % 11 == 0 else "hi"
            partition = partition_of(contact)
            shard, log, outbox = self.shards[partition]
            at_ms = number * HOUR_MS // 4
            event = LinkEvent(partition, contact, f"e-{number}", name, at_ms, b'{"n": 1}')
            verdicts.append(shard.apply_event(event, 0))
            self.commit(shard, log, outbox)
            self.deliver(shard, log, outbox)
        return verdicts

    def slots(self) -> list[tuple[Shard, Log, Outbox]]:
        """Return each shard once, by its slot."""
        found = {each[0].slot: each for each in self.shards.values()}
        return [found[slot] for slot in sorted(found)]

    def deliver(self, shard: Shard, log: Log, outbox: Outbox, read_ms: int = 0) -> None:
        """Settle what a shard has sent; some of it fails."""
        for sent in outbox.take("email", 100):
            partition = partition_of(sent.contact)
            shard.hand_over(partition, sent, read_ms)
            delivered = sum(sent.key.encode()) % 3 != 0
            receipt = Receipt(sent.contact, sent.key, delivered=delivered, reason="no")
            shard.settle(partition, receipt, read_ms)
            outbox.settle(None, sent.key)
        shard.deliveries.clear()
        self.commit(shard, log, outbox)

    def states(self) -> dict[int, dict[str, bytes]]:
        return {n: each[0].partitions[n].states() for n, each in sorted(self.shards.items())}

    @staticmethod
    def commit(shard: Shard, log: Log, outbox: Outbox) -> None:
        frame = shard.cut()
        if frame is not None:
            log.append(frame.position, [encode_frame(frame)])
            for outcome in frame.outcomes:
                outbox.put(outcome)


class Store:
    """Opens the shards of a store, in files or in Redis; closes them at the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def files(self, data: Path) -> Opened:
        opened = Opened()
        store, key = read_store(data), store_key(data)
        for slot in range(store.shards):
            shard = Shard(slot, store.shards, CLOCKS[store.clock]())
            log, snapshots = open_slot(shard_folder(data, slot), key, ALL_MS, shard.now_ms)
            self._stack.callback(log.close)
            files = SlotFiles(shard_folder(data, slot), log=log, snapshots=snapshots, key=key)
            opened.add(shard, log, files, snapshots)
        return opened

    def in_redis(self, places: Places, key: bytes | None) -> Opened:
        opened = Opened()
        with closing(RedisServer(places.redis)) as server:
            owners = RedisMap(server).read().owners
            clock = read_redis_store(server).clock
        for slot in sorted(set(owners)):
            numbers = [number for number, owner in enumerate(owners) if owner == slot]
            shard = Shard(slot, 0, CLOCKS[clock](), numbers)
            log, snapshots, files = open_redis_slot(
                places.redis, slot, key, ALL_MS, shard.now_ms, archive=places.archive
            )
            self._stack.callback(log.close)
            opened.add(shard, log, files, snapshots)
        return opened
