"""Past: a store with a past of any kind, made by the real shard and log as a clock is moved."""

import tempfile
from pathlib import Path
from typing import Any

import msgspec

from actors.clock import Clock, WallClock
from actors.frame import Frame, encode_frame
from actors.links.link import LinkEvent
from actors.publications import PublicationNote, digest_of_source, journey_notes, numbers_of
from actors.shards.outbox import Outbox
from actors.shards.recovery import Recovery
from actors.shards.shard import Shard
from actors.store.archive import ARCHIVE_FOLDER, archive_segment, prune_archive
from actors.store.disk import REAL_DISK
from actors.store.log import FileLog, Sizes, open_log
from actors.store.manifest import open_store, shard_folder
from actors.store.published import PublishedFiles
from actors.store.segment import segments_of
from actors.store.snapshots import open_snapshots
from console.replay.against.comparison import (
    WITHIN_MS,
    Question,
    Report,
    Variant,
    compared,
    survey,
    tasks_of,
)
from console.replay.against.course import Course
from console.replay.against.pairing import Difference
from console.replay.against.spool import REAL
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.decision import Outcome
from engine.fold.succession import State, with_state
from engine.fold.succession import source_of as encoded
from engine.input import Receipt
from engine.language.journey import Publication
from engine.limits import PARTITIONS
from tests.engine.situation import MINUTE_MS, NOON_MS
from tests.publications import source_of

SIZES = Sizes(segment=8 << 10, first=2 << 10, spare=0)


