"""Verify: a store as it was written is found equal; whatever is changed in it is named."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.frame import EventRecord, Frame
from actors.store.archive import ARCHIVE_FOLDER
from actors.store.block import HEAD, HEADER, LOG
from actors.store.disk import REAL_DISK
from actors.store.log import Sizes, open_log
from actors.store.port import Row, SnapshotHead
from actors.store.rewrite import rewrite_file
from actors.store.snapshots import SnapshotFiles
from actors.verify.files import bytes_to_read, verify_store
from actors.verify.finding import Counts, Finding
from engine.contacts.contact import decode_contact, encode_contact
from engine.contacts.identity import partition_of
from engine.numbers import Numbers, SavedNumbers
from tests.actors.made_store import CONTACTS, EVENTS, MadeStore, made_store

CONTACT = "c-7"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> MadeStore:
    return made_store(tmp_path_factory.mktemp("made") / "data")


@pytest.fixture
def store(original: MadeStore, tmp_path: Path) -> MadeStore:
    """A copy to spoil."""
    data = tmp_path / "data"
    shutil.copytree(original.data, data)
    copy = MadeStore.__new__(MadeStore)
    copy.data, copy.key, copy.folder = data, original.key, data / original.folder.name
    copy.shard = original.shard
    return copy


def verified(store: MadeStore) -> tuple[list[Finding], Counts]:
    counts = Counts()
    found = list(verify_store(store.data, store.key, counts, lambda _: None))
    return found, counts


def damage(store: MadeStore) -> list[Finding]:
    return [finding for finding in verified(store)[0] if finding.damage]


def change(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(bytes(data))


def files_of(store: MadeStore) -> SnapshotFiles:
    return SnapshotFiles(store.folder / "snapshots", store.key)


def rewrite_newest(
    store: MadeStore, change_rows: Callable[[list[Row]], list[Row]], key: str = CONTACT
) -> SnapshotHead:
    """Write the newest snapshot of a contact's partition again, with other rows."""
    files = files_of(store)
    head = files.heads(partition_of(key))[0]
    rows = change_rows([row for rows in files.rows(head) for row in rows])
    files.write(replace(head, rows=len(rows)), [rows])
    return head


def test_a_store_as_it_was_written_is_read_whole_and_found_equal(store: MadeStore) -> None:
    found, counts = verified(store)
    assert found == []
    files = [each for each in store.folder.rglob("*") if each.suffix in {".seg", ".zst", ".snap"}]
    assert counts.files == len(files)
    assert counts.bytes == sum(each.stat().st_size - HEADER.size for each in files)
    assert (counts.snapshots, counts.rows) == (512, 2 * CONTACTS)
    assert counts.records == counts.refolded > 3 * EVENTS
    assert (counts.partitions_compared, counts.contacts_compared) == (256, CONTACTS)


def test_a_store_without_encryption_is_found_equal_too(tmp_path: Path) -> None:
    store = MadeStore(tmp_path / "data", encrypted=False)
    store.play(30)
    found, counts = verified(store)
    assert found == []
    assert counts.records == counts.refolded > 30


def test_progress_is_told_of_all_bytes(store: MadeStore) -> None:
    told: list[int] = []
    list(verify_store(store.data, store.key, Counts(), told.append))
    assert 0.9 < sum(told) / bytes_to_read(store.data) <= 1.0


def test_all_damage_is_named_by_file_and_byte_and_not_only_the_first(store: MadeStore) -> None:
    segments, (archive, _) = store.segments(), store.archived()
    snapshot = files_of(store).path(files_of(store).heads(3)[0])
    for path in (segments[1], segments[4], archive, snapshot):
        change(path, HEADER.size + HEAD.size + 5)
    found = damage(store)
    assert [(each.file, each.byte) for each in found if each.text == "not as it was written"] == [
        (path.relative_to(store.data).as_posix(), HEADER.size)
        for path in (snapshot, segments[1], segments[4])
    ]
    cut = next(each for each in found if each.text == "a write that was cut short")
    assert (cut.file.split("/")[-1], cut.byte) == (archive.name, HEADER.size)  # It has one block.
    missing = [finding for finding in found if "records are missing" in finding.text]
    assert len(missing) == 3  # Behind each but the snapshot.
    last = verified(store)[0][-1]
    assert last.text == "partition 3: one snapshot, and no log before it: nothing to compare"
    assert not last.damage


