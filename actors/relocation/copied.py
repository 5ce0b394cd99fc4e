"""Frames on their way from one history to another: as they are, but for contacts to be erased."""

from collections.abc import Iterator
from pathlib import Path

from actors.erasure import Erased, ErasedElsewhere, erase_earlier_from_frame, erase_from_frame
from actors.frame import encode_frame
from actors.relocation.chronicle import Encoded
from actors.store.body import read_frame
from actors.store.redis_stream import end_of


class Copied:
    """Frames that are read once; counts their records. Made by `copied`."""

    def __init__(
        self, frames: Encoded, erased: Erased, elsewhere: ErasedElsewhere | None = None
    ) -> None:
        self.records = 0
        self._elsewhere = elsewhere or {}
        self._frames = frames
        self._erased = erased

    def __iter__(self) -> Iterator[tuple[Path, list[bytes]]]:
        begin: int | None = None
        for place, frames in self._frames:
            if not frames:
                continue
            if begin is None:
                begin = read_frame(place, frames[0]).position
            yield place, [self._without(place, each) for each in frames]
            self.records = end_of(frames) - begin

    def _without(self, place: Path, encoded: bytes) -> bytes:
        if not self._erased and not self._elsewhere:
            return encoded
        frame = read_frame(place, encoded)
        after = erase_from_frame(frame, self._erased)
        after = erase_earlier_from_frame(after, self._elsewhere)
        return encoded if after is frame else encode_frame(after)


def copied(frames: Encoded, erased: Erased) -> Copied:
    """Return frames without what was erased: see actors.erasure.Erased."""
    return Copied(frames, erased)
