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


class Ring:
    """The last entries in order, of KEPT_S at least, unless they are more than KEPT_BYTES_MAX."""

    def __init__(self, position: int, mark: bytes) -> None:
        """Begin behind the entry with this mark."""
        self.size_bytes = 0
        self._position = position
        """Where what is kept begins."""
        self._mark = mark
        """Of the entry before that."""
        self._kept: deque[Written] = deque()

    @property
    def end(self) -> tuple[int, bytes]:
        """Where the last entry ends, and its mark."""
        last = self._kept[-1] if self._kept else None
        return (self._position, self._mark) if last is None else (last.next, last.entry.mark)

    def add(self, entry: Entry, following: int, now_s: float) -> None:
        """Keep an entry that was acknowledged, and let the oldest go."""
        self._kept.append(Written(entry, following, now_s))
        self.size_bytes += len(entry.value)
        while self._kept and (
            self._kept[0].at_s < now_s - KEPT_S or self.size_bytes > KEPT_BYTES_MAX
        ):
            oldest = self._kept.popleft()
            self.size_bytes -= len(oldest.entry.value)
            self._position, self._mark = oldest.next, oldest.entry.mark

    def since(self, position: int, mark: bytes) -> list[Written] | None:
        """Return the entries behind the one with this mark, which ends at `position`.

        None where that one is none of ours, or is older than what is kept.
        """
        kept = list(self._kept)
        if (position, mark) == (self._position, self._mark):
            return kept
        for index, each in enumerate(kept):
            if (each.next, each.entry.mark) == (position, mark):
                return kept[index + 1 :]
        return None
