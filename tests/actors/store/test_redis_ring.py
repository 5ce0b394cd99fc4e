"""What a log's owner keeps of what it wrote: by time, by bytes, by marks that tell histories."""

import pytest

from actors.store import redis_ring
from actors.store.redis_ring import KEPT_S, Ring
from actors.store.redis_stream import PREFIX_BYTES, Entry


def entry(number: int, text: bytes = b"") -> Entry:
    return Entry(number, b"%040d" % number + text)


def mark(number: int) -> bytes:
    return entry(number).mark


def ring_of(count: int, step_s: float = 0.0) -> Ring:
    """Return a ring of entries of one record each, begun behind another one at position 0."""
    ring = Ring(1, mark(0))
    for number in range(1, count + 1):
        ring.add(entry(number), number + 1, number * step_s)
    return ring


def since(ring: Ring, position: int, its_mark: bytes) -> list[int] | None:
    found = ring.since(position, its_mark)
    return None if found is None else [each.entry.first for each in found]


def test_marks_are_what_no_two_entries_share() -> None:
    assert len(mark(1)) == PREFIX_BYTES
    assert mark(1) != mark(2)


def test_what_is_behind_any_entry_is_found_by_where_it_ends_and_its_mark() -> None:
    ring = ring_of(5)
    for number in range(6):
        assert since(ring, number + 1, mark(number)) == list(range(number + 1, 6))
        assert ring.ends_at(number + 1, mark(number)) == (number == 5)


@pytest.mark.parametrize("number", range(6))
def test_an_entry_of_another_history_is_none_of_ours(number: int) -> None:
    ring = ring_of(5)
    assert since(ring, number + 1, b"another history wrote up to here") is None
    assert not ring.ends_at(number + 1, b"another history wrote up to here")
    assert since(ring, number + 2, mark(number)) is None


def test_what_is_older_than_failovers_need_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = ring_of(30, step_s=1.0)
    oldest = 30 - int(KEPT_S)
    assert since(ring, oldest, mark(oldest - 1)) == list(range(oldest, 31))
    assert since(ring, oldest - 1, mark(oldest - 2)) is None
    assert ring.size_bytes == 40 * (int(KEPT_S) + 1)


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_ring, "KEPT_BYTES_MAX", 3 * 40)
    ring = ring_of(10)
    assert ring.size_bytes == 120
    assert since(ring, 8, mark(7)) == [8, 9, 10]
    assert since(ring, 7, mark(6)) is None


def test_an_entry_that_was_written_again_is_known_by_both_marks() -> None:
    ring = ring_of(3)
    new = {mark(number): Entry(number, b"%040d" % (number + 100) + b"!") for number in (0, 2)}
    ring.replace(new)
    for each in (mark(2), new[mark(2)].mark):
        assert since(ring, 3, each) == [3]
    for each in (mark(0), new[mark(0)].mark):
        found = ring.since(1, each)
        assert found is not None
        assert [one.entry for one in found] == [entry(1), new[mark(2)], entry(3)]
    assert ring.size_bytes == 121
    ring.add(entry(4), 5, 100.0)
    assert since(ring, 4, mark(3)) == [4]
    assert ring.size_bytes == 40
