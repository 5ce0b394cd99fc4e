"""What is measured is a store as a system would have it: it recovers, and counts what it says."""

from pathlib import Path

from actors.clock import WallClock
from actors.finding import Counts
from actors.outbox import Outbox
from actors.recovery import Recovery
from actors.shard import Shard
from actors.store.key import store_key
from actors.store.log import open_log
from actors.store.manifest import shard_folder
from actors.store.snapshots import SnapshotFiles
from actors.verify import verify_store
from bench.footprint import bytes_per_contact
from bench.stored import SHARDS, build_store, contact_of_shard
from engine.identity import partition_of
from engine.limits import FAR_MS


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
    encoded, held = bytes_per_contact(5, contacts=500)
    assert encoded <= 600
    assert encoded < held <= 1_000
    assert bytes_per_contact(30, contacts=500)[0] <= 1_500
