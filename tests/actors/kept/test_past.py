"""The past of a contact, folded alone, is what the shard that lived it had at every moment."""

from pathlib import Path
from random import Random

import pytest

from actors.clock import WallClock
from actors.frame import encode_frame
from actors.kept.past import Past
from actors.links.link import LinkEvent
from actors.shards.outbox import Outbox
from actors.shards.shard import Shard
from actors.store.archive import ARCHIVE_FOLDER, archive_segment
from actors.store.disk import REAL_DISK
from actors.store.key import store_key
from actors.store.log import FileLog, open_log
from actors.store.manifest import open_store, shard_folder
from actors.store.segment import segments_of
from actors.store.snapshots import open_snapshots
from engine.contacts.contact import decode_contact
from engine.contacts.identity import partition_of
from engine.decision import Outcome
from engine.input import Receipt
from engine.limits import FAR_MS
from tests.actors.made_store import CONTACTS as MADE_CONTACTS
from tests.actors.made_store import SIZES, MadeStore, made_store
from tests.engine.machines.shop import JOURNEYS, SETTINGS
from tests.engine.situation import HOUR_MS, MINUTE_MS, NOON_MS
from tests.publications import source_of

PEOPLE = ["c-7", "c-65", "c-104", "c-330"]
NAMES = ["product_view"] * 5 + ["cart_update", "purchase", "identify", "consent"]
PAYLOADS = {
    "product_view": b'{"product_id": "p", "price": 6}',
    "purchase": b'{"price": 4}',
    "consent": b'{"email": "double_opt_in"}',
}


class LivedStore:
    """A store of one shard on the wall clock, and each contact's state at many moments."""

    def __init__(self, data: Path) -> None:
        open_store(data, 1, "wall", encrypted=True)
        self.data, self.folder = data, shard_folder(data, 0)
        self.key = store_key(data)
        self.shard = Shard(0, 1, WallClock())
        self.states: list[tuple[int, str, bytes | None]] = []
        self.outcomes: list[Outcome] = []
        self._now_ms = NOON_MS
        self._outbox = Outbox()
        self.shard.publish(source_of(*JOURNEYS, **SETTINGS), NOON_MS)

    def live(self, seed: int, steps: int) -> None:
        dice = Random(seed)
        log = open_log(self.folder, self.key, sizes=SIZES)
        for step in range(steps):
            self._now_ms += dice.choice([0, 1, 1000, 5 * MINUTE_MS, 25 * MINUTE_MS])
            while self.shard.advance(None, self._now_ms):
                pass
            for _ in range(dice.randint(0, 3)):
                contact, name = dice.choice(PEOPLE), dice.choice(NAMES)
                payload = PAYLOADS.get(name, b"{}")
                id = f"e-{seed}-{step}-{dice.randint(0, 3)}"
                number = partition_of(contact)
                event = LinkEvent(number, contact, id, name, self._now_ms - 5, payload)
                self.shard.apply_event(event, self._now_ms)
            self._commit(log)
            for sent in self._outbox.take("email", 2):
                self.shard.hand_over(partition_of(sent.contact), sent, self._now_ms)
                receipt = Receipt(sent.contact, sent.key, delivered=dice.random() < 0.7)
                self.shard.settle(partition_of(sent.contact), receipt, self._now_ms)
                self._outbox.settle(None, sent.key)
            self.shard.deliveries.clear()
            self._commit(log)
            for each in PEOPLE:
                state = self.shard.partitions[partition_of(each)].contact_bytes(each)
                self.states.append((self._now_ms, each, state))
        log.close()

    def take_snapshots(self) -> None:
        snapshots = open_snapshots(self.folder / "snapshots", self.key)
        for each in PEOPLE:
            snapshots.write(*self.shard.snapshot(partition_of(each)))

    def captured(self) -> dict[tuple[int, str], bytes | None]:
        """Return each state at the end of a millisecond."""
        return {(at_ms, contact): state for at_ms, contact, state in self.states}

    def _commit(self, log: FileLog) -> None:
        frame = self.shard.cut()
        if frame is not None:
            log.append(frame.position, [encode_frame(frame)])
            self.outcomes += frame.outcomes
            for outcome in frame.outcomes:
                self._outbox.put(outcome)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> LivedStore:
    store = LivedStore(tmp_path_factory.mktemp("lived"))
    store.live(1, 80)
    store.take_snapshots()
    store.live(2, 80)
    return store


