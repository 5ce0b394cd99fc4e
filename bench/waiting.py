"""Stores of contacts that wait in a journey: most for long, some until one and the same second."""

import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from actors.clock import WallClock
from actors.folder import read_folder
from actors.frame import AdvanceRecord
from actors.shards.shard import Shard
from actors.store.history import read_history
from actors.store.key import store_key
from actors.store.log import open_log
from actors.store.manifest import open_store, shard_folder
from actors.store.port import Row
from actors.store.snapshots import open_snapshots
from bench.footprint import DAY_MS, ordinary_contact
from bench.stored import (
    FIRST,
    RECENT_EVENTS,
    SHARDS,
    contact_like,
    names_by_partition,
    write_events,
    write_snapshots,
)
from engine.contacts.contact import Contact, encode_contact
from engine.decision import SENT, Decision
from engine.input import Advance, Event, Publish
from engine.limits import FAR_MS
from engine.partition import Partition

JOURNEY: Final = """journey: review
entry: {event: delivered}
nodes:
  - {id: patience, wait: 14d}
  - {id: mail, send: email, template: review, purpose: transactional}
"""
TEMPLATE: Final = "---\nsubject: How is it?\n---\nHello {{ contact.first_name }}, how is it?\n"
SPAN_MS: Final = 1_000
"""Within so long all of those due come due, evenly."""

FAR_DAYS: Final = 14
ID_CHARS: Final = 22


class Fired(Struct, frozen=True):
    """One timer that sent a message: when it was due, and when it was applied."""

    due_at_ms: int
    applied_at_ms: int


def write_journeys(folder: Path) -> Path:
    """Write the journey that all of them wait in; return its folder."""
    (folder / "templates").mkdir(parents=True)
    (folder / "review.yaml").write_text(JOURNEY)
    (folder / "templates" / "review.en.liquid").write_text(TEMPLATE)
    return folder


def build_waiting(data: Path, journeys: Path, contacts: int, due: int, due_at_ms: int) -> None:
    """Make a store with a snapshot of so many contacts that wait, a slot each in a process.

    `due` of them come due within a second from `due_at_ms` on, the others days later.
    """
    open_store(data, SHARDS, "wall")
    told = [str(data), str(journeys), str(contacts), str(due), str(due_at_ms)]
    makers = [
        subprocess.Popen([sys.executable, "-m", "bench.waiting", str(slot), *told])
        for slot in range(SHARDS)
    ]
    for maker in makers:
        if maker.wait():
            raise RuntimeError(f"making a store of {contacts:,} contacts failed")


def build_slot(
    slot: int, data: Path, journeys: Path, contacts: int, due: int, due_at_ms: int
) -> None:
    """Make one slot: its snapshots, then one event of log."""
    key, folder = store_key(data), shard_folder(data, slot)
    log = open_log(folder, key)
    source = read_folder(journeys).source
    template = waiting_contact(source)
    shard = Shard(slot, SHARDS, WallClock())

    def row_of(name: str) -> Row:
        number = int(name.rpartition("-")[2])
        if number < due:
            at_ms = due_at_ms + number * SPAN_MS // due
        else:
            at_ms = due_at_ms + DAY_MS + number * FAR_DAYS * DAY_MS // contacts
        contact = contact_like(template, name)
        visit = replace(contact.visits[0], id=_visit_id(name), due_at_ms=at_ms)
        visit.waits_since_ms = at_ms - FAR_DAYS * DAY_MS
        contact.visits = [visit]
        contact.next_due_at_ms = contact.armed_at_ms = at_ms
        return Row(name, 0, at_ms, pending=False, state=encode_contact(contact))

    names = names_by_partition(shard, contacts)
    write_snapshots(shard, open_snapshots(folder / "snapshots", key), source, names, row_of)
    # A log without any would be lost; one of the last names is not due soon.
    write_events(shard, log, [max(name for each in names.values() for name in each)], 1)
    log.close()


def waiting_contact(source: bytes) -> Contact:
    """Return an ordinary contact that waits in the journey; its sessions have ended."""
    decisions: list[Decision] = []
    ordinary = ordinary_contact(RECENT_EVENTS, source)
    partition = Partition(0, decisions)
    partition.fold(Publish(source), 0)
    partition.load(b"", [(ordinary.key, FAR_MS, encode_contact(ordinary))])
    now_ms = max(at_ms for at_ms in ordinary.event_ids.values()) + DAY_MS
    partition.fold(Event("d-1", ordinary.key, "delivered", now_ms, {"order_id": "A-1"}), now_ms)
    partition.fold(Advance(now_ms + DAY_MS), now_ms + DAY_MS)
    contact = partition.contact(ordinary.key)
    assert contact is not None
    assert contact.session is None
    assert len(contact.visits) == 1
    return contact


def fired_timers(data: Path) -> Iterator[Fired]:
    """Read from the logs which timers have sent a message; those of events are not among them."""
    key = store_key(data)
    for slot in range(SHARDS):
        for frame in read_history(shard_folder(data, slot), key, FIRST):
            applied = [each for each in frame.records if isinstance(each, AdvanceRecord)]
            for outcome in frame.outcomes:
                if outcome.outcome == SENT:
                    assert len(applied) == 1, "one Advance a frame"
                    yield Fired(outcome.at_ms, applied[0].now_ms)


def _visit_id(name: str) -> str:
    return blake2b(name.encode()).hexdigest()[:ID_CHARS]


if __name__ == "__main__":
    slot, data, journeys, *counts = sys.argv[1:]
    build_slot(int(slot), Path(data), Path(journeys), *map(int, counts))