def test_damage_behind_the_last_snapshot_keeps_from_folding(store: MadeStore) -> None:
    change(store.segments()[-2], HEADER.size + HEAD.size + 5)
    found, counts = verified(store)
    assert found[-2].damage
    assert found[-2].text.startswith("partitions 0 to 255: no snapshot is left from which the log")
    assert found[-1].text == "not folded again, as it cannot be"
    assert counts.partitions_compared == 0


def test_damage_behind_which_snapshots_are_whole_does_not_keep_from_folding(
    store: MadeStore,
) -> None:
    change(store.archived()[0], HEADER.size + HEAD.size + 5)
    found, counts = verified(store)
    assert [finding.file.split("/")[1] for finding in found if finding.damage] == ["archive"] * 2
    assert counts.partitions_compared == 256


def test_a_contact_that_is_not_what_folding_gives_is_named_with_the_field(store: MadeStore) -> None:
    def spoil(rows: list[Row]) -> list[Row]:
        changed = []
        for row in rows:
            if row.key == CONTACT:
                contact = decode_contact(row.state)
                contact.entered = {}
                contact.attributes = {"vip": True}
                changed.append(replace(row, state=encode_contact(contact)))
            else:
                changed.append(row)
        return changed

    head = rewrite_newest(store, spoil)
    (found,) = damage(store)
    assert (found.partition, found.contact, found.field) == (head.partition, CONTACT, "entered")
    assert f"at position {head.position}" in found.text


def doctored(numbers: SavedNumbers, what: str) -> SavedNumbers:
    """Return numbers of which one is told otherwise."""
    if what == "total":
        return replace(numbers, totals=[numbers.totals[0] + 1, *numbers.totals[1:]])
    if what == "waiting":
        return replace(numbers, besides=[("later", "w", 1)])
    if what == "queued":
        return replace(numbers, queued={"later": 1})
    minutes = dict(sorted(numbers.course.packed[0].items())[1:])
    course = replace(numbers.course, packed=[minutes, *numbers.course.packed[1:]])
    return replace(numbers, course=course)


@pytest.mark.parametrize("what", ["total", "waiting", "course", "queued"])
def test_a_number_that_is_not_what_folding_gives_is_named(store: MadeStore, what: str) -> None:
    files = files_of(store)
    head = files.heads(partition_of(CONTACT))[0]
    assert head.numbers is not None
    rows = list(files.rows(head))
    files.write(replace(head, numbers=doctored(head.numbers, what)), rows)
    (found,) = damage(store)
    assert (found.partition, found.field) == (head.partition, "numbers")
    assert "folded again" in found.text


def test_numbers_that_began_later_are_compared_by_who_waits_alone(store: MadeStore) -> None:
    files = files_of(store)
    head = files.heads(partition_of(CONTACT))[0]
    assert head.numbers is not None
    rows = list(files.rows(head))
    states = [row.state for part in rows for row in part]
    began = Numbers(head.now_ms)
    began.begin_with(states)
    files.write(replace(head, numbers=began.save()), rows)
    assert damage(store) == []
    files.write(replace(head, numbers=None), rows)
    assert damage(store) == []
    files.write(replace(head, numbers=replace(began.save(), queued=None)), rows)
    assert damage(store) == [], "written before entries that wait were counted"
    files.write(replace(head, numbers=replace(began.save(), besides=[("j", "w", 9)])), rows)
    assert [found.field for found in damage(store)] == ["numbers"]


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "made up"])
def test_a_contact_too_few_or_too_many_is_named(store: MadeStore, *, lost: bool) -> None:
    other = next(f"x-{n}" for n in range(9999) if partition_of(f"x-{n}") == partition_of(CONTACT))

    def spoil(rows: list[Row]) -> list[Row]:
        if lost:
            return [row for row in rows if row.key != CONTACT]
        return [*rows, replace(rows[0], key=other)]

    rewrite_newest(store, spoil)
    (found,) = damage(store)
    assert found.contact == (CONTACT if lost else other)
    assert ("only when folded again" if lost else "only in the snapshot") in found.text


def test_a_contact_in_a_partition_that_is_not_its_own_is_named(store: MadeStore) -> None:
    rewrite_newest(store, lambda rows: [*rows, replace(rows[0], key="elsewhere")])
    assert "holds contact 'elsewhere', which cannot be in it" in damage(store)[0].text


def test_a_segment_that_is_gone_is_missed(store: MadeStore) -> None:
    first, second, third = store.segments()[3:6]
    second.unlink()
    positions = [int(path.name.split("-")[1]) for path in (second, third)]
    found = damage(store)[0]
    assert found.file.endswith(third.name)
    assert f"goes on at position {positions[1]} where {positions[0]} should follow" in found.text
    assert f"{positions[1] - positions[0]} records are missing" in found.text
    assert first.exists()


