"""Other slots: what erasing a contact takes where its partition was before, or went on to.

Each slot's owner takes the contact out of its own log and archive, whether its partition is there
or was. Whoever has the partition now sees to its snapshots, and closes the erasure when all have
done their share. A slot that nobody is to hold any more is taken, for as long as that lasts, by the
owner of the lowest slot that somebody holds: by one alone, as whoever takes it fences the last.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import structlog

from actors.redis_slot import RedisStore, archive_place, open_redis_slot
from actors.settings import RedisSettings
from actors.slot_files import Here, Rewritten
from actors.store.archive import archive_files
from actors.store.erased import Erasure
from actors.store.newfile import Pause
from actors.store.port import FencedError
from actors.store.redis_erasures import OpenErasure, OpenErasures
from actors.store.redis_server import RedisServer
from actors.store.slots import slots_of

log = structlog.get_logger()


class Holders(NamedTuple):
    """Which slots are to be held by somebody, as the Controller has it."""

    slots: frozenset[int]
    """Also those whose holder was lost: they get another."""
    lowest: int
    """Of those that somebody holds; -1 where nobody holds any."""
    ever: int
    """How many slots there ever were."""


class StoreAt(NamedTuple):
    """Where the whole store is."""

    redis: RedisSettings
    archive: str
    key: bytes | None


class OtherSlots:
    """For the owner of one slot. All of it blocks; from one thread at a time but for `post`."""

    def __init__(self, slot: RedisStore, place: StoreAt, holders: Callable[[], Holders]) -> None:
        """`holders` reads the store, anew each time."""
        self.slot = slot.log.owner.slot
        self._owner = slot.log.owner
        self._files = slot.files
        self._place = place
        self._holders = holders
        self._server = RedisServer(place.redis)
        self._open = OpenErasures(self._server)
        self._rid: set[Erasure] = set()
        """Those of which the snapshots of partitions here have nothing."""

    def post(self, erasure: Erasure) -> None:
        """Let all slots know of an erasure of this one. Raises as OpenErasures."""
        if erasure.pseq:  # A note of before says nothing that another slot could go by.
            self._open.post(self._owner, erasure)

    def note_own(self, erasures: list[Erasure], done: Rewritten) -> None:
        """Note that this slot has carried out what it erased."""
        self._open.note(self._owner, self.slot, erasures, done.files, done.records)

    def look(self) -> list[OpenErasure]:
        """Return the erasures that are not carried out everywhere."""
        return self._open.read()

    def carry_out(self, found: list[OpenErasure], here: Here, pause: Pause) -> list[OpenErasure]:
        """Do this slot's share, and what of the rest is its business; to do it again does no harm.

        Return all as they were then, before those that are done everywhere were closed.

        An erasure that is noted here and not crossed out is its Eraser's business first. Raises
        LogCorruptError, OSError, StoreStalledError, FencedError, OperatorError.
        """
        noted = self._files.notes.erased
        found = [each for each in found if each.erasure.digest not in noted]
        mine = _lacking(found, self.slot)
        if mine:
            self.note_own(mine, self._files.erase_earlier(mine, pause))
        holders = self._holders()
        if self.slot == holders.lowest:
            self._carry_out_abandoned(found, holders, pause)
        ours = [each for each in found if here(each.erasure.partition)]
        new = [each.erasure for each in ours if each.erasure not in self._rid]
        if new:
            self._files.erase_snapshots(new, pause, here)
        self._rid = {each.erasure for each in ours}
        found = self._open.read()
        if self._rid:
            needed = {*self._slots(holders), *holders.slots}
            for each in found:
                if each.erasure in self._rid and needed <= each.done.keys():
                    self._open.close(self._owner, each)
        return found

    def close(self) -> None:
        """Close the connection of its own."""
        self._server.close()

    def _carry_out_abandoned(
        self, found: list[OpenErasure], holders: Holders, pause: Pause
    ) -> None:
        """Do the share of slots that nobody is to hold; one that somebody takes now does its own.

        Its epoch is read before it is read who is to hold it: who takes it after that goes before.
        """
        slots = self._slots(holders)
        epochs = self._server.run_all(
            [("HGET", self._server.key("slot", slot), "epoch") for slot in slots]
        )
        held = self._holders().slots
        for slot, epoch in zip(slots, epochs, strict=True):
            lacking = [] if slot in held else _lacking(found, slot)
            if not lacking:
                continue
            if self._has_nothing(slot):
                self._open.note(self._owner, slot, lacking, 0, 0)
                continue
            try:
                self._carry_out_in(slot, int(epoch or 0), lacking, pause)
            except FencedError as error:
                log.info("a slot has an owner again, who erases there", slot=slot, why=str(error))

    def _carry_out_in(self, slot: int, epoch: int, erasures: list[Erasure], pause: Pause) -> None:
        redis, archive, key = self._place
        taken = open_redis_slot(redis, slot, key, 0, _no_time, archive=archive, expected=epoch)
        with closing(taken):
            done = taken.files.erase_earlier(erasures, pause)
            last = {each.digest: each.pseq for each in erasures}
            notes = taken.files.notes
            notes.cross_out([each for each in notes.open if each.pseq <= last.get(each.digest, -1)])
            self._open.note(taken.log.owner, slot, erasures, done.files, done.records)

    def _has_nothing(self, slot: int) -> bool:
        disk, folder = archive_place(self._place.archive, slot)
        stream = self._server.run("EXISTS", self._server.key("log", slot))
        files = self._server.run("EXISTS", self._server.key("files", slot))
        return not (stream or files or archive_files(folder, disk))

    def _slots(self, holders: Holders) -> list[int]:
        disk, folder = archive_place(self._place.archive, 0)
        root: Path = folder.parent.parent
        return slots_of(self._server, disk, root, holders.ever)


def _lacking(found: list[OpenErasure], slot: int) -> list[Erasure]:
    return [each.erasure for each in found if slot not in each.done]


def _no_time() -> int:
    """Return no time: nothing is released, and so nothing goes by its age."""
    return 0
