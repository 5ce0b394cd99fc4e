"""Waiting: events in order, beside each who waits for it, and what all of them weigh."""

from hypothesis import given
from hypothesis import strategies as some

from actors.links.link import LinkEvent
from ingest.exchange import Exchange
from ingest.limits import FRAME_BYTES_MAX, PAYLOAD_BYTES_MAX
from ingest.waiting import Waiting

SIZES = some.one_of(some.integers(0, 500), some.just(PAYLOAD_BYTES_MAX))
REQUESTS = some.lists(some.lists(SIZES, min_size=1, max_size=60), max_size=12)


def no_answer(exchange: Exchange, status: int, body: bytes, headers: str) -> None:
    raise AssertionError


@given(REQUESTS)
def test_a_request_put_at_once_leaves_in_the_same_frames_as_its_events_one_by_one(
    requests: list[list[int]],
) -> None:
    single, whole = Waiting(), Waiting()
    for number, sizes in enumerate(requests):
        exchange = Exchange(b"", no_answer)
        events = [
            LinkEvent(0, "c", f"{number}.{i}", "x", None, bytes(size))
            for i, size in enumerate(sizes)
        ]
        for event in events:
            single.put(exchange, event)
        whole.put_all(exchange, events)
        assert whole.bytes == single.bytes
    seq = 0
    while single.events:
        seq += 1
        one, other = single.cut(seq), whole.cut(seq)
        assert (other.events, other.bytes) == (one.events, one.bytes)
        assert all(a is b for a, b in zip(other.exchanges, one.exchanges, strict=True))
        assert one.bytes <= FRAME_BYTES_MAX
    assert not whole.events
    assert whole.bytes == single.bytes == 0
