"""A store with all that one can hold, made without a system: segments, archive, two snapshots."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from actors.clock import EventClock
from actors.frame import encode_frame
from actors.links.link import LinkEvent
from actors.shards.outbox import Outbox
from actors.shards.shard import Shard
from actors.store.archive import ARCHIVE_FOLDER, archive_segment
from actors.store.disk import REAL_DISK, RealDisk, RealFile
from actors.store.key import store_key
from actors.store.log import FileLog, Sizes, open_log
from actors.store.manifest import open_store, shard_folder
from actors.store.segment import segments_of
from actors.store.snapshots import open_snapshots
from engine.contacts.identity import partition_of
from engine.input import Receipt
from tests.publications import MAIL, journey, source_of

HOUR_MS = 3_600_000
EVENTS = 240
CONTACTS = 30
SIZES = Sizes(segment=6 << 10, first=2 << 10, spare=0)
JOURNEYS = (
    journey("now"),
    journey("later", nodes=[{"id": "w", "wait": "5h"}, MAIL], exit_on=["bye"]),
)


class MadeStore:
    """A store of one shard, whose system ended."""

    def __init__(self, data: Path, *, encrypted: bool = True) -> None:
        open_store(data, 1, "events", encrypted=encrypted)
        self.data = data
        self.key = store_key(data)
        self.folder = shard_folder(data, 0)
        self.shard = Shard(0, 1, EventClock())
        self.shard.publish(source_of(*JOURNEYS), 0)
        self._outbox = Outbox()
        self._number = 0

    def play(self, events: int = EVENTS) -> None:
        """Open the log, fold events and log them, and close it."""
        log = open_log(self.folder, self.key, sizes=SIZES)
        for _ in range(events):
            self._number += 1
            contact = f"c-{self._number * 7 % CONTACTS}"
            name = "bye" if self._number % 11 == 0 else "hi"
            at_ms = self._number * HOUR_MS // 4
            id = f"e-{self._number}"
            event = LinkEvent(partition_of(contact), contact, id, name, at_ms, b'{"n": 1}')
            self.shard.apply_event(event, 0)
            if self._number % 5 == 0:
                self._commit(log)
                self._deliver(log)
        self._commit(log)
        log.close()

    def take_snapshots(self) -> None:
        snapshots = open_snapshots(self.folder / "snapshots", self.key)
        for number in self.shard.partitions:
            snapshots.write(*self.shard.snapshot(number))

    def archive(self, segments: int) -> None:
        """Put the oldest segments into the archive."""
        folder = self.folder / ARCHIVE_FOLDER
        REAL_DISK.make_folder(folder)
        for segment in segments_of(self.folder)[:segments]:
            archive_segment(segment, folder, self.key)

    def segments(self) -> list[Path]:
        return segments_of(self.folder)

    def archived(self) -> list[Path]:
        return sorted((self.folder / ARCHIVE_FOLDER).iterdir())

    def _commit(self, log: FileLog) -> None:
        frame = self.shard.cut()
        if frame is not None:
            log.append(frame.position, [encode_frame(frame)])
            for outcome in frame.outcomes:
                self._outbox.put(outcome)

    def _deliver(self, log: FileLog) -> None:
        """Hand messages over and settle them; every third fails."""
        for sent in self._outbox.take("email", 3):
            partition = partition_of(sent.contact)
            self.shard.hand_over(partition, sent, 0)
            delivered = self._number % 3 != 0
            receipt = Receipt(sent.contact, sent.key, delivered=delivered, reason="no")
            self.shard.settle(partition, receipt, 0)
            self._outbox.settle(None, sent.key)
        self.shard.deliveries.clear()
        self._commit(log)


@contextmanager
def no_power_cut() -> Iterator[None]:
    """Do not sync: a store has a thousand files, and where nothing loses power they stay anyway."""
    with (
        patch.object(RealFile, "sync", lambda *_, **__: None),
        patch.object(RealDisk, "sync_folder", lambda *_: None),
    ):
        yield


def made_store(data: Path, *, encrypted: bool = True) -> MadeStore:
    """Make a store with an archive, a log behind two snapshots and one after them."""
    with no_power_cut():
        store = MadeStore(data, encrypted=encrypted)
        store.play()
        store.take_snapshots()
        store.play()
        store.take_snapshots()
        store.play()
        store.archive(2)
    return store
