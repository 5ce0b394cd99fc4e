"""Joined: the histories of several slots between which partitions moved, as each partition's own.

To know where a partition was, all slots' histories are read once, and then what is asked for.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from actors.errors import LogCorruptError
from actors.frame import Frame, OpenedRecord
from actors.kept.stays import Span, Stays
from actors.relocation.chronicle import Chronicle
from actors.store.archive import pruned
from actors.store.history import read_history


def stays_in(slots: Mapping[int, Chronicle]) -> Stays:
    """Read all slots, and return where partitions were; more may be noted before it is sorted."""
    stays = Stays()
    for slot, chronicle in slots.items():
        for frame in chronicle.frames():
            stays.note(slot, frame)
    return stays


def moved_here(folder: Path, key: bytes | None) -> Frame | None:
    """Return the frame with which a log in files begins where partitions came to it by a move.

    None where it began otherwise, or that is not kept any more. Raises LogCorruptError, OSError.
    """
    begin = next(read_history(folder, key), None)
    if begin is None or not all(isinstance(each, OpenedRecord) for each in begin.records):
        return None
    return begin


class Joined:
    """Slots' histories, as far as they were read when it was noted where partitions were."""

    def __init__(self, slots: Mapping[int, Chronicle], stays: Stays) -> None:
        """`stays` may have noted others than `slots`: what is there is not read here."""
        self.stays = stays
        self._slots = slots

    @property
    def records(self) -> int:
        """How many records all slots have."""
        stays = self.stays
        there = [slot for slot in self._slots if slot in stays.firsts]
        return sum(stays.ends[slot] - stays.firsts[slot] for slot in there)

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """Yield all frames with their slots: those of each partition in the order it had them.

        Raises LogCorruptError, PrunedError.
        """
        stays = self.stays
        starts: dict[tuple[int, int], tuple[int, int]] = {}
        """Where a stay begins: what must have been read before."""
        awaited: set[tuple[int, int]] = set()
        wanted: set[tuple[int, int]] = set()
        """Publications that are to come first, if that can be: clocks of machines may differ."""
        for number, found in enumerate(stays.found):
            if (brought := stays.brought(number)) and brought[0] != found[0].slot:
                starts[found[0].slot, found[0].position] = brought
                wanted.add(brought)
            for before, after in pairwise(found):
                end = before.slot, before.last_position
                starts[after.slot, after.position] = end
                awaited.add(end)
        awaited |= wanted
        waiting = {slot: self.slot_frames(slot) for slot in self._slots}
        held: dict[int, Frame] = {}
        while waiting:
            went_on = False
            for slot in list(waiting):
                frame = held.pop(slot, None) or next(waiting[slot], None)
                while frame is not None:
                    places = _places(slot, frame) if starts else []
                    if any(starts.get(place) in awaited for place in places):
                        held[slot] = frame
                        break
                    awaited.difference_update(places)
                    went_on = True
                    yield slot, frame
                    frame = next(waiting[slot], None)
                else:
                    del waiting[slot]
                    went_on = True
            if not went_on and awaited & wanted:
                awaited -= wanted
            elif not went_on:
                text = f"the logs of slots {sorted(waiting)} say that each comes before the others"
                raise LogCorruptError(f"{text}; see what `anlass verify` says")

    def parts(self, spans: list[Span]) -> Iterator[Frame]:
        """Yield the frames that lie in these parts of slots' logs, and no record around them."""
        for span in spans:
            if span.slot not in self._slots or span.next == span.first:
                continue
            for frame in self.slot_frames(span.slot, span.first):
                if frame.position >= self._end_of(span):
                    break
                yield _cut(frame, span)

    def slot_frames(self, slot: int, first: int = 0) -> Iterator[Frame]:
        """Yield a slot's frames from a position on, as far as is known where its partitions were.

        Raises PrunedError where they were there when that was read, and are not any more.
        """
        chronicle, begun = self._slots[slot], False
        first, end = max(first, self.stays.firsts.get(slot, 0)), self.stays.ends.get(slot, 0)
        if first >= end:
            return
        for frame in chronicle.frames(first):
            if not begun and frame.position > first:
                break
            begun = True
            if frame.position >= end:
                return
            yield frame
        if not begun:
            raise pruned(chronicle.folder)

    def _end_of(self, span: Span) -> int:
        return self.stays.ends.get(span.slot, 0) if span.next is None else span.next


def _places(slot: int, frame: Frame) -> list[tuple[int, int]]:
    return [(slot, frame.position + at) for at in range(len(frame.records))]


def _cut(frame: Frame, span: Span) -> Frame:
    """Return the part of a frame that lies in a span.

    A partition's own records are in whole frames of it; but where one comes with a publication, the
    slot records that in the same frame before, and where one has left, another may follow.
    """
    first = max(span.first - frame.position, 0)
    last = len(frame.records)
    if span.next is not None:
        last = min(span.next - frame.position, last)
    if first == 0 and last == len(frame.records):
        return frame
    records, verdicts = frame.records[first:last], frame.verdicts[first:last]
    position = frame.position + first
    return Frame(position, frame.fold_version, records, verdicts, frame.outcomes, frame.faults)
