"""A log compared with drafts: how many of its events one core folds, and several."""

import time
from pathlib import Path
from typing import Final

import msgspec

from actors.clock import EventClock
from actors.folder import Folder, read_folder
from actors.frame import encode_frame
from actors.links.link import LinkEvent
from actors.map import shard_of
from actors.shards.outbox import Outbox
from actors.shards.shard import Shard
from actors.store.key import store_key
from actors.store.log import open_log
from actors.store.manifest import open_store, shard_folder
from bench.board import Board
from console.replay.against.comparison import Question, Report, compared, survey
from console.replay.against.sweep import variants_of
from console.system.simulator import simulate
from engine.contacts.identity import partition_of
from engine.input import Receipt
from engine.limits import FAR_MS

EXAMPLES: Final = Path(__file__).parent.parent / "examples" / "journeys"
EVENTS: Final = 300_000
SHARDS: Final = 2
SLICE: Final = 64
WANTED_PER_S: Final = 1_000_000 / 60


class LoggedShard:
    """A shard, its log, and a channel that delivers at once."""

    def __init__(self, data: Path, slot: int, source: bytes, key: bytes | None) -> None:
        self.shard = Shard(slot, SHARDS, EventClock())
        self._log = open_log(shard_folder(data, slot), key)
        self._outbox = Outbox()
        self._count = 0
        self.shard.publish(source, 0)

    def apply(self, event: LinkEvent) -> None:
        """Fold an event; every so many, time goes on and a frame is written."""
        self.shard.apply_event(event, 0)
        self._count += 1
        if self._count % SLICE == 0:
            while self.shard.advance(None, 0):
                pass
            self.commit()

    def commit(self) -> None:
        """Write a frame, and one more with what channels say of its messages."""
        for _ in range(2):
            frame = self.shard.cut()
            if frame is None:
                return
            self._log.append(frame.position, [encode_frame(frame)])
            for outcome in frame.outcomes:
                self._outbox.put(outcome)
            for sent in self._outbox.take("email", len(frame.outcomes)):
                number = partition_of(sent.contact)
                self.shard.hand_over(number, sent, 0)
                self.shard.settle(number, Receipt(sent.contact, sent.key, delivered=True), 0)
                self._outbox.settle(None, sent.key)
            self.shard.deliveries.clear()

    def close(self) -> None:
        """Let time run out, and close the log."""
        while self.shard.advance(FAR_MS - 1, 0):
            self.commit()
        self.commit()
        self._log.close()


def make_log(data: Path, events: int, source: bytes) -> None:
    """Write the log of a shop's two days, as the real shard and log write it."""
    open_store(data, SHARDS, "events", encrypted=True)
    key = store_key(data)
    shards = [LoggedShard(data, slot, source, key) for slot in range(SHARDS)]
    for event in simulate(7, events):
        number = partition_of(event.contact)
        payload = msgspec.json.encode(event.payload)
        link = LinkEvent(number, event.contact, event.id, event.name, event.at_ms, payload)
        shards[shard_of(number, SHARDS)].apply(link)
    for shard in shards:
        shard.close()


def compare_log(data: Path, draft: Folder, vary: list[str], processes: int) -> tuple[Report, float]:
    """Compare; return the report, and how many events each process folded per second of CPU."""
    question = Question(data=data, variants=variants_of(draft, vary), processes=processes)
    began_s = time.process_time()
    with compared(question, survey(data, None), lambda _: None) as comparison:
        report = comparison.report
    return report, report.events / max(time.process_time() - began_s, 1e-9)


def bench_against(board: Board, folder: Path) -> None:
    """Measure a log against drafts: of one, of four, and on two cores."""
    draft = read_folder(EXAMPLES)
    make_log(folder / "data", EVENTS, draft.source)
    wait = "favourites.yaml:nodes[patience].wait="
    for name, vary, processes in (
        ("one draft, one core", f"{wait}3h", 1),
        ("four drafts, one core", f"{wait}1h,2h,3h,4h", 1),
        ("one draft, two cores", f"{wait}3h", 2),
    ):
        report, cpu_per_s = compare_log(folder / "data", draft, [vary], processes)
        figure = f"{report.events_per_s:,} events/s, {report.events_per_s * 60:,} a minute"
        if processes == 1:
            drafts = len(report.variants)
            figure += f" ({cpu_per_s:,.0f}/s of CPU; times drafts {cpu_per_s * drafts:,.0f})"
        wanted = f"≥ {WANTED_PER_S:,.0f} events/s a draft" if processes == 1 else ""
        board.add(f"log against {name}", figure, wanted)
    report, _ = compare_log(folder / "data", draft, [], 1)
    differences = report.variants[0].differences
    board.add("  differences of an unchanged draft", f"{differences:,}", "0")