def test_a_partitions_input_that_is_missing_is_missed(store: MadeStore) -> None:
    spoiled: list[EventRecord] = []

    def spoil(frame: Frame) -> Frame | None:
        for index, record in enumerate(frame.records):
            if isinstance(record, EventRecord) and (
                not spoiled or record.event == spoiled[0].event
            ):
                spoiled.append(record)
                records = list(frame.records)
                records[index] = replace(record, pseq=record.pseq + 1)
                return replace(frame, records=records)
        return None

    assert rewrite_file(store.segments()[2], LOG, store.key, REAL_DISK, spoil)
    partition, pseq = spoiled[0].event.partition, spoiled[0].pseq
    text = f"partition {partition}: input {pseq + 1} follows input {pseq - 1}"
    found = damage(store)[0]
    assert found.text.startswith(text)
    assert found.file.endswith(store.segments()[2].name)


def test_an_outcome_that_folding_does_not_give_is_told(store: MadeStore) -> None:
    def spoil(frame: Frame) -> Frame | None:
        if not frame.outcomes:
            return None
        return replace(frame, outcomes=frame.outcomes[1:])

    last = store.segments()[-1]
    assert rewrite_file(last, LOG, store.key, REAL_DISK, spoil)
    texts = [finding.text for finding in damage(store)]
    assert any("outcomes come otherwise now than the log recorded" in text for text in texts)


def test_a_last_write_cut_short_is_no_damage_and_is_told(store: MadeStore) -> None:
    last = store.segments()[-1]
    last.write_bytes(last.read_bytes()[:-3] + bytes(50))
    found, counts = verified(store)
    (finding,) = found
    assert not finding.damage
    assert "cut short" in finding.text
    assert counts.partitions_compared == 256


def test_a_write_cut_short_in_a_segment_that_is_not_the_last_is_damage(store: MadeStore) -> None:
    segment = store.segments()[-2]
    segment.write_bytes(segment.read_bytes()[:-3])
    assert any("cut short" in finding.text for finding in damage(store))


def test_a_store_that_runs_is_only_read_and_its_spare_space_is_no_damage(store: MadeStore) -> None:
    log = open_log(store.folder, store.key, sizes=Sizes(first=4096, spare=0))
    log.append(store.shard.position, [])
    before = {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}
    assert any(data.endswith(bytes(1000)) for data in before.values())
    assert verified(store)[0] == []
    assert {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()} == before
    log.close()


def test_where_the_history_was_cut_off_folding_begins_with_the_older_snapshots(
    store: MadeStore,
) -> None:
    shutil.rmtree(store.folder / ARCHIVE_FOLDER)
    whole = verified(store)
    assert whole[0] == []
    assert whole[1].refolded < whole[1].records
    assert whole[1].partitions_compared == 256


def test_where_only_one_snapshot_is_left_and_no_log_before_it_that_is_told(
    store: MadeStore,
) -> None:
    newest = files_of(store).latest_heads()
    position = newest[0].position
    for path in (store.folder / "snapshots").iterdir():
        if f"{position:020}" not in path.name:
            path.unlink()
    shutil.rmtree(store.folder / ARCHIVE_FOLDER)
    for segment in store.segments():
        if int(segment.name.split("-")[1]) < position:
            segment.unlink()
    found, counts = verified(store)
    assert [finding.damage for finding in found] == [False]
    assert found[0].text.startswith("partitions 0 to 255: one snapshot, and no log before it")
    assert (counts.partitions_compared, counts.refolded) == (0, counts.records)


def test_a_log_that_cannot_be_recovered_from_is_told(store: MadeStore) -> None:
    """No snapshots, and the log's beginning is gone: what a start would say, too."""
    shutil.rmtree(store.folder / "snapshots")
    shutil.rmtree(store.folder / ARCHIVE_FOLDER)
    (found,) = damage(store)
    assert found.text.startswith("partitions 0 to 255: no snapshot is left from which the log")


def test_a_log_that_ends_before_its_snapshots_is_told(store: MadeStore) -> None:
    position = files_of(store).latest_heads()[0].position
    segments = store.segments()
    for segment, following in pairwise(segments):
        if int(following.name.split("-")[1]) >= position:
            segment.unlink()
    segments[-1].unlink()
    (found,) = damage(store)
    assert found.text.startswith("partitions 0 to 255: the log ends at position ")
