"""Breakages: the lines that keep the promises, each taken out, for the simulation to find."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from actors.links.link import Link, Refused
from actors.shards import recovery as recovery_module
from actors.shards.outbox import Outbox
from actors.shards.pulls import Pulls
from actors.shards.shard import Shard
from actors.shards.snapshotter import Snapshotter
from actors.shards.tally import PartitionTally
from actors.slot_files import Rewritten, SlotFiles
from actors.store import log as log_module
from actors.store import segment as segment_module
from actors.store.log import FileLog
from actors.store.port import StoreFullError
from engine.fold import intake as intake_module
from engine.fold import step as step_module
from ingest.lane import Lane
from tests.simulation.disk import ProcessDisk, ProcessFile
from tests.simulation.stage import SimulatedCommitter

Breakage = Callable[[], AbstractContextManager[object]]


@contextmanager
def answered_before_the_commit() -> Iterator[None]:
    """The shard takes for durable what it has just handed to the committer."""
    put, taken = SimulatedCommitter.put, SimulatedCommitter._append

    def put_and_answer(self: Any, position: int, frame: bytes) -> None:
        put(self, position, frame)
        self._loop.call_soon(self._committed, 1)

    def append_unanswered(self: Any) -> bool:
        committed, self._committed = self._committed, lambda count: None
        done = taken(self)
        self._committed = committed
        return done

    with (
        patch.object(SimulatedCommitter, "put", put_and_answer),
        patch.object(SimulatedCommitter, "_append", append_unanswered),
    ):
        yield


@contextmanager
def no_sync_of_data() -> Iterator[None]:
    """A commit does not wait for the disk."""
    sync = ProcessFile.sync

    def skip(self: ProcessFile, *, data_only: bool = False) -> None:
        if not data_only:
            sync(self)

    with patch.object(ProcessFile, "sync", skip):
        yield


@contextmanager
def no_sync_of_names() -> Iterator[None]:
    """Names of new segments are not made durable."""
    with patch.object(ProcessDisk, "sync_folder", lambda *_: None):
        yield


@contextmanager
def recovered_block_not_synced() -> Iterator[None]:
    """A successor counts on a block that its killed predecessor wrote, and nobody synced."""
    cut = segment_module.cut_torn_tail

    def cut_only(path: Any, key: Any, disk: ProcessDisk) -> bool:
        size = disk.size(path)
        with patch.object(ProcessFile, "sync", lambda *_, **__: None):
            stays = cut(path, key, disk)
        if stays and disk.size(path) < size:
            disk.open(path).sync()
        return stays

    with patch.object(log_module, "cut_torn_tail", cut_only):
        yield


@contextmanager
def torn_tail_left() -> Iterator[None]:
    """What was written in part stays in the log."""
    with patch.object(log_module, "cut_torn_tail", lambda *_: True):
        yield


@contextmanager
def full_disk_passed_over() -> Iterator[None]:
    """Frames that found no space count as written."""
    append = log_module.FileLog.append

    def go_on(self: Any, position: int, frames: list[bytes]) -> None:
        try:
            append(self, position, frames)
        except StoreFullError:
            return

    with patch.object(log_module.FileLog, "append", go_on):
        yield


@contextmanager
def lost_courier_not_noticed() -> Iterator[None]:
    """What a lost courier had stays with it."""
    with patch.object(Outbox, "lose", lambda *_: None):
        yield


@contextmanager
def outbox_forgets_receipts() -> Iterator[None]:
    """A recovery hands over again what was settled."""
    settle = Outbox.settle

    def settle_live(self: Outbox, link: Any, key: str) -> None:
        if link is not None:
            settle(self, link, key)

    with patch.object(Outbox, "settle", settle_live):
        yield


@contextmanager
def handed_over_before_the_commit() -> Iterator[None]:
    """A courier gets its messages before their handover is durable."""
    fold = Pulls.fold

    def fold_and_send(self: Pulls, read_ms: int) -> list[Any]:
        for link, reply in fold(self, read_ms):
            link.send(reply)
        return []

    with patch.object(Pulls, "fold", fold_and_send):
        yield


@contextmanager
def repeats_count() -> Iterator[None]:
    """An event id counts each time."""
    take_in = intake_module.take_in

    def take_any(route: Any, contact: Any, event: Any, now_ms: int, gap_ms: int) -> bool:
        contact.event_ids.pop(event.id, None)
        contact.older_event_ids.pop(event.id, None)
        return take_in(route, contact, event, now_ms, gap_ms)

    with patch.object(step_module, "take_in", take_any):
        yield


@contextmanager
def sent_again_out_of_order() -> Iterator[None]:
    """Frames in flight go again in the wrong order when a lane has a new link."""
    connect = Lane._connect

    async def connect_reversed(self: Lane) -> bool:
        self._flight.reverse()
        return await connect(self)

    with patch.object(Lane, "_connect", connect_reversed):
        yield


@contextmanager
def lost_link_counts_as_answer() -> Iterator[None]:
    """What is in flight when a link is lost is taken for accepted."""
    lost = Lane._lost

    def settle_all(self: Any, link: Any) -> None:
        if link is self._link:
            for frame in list(self._flight):
                self._take_off(frame)
                frame.settle(bytes(len(frame.events)))
        lost(self, link)

    with patch.object(Lane, "_lost", settle_all):
        yield


@contextmanager
def timers_fire_early() -> Iterator[None]:
    """Timers apply up to a minute before they are due."""
    advance = Shard.advance

    def advance_early(self: Shard, until_ms: int | None, read_ms: int) -> bool:
        return advance(self, read_ms + 60_000 if until_ms is None else until_ms, read_ms)

    with patch.object(Shard, "advance", advance_early):
        yield


@contextmanager
def clock_goes_back() -> Iterator[None]:
    """A partition's now follows the clock back."""

    def first_of_two(*values: Any, **options: Any) -> Any:
        return values[0] if len(values) == 2 else max(*values, **options)

    with patch("actors.shards.shard.max", first_of_two, create=True):
        yield


