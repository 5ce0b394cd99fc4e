"""What a shard sees of events' names and fields: outside the fold, and never in its way."""

import asyncio
from collections import Counter
from typing import Final

import structlog

from actors.errors import OperatorError
from actors.frame import EraseRecord, EventRecord, Frame
from actors.links.link import AskSightings, Seen
from actors.slot_files import SlotFiles
from actors.store.port import StoreFullError
from actors.store.sighted import encode_sightings
from engine.input import Verdict, decode_payload
from engine.seen.lookout import Lookout

RECORDS_WAITING_MAX: Final = 64
"""Small frames wait for the next tick, or for so many records together, which costs less. More
would be out of the processor's cache by then."""

RECORDS_PER_TURN_MAX: Final = 200
"""So many are counted between two turns, which are 10 ms apart: all up to 20,000 a second. That is
0.2 µs each, and half a percent of a core at most; `uncounted` says how many it left out."""

LOOKS_PER_TURN_MAX: Final = 4
LOOK_BYTES: Final = 8_192
"""Payloads that are looked into between two turns, one less for so many bytes: 0.1 ms in a tick of
10 ms, also where names are made up anew for each event."""

log = structlog.get_logger()


class ShardSightings:
    """Takes frames when they are cut, and writes what it has seen now and then, in a thread.

    What goes wrong here is said, and ends nothing: no decision rests on it.
    """

    def __init__(self, files: SlotFiles | None, interval_s: float) -> None:
        """Without `files` nothing outlives the process; it is written each `interval_s`."""
        self._files = files
        self._interval_s = interval_s
        self._lookout = Lookout()
        self._error = ""
        """Why nothing more is seen."""
        self._waiting: list[Frame] = []
        self._records = 0
        """In the frames that wait."""
        self._records_left = RECORDS_PER_TURN_MAX
        self._looks_left = LOOKS_PER_TURN_MAX
        self._changed = False
        self._saving: asyncio.Future[bool] | None = None
        self._saved_at_s = asyncio.get_running_loop().time()

    def load(self) -> None:
        """Go on from the file; where erasures are not finished, without its samples.

        A file that cannot be read is named, and it begins anew.
        """
        if self._files is None:
            return
        try:
            seen = self._files.sightings.read()
        except (OperatorError, OSError) as error:
            log.warning("sightings of events begin anew", error=str(error))
            return
        if seen is not None:
            self._lookout.load(seen)
        for each in self._files.notes.open:
            self._lookout.forget(each.digest)

    def take(self, frame: Frame) -> None:
        """Let a frame's events be counted soon, and some be looked into."""
        size = len(frame.records)
        if self._records_left <= 0 and not self._erasing:
            self._lookout.seen.uncounted += size
            return
        self._records_left -= size
        self._waiting.append(frame)
        self._records += size
        if self._records >= RECORDS_WAITING_MAX:
            self._take_in()

    def turn(self, now_s: float) -> None:
        """Do what waits, and write it if it is time: to be called between two slices, often."""
        if self._waiting:
            self._take_in()
        self._records_left = RECORDS_PER_TURN_MAX
        self._looks_left = LOOKS_PER_TURN_MAX
        if now_s - self._saved_at_s >= self._interval_s and self._saving is None:
            self._saved_at_s = now_s
            self._begin_save()

    async def save(self) -> None:
        """Write what has changed, now."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
        self._begin_save()
        if self._saving is not None:
            await asyncio.wait([self._saving])

    def forget(self, digest: str) -> None:
        """Take back what rests on a contact that another slot erased, which had it since."""
        self._take_in()
        self._lookout.forget(digest)
        self._changed = True

    def answer(self, request: AskSightings) -> Seen:
        """Say what was seen."""
        self._take_in()
        return Seen(request.seq, self._lookout.seen, self._error)

    @property
    def _erasing(self) -> bool:
        """Whether a frame may hold the record of an erasure: those are noted before."""
        return self._files is not None and bool(self._files.notes.open)

    def _take_in(self) -> None:
        """Take in the frames that wait. A fault ends the looking, and not the shard."""
        frames, self._waiting, self._records = self._waiting, [], 0
        if self._error:
            return
        try:
            self._count(frames)
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}"
            log.exception("events are not looked into any more, until the next start")

    def _count(self, frames: list[Frame]) -> None:
        """Count events, look into some, and take back what rests on contacts that were erased."""
        names = [
            record.event.name
            for frame in frames
            for record in frame.records
            if record.__class__ is EventRecord
        ]
        if names:
            self._changed = True
            wanted = self._lookout.count(Counter(names), frames[-1].records[-1].now_ms)
            if wanted and self._looks_left > 0:
                self._look(frames, wanted)
        if len(names) == sum(len(frame.records) for frame in frames):
            return
        for frame in frames:
            for record in frame.records:
                if isinstance(record, EraseRecord):
                    self._changed = True
                    self._lookout.forget(record.digest)

    def _look(self, frames: list[Frame], wanted: set[str]) -> None:
        for frame in frames:
            for record, verdict in zip(frame.records, frame.verdicts, strict=True):
                if verdict != Verdict.APPLIED or not isinstance(record, EventRecord):
                    continue
                event = record.event
                if event.name not in wanted:
                    continue
                self._looks_left -= 1 + len(event.payload) // LOOK_BYTES
                try:
                    payload = decode_payload(event.payload)
                except (ValueError, RecursionError):
                    continue
                if not self._lookout.look(event.name, event.contact, payload):
                    wanted.discard(event.name)
                if self._looks_left <= 0 or not wanted:
                    return

    def _begin_save(self) -> None:
        self._take_in()
        if self._files is None or not self._changed:
            return
        self._changed = False
        file = self._files.sightings
        data = encode_sightings(self._lookout.seen)
        loop = asyncio.get_running_loop()
        self._saving = loop.run_in_executor(None, file.write, data, file.edition)
        self._saving.add_done_callback(self._saved)

    def _saved(self, saving: asyncio.Future[bool]) -> None:
        self._saving = None
        if saving.cancelled():
            return
        error = saving.exception()
        self._changed = self._changed or error is not None or not saving.result()
        if isinstance(error, OSError | StoreFullError):
            log.warning("sightings of events cannot be written; tried again", error=str(error))
        elif error is not None:
            log.error("sightings of events cannot be written; tried again", error=repr(error))
