"""What is measured is a store as a system would have it: it recovers, and counts what it says."""

from pathlib import Path

from actors.clock import WallClock
from actors.shards.outbox import Outbox
from actors.shards.recovery import Recovery
from actors.shards.shard import Shard
from actors.store.key import store_key
from actors.store.log import open_log
from actors.store.manifest import shard_folder
from actors.store.snapshots import SnapshotFiles
from actors.verify.files import verify_store
from actors.verify.finding import Counts
from bench.footprint import bytes_per_contact
from bench.stored import SHARDS, build_store, contact_of_shard, key_of
from bench.waiting import SPAN_MS, build_waiting, write_journeys
from engine.contacts.identity import partition_of
from engine.decision import SENT, Outcome
from engine.limits import DAY_MS, FAR_MS


def test_a_store_made_to_measure_recovers_with_all_contacts_and_events(tmp_path: Path) -> None:
    contacts, events = 600, 500
    built = build_store(tmp_path / "data", contacts, events)
    assert built.log_bytes > 0
    assert built.snapshot_bytes > 0
    key = store_key(tmp_path / "data")
    found = list(verify_store(tmp_path / "data", key, Counts(), lambda _: None))
    assert not any(finding.damage for finding in found)
    held = armed = 0
    for slot in range(SHARDS):
        folder = shard_folder(tmp_path / "data", slot)
        shard = Shard(slot, SHARDS, WallClock())
        log = open_log(folder, key)
        recovery = Recovery(shard, Outbox())
        recovery.run(log, SnapshotFiles(folder / "snapshots", key))
        log.close()
        assert recovery.refolded == events // SHARDS
        assert shard.differences == 0
        assert shard.partitions[partition_of(contact_of_shard(slot))].contact_count > 0
        held += sum(each.contact_count for each in shard.partitions.values())
        armed += sum(each.next_due_at_ms < FAR_MS for each in shard.partitions.values())
        assert not shard.timers_due(WallClock().read()), "overdue timers would be measured, too"
    assert held == contacts
    assert armed > 0


def test_what_an_idle_contact_takes_is_counted() -> None:
    """Encoded, and with its key, its place in the dict and the object's head."""
    for events, bytes_max in ((5, 600), (30, 1_500)):
        encoded, held = bytes_per_contact(events, contacts=500)
        assert encoded <= bytes_max
        assert encoded < held <= encoded + 200


def test_a_store_of_contacts_that_wait_has_so_many_due_in_one_second(tmp_path: Path) -> None:
    contacts, due, due_at_ms = 400, 100, WallClock().read() + DAY_MS
    journeys = write_journeys(tmp_path / "journeys")
    build_waiting(tmp_path / "data", journeys, contacts, due, due_at_ms)
    key = store_key(tmp_path / "data")
    found: list[Outcome] = []
    for slot in range(SHARDS):
        folder = shard_folder(tmp_path / "data", slot)
        shard = Shard(slot, SHARDS, WallClock())
        log = open_log(folder, key)
        Recovery(shard, Outbox()).run(log, SnapshotFiles(folder / "snapshots", key))
        log.close()
        while shard.advance(None, due_at_ms - 1):  # The session of the log's one event ends.
            frame = shard.cut()
            assert frame is not None
            assert not frame.outcomes
        while shard.advance(None, due_at_ms + SPAN_MS):
            frame = shard.cut()
            assert frame is not None
            found += frame.outcomes
    sent = [each for each in found if each.outcome == SENT]
    assert {each.contact for each in sent} == {key_of(number) for number in range(due)}
    assert len({each.key for each in sent}) == len(found) == due
    assert {due_at_ms <= each.at_ms < due_at_ms + SPAN_MS for each in sent} == {True}