def state_at(data: Path, contact: str, at_ms: int, *, near: bool) -> bytes | None:
    past = Past(data, contact, near_ms=at_ms if near else None)
    for applied in past.walk(at_ms):
        assert applied.verdict == applied.recorded
        assert applied.differs == []
        past.decisions.clear()
    return past.partition.contact_bytes(contact)


@pytest.mark.parametrize("near", [False, True])
def test_the_state_at_a_moment_is_the_one_captured_there(lived: LivedStore, *, near: bool) -> None:
    captured = lived.captured()
    assert any(state is not None and decode_contact(state).visits for state in captured.values())
    for (at_ms, contact), state in [*captured.items()][:: 2 if near else 7]:
        assert state_at(lived.data, contact, at_ms, near=near) == state, (at_ms, contact)


def test_before_it_was_known_there_is_nothing(lived: LivedStore) -> None:
    assert state_at(lived.data, PEOPLE[0], NOON_MS - 1, near=False) is None


def test_all_that_was_decided_is_decided_again(lived: LivedStore) -> None:
    for contact in PEOPLE:
        past = Past(lived.data, contact)
        decided = []
        for _ in past.walk():
            decided += [each for each in past.decisions if isinstance(each, Outcome)]
            past.decisions.clear()
        assert decided == [each for each in lived.outcomes if each.contact == contact]


def test_of_a_store_without_its_oldest_log_the_past_begins_with_a_snapshot(tmp_path: Path) -> None:
    store = LivedStore(tmp_path)
    store.live(3, 60)
    store.take_snapshots()
    store.live(4, 60)
    store.take_snapshots()
    store.live(5, 60)
    archive = store.folder / ARCHIVE_FOLDER
    REAL_DISK.make_folder(archive)
    archive_segment(segments_of(store.folder)[0], archive, store.key)
    for file in archive.iterdir():
        file.unlink()  # Its time was over.
    for contact in PEOPLE:
        past = Past(tmp_path, contact)
        assert past.begin.from_snapshot
        assert past.begin.now_ms > NOON_MS
        for _ in past.walk():
            past.decisions.clear()
        live = store.shard.partitions[partition_of(contact)]
        assert past.partition.contact_bytes(contact) == live.contact_bytes(contact)


def test_archive_and_log_are_read_as_one(tmp_path: Path) -> None:
    store: MadeStore = made_store(tmp_path)
    assert store.archived()
    for number in range(MADE_CONTACTS):
        contact = f"c-{number}"
        past = Past(tmp_path, contact)
        assert not past.begin.from_snapshot
        for _ in past.walk():
            past.decisions.clear()
        live = store.shard.partitions[partition_of(contact)]
        assert past.partition.contact_bytes(contact) == live.contact_bytes(contact)


def test_where_time_is_simulated_what_was_due_by_then_is_applied(tmp_path: Path) -> None:
    """Visits of `later` wait five hours: at each moment those are over that can be."""
    made_store(tmp_path)
    before = Past(tmp_path, "c-7")
    waits = []
    for _ in before.walk():
        before.decisions.clear()
        contact = before.partition.contact("c-7")
        if contact is not None:
            waits += [(visit.id, visit.due_at_ms) for visit in contact.visits]
    visit, due_at_ms = waits[0]
    for at_ms, there in ((due_at_ms - 1, True), (due_at_ms, False)):
        state = state_at(tmp_path, "c-7", at_ms, near=False)
        assert state is not None
        assert (visit in {each.id for each in decode_contact(state).visits}) is there
    assert before.partition.next_due_at_ms < FAR_MS, "some wait beyond the last record"
    state = state_at(tmp_path, "c-7", before.partition.now_ms + 5 * HOUR_MS, near=False)
    assert state is not None
    assert decode_contact(state).visits == []
