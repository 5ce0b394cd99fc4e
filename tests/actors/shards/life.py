"""Life: a shard with its courier in memory, which can be stopped and come back at any moment."""

from typing import Any

import msgspec

from actors.clock import WallClock
from actors.frame import encode_frame
from actors.links.link import LinkEvent
from actors.shards.outbox import Outbox
from actors.shards.recovery import Recovery
from actors.shards.shard import Shard
from engine.contacts.identity import partition_of
from engine.decision import Outcome
from engine.input import Receipt
from tests.actors.memory_store import MemoryLog, MemorySnapshots
from tests.engine.machines.shop import JOURNEYS, SETTINGS
from tests.engine.situation import MINUTE_MS, NOON_MS
from tests.publications import source_of

SHARDS = 64
"""So few partitions each that a run of a hundred inputs meets each of them."""

PARTITIONS = list(Shard(0, SHARDS, WallClock()).partitions)
CONTACTS = [
    key for key in (f"c-{number}" for number in range(600)) if partition_of(key) in PARTITIONS
][:7]


class Life:
    """A shard whose every slice is durable at once, its courier, and what it leaves behind."""

    def __init__(self) -> None:
        self.shard = Shard(0, SHARDS, WallClock())
        self.outbox = Outbox()
        self.log = MemoryLog()
        self.snapshots = MemorySnapshots()
        self.refolded = 0
        self.now_ms = NOON_MS
        self.count = 0
        self.handed: list[Outcome] = []

    def commit(self) -> list[Outcome]:
        frame = self.shard.cut()
        if frame is None:
            return []
        self.log.append(frame.position, [encode_frame(frame)])
        for outcome in frame.outcomes:
            self.outbox.put(outcome)
        self.shard.deliveries.clear()
        return frame.outcomes

    def publish_first(self, count: int) -> None:
        self.publish(*JOURNEYS[:count])

    def publish(self, *journeys: dict[str, Any]) -> None:
        self.shard.publish(source_of(*journeys, **SETTINGS), self.now_ms)

    def pass_minutes(self, minutes: int) -> None:
        """Let time pass; of the waits that are over then, some apply."""
        self.commit()
        self.now_ms += minutes * MINUTE_MS
        self.shard.advance(None, self.now_ms)

    def event(self, contact: str, name: str, payload: dict[str, Any] | None = None) -> None:
        self.count += 1
        data = msgspec.json.encode(payload or {})
        number = partition_of(contact)
        event = LinkEvent(number, contact, f"e-{self.count}", name, self.now_ms, data)
        self.shard.apply_event(event, self.now_ms)

    def hand_over(self, limit: int) -> list[Outcome]:
        self.commit()
        taken = self.outbox.take("email", limit)
        for outcome in taken:
            self.shard.hand_over(partition_of(outcome.contact), outcome, self.now_ms)
        self.handed += taken
        return taken

    def settle_last(self, *, delivered: bool) -> None:
        if self.handed:
            self.settle(self.handed.pop(), delivered=delivered)

    def settle(self, outcome: Outcome, *, delivered: bool) -> None:
        receipt = Receipt(outcome.contact, outcome.key, delivered, "" if delivered else "bounced")
        self.shard.settle(partition_of(outcome.contact), receipt, self.now_ms)
        self.outbox.settle(None, outcome.key)

    def snapshot(self, number: int) -> None:
        self.commit()
        self.snapshots.write(*self.shard.snapshot(number))

    def snapshot_all(self) -> None:
        for number in self.shard.partitions:
            self.snapshot(number)

    def again(self) -> "Life":
        """Come back from what is durable."""
        life = Life()
        life.log, life.snapshots = self.log, self.snapshots
        life.now_ms, life.count = self.now_ms, self.count
        recovery = Recovery(life.shard, life.outbox)
        recovery.run(self.log, self.snapshots)
        life.refolded = recovery.refolded
        return life

    def run_to(self, at_ms: int) -> None:
        """Let time pass, and all waits end that are over by then."""
        self.now_ms = at_ms
        while self.shard.advance(None, at_ms):
            self.commit()
        self.commit()


def picture_of(life: Life) -> dict[str, Any]:
    """Return all that must come back."""
    shard = life.shard
    status = shard.status()
    del status["decision_ns_counts"]
    return {
        "contacts": {
            number: {key: each.contact_bytes(key) for key in each.contact_keys()}
            for number, each in shard.partitions.items()
        },
        "partitions": [
            (each.now_ms, each.pseq, each.next_due_at_ms == life_due(each), each.published)
            for each in shard.partitions.values()
        ],
        "tallies": [(each.counts(), each.outcomes.by_journey) for each in shard.tallies.values()],
        "numbers": [each.numbers.save() for each in shard.partitions.values()],
        "unsettled": sorted(life.outbox._unsettled),
        "status": status,
        "published": shard.published,
    }


def life_due(partition: Any) -> int:
    """Return when a timer is armed first, by the contacts themselves."""
    contacts = [partition.contact(key) for key in partition.contact_keys()]
    return min((contact.armed_at_ms for contact in contacts), default=1 << 62)
