"""A store of the shipped journeys in which one contact had three eventful days. No system ran."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from actors.clock import WallClock
from actors.folder import read_folder
from actors.frame import encode_frame
from actors.links.link import LinkEvent
from actors.shards.outbox import Outbox
from actors.shards.shard import Shard
from actors.store.key import store_key
from actors.store.log import FileLog, open_log
from actors.store.manifest import open_store, shard_folder
from engine.contacts.identity import partition_of
from engine.decision import Outcome
from engine.input import Receipt
from tests.console.scenarios.played import EXAMPLES

ADA = "ada"
ZONE = ZoneInfo("Europe/Berlin")


class ToldStore:
    """A store of one shard that lives by the wall clock."""

    def __init__(self, data: Path) -> None:
        open_store(data, 1, "wall", encrypted=True)
        self.data, self.folder = data, shard_folder(data, 0)
        self.shard = Shard(0, 1, WallClock())
        self.outcomes: list[Outcome] = []
        self._log: FileLog = open_log(self.folder, store_key(data))
        self._outbox = Outbox()
        self._count = 0
        self.shard.publish(read_folder(EXAMPLES).source, at_ms("2026-04-05 12:00"))

    def event(self, moment: str, name: str, **payload: Any) -> None:
        """Let Ada do something at a local moment, after all that is due before."""
        now_ms = at_ms(moment)
        self.pass_time(now_ms)
        self._count += 1
        id, data = f"e-{self._count}", msgspec.json.encode(payload)
        event = LinkEvent(partition_of(ADA), ADA, id, name, now_ms, data)
        self.shard.apply_event(event, now_ms)
        self._commit()

    def views(self, moment: str, count: int) -> None:
        """Let her look at some products, one a minute."""
        first = datetime.fromisoformat(moment)
        for i in range(count):
            shown = first.replace(minute=first.minute + i)
            self.event(f"{shown:%Y-%m-%d %H:%M}", "product_view", product_id=f"p-{i + 1}")

    def pass_time(self, now_ms: int) -> None:
        """Let what is due apply, each at its moment, and messages go out."""
        partition = self.shard.partitions[partition_of(ADA)]
        while (due_ms := partition.next_due_at_ms) <= now_ms:
            self.shard.advance(None, due_ms)
            self._commit()
            for sent in self._outbox.take("email", 10):
                self.shard.hand_over(partition.number, sent, due_ms + 20)
                receipt = Receipt(sent.contact, sent.key, delivered=True)
                self.shard.settle(partition.number, receipt, due_ms + 900)
                self._outbox.settle(None, sent.key)
            self.shard.deliveries.clear()
            self._commit()

    def close(self) -> None:
        self._log.close()

    def _commit(self) -> None:
        frame = self.shard.cut()
        if frame is not None:
            self._log.append(frame.position, [encode_frame(frame)])
            self.outcomes += frame.outcomes
            for outcome in frame.outcomes:
                self._outbox.put(outcome)


def at_ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).replace(tzinfo=ZONE).timestamp() * 1_000)


def told_store(data: Path) -> ToldStore:
    """Make the store that docs/explain.md tells of."""
    store = ToldStore(data)
    store.event("2026-04-05 19:30", "consent", email="double_opt_in")
    store.views("2026-04-05 19:31", 6)
    store.views("2026-04-05 20:40", 7)
    store.views("2026-04-06 10:15", 8)
    store.views("2026-04-07 18:00", 9)
    store.event("2026-04-07 19:00", "purchase", total=49.9)
    store.pass_time(at_ms("2026-04-08 12:00"))
    store.close()
    return store
