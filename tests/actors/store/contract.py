"""What every Log must do, whatever store it is in: an adapter's tests give it a place to be."""

import itertools
from pathlib import Path
from typing import Protocol

import pytest

from actors.errors import LogCorruptError, OperatorError
from actors.frame import AdvanceRecord, Frame, Record, encode_frame
from actors.store.port import Log


class LogPlace(Protocol):
    """Where the log of one shard is, and what can happen to it there."""

    def open(self) -> Log:
        """Open it as its new owner. Raises OperatorError where the one before must end first."""
        ...

    def crash(self, log: Log) -> None:
        """Let an owner end as kill -9 ends it."""
        ...

    def tear(self) -> None:
        """Take a part of the last append away, as a crash amid it leaves it."""
        ...

    def corrupt(self, position: int) -> str:
        """Change what was appended at this position; return how an error must name the place."""
        ...

    def lose(self, position: int) -> str:
        """Take away what was appended from this position on, up to the next opening."""
        ...


def frame_at(position: int, records: int = 1) -> Frame:
    """Return a frame with so many records, the first at `position`."""
    each: list[Record] = [AdvanceRecord(position + at, 3, 7) for at in range(records)]
    return Frame(position, 1, each, bytes(records), [], [])


def append(log: Log, *sizes: int, position: int = 0) -> int:
    """Append a frame of each of these numbers of records, one by one; return where they end."""
    for size in sizes:
        log.append(position, [encode_frame(frame_at(position, size))])
        position += size
    return position


def positions(log: Log, position: int = 0) -> list[int]:
    """Return where each frame begins."""
    return [frame.position for frame in log.frames(position)]


class LogContract:
    """Tests of the port; a subclass gives them the fixture `place`."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> LogPlace:
        """Return an empty place for a log."""
        raise NotImplementedError

    def test_a_new_log_is_empty(self, place: LogPlace) -> None:
        log = place.open()
        assert list(log.frames()) == []
        assert (log.commits, log.size_bytes) == (0, 0)
        log.close()

    def test_frames_come_back_as_they_were_after_closing_and_after_a_crash(
        self, place: LogPlace
    ) -> None:
        expected: list[Frame] = []
        end = 0
        for life in range(4):
            log = place.open()
            assert list(log.frames()) == expected
            for size in (1, 3, 200):
                frames = [frame_at(end, size), frame_at(end + size, 2)]
                log.append(end, [encode_frame(frame) for frame in frames])
                expected += frames
                end += size + 2
            assert log.commits == 3
            if life % 2:
                log.close()
            else:
                place.crash(log)
        log = place.open()
        assert list(log.frames()) == expected
        log.close()

    def test_its_size_is_that_of_what_it_holds_also_when_opened_again(
        self, place: LogPlace
    ) -> None:
        log = place.open()
        sizes = [log.size_bytes]
        end = 0
        for _ in range(3):
            end = append(log, 50, position=end)
            sizes.append(log.size_bytes)
        assert sizes == sorted(set(sizes))
        log.close()
        log = place.open()
        assert log.size_bytes == sizes[-1]
        log.close()

    def test_it_is_read_from_the_frame_that_holds_a_position(self, place: LogPlace) -> None:
        starts = [0]
        for _ in range(3):
            log = place.open()
            for size in (4, 1, 3):
                starts.append(append(log, size, position=starts[-1]))
            log.close()
        end = starts.pop()
        log = place.open()
        for position in range(end):
            expected = max(start for start in starts if start <= position)
            assert positions(log, position) == starts[starts.index(expected) :]
        assert positions(log, end) == []
        log.close()

    def test_a_position_it_does_not_reach_is_an_error(self, place: LogPlace) -> None:
        log = place.open()
        with pytest.raises(LogCorruptError, match="position 1 is needed"):
            list(log.frames(1))
        append(log, 3)
        assert positions(log, 3) == []
        with pytest.raises(LogCorruptError, match="ends at position 3, but position 4 is needed"):
            list(log.frames(4))
        log.close()

    def test_a_torn_tail_is_cut_and_the_log_goes_on(self, place: LogPlace) -> None:
        log = place.open()
        append(log, 2, 2, 2)
        place.crash(log)
        place.tear()
        log = place.open()
        assert positions(log) == [0, 2]
        append(log, 5, position=4)
        place.crash(log)
        log = place.open()
        assert list(log.frames()) == [frame_at(0, 2), frame_at(2, 2), frame_at(4, 5)]
        log.close()

    @pytest.mark.parametrize("position", [0, 4, 6])
    def test_damage_in_the_middle_is_named_and_nothing_behind_it_is_read(
        self, place: LogPlace, position: int
    ) -> None:
        for start in (0, 6):
            log = place.open()
            append(log, 2, 2, 2, position=start)
            log.close()
        named = place.corrupt(position)
        read: list[int] = []
        with pytest.raises(LogCorruptError, match=named):
            self._read(place, read)
        assert [start for start in read if start >= position] == []

    def test_frames_that_are_missing_are_named(self, place: LogPlace) -> None:
        end = 0
        for _ in range(3):
            log = place.open()
            end = append(log, 2, 2, position=end)
            log.close()
        named = place.lose(4)
        read: list[int] = []
        with pytest.raises(LogCorruptError, match=named):
            self._read(place, read)
        assert read == [0, 2]

    def _read(self, place: LogPlace, read: list[int]) -> None:
        log = place.open()
        try:
            for frame in log.frames():
                read.append(frame.position)  # noqa: PERF401 - what came before an error counts
        finally:
            log.close()

    def test_the_epoch_is_raised_with_each_opening(self, place: LogPlace) -> None:
        epochs = []
        for life in range(6):
            log = place.open()
            epochs.append(log.epoch)
            if life in {1, 2}:
                append(log, 1, position=life - 1)
            if life % 2:
                log.close()
            else:
                place.crash(log)
        assert epochs[0] >= 1
        assert all(before < after for before, after in itertools.pairwise(epochs))

    def test_of_two_owners_only_the_newer_can_append(self, place: LogPlace) -> None:
        """Where the older is alive, the newer is not let in, or else the older is fenced."""
        older = place.open()
        append(older, 1)
        try:
            newer = place.open()
        except OperatorError:
            append(older, 1, position=1)
            older.close()
            newer = place.open()
            assert positions(newer) == [0, 1]
        else:
            with pytest.raises(Exception, match="epoch"):
                append(older, 1, position=1)
            assert positions(newer) == [0]
        newer.close()

    def test_after_a_release_all_from_its_position_on_is_still_read(self, place: LogPlace) -> None:
        end = 0
        for _ in range(4):
            log = place.open()
            end = append(log, 2, 2, position=end)
            log.close()
        log = place.open()
        log.release(9)
        assert positions(log, 9) == [8, 10, 12, 14]
        end = append(log, 2, position=end)
        log.release(end)
        assert positions(log, end) == []
        log.close()
        log = place.open()
        assert positions(log, end) == []
        append(log, 1, position=end)
        assert positions(log, end) == [end]
        log.close()
