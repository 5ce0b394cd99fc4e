"""A store in files as the target of a move: half made until the end, and marked so."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from actors.clock import CLOCKS
from actors.erasure import Erased, ErasedElsewhere
from actors.errors import OperatorError
from actors.frame import FOLD_VERSION, Frame, OpenedRecord, encode_frame, input_of
from actors.map import partitions_of, shard_of
from actors.relocation.chronicle import Chronicle
from actors.relocation.copied import Copied
from actors.running import note_whole
from actors.shards.outbox import Outbox
from actors.shards.recovery import recovered
from actors.shards.shard import Shard
from actors.slot import SNAPSHOT_FOLDER, open_slot
from actors.slot_files import SlotFiles
from actors.store.archive import ARCHIVE_FOLDER, archive_frames
from actors.store.disk import REAL_DISK
from actors.store.earlier import EARLIER
from actors.store.erased import ErasureNotes
from actors.store.log import open_log
from actors.store.manifest import MOVED, MOVING, Store, shard_folder, write_store
from actors.store.published import FOLDER as PUBLICATIONS
from actors.store.sighted import SightingsFile, encode_sightings
from actors.store.slots import slots_in
from actors.store.snapshots import open_snapshots
from engine.input import Verdict

BEGIN: Final = 1
"""Where a new log begins: not at 0, as what lies before it is in no log of this store."""

KEEP_ALL_MS: Final = 1 << 60


class FilesTarget:
    """Makes a store in a data folder, which is held. Raises OperatorError, OSError."""

    def __init__(self, data: Path, store: Store, key: bytes | None) -> None:
        self.records = 0
        """Of the history."""
        self._data = data
        self._store = store
        self._key = key
        self._opened: dict[int, list[OpenedRecord]] = {n: [] for n in range(store.shards)}
        self._sighted: set[int] = set()

    def begin(self) -> None:
        """Mark it, and clear what a move that did not end has left. Raises where it holds more."""
        data = self._data
        slots = [shard_folder(data, slot) for slot in slots_in(REAL_DISK, data)]
        others = [data / name for name in (EARLIER, PUBLICATIONS) if (data / name).exists()]
        left = [*slots, *others]
        stores = [data / "store.json", data / f"store.json.{MOVED}"]
        if any(path.exists() for path in stores) or (
            left and not (data / f"store.json.{MOVING}").exists()
        ):
            raise OperatorError(f"{data} holds a store already; name another --data")
        note_whole(data / f"store.json.{MOVING}", b"{}")
        REAL_DISK.sync_folder(data)
        for path in left:
            shutil.rmtree(path)

    def keep_earlier(self, history: Chronicle, erased: Erased, elsewhere: ErasedElsewhere) -> None:
        """Put a slot's history beside the store: new logs begin here."""
        folder = self._data / EARLIER / f"shard-{history.slot}" / ARCHIVE_FOLDER
        REAL_DISK.make_folder(folder)
        for first, frames in history.portions():
            kept = Copied(frames, erased, elsewhere)
            archive_frames(first, kept, folder, self._key)
            self.records += kept.records

    def go_on(
        self, history: Chronicle, number: int, erased: Erased, elsewhere: ErasedElsewhere
    ) -> None:
        """Let a shard's log go on where a slot's ended: its last file becomes a segment."""
        folder = shard_folder(self._data, number)
        archive = folder / ARCHIVE_FOLDER
        REAL_DISK.make_folder(archive)
        last = max(first for first, _ in history.portions())
        for first, frames in history.portions():
            kept = Copied(frames, erased, elsewhere)
            if first < last:
                archive_frames(first, kept, archive, self._key)
            else:
                log = open_log(folder, self._key)
                for _, each in kept:
                    log.append(first + kept.records, each)
                log.close()
            self.records += kept.records

    def take(
        self, shard: Shard, number: int | None, files: SlotFiles, progress: Callable[[int], None]
    ) -> None:
        """Take over partitions: into the shard whose log goes on, or None: each into its own."""
        for partition in list(shard.partitions):
            slot = shard_of(partition, self._store.shards) if number is None else number
            position = shard.position
            if number is None:
                self._open(shard, partition, slot)
                position = self._end_of(slot)
            head, rows = shard.snapshot(partition)
            snapshots = open_snapshots(shard_folder(self._data, slot) / SNAPSHOT_FOLDER, self._key)
            snapshots.write(replace(head, slot=slot, position=position), rows)
            progress(1)
        for each in files.notes.open:
            if each.position >= shard.position:  # Its record is not in the log: it begins anew.
                slot = shard_of(each.partition, self._store.shards) if number is None else number
                position = self._end_of(slot) if number is None else shard.position
                notes = ErasureNotes(shard_folder(self._data, slot), REAL_DISK)
                notes.add(replace(each, position=position))

    def take_sightings(self, number: int, files: SlotFiles) -> None:
        """Take over what a slot has seen of events, as far as there are shards to keep it."""
        sightings = None if files.notes.open else files.sightings.read()
        if sightings is not None and number < self._store.shards:
            folder = shard_folder(self._data, number)
            REAL_DISK.make_folder(folder)
            SightingsFile(folder, self._key).write(encode_sightings(sightings), 0)

    def open_logs(self) -> None:
        """Begin new logs, each with one frame: its partitions came here."""
        for number, records in self._opened.items():
            verdicts = bytes([Verdict.APPLIED] * len(records))
            frame = Frame(BEGIN, FOLD_VERSION, list(records), verdicts, [], [])
            log = open_log(shard_folder(self._data, number), self._key)
            log.append(BEGIN, [encode_frame(frame)])
            log.close()

    def reopened(self, number: int) -> Shard:
        """Recover a shard from the store, as its next start will."""
        folder = shard_folder(self._data, number)
        shard = Shard(number, self._store.shards, CLOCKS[self._store.clock]())
        log, snapshots = open_slot(folder, self._key, KEEP_ALL_MS, shard.now_ms)
        try:
            recovered(shard, Outbox(), None, log, snapshots)
        finally:
            log.close()
        return shard

    def finish(self) -> None:
        """Let it count."""
        write_store(self._data, self._store)
        REAL_DISK.remove(self._data / f"store.json.{MOVING}")
        REAL_DISK.sync_folder(self._data)

    def _open(self, shard: Shard, number: int, slot: int) -> None:
        """Record that a partition comes to a shard, and let it be as that leaves it."""
        partition = shard.partitions[number]
        partition.pseq += 1
        record = OpenedRecord(partition.now_ms, number, partition.pseq)
        partition.fold(input_of(record), record.now_ms)
        self._opened[slot].append(record)

    def _end_of(self, slot: int) -> int:
        return BEGIN + len(partitions_of(slot, self._store.shards))