class Past:
    """A shard, its courier and its log on the disk; it can crash, and come back."""

    def __init__(self, data: Path, *journeys: dict[str, Any], now_ms: int = NOON_MS) -> None:
        open_store(data, 1, "wall", encrypted=False)
        self.data = data
        self.folder = shard_folder(data, 0)
        self.begun_ms = self.now_ms = now_ms
        self.by = self.note = ""
        """Who publishes, and why; without a name it is not noted."""
        self.outcomes: dict[str, Outcome] = {}
        """What the log says, by key."""
        self.handed: list[Outcome] = []
        self._clock: Clock = WallClock()
        self._count = 0
        self._log = self._open()
        if journeys:
            self.publish(*journeys)

    def publish(self, *journeys: dict[str, Any], **settings: Any) -> None:
        before, source = self.shard.published, source_of(*journeys, **settings)
        self.put_in_force(source)
        if self.by:
            self._keep_note(before, source)

    def _keep_note(self, before: bytes, source: bytes) -> None:
        kept = PublishedFiles(self.data, None)
        notes = kept.notes()
        was, now = (
            msgspec.json.decode(each or b'{"journeys": {}}', type=Publication)
            for each in (before, source)
        )
        journeys = journey_notes(was, now, numbers_of(notes))
        note = PublicationNote(
            number=len(notes) + 1,
            at_ms=self.now_ms,
            by=self.by,
            what="run" if self.by == "run" else "publish",
            note=self.note,
            digest=digest_of_source(source),
            journeys=journeys,
        )
        kept.add(note, source)

    def put_in_force(self, source: bytes) -> None:
        if source != self.shard.published:
            self.shard.publish(source, self.now_ms)
        self.commit()

    def change(self, after: Publication) -> None:
        """Publish as the Publisher does: when all have taken over the publication before."""
        while self.shard.advance(None, self.now_ms):
            self.commit()
        self.put_in_force(encoded(after))

    def set_state(self, journey: str, state: State) -> None:
        """Pause a journey, resume it, or end it."""
        before = msgspec.json.decode(self.shard.published, type=Publication)
        self.change(with_state(before, journey, state))

    def event(
        self, contact: str, name: str = "hi", payload: Any = None, *, id: str = "", late_ms: int = 0
    ) -> str:
        """A contact does something, or did it earlier; return the event's id."""
        self._count += 1
        id = id or f"e-{self._count}"
        data = msgspec.json.encode(payload or {})
        at_ms = self.now_ms - late_ms
        event = LinkEvent(partition_of(contact), contact, id, name, at_ms, data)
        self.shard.apply_event(event, self.now_ms)
        return id

    def pass_ms(self, span_ms: int) -> None:
        """Let time pass, and the timers that are due by then apply."""
        self.commit()
        self.now_ms += span_ms
        while self.shard.advance(None, self.now_ms):
            self.commit()

    def hand_over(self, limit: int = 100) -> None:
        self.commit()
        taken = self._outbox.take("email", limit)
        for outcome in taken:
            self.shard.hand_over(partition_of(outcome.contact), outcome, self.now_ms)
        packed = {delivery.key for delivery in self.shard.deliveries}
        self.handed += [outcome for outcome in taken if outcome.key in packed]
        self.commit()

    def settle(self, kind: str = "", *, delivered: bool = True, index: int = -1) -> None:
        """Let a channel say something of a message that it has been given."""
        if not self.handed:
            return
        index %= len(self.handed)
        outcome = self.handed[index] if kind else self.handed.pop(index)
        receipt = Receipt(outcome.contact, outcome.key, delivered, "" if delivered else "no", kind)
        self.shard.settle(partition_of(outcome.contact), receipt, self.now_ms)
        if not kind:
            self._outbox.settle(None, outcome.key)
        self.commit()

    def deliver(self) -> None:
        """Let all that was decided be handed over and delivered."""
        self.hand_over()
        while self.handed:
            self.settle()

    def erase(self, contact: str) -> None:
        """Forget a contact, as the log says it; nothing is rewritten."""
        self.commit()
        number, digest = partition_of(contact), digest_of(contact)
        self.shard.erase(number, digest, 0, self.now_ms)
        self._outbox.forget(lambda key: digest_of(key) == digest)
        self.commit()

    def commit(self) -> None:
        frame = self.shard.cut()
        self.shard.deliveries.clear()
        if frame is not None:
            self.append(frame)

    def append(self, frame: Frame) -> None:
        self._log.append(frame.position, [encode_frame(frame)])
        for outcome in frame.outcomes:
            self._outbox.put(outcome)
            self.outcomes[outcome.key] = outcome

    def crash(self) -> None:
        """Lose what is not durable, and come back from what is."""
        self._log.close()
        self._log = self._open()
        self.handed.clear()

    def snapshot(self) -> None:
        self.commit()
        for number in self.shard.partitions:
            self.snapshots.write(*self.shard.snapshot(number))

    def close(self) -> None:
        self.commit()
        self._log.close()

    def prune(self, before_ms: int) -> None:
        """Put all segments but the last into the archive, and lose what is older there."""
        archive = self.folder / ARCHIVE_FOLDER
        REAL_DISK.make_folder(archive)
        for segment in segments_of(self.folder)[:-1]:
            archive_segment(segment, archive, None)
        prune_archive(archive, before_ms, 0)

    def against(self, *sources: bytes, **asked: Any) -> tuple[Report, list[Difference]]:
        """Compare what is durable with drafts, named by number."""
        self.commit()
        variants = [Variant(str(number), source) for number, source in enumerate(sources)]
        asked = {"within_ms": WITHIN_MS, "processes": 1} | asked
        question = Question(data=self.data, variants=variants, **asked)
        with compared(question, survey(self.data, None), lambda _: None) as comparison:
            return comparison.report, list(comparison.differences())

    def drafted(self, source: bytes, **asked: Any) -> dict[str, Outcome]:
        """Return what folding with a draft comes to, by key, not compared with anything."""
        with tempfile.TemporaryDirectory() as folder:
            question = Question(data=self.data, variants=[Variant("", source)], **asked)
            (task,) = tasks_of(question, survey(self.data, None), Path(folder))
            spool = Course(task).fold(lambda _: None)
            told = [each for number in range(PARTITIONS) for each in spool.take(number)]
        return {each.outcome.key: each.outcome for each in told if each.side != REAL}

    def _open(self) -> FileLog:
        log = open_log(self.folder, None, sizes=SIZES)
        self.snapshots = open_snapshots(self.folder / "snapshots", None)
        self.shard = Shard(0, 1, self._clock)
        self._outbox = Outbox()
        Recovery(self.shard, self._outbox).run(log, self.snapshots)
        return log


def minutes(count: float) -> int:
    return round(count * MINUTE_MS)
