"""What a log's owner wrote last, kept in memory: the server may come back without it."""

from collections import deque
from typing import Final

from msgspec import Struct

from actors.store.redis_stream import Entry

KEPT_S: Final = 10.0
"""Replicas are behind by less than that, or there is none to fail over to."""
KEPT_BYTES_MAX: Final = 64 << 20


class Written(Struct, frozen=True, gc=False):
    """An entry, and where it ends."""

    entry: Entry
    next: int
    at_s: float
    """When it was acknowledged, by a clock that only goes forward."""
    marks: tuple[bytes, ...]
    """Its mark, and those it had before it was written again: a server may go back to these."""


class Ring:
    """The last entries in order, of KEPT_S at least, unless they are more than KEPT_BYTES_MAX."""

    def __init__(self, position: int, mark: bytes) -> None:
        """Begin behind the entry with this mark."""
        self.size_bytes = 0
        self._position = position
        """Where what is kept begins."""
        self._marks: tuple[bytes, ...] = (mark,)
        """Of the entry before that."""
        self._kept: deque[Written] = deque()

    def ends_at(self, position: int, mark: bytes) -> bool:
        """Say whether the last entry ends there, and has this mark."""
        return self.since(position, mark) == []

    def add(self, entry: Entry, following: int, now_s: float) -> None:
        """Keep an entry that was acknowledged, and let the oldest go."""
        self._kept.append(Written(entry, following, now_s, (entry.mark,)))
        self.size_bytes += len(entry.value)
        while self._kept and (
            self._kept[0].at_s < now_s - KEPT_S or self.size_bytes > KEPT_BYTES_MAX
        ):
            oldest = self._kept.popleft()
            self.size_bytes -= len(oldest.entry.value)
            self._position, self._marks = oldest.next, oldest.marks

    def replace(self, new: dict[bytes, Entry]) -> None:
        """Keep other entries in place of those with these marks: a contact was erased."""
        for mark, entry in new.items():
            if mark in self._marks:
                self._marks = (*self._marks, entry.mark)
        for index, each in enumerate(self._kept):
            entry = new.get(each.entry.mark, each.entry)
            if entry is not each.entry:
                self.size_bytes += len(entry.value) - len(each.entry.value)
                marks = (*each.marks, entry.mark)
                self._kept[index] = Written(entry, each.next, each.at_s, marks)

    def since(self, position: int, mark: bytes) -> list[Written] | None:
        """Return the entries behind the one with this mark, which ends at `position`.

        None where that one is none of ours, or is older than what is kept.
        """
        if self._kept and (position, mark) == (self._kept[-1].next, self._kept[-1].marks[-1]):
            return []
        kept = list(self._kept)
        if position == self._position and mark in self._marks:
            return kept
        for index, each in enumerate(kept):
            if each.next == position and mark in each.marks:
                return kept[index + 1 :]
        return None