@contextmanager
def snapshot_ahead_of_the_log() -> Iterator[None]:
    """A snapshot is written though the log is not durable up to it."""
    always = property(lambda self: 1 << 60, lambda self, position: None)
    with patch.object(Snapshotter, "durable_position", always, create=True):
        yield


@contextmanager
def log_released_too_far() -> Iterator[None]:
    """The log goes up to where the shard is, not to where its snapshots are."""
    with patch.object(FileLog, "release", _release_all):
        yield


def _release_all(self: Any, position: int) -> None:
    while len(self._segments) > 1:
        self._disk.remove(self._segments.pop(0))


@contextmanager
def new_files_not_synced() -> Iterator[None]:
    """Snapshots and archive files count before they are durable."""
    sync = ProcessFile.sync

    def skip(self: ProcessFile, *, data_only: bool = False) -> None:
        if not self._name.startswith(("snapshot-", "archive-")):
            sync(self, data_only=data_only)

    with patch.object(ProcessFile, "sync", skip):
        yield


@contextmanager
def counters_left_out_of_snapshots() -> Iterator[None]:
    """A start from snapshots begins to count anew."""
    with patch.object(PartitionTally, "load", lambda *_: None):
        yield


@contextmanager
def messages_left_out_of_snapshots() -> Iterator[None]:
    """A start from snapshots forgets what was not settled."""
    with patch.object(recovery_module, "_unsettled_of", lambda _: []):
        yield


@contextmanager
def status_taken_for_durable() -> Iterator[None]:
    """Nothing is published where a shard says that it is, though that is not durable yet."""
    with patch("tests.simulation.world.TRUSTS_STATUS", new=True):
        yield


@contextmanager
def end_of_a_request_without_its_beginning() -> Iterator[None]:
    """A frame behind a refused one is taken in, where there is room for it by then."""

    def refuse(self: Link, request: Any, why: str) -> None:
        self.send(Refused(request.seq, why))

    with patch.object(Link, "refuse", refuse):
        yield


@contextmanager
def erased_stays_in_files() -> Iterator[None]:
    """A contact is forgotten, and its traces in files stay."""
    with patch.object(SlotFiles, "erase", lambda *_: Rewritten()):
        yield


BREAKAGES: tuple[Breakage, ...] = (
    answered_before_the_commit,
    no_sync_of_data,
    no_sync_of_names,
    recovered_block_not_synced,
    torn_tail_left,
    full_disk_passed_over,
    lost_courier_not_noticed,
    outbox_forgets_receipts,
    handed_over_before_the_commit,
    repeats_count,
    sent_again_out_of_order,
    lost_link_counts_as_answer,
    timers_fire_early,
    clock_goes_back,
    snapshot_ahead_of_the_log,
    log_released_too_far,
    new_files_not_synced,
    counters_left_out_of_snapshots,
    messages_left_out_of_snapshots,
    status_taken_for_durable,
    end_of_a_request_without_its_beginning,
    erased_stays_in_files,
)
